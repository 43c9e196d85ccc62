/*
 * load_readers: many clients of streams on one epoll, in one thread, told what
 * to do on standard input and answering each command by a line of JSON on
 * standard output. Process: sse_load read.
 *
 * Once all are open: {"open":N,"ms":T}. Commands:
 *   mark        latencies and "fresh" are counted from here, and the numbers of
 *               the publisher begin anew                        {"marked":1}
 *   report      what was read so far (see report())
 *   await N     when every client that reads has N events in all {"await":N,..}
 *   snapshots N when every one has N frames of a snapshot    {"snapshots":N,..}
 *   drop        closes the clients that read                    {"dropped":N}
 *   resume N    opens them again, each with its last id; when every one has N
 *               events in all                                 {"resume":N,..}
 *   quit
 * "ms" in an answer counts from the command. One wish (await, snapshots,
 * resume) is under way at a time.
 */
#ifndef LOAD_READERS_H
#define LOAD_READERS_H

#include <stddef.h>
#include <stdint.h>

struct load_readers_options {
	uint16_t	 port;          /* of 127.0.0.1 */
	uint32_t	 connections;
	uint32_t	 stalled;       /* of them, the last: never read */
	uint32_t	 streams;
	uint32_t	 first;         /* client i reads first + i % streams */
	const char	*target;        /* "{}" stands for the stream */
	const char	*last_id;       /* sent by all at first; or NULL */
	const char	*shared;        /* path of load_mark's page; or NULL */
	uint32_t	 addresses;     /* source addresses from 127.0.0.2 on */
	uint32_t	 pending;       /* at most so many wait for a head */
	int		 receive;       /* SO_RCVBUF, 0: the system's */
};

/* Runs until it is told to quit, or standard input ends; the exit status. */
int	load_readers_run(const struct load_readers_options *options);

#endif
