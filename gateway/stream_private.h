/*
 * stream_private: what the files of stream share and nobody else uses.
 */
#ifndef SLUICE_STREAM_PRIVATE_H
#define SLUICE_STREAM_PRIVATE_H

#include "gateway/connection.h"
#include "gateway/sse_frame.h"
#include "gateway/stream_wish.h"

/* What follows is in the ring, as it stands there. */
bool	stream_from_ring(const struct stream *s);
void	stream_control(struct conn *c, const struct sse_control *control,
	    struct slice keys);
/* Writes the head, retry: and stream.open, once. */
void	stream_open(struct conn *c);
/* Writes only what is in `out`: a few bytes. As conn_flush_out. */
int	stream_flush_own(struct conn *c);
void	stream_judge(struct conn *c);
/* Opens the stream as soon as it may, or answers why not. `key` is the one
 * stream of a single-stream path, or SLICE_NONE. */
void	stream_lookup(struct conn *c, const struct stream_wish *w,
	    struct slice key);
/* Opens it, or turns it away: 200, so that an EventSource comes back. */
void	stream_arrive(struct conn *c, const struct stream_wish *w);
void	stream_turn_away(struct conn *c, const struct stream_wish *w,
	    enum sse_reason reason);
/* The connection goes, or its order is another one: no answer is awaited. */
void	stream_lookback_cancel(struct conn *c);
void	stream_begin_snapshot(struct conn *c);
/* Asks for it (again): SNAPSHOT, BLIND. */
void	stream_ask_snapshot(struct conn *c);
/* The store did not answer in time: live, without ids, until it does. */
void	stream_go_blind(struct conn *c);
/* Up to where this subscription is complete, none while it is not. */
struct position stream_bookmark(struct conn *c);
/* Writes one into `out`. */
void	stream_heartbeat(struct conn *c, struct position id);
int64_t	stream_retry_ms(int64_t retry_ms);

#endif
