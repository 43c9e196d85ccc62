/*
 * stream_write: what a stream's socket is given next: the set of a snapshot,
 * frames straight from the ring, or the same without ids while BLIND. Part of
 * stream.
 */
#include <stdint.h>
#include <sys/uio.h>

#include "common/log.h"
#include "gateway/cloud_event.h"
#include "gateway/connection.h"
#include "gateway/flight.h"
#include "gateway/replay.h"
#include "gateway/sse_frame.h"
#include "gateway/stream_end.h"
#include "gateway/stream_private.h"

#define BLIND_TURN   64    /* events, of one look at the list */
#define SPECIAL_COST 512   /* bytes of a turn that one costs that is looked at
			    * and, as a rule, not written */

enum sent { SENT_GONE = -1, SENT_FULL = 0, SENT_ALL = 1, SENT_MORE = 2 };

static enum sent
send_snapshot(struct conn *c)
{
	struct stream *s = &c->stream;
	struct iovec iov = {
		.iov_base = s->snapshot->frames.data + s->snapshot_off,
		.iov_len = s->snapshot->frames.len - s->snapshot_off,
	};
	size_t taken;
	int rc = conn_writev(c, &iov, 1, iov.iov_len, &taken);

	if (rc == -1)
		return SENT_GONE;
	s->snapshot_off += taken;
	if (s->snapshot_off < s->snapshot->frames.len)
		return SENT_FULL;
	/* What was put off is told behind it, and then asked whether all is. */
	s->over |= s->snapshot->over && s->passed == NULL;
	snapshot_unref(s->snapshot);
	s->snapshot = NULL;
	return SENT_MORE;
}

/* `taken` bytes of these frames are with the kernel: moves the cursor; of a
 * frame taken in part the rest is kept in `out`. */
static void
frames_taken(struct conn *c, const struct flight *f, size_t taken)
{
	struct stream *s = &c->stream;
	size_t i = f->n;

	if (taken == 0)
		return;
	if (taken < f->bytes) {
		for (i = 0; taken >= f->iov[i].iov_len; i++)
			taken -= f->iov[i].iov_len;
		if (taken > 0) {
			buf_add(&c->out, (const uint8_t *)f->iov[i].iov_base +
			    taken, f->iov[i].iov_len - taken);
			i++;
		}
	}
	if (i > 0)
		s->cursor.number = f->positions[i - 1];
	s->events += i;
	c->gateway->metrics.events_delivered += i;
	s->event_ms = c->progress_ms;
}

/* A live reader left the ring. */
static void
overflow(struct conn *c)
{
	switch (c->stream.on_overflow) {
	case CONF_OVERFLOW_JOURNAL:
		c->stream.phase = STREAM_REPLAY;
		break;
	case CONF_OVERFLOW_CLOSE:
		stream_close(c, SSE_SLOW_CONSUMER);
		break;
	case CONF_OVERFLOW_GAP:
		stream_lost(c, SSE_SLOW_CONSUMER);
		break;
	}
}

/* A flight's special frame. */
static void
send_special(struct conn *c, uint64_t position, size_t *budget)
{
	struct stream *s = &c->stream;
	struct ring_frame f;

	*budget -= MIN(*budget, SPECIAL_COST);
	s->cursor.number = position;
	if (!ring_get(c->gateway->ring, position, &f))
		return;
	if (hub_wants(s->sub, f.tenant, f.key, f.event_type)) {
		stream_add_event(c, f.chunk, f.n);
		*budget -= MIN(*budget, f.n);
		s->blind_sent = true;
		s->events++;
		s->event_ms = gateway_now_ms();
		c->gateway->metrics.events_delivered++;
	}
	if (f.ends)
		stream_ended(c, f.key, f.state, f.position);
}

/* There is more, in this turn or in the next. */
static enum sent
more_if(struct conn *c, size_t budget)
{
	if (budget > 0)
		return SENT_MORE;
	replay_add(c->gateway->replay, c);
	return SENT_ALL;
}

static enum sent
send_live(struct conn *c, size_t *budget)
{
	struct stream *s = &c->stream;
	struct gateway *g = c->gateway;
	const struct flight *f = flights_get(g->flights, g->hub, g->ring,
	    s->sub, s->cursor.number);
	size_t taken;
	int rc;

	if (s->cursor.number < s->sub->lost_through) {
		overflow(c);
		return c->state == CONN_STREAM ? SENT_MORE : SENT_GONE;
	}
	if (f->special) {
		send_special(c, f->positions[0], budget);
		return more_if(c, *budget);
	}
	if (f->n == 0)
		return SENT_ALL;
	rc = conn_writev(c, f->iov, f->n, f->bytes, &taken);
	if (rc == -1)
		return SENT_GONE;
	frames_taken(c, f, taken);
	if (rc == 0)
		return SENT_FULL;
	*budget -= MIN(*budget, taken);
	return f->more ? more_if(c, *budget) : SENT_ALL;
}

void
stream_add_event(struct conn *c, const void *chunk, size_t n)
{
	const struct stream *s = &c->stream;
	struct buf event = BUF_EMPTY;
	struct sse_parts parts = { .id = SLICE_NONE };
	bool good = sse_event_parts(chunk, n, &parts);
	struct slice id = parts.id;

	if (good && s->cloud) {
		good = cloud_event(&event, parts.data);
		parts.data = (struct slice){ (const char *)event.data,
		    event.len };
	}
	if (s->phase == STREAM_BLIND)
		parts.id = SLICE_NONE;
	/* Its frame was made of an item that was checked by who published it:
	 * only a stranger on the bus can have left a member out of the rule. */
	if (!good || sse_event_of(&c->out, &parts) == -1)
		log_warn("event %.*s cannot be told to a client in the form "
		    "it wants: it is left out", (int)id.n, id.p);
	buf_free(&event);
}

/* Events that do not go out as they stand in the ring, made in slices: without
 * their ids while BLIND, or in another form. */
static enum sent
send_made(struct conn *c, size_t *budget)
{
	struct stream *s = &c->stream;
	struct gateway *g = c->gateway;
	uint64_t positions[BLIND_TURN];
	struct ring_frame f;
	size_t i, n;

	n = hub_list(g->hub, s->sub, s->cursor.number, positions, BLIND_TURN);
	if (s->cursor.number < s->sub->lost_through) {
		/* BLIND: nobody could resume where it stands. */
		if (s->phase == STREAM_BLIND)
			stream_lost(c, SSE_SLOW_CONSUMER);
		else
			overflow(c);
		return c->state == CONN_STREAM ? SENT_MORE : SENT_GONE;
	}
	for (i = 0; i < n && c->out.len < STREAM_FILL; i++) {
		s->cursor.number = positions[i];
		if (!ring_get(g->ring, positions[i], &f))
			continue;
		if (flight_is_special(s->sub, &f)) {
			send_special(c, positions[i], budget);
			break;
		}
		stream_add_event(c, f.chunk, f.n);
		s->blind_sent = true;
		s->events++;
		g->metrics.events_delivered++;
		s->event_ms = gateway_now_ms();
	}
	*budget -= MIN(*budget, c->out.len);
	return n > 0 ? more_if(c, *budget) : SENT_ALL;
}

/* All is with the kernel up to the cursor, and the ring has what follows. */
static void
move_anchor(struct conn *c)
{
	if (stream_from_ring(&c->stream) && c->out.len == c->out_off)
		conn_row_anchor(c->row, c->stream.cursor, c->bytes);
}

int
stream_flush_own(struct conn *c)
{
	if (!stream_from_ring(&c->stream))
		conn_row_adrift(c->row);
	return conn_flush_out(c);
}

int
stream_flush(struct conn *c)
{
	struct stream *s = &c->stream;
	size_t budget = STREAM_TURN;
	enum sent sent;
	int rc;

	for (;;) {
		/* What is sent may end the stream (a gap, a time-out). */
		if (c->state != CONN_STREAM)
			return -1;
		rc = stream_flush_own(c);
		if (rc == -1)
			return rc;
		if (rc == 0)
			sent = SENT_FULL;
		else if (s->snapshot != NULL)
			sent = send_snapshot(c);
		else if (s->over) {
			stream_end_finish(c);
			return -1;
		} else if (s->phase == STREAM_BLIND ||
		    (s->phase == STREAM_LIVE && s->cloud))
			sent = send_made(c, &budget);
		else if (s->phase == STREAM_LIVE)
			sent = send_live(c, &budget);
		else
			sent = SENT_ALL;
		if (sent == SENT_MORE ||
		    (sent == SENT_ALL && stream_end_settle(c)))
			continue;
		if (sent == SENT_GONE)
			return -1;
		if (s->phase == STREAM_REPLAY && sent == SENT_ALL)
			replay_add(c->gateway->replay, c);
		/* Who was blocked was due when that would be too long. */
		conn_due(c, c->want_write ? c->blocked_ms + s->stall_ms :
		    c->progress_ms + s->heartbeat_ms);
		move_anchor(c);
		return sent == SENT_ALL ? 1 : 0;
	}
}

void
stream_flush_in_turn(struct conn *c)
{
	struct stream *s = &c->stream;

	if (s->snapshot == NULL && (s->phase != STREAM_LIVE ||
	    hub_next(c->gateway->hub, s->sub, s->cursor.number) == 0)) {
		(void)stream_flush(c);
		return;
	}
	/* The head and what the gateway itself says wait for nobody. */
	if (stream_flush_own(c) != -1)
		replay_add(c->gateway->replay, c);
}
