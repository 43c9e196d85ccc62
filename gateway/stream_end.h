/*
 * stream_end: what follows a stream's end (contract 4): stream.end, and the end
 * of a connection all of whose streams have ended. Part of stream.
 * Process: gateway.
 *
 * Where stream.end follows is known by the ring (ring_frame.ends), by an item
 * from the journal, and by the items of a snapshot. Whether all streams of a
 * connection have ended, wherever their events are by now, the broker is
 * asked.
 */
#ifndef SLUICE_STREAM_END_H
#define SLUICE_STREAM_END_H

#include "gateway/connection.h"

#define STREAM_END_ASK_MS   2000
#define STREAM_END_PASSED_MAX 256u   /* ends put off, of one client */

/* The client was given the last event of a stream: stream.end. Of one of
 * several that it names it waits for the snapshot where that is still to come
 * (BLIND). With that of its last stream the connection ends when all is
 * written. */
void	stream_ended(struct conn *c, struct slice key, uint8_t state,
	    struct position last);
/* The same of one whose log_grace is over, for a client that wants it wherever
 * it stands. */
void	stream_end_by_grace(struct conn *c, struct slice key, uint8_t state,
	    struct position last);
/* Asks the broker for the ends that are owed; with none, whether all its
 * streams have ended where the client stands, unless it names a prefix, or one
 * that never ends. Instead of what was asked before. Without an answer, or room
 * for the question, again at the time of the client's next heartbeat, and not
 * before it. */
void	stream_end_ask(struct conn *c);
/* The client goes on somewhere else, and what it passed is not known: it is
 * asked for, of each of its streams, when the client has all. */
void	stream_end_unknown(struct conn *c);
/* The same of those named by the bits of `which` alone, by the subscription's
 * order of selectors: each that has ended where the client stands is told,
 * once; what goes on, has a prefix or never ends is not. */
void	stream_end_owe(struct conn *c, uint64_t which);
/* Called by replay for each item: tells the end of its stream, or remembers it
 * while its log may be open (of STREAM_END_PASSED_MAX; the oldest go). */
void	stream_end_replayed(struct conn *c, const struct item *item);
/* Tells what was put off until the client has all; true: there is something
 * to be written. */
bool	stream_end_settle(struct conn *c);
/* A snapshot tells all of it, or the client goes. */
void	stream_end_forget(struct conn *c);
/* All was written: the last chunk. */
void	stream_end_finish(struct conn *c);
/* One of them has ended but its log is still open. */
bool	stream_end_log_open(const struct gateway *g, struct slice tenant,
	    const struct slice *selectors, size_t n);

#endif
