/*
 * stream_time: what time does to a stream: its heartbeats, the ends that come
 * by time alone, and when it is to be looked at again. Part of stream.
 */
#include "gateway/connection.h"
#include "gateway/replay.h"
#include "gateway/stream_private.h"
#include "gateway/test_hooks.h"
#include "gateway/wheel.h"

/* Who is behind is not idle: events for it may follow its cursor, and ended it
 * would come back with the same one, to be as far behind. A set that nobody
 * takes is no event. */
static bool
may_be_idle(const struct stream *s)
{
	return s->idle_ms > 0 && !s->replaying &&
	    (s->phase == STREAM_LIVE || s->phase == STREAM_BLIND);
}

static bool
ended_by_time(struct conn *c, int64_t now)
{
	struct stream *s = &c->stream;

	if (c->want_write && now - c->blocked_ms >= s->stall_ms) {
		conn_close(c, CLOSE_STALLED);
		return true;
	}
	if (may_be_idle(s) && now - s->event_ms >= s->idle_ms) {
		stream_close(c, SSE_IDLE_TIMEOUT);
		return true;
	}
	if (s->age_ms > 0 && now - s->opened_ms >= s->age_ms) {
		stream_close(c, SSE_MAX_DURATION);
		return true;
	}
	if (s->expires_ms > 0 && now >= s->expires_ms) {
		stream_close(c, SSE_TOKEN_EXPIRED);
		return true;
	}
	return false;
}

static void
due_again(struct conn *c, int64_t now)
{
	struct stream *s = &c->stream;
	int64_t at = c->progress_ms + s->heartbeat_ms;

	/* Who waits for its turn with a set is told nothing before it. */
	if (at <= now)
		at = now + s->heartbeat_ms;
	if (c->want_write)
		at = c->blocked_ms + s->stall_ms;
	if (s->idle_ms > 0)
		at = MIN(at, (may_be_idle(s) ? s->event_ms : now) +
		    s->idle_ms);
	if (s->age_ms > 0)
		at = MIN(at, s->opened_ms + s->age_ms);
	if (s->expires_ms > 0)
		at = MIN(at, s->expires_ms);
	conn_due(c, at);
}

void
stream_tick(struct conn *c, int64_t now)
{
	struct stream *s = &c->stream;
	int64_t due;
	bool beat;

	if (c->state != CONN_STREAM) {
		if (s->phase == STREAM_JUDGE)
			stream_judge(c);      /* strict: not answered yet */
		if (c->magic == CONN_MAGIC && c->state == CONN_STREAM)
			(void)stream_flush(c);
		return;
	}
	if (ended_by_time(c, now))
		return;
	if (s->phase == STREAM_JUDGE) {
		stream_judge(c);
		if (c->magic == CONN_MAGIC && s->phase == STREAM_LIVE)
			replay_add(c->gateway->replay, c);
	} else if (s->phase == STREAM_SNAPSHOT &&
	    now - s->asked_ms >= STREAM_SNAPSHOT_WAIT_MS)
		stream_go_blind(c);
	else if (s->phase == STREAM_SNAPSHOT || s->phase == STREAM_BLIND)
		stream_ask_snapshot(c);
	if (c->magic != CONN_MAGIC || c->state != CONN_STREAM)
		return;
	due = c->progress_ms + s->heartbeat_ms;
	beat = c->out.len == c->out_off && s->snapshot == NULL && now >= due;
	if (beat && test_hooks_has_bug("stream-cut") &&
	    gateway_random() % 2 == 0) {
		conn_close(c, CLOSE_DONE);
		return;
	}
	if (beat)
		stream_heartbeat(c, stream_bookmark(c));
	if ((s->replaying ? stream_flush_own(c) : stream_flush(c)) == -1 ||
	    c->state != CONN_STREAM)
		return;
	/* The next is due from when this one was: else each interval would be
	 * longer by a tick of the wheel. */
	if (beat && !c->want_write && now - due < 2 * WHEEL_TICK_MS)
		c->progress_ms = due;
	due_again(c, now);
}
