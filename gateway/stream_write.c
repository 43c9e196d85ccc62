/*
 * stream_write: what a stream's socket is given next: the set of a snapshot,
 * frames straight from the ring, or the same without ids while BLIND. Part of
 * stream.
 */
#include <stdint.h>
#include <sys/uio.h>

#include "gateway/connection.h"
#include "gateway/replay.h"
#include "gateway/sse_frame.h"

#define STREAM_IOV 64

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
	int rc = conn_writev(c, &iov, 1, &taken);

	if (rc == -1)
		return SENT_GONE;
	s->snapshot_off += taken;
	if (s->snapshot_off < s->snapshot->frames.len)
		return SENT_FULL;
	snapshot_unref(s->snapshot);
	s->snapshot = NULL;
	return SENT_MORE;
}

/* `taken` bytes of these frames are with the kernel: moves the cursor; of a
 * frame taken in part the rest is kept in `out`. */
static void
frames_taken(struct conn *c, const uint64_t *positions,
    const struct iovec *iov, size_t n, size_t taken)
{
	struct stream *s = &c->stream;
	size_t i;

	for (i = 0; i < n && taken > 0; i++) {
		s->cursor.number = positions[i];
		s->events++;
		c->gateway->metrics.events_delivered++;
		if (taken < iov[i].iov_len) {
			buf_add(&c->out, (const uint8_t *)iov[i].iov_base +
			    taken, iov[i].iov_len - taken);
			break;
		}
		taken -= iov[i].iov_len;
	}
	if (i > 0 || taken > 0)
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

static enum sent
send_live(struct conn *c, size_t *budget)
{
	struct stream *s = &c->stream;
	struct gateway *g = c->gateway;
	uint64_t positions[STREAM_IOV];
	struct iovec iov[STREAM_IOV];
	struct ring_frame f;
	size_t i, n, taken, k = 0, want = 0;
	int rc;

	n = hub_list(g->hub, s->sub, s->cursor.number, positions, STREAM_IOV);
	if (s->cursor.number < s->sub->lost_through) {
		overflow(c);
		return c->state == CONN_STREAM ? SENT_MORE : SENT_GONE;
	}
	for (i = 0; i < n && want < *budget; i++) {
		if (!ring_get(g->ring, positions[i], &f))
			continue;
		positions[k] = positions[i];
		/* writev only reads. */
		iov[k].iov_base = (void *)(uintptr_t)f.chunk;
		iov[k++].iov_len = f.n;
		want += f.n;
	}
	if (k == 0)
		return SENT_ALL;
	rc = conn_writev(c, iov, (int)k, &taken);
	if (rc == -1)
		return SENT_GONE;
	frames_taken(c, positions, iov, k, taken);
	if (rc == 0)
		return SENT_FULL;
	*budget -= MIN(*budget, taken);
	if (*budget > 0)
		return i == STREAM_IOV ? SENT_MORE : SENT_ALL;
	/* Others first; this one goes on in the next turn. */
	hub_mark_dirty(g->hub, s->sub);
	gateway_flush_soon(g);
	return SENT_ALL;
}

/* BLIND: the same events without their ids, made in slices. */
static enum sent
send_blind(struct conn *c)
{
	struct stream *s = &c->stream;
	struct gateway *g = c->gateway;
	uint64_t positions[STREAM_IOV];
	struct ring_frame f;
	size_t i, n;

	n = hub_list(g->hub, s->sub, s->cursor.number, positions, STREAM_IOV);
	if (s->cursor.number < s->sub->lost_through) {
		stream_lost(c, SSE_SLOW_CONSUMER);
		return SENT_MORE;
	}
	for (i = 0; i < n && c->out.len < STREAM_FILL; i++) {
		s->cursor.number = positions[i];
		if (!ring_get(g->ring, positions[i], &f) ||
		    sse_event_without_id(&c->out, f.chunk, f.n) == -1)
			continue;
		s->blind_sent = true;
		s->events++;
		g->metrics.events_delivered++;
		s->event_ms = gateway_now_ms();
	}
	return n > 0 ? SENT_MORE : SENT_ALL;
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
		rc = conn_flush_out(c);
		if (rc == -1)
			return rc;
		if (rc == 0)
			sent = SENT_FULL;
		else if (s->snapshot != NULL)
			sent = send_snapshot(c);
		else if (s->phase == STREAM_LIVE)
			sent = send_live(c, &budget);
		else if (s->phase == STREAM_BLIND)
			sent = send_blind(c);
		else
			sent = SENT_ALL;
		if (sent == SENT_MORE)
			continue;
		if (sent == SENT_GONE)
			return -1;
		if (s->phase == STREAM_REPLAY && sent == SENT_ALL)
			replay_add(c->gateway->replay, c);
		if (sent == SENT_FULL)
			conn_due(c, c->blocked_ms + s->stall_ms);
		return sent == SENT_ALL ? 1 : 0;
	}
}
