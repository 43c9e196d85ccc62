/*
 * stream_end: what follows a stream's end (contract 4): stream.end, the end of
 * a connection all of whose streams have ended, and log_grace. Part of stream.
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
#define STREAM_END_LOOK_MS  250   /* how often log_grace is looked at */
#define STREAM_END_LOOK_MAX 64    /* streams that end in one turn by it */
#define STREAM_END_PASSED_MAX 256u   /* ends put off, of one client */

/* Called by the gateway for each event that may end its stream. */
void	stream_end_note(struct gateway *g, const struct item *item);
/* Called every STREAM_END_LOOK_MS: tells the clients of streams whose
 * log_grace is over. False: there may be more, for the next turn. */
bool	stream_end_look(struct gateway *g);

/* The client was given the last event of a stream: stream.end. With that of
 * its last stream the connection ends when all is written. */
void	stream_ended(struct conn *c, struct slice key, uint8_t state,
	    struct position last);
/* Asks the broker whether all its streams have ended where the client stands,
 * unless it names a prefix, or one that never ends. Without an answer, or room
 * for the question, again when the client is next written to, by its heartbeat
 * at the latest. */
void	stream_end_ask(struct conn *c);
/* The client goes on somewhere else, and what it passed is not known: it is
 * asked for, of each of its streams, when the client has all. */
void	stream_end_unknown(struct conn *c);
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
