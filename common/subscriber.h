/*
 * subscriber: how a process reads everything the broker sequences, in order
 * and without a hole (store, gateways). libevent's loop only.
 *
 * It binds a SUB socket under a path of its own incarnation (bus.h says why),
 * receives records and heartbeats, and repairs
 * every hole, also a tail only a heartbeat shows, by reading the journal file
 * up to the announced tip, in slices, so that the loop goes on answering.
 * The owner sees one sequence, whatever its source.
 */
#ifndef SLUICE_SUBSCRIBER_H
#define SLUICE_SUBSCRIBER_H

#include "common/event.h"
#include "common/record.h"

struct event_base;
struct subscriber;

struct subscriber_ops {
	/* One record whose first position follows what was given before (or a
	 * later one after `gap`; a start inside a record gives it whole).
	 * `bytes` are valid during the call only. */
	void	(*record)(const void *bytes, size_t n, void *arg);
	/* What lies between was lost for good: the epoch changed, or the
	 * journal no longer has it. `next` is where records go on. Not called
	 * for a start at {0,0}: the first record says where history begins. */
	void	(*gap)(struct position from, struct position next, void *arg);
	/* Every heartbeat, after everything up to its tip was given.
	 * The first one = caught up = the process is READY. */
	void	(*caught_up)(const struct heartbeat *hb, void *arg);
	/* Memory segments that begin above what follows this tip were let go
	 * of (journal_reader_retract); whoever else was told of them does the
	 * same. NULL: nobody was. */
	void	(*retract)(uint64_t tip, void *arg);
};

/* Binds <bus_directory>/<name with / as ->.<incarnation>.sub; `start` is the
 * position already known ({0,0}: begin with the oldest kept; UINT64_MAX number:
 * begin at the tip of the first heartbeat). NULL with *err. */
struct subscriber *subscriber_new(struct event_base *base,
    const char *bus_directory, const char *journal_directory,
    const char *name, uint64_t incarnation, struct position start,
    const struct subscriber_ops *ops, void *arg, struct err *err) MUST_CHECK;
void	subscriber_free(struct subscriber *s);

/* After what came was read, nothing more is for so long, and then all that came
 * meanwhile at once: for who may be so much behind and need not wake up for
 * each event. What comes after a quiet spell is read at once; a heartbeat is no
 * quiet, so that one event in some waits all the same. Of a burst the bus keeps
 * what fits its buffer (NN_RCVBUF), and the rest is read from the file. 0:
 * never. */
void	subscriber_pause(struct subscriber *s, int64_t ms);
/* Reads all that has come until now, from the file what the bus lost of it, for
 * so long at most: for an owner who ends, and leaves nothing in a pause. */
void	subscriber_drain(struct subscriber *s, int64_t ms);
/* The path it bound: goes to the supervisor in MSG_BUS_PATH, which tells the
 * broker (PEER_UP). */
const char	*subscriber_path(const struct subscriber *s);
/* From the latest heartbeat; all zero before the first. */
struct heartbeat subscriber_heartbeat(const struct subscriber *s);
/* The latest trouble with reading the journal file, NULL when the last read
 * went well, or what it kept us from was given up (ops->gap). It is tried
 * again with every heartbeat. */
const char	*subscriber_trouble(const struct subscriber *s);
/* ms since the last bus message: the broker is away when it grows. */
int64_t		 subscriber_silence_ms(const struct subscriber *s);
/* Adopts a memory segment of the journal (MSG_SEGMENT: I/O error on disk);
 * takes the fd. */
void		 subscriber_add_segment(struct subscriber *s, uint64_t first,
		    int fd);

#endif
