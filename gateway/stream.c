#include "gateway/stream.h"

#include <assert.h>

#include "common/mono.h"
#include "gateway/audience.h"
#include "gateway/connection.h"
#include "gateway/flight.h"
#include "gateway/replay.h"
#include "gateway/reply.h"
#include "gateway/sse_frame.h"
#include "gateway/stream_end.h"
#include "gateway/stream_private.h"
#include "gateway/test_hooks.h"

static const struct position no_position = { 0, 0 };

/* --- control frames ------------------------------------------------------- */

bool
stream_from_ring(const struct stream *s)
{
	return s->phase == STREAM_LIVE && s->snapshot == NULL &&
	    !s->cloud && !s->over;
}

/* Writes a control frame into `out` and anchors the row there: everything up
 * to the cursor was written by then. */
void
stream_control(struct conn *c, const struct sse_control *control,
    struct slice keys)
{
	conn_row_control(c->row, c->stream.cursor, c->bytes +
	    (c->out.len - c->out_off), control, stream_from_ring(&c->stream));
	if (sse_control(&c->out, control, keys) == -1)
		assert(0);
}

static void
control(struct conn *c, const struct sse_control *ctl)
{
	stream_control(c, ctl, SLICE_NONE);
}

struct position
stream_bookmark(struct conn *c)
{
	struct stream *s = &c->stream;
	struct position tip = ring_tip(c->gateway->ring);

	if (s->phase != STREAM_LIVE || s->snapshot != NULL)
		return no_position;
	/* With nothing between, the tip is as complete as the cursor is. */
	if (hub_next(c->gateway->hub, s->sub, s->cursor.number) == 0 &&
	    s->cursor.number >= s->sub->lost_through &&
	    s->cursor.number < tip.number)
		s->cursor = tip;
	return s->cursor;
}

void
stream_heartbeat(struct conn *c, struct position id)
{
	struct stream *s = &c->stream;
	struct sse_control ctl = {
		.kind = s->comment ? SSE_HEARTBEAT_COMMENT : SSE_HEARTBEAT,
		.id = id,
		.tip = ring_tip(c->gateway->ring),
		.ts_unix_ms = wall_unix_ms(),
		.n = ++s->beats,
	};

	c->gateway->metrics.heartbeats++;
	control(c, &ctl);
}

static void
gap(struct conn *c, enum sse_reason reason, struct position from,
    struct position to)
{
	struct sse_control ctl = { .kind = SSE_GAP, .reason = reason,
	    .oldest = from, .tip = to };

	if (test_hooks_has_bug("gap-to"))
		ctl.tip.number++;
	c->gateway->metrics.gaps[reason]++;
	control(c, &ctl);
}

/* --- phases --------------------------------------------------------------- */

void
stream_go_on(struct conn *c)
{
	struct stream *s = &c->stream;

	/* With what came from the journal a log may have been closed. */
	s->ask_end |= s->phase == STREAM_REPLAY || s->phase == STREAM_LOOKBACK;
	if (hub_reach(c->gateway->hub, s->sub, s->cursor.number)) {
		/* What was read may have been nothing for it. */
		if (s->phase == STREAM_REPLAY)
			s->event_ms = gateway_now_ms();
		s->phase = STREAM_LIVE;
	} else {
		s->phase = STREAM_REPLAY;
	}
}

void
stream_ask_snapshot(struct conn *c)
{
	struct stream *s = &c->stream;
	struct position at_least = no_position;

	if (s->over)
		return;   /* its end is told, and yet to be written */
	if (s->phase == STREAM_BLIND)
		at_least = s->from;
	else if (s->gap != SSE_REASON_NONE)
		at_least = s->cursor;
	conn_due(c, gateway_now_ms() + snapshot_again_ms(s->sub));
	if (s->phase == STREAM_SNAPSHOT)
		conn_due(c, s->asked_ms + STREAM_SNAPSHOT_WAIT_MS);
	snapshot_want(c->gateway, c, at_least);
}

void
stream_begin_snapshot(struct conn *c)
{
	c->stream.phase = STREAM_SNAPSHOT;
	c->stream.asked_ms = gateway_now_ms();
	stream_ask_snapshot(c);
}

void
stream_lost(struct conn *c, enum sse_reason reason)
{
	struct stream *s = &c->stream;
	struct position from = s->cursor;
	struct position tip = ring_tip(c->gateway->ring);

	if (!s->opened && s->strict) {
		stream_release(c);
		reply_error(c, reason == SSE_CURSOR_AHEAD ? 409 : 410,
		    sse_reason_name(reason), "events after this cursor "
		    "cannot be given", NULL);
		return;
	}
	stream_open(c);
	s->cursor = tip;
	stream_end_forget(c);
	if (!s->snapshots) {
		gap(c, reason, from, tip);
		s->phase = STREAM_LIVE;
		stream_end_unknown(c);
		return;
	}
	s->gap = reason;
	s->from = from;
	stream_begin_snapshot(c);
}

void
stream_go_blind(struct conn *c)
{
	struct stream *s = &c->stream;
	struct sse_control ctl = { .kind = SSE_ERROR };

	(void)hub_next(c->gateway->hub, s->sub, s->cursor.number);
	if (s->cursor.number < s->sub->lost_through)
		s->cursor = ring_tip(c->gateway->ring);
	if (s->gap != SSE_REASON_NONE)
		gap(c, s->gap, s->from, s->cursor);
	s->gap = SSE_REASON_NONE;
	control(c, &ctl);
	s->phase = STREAM_BLIND;
	s->from = s->cursor;
	s->blind_sent = false;
	stream_ask_snapshot(c);
}

static bool
is_known(const struct gateway *g, struct position p)
{
	struct position tip = ring_tip(g->ring);

	if (test_hooks_has_bug("epoch-ignored"))
		p.epoch = tip.epoch;
	return p.epoch == tip.epoch && p.number <= tip.number;
}

/* Decides what a cursor is worth; waits while another gateway may only have
 * seen more than this one. */
void
stream_judge(struct conn *c)
{
	struct gateway *g = c->gateway;
	struct stream *s = &c->stream;

	if (!is_known(g, s->cursor)) {
		/* After a pause of this process those of the pause come all
		 * at once, and tell what was known then. */
		if (g->beats < s->judge_at ||
		    gateway_now_ms() - s->opened_ms < STREAM_JUDGE_MS) {
			/* Not all who came at one time at one time. */
			conn_due(c, gateway_now_ms() + STREAM_JUDGE_MS / 3 +
			    c->id % STREAM_JUDGE_MS);
			return;
		}
		stream_lost(c, s->cursor.epoch == ring_tip(g->ring).epoch ?
		    SSE_CURSOR_AHEAD : SSE_EPOCH_CHANGED);
		return;
	}
	if (test_hooks_has_bug("epoch-ignored"))
		s->cursor.epoch = ring_tip(g->ring).epoch;
	(void)hub_next(g->hub, s->sub, s->cursor.number);
	if (s->cursor.number + 1 < g->beat.oldest &&
	    s->cursor.number + 1 < ring_oldest(g->ring) &&
	    s->cursor.number < s->sub->lost_through) {
		stream_lookback(c);
		return;
	}
	stream_open(c);
	stream_go_on(c);
}

/* --- snapshots ------------------------------------------------------------ */

bool
stream_wants_snapshot(const struct conn *c)
{
	return c->state == CONN_STREAM &&
	    (c->stream.phase == STREAM_SNAPSHOT ||
	    (c->stream.phase == STREAM_BLIND && !c->stream.over));
}

/* A set still being sent is given up after its current frame. */
static void
cut_snapshot(struct conn *c)
{
	struct stream *s = &c->stream;
	size_t end;

	if (s->snapshot == NULL)
		return;
	end = snapshot_frame_end(s->snapshot, s->snapshot_off);
	buf_add(&c->out, s->snapshot->frames.data + s->snapshot_off,
	    end - s->snapshot_off);
	snapshot_unref(s->snapshot);
	s->snapshot = NULL;
}

static void
attach(struct conn *c, struct snapshot *snap)
{
	struct stream *s = &c->stream;

	c->gateway->metrics.snapshots++;
	s->snapshot = NULL;
	s->snapshot_off = 0;
	stream_go_on(c);
	/* An empty set still tells up to where the client is complete, also
	 * when what follows must be read from the journal first. */
	if (snap->count == 0)
		stream_heartbeat(c, s->cursor);
	/* Of an empty one, too, streams may have ended; and of one that says
	 * nothing, so long ago that the store does not have it. */
	if (snap->frames.len == 0)
		stream_end_unknown(c);
	else
		s->snapshot = snapshot_ref(snap);
	if (s->snapshot != NULL && s->sub->n_selectors > 1)
		stream_end_owe(c, snap->unseen);
	else
		s->ask_end |= snap->unseen != 0;
}

/* After BLIND: leaves out what was sent, and is never behind it. */
static void
take_blind(struct conn *c, struct snapshot *snap,
    const struct query_snapshot *answer)
{
	struct stream *s = &c->stream;
	struct gateway *g = c->gateway;
	struct snapshot *own;

	if (hub_next(g->hub, s->sub, s->cursor.number) == 0 &&
	    s->cursor.number >= s->sub->lost_through)
		s->cursor = ring_tip(g->ring);
	/* Events at or before S that are still to be sent go first. */
	if (snap->as_of.number < s->from.number ||
	    snap->as_of.number > s->cursor.number)
		return;
	if (!s->blind_sent && s->passed == NULL) {
		attach(c, snap);
		return;
	}
	if (answer == NULL)
		return;
	own = snapshot_encode(answer, s->sub, g, s->passed, s->from,
	    s->cursor);
	if (own == NULL)
		return;
	attach(c, own);
	snapshot_unref(own);
}

void
stream_take_snapshot(struct conn *c, struct snapshot *snap,
    const struct query_snapshot *answer)
{
	struct stream *s = &c->stream;

	if (s->phase == STREAM_BLIND) {
		take_blind(c, snap, answer);
		(void)stream_flush(c);
		return;
	}
	/* Never back in time; and one from before the tip at which the loss
	 * was seen may stand before what was lost. */
	if (s->gap != SSE_REASON_NONE &&
	    snap->as_of.number < s->cursor.number)
		return;
	cut_snapshot(c);
	s->cursor = test_hooks_has_bug("join-late") ?
	    ring_tip(c->gateway->ring) : snap->as_of;
	if (s->gap != SSE_REASON_NONE)
		gap(c, s->gap, s->from, snap->as_of);
	s->gap = SSE_REASON_NONE;
	attach(c, snap);
	stream_flush_in_turn(c);
}

void
stream_refuse_snapshot(struct conn *c)
{
	struct stream *s = &c->stream;
	struct sse_control ctl = { .kind = SSE_TOO_LARGE,
	    .n = QUERY_ANSWER_MAX / (1024 * 1024) };

	cut_snapshot(c);
	if (s->gap != SSE_REASON_NONE)
		gap(c, s->gap, s->from, s->cursor);
	s->gap = SSE_REASON_NONE;
	control(c, &ctl);
	stream_end_unknown(c);
	stream_go_on(c);
	(void)stream_flush(c);
}

/* --- the end -------------------------------------------------------------- */

/* ±20 %, so that many do not come back at one time. */
int64_t
stream_retry_ms(int64_t retry_ms)
{
	return retry_ms - retry_ms / 5 + (int64_t)(gateway_random() %
	    (uint32_t)(retry_ms * 2 / 5 + 1));
}

void
stream_close(struct conn *c, enum sse_reason reason)
{
	struct stream *s = &c->stream;
	struct sse_control ctl = { .kind = SSE_CLOSING, .reason = reason,
	    .retry_ms = stream_retry_ms(s->retry_ms) };

	/* Before the cut: inside a set there is no bookmark. */
	ctl.id = ctl.tip = stream_bookmark(c);
	cut_snapshot(c);
	s->phase = STREAM_ENDING;
	c->gateway->metrics.closings[reason]++;
	control(c, &ctl);
	if (sse_reason_is_clean(reason))
		sse_last_chunk(&c->out);
	conn_finish(c, CLOSE_ENDED);
}

void
stream_release(struct conn *c)
{
	struct stream *s = &c->stream;

	if (s->sub == NULL)
		return;
	replay_remove(c->gateway->replay, c);
	stream_lookback_cancel(c);
	snapshot_unref(s->snapshot);
	s->snapshot = NULL;
	stream_end_forget(c);
	audience_leave(c);
	s->phase = STREAM_NONE;
}

/* --- what the gateway says ------------------------------------------------ */

static void
flush_live(struct conn *c, void *arg UNUSED)
{
	if (!c->want_write && !c->stream.replaying &&
	    c->state == CONN_STREAM && (c->stream.phase == STREAM_LIVE ||
	    c->stream.phase == STREAM_BLIND))
		(void)stream_flush(c);
}

void
stream_flush_subscription(struct gateway *g, struct hub_subscription *sub)
{
	flights_begin(g->flights, sub);
	audience_each(g, sub, flush_live, NULL);
	flights_begin(g->flights, NULL);
}

static void
order_broken(struct conn *c, void *arg)
{
	const bool *epoch_changed = arg;
	enum sse_reason reason = *epoch_changed ? SSE_EPOCH_CHANGED :
	    SSE_EVICTED;

	switch (c->stream.phase) {
	case STREAM_LIVE:
	case STREAM_BLIND:
	case STREAM_REPLAY:
		cut_snapshot(c);
		replay_remove(c->gateway->replay, c);
		stream_lost(c, reason);
		(void)stream_flush(c);
		break;
	case STREAM_SNAPSHOT:
		/* What was asked stands for the old order. */
		c->stream.cursor = ring_tip(c->gateway->ring);
		break;
	case STREAM_LOOKBACK:
		/* What was asked stands for the old order. */
		stream_lookback_cancel(c);
		c->stream.phase = STREAM_JUDGE;
		c->stream.judge_at = 0;
		conn_due(c, gateway_now_ms());
		break;
	case STREAM_NONE:
	case STREAM_JUDGE:
	case STREAM_ENDING:
		break;
	}
}

void
stream_order_broken(struct gateway *g, bool epoch_changed)
{
	snapshot_forget_all(g);
	connections_each(g->connections, order_broken, &epoch_changed);
}
