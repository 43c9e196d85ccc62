/*
 * stream_start: from a request to an open stream: what it asks for, whether it
 * may (then stream_lookup), options, head; or 200 and stream.closing at once.
 */
#include <assert.h>
#include <stdio.h>

#include "common/mono.h"
#include "gateway/access.h"
#include "gateway/audience.h"
#include "gateway/connection.h"
#include "gateway/cors.h"
#include "gateway/identity.h"
#include "gateway/sse_frame.h"
#include "gateway/stream_end.h"
#include "gateway/stream_kind.h"
#include "gateway/stream_private.h"
#include "gateway/stream_wish.h"

/* --- opening -------------------------------------------------------------- */

/* While the request is still there. */
static void
write_head(struct conn *c)
{
	c->gateway->metrics.answers[200]++;
	buf_adds(&c->out, "HTTP/1.1 200 OK\r\n"
	    "Content-Type: text/event-stream; charset=utf-8\r\n"
	    "Cache-Control: no-cache, no-store, no-transform\r\n"
	    "X-Accel-Buffering: no\r\n"
	    "X-Content-Type-Options: nosniff\r\n");
	cors_answer(&c->out, &c->gateway->role->conf, c->exchange->request);
	buf_adds(&c->out, "Transfer-Encoding: chunked\r\n\r\n");
}

void
stream_open(struct conn *c)
{
	struct stream *s = &c->stream;
	struct gateway *g = c->gateway;
	struct position tip = ring_tip(g->ring);
	struct sse_control retry = { .kind = SSE_RETRY,
	    .retry_ms = stream_retry_ms(s->retry_ms) };
	struct sse_control open = {
		.kind = SSE_OPEN,
		.tip = tip,
		.oldest = { tip.epoch, g->beat.oldest },
		.n = c->row->connection,
		.heartbeat_ms = s->heartbeat_ms,
		.idle_timeout_ms = s->idle_ms,
		.retry_ms = retry.retry_ms,
	};
	struct buf keys = BUF_EMPTY;

	if (s->opened)
		return;
	s->opened = true;
	access_opened(c);
	write_head(c);
	conn_begin_stream(c);
	conn_set_patience(c, s->stall_ms);
	hub_keys_json(&keys, s->sub);
	stream_control(c, &retry, SLICE_NONE);
	stream_control(c, &open, (struct slice){ (const char *)keys.data,
	    keys.len });
	buf_free(&keys);
	conn_due(c, gateway_now_ms() + s->heartbeat_ms);
	if (s->idle_ms > 0)
		conn_due(c, gateway_now_ms() + s->idle_ms);
	if (s->age_ms > 0)
		conn_due(c, s->opened_ms + s->age_ms);
	if (s->expires_ms > 0)
		conn_due(c, s->expires_ms);
}

/* Those of the type of all its streams; of streams of several types the
 * default ones (contract 6). */
static const struct conf_stream *
options_of(const struct conn *c, const struct stream_wish *w)
{
	enum stream_type type = stream_kind_of(w->selectors[0]);
	size_t i;

	for (i = 1; i < w->n_selectors; i++)
		if (stream_kind_of(w->selectors[i]) != type)
			type = STREAM_TYPE_MAX;
	return conf_stream(&c->gateway->role->conf, type);
}

static void
turn_away(struct conn *c, int64_t retry_ms, enum sse_reason reason)
{
	struct sse_control ctl = { .kind = SSE_RETRY,
	    .retry_ms = stream_retry_ms(retry_ms) };

	c->gateway->metrics.closings[reason]++;
	write_head(c);
	conn_begin_stream(c);
	stream_control(c, &ctl, SLICE_NONE);
	ctl.kind = SSE_CLOSING;
	ctl.reason = reason;
	stream_control(c, &ctl, SLICE_NONE);
	c->stream.phase = STREAM_ENDING;
	conn_finish(c, CLOSE_ENDED);
}

/* Draining, overloaded, or not caught up in time: 200, so that an EventSource
 * comes back. */
void
stream_turn_away(struct conn *c, const struct stream_wish *w,
    enum sse_reason reason)
{
	turn_away(c, options_of(c, w)->retry_ms, reason);
}

void
stream_leave_unopened(struct conn *c)
{
	int64_t retry_ms = c->stream.retry_ms;

	assert(c->state == CONN_WAITING && !c->stream.opened);
	stream_release(c);
	turn_away(c, retry_ms, SSE_SHUTDOWN);
}

static void
set_options(struct conn *c, const struct stream_wish *w)
{
	struct stream *s = &c->stream;
	const struct conf_stream *o = options_of(c, w);

	*s = (struct stream){ .next = CONN_NONE, .prev = CONN_NONE };
	s->heartbeat_ms = (uint32_t)o->heartbeat_interval_ms;
	s->comment = w->heartbeat_set ? w->comment :
	    o->heartbeat_form == CONF_HEARTBEAT_COMMENT;
	s->idle_ms = w->timeout_ms >= 0 ? w->timeout_ms : o->idle_timeout_ms;
	s->stall_ms = (uint32_t)o->write_stall_timeout_ms;
	s->retry_ms = (uint32_t)o->retry_ms;
	s->on_overflow = o->on_overflow;
	/* 80 to 100 % of max_duration, so that not all end at one time. */
	s->age_ms = o->max_duration_ms - (int64_t)((uint64_t)
	    (o->max_duration_ms / 5) * (gateway_random() % 1024) / 1024);
	s->cloud = w->cloud;
	s->snapshots = w->snapshot;
	s->strict = w->strict;
	s->opened_ms = s->event_ms = gateway_now_ms();
	/* Once it is open, no clock that is set shortens or lengthens it. */
	if (c->identity->expires_unix_ms != 0)
		s->expires_ms = s->opened_ms + MAX(1,
		    c->identity->expires_unix_ms - wall_unix_ms());
}

static void
join(struct conn *c, const struct stream_wish *w)
{
	struct stream *s = &c->stream;
	struct gateway *g = c->gateway;

	audience_join(c, hub_acquire(g->hub,
	    slice_str(c->identity->tenant), w->selectors, w->n_selectors,
	    w->types, w->n_types));
	s->cursor = ring_tip(g->ring);
}

/* The wish is as it should be, and so is this gateway. */
static void
begin(struct conn *c, const struct stream_wish *w)
{
	struct stream *s = &c->stream;
	struct gateway *g = c->gateway;

	set_options(c, w);
	join(c, w);
	if (w->cursor_kind == CURSOR_NONE || w->cursor_kind == CURSOR_NOW) {
		stream_open(c);
		/* It comes at once where another client has just had it, and
		 * tells of ends itself. */
		if (s->snapshots && w->cursor_kind == CURSOR_NONE) {
			stream_begin_snapshot(c);
		} else {
			s->phase = STREAM_LIVE;
			if (w->cursor_kind == CURSOR_NONE)
				stream_end_unknown(c);
			else if (w->n_selectors > 1)
				stream_end_owe(c, UINT64_MAX);
		}
	} else {
		/* It may have been cut off before it was told of an end. */
		if (w->n_selectors > 1)
			stream_end_owe(c, UINT64_MAX);
		if (w->cursor_kind == CURSOR_AT)
			s->cursor = w->cursor;
		else
			s->cursor.number = g->beat.oldest > 0 ?
			    g->beat.oldest - 1 : 0;
		s->phase = STREAM_JUDGE;
		s->judge_at = g->beats + STREAM_JUDGE_BEATS;
		if (!s->strict)
			stream_open(c);
		else
			conn_set_state(c, CONN_WAITING);
		stream_judge(c);
	}
	if (c->magic == CONN_MAGIC && c->state == CONN_STREAM)
		stream_flush_in_turn(c);
}

void
stream_arrive(struct conn *c, const struct stream_wish *w)
{
	struct gateway *g = c->gateway;

	if (g->draining || c->spare)
		stream_turn_away(c, w, g->draining ? SSE_SHUTDOWN :
		    SSE_OVERLOADED);
	else if (!connections_admit(c) || !access_admit(c))
		stream_turn_away(c, w, SSE_OVERLOADED);
	else
		begin(c, w);
}

/* The same answer whether the stream exists or not. */
static bool
is_granted(struct conn *c, const struct stream_wish *w)
{
	char text[EVENT_KEY_MAX + 64];
	size_t i;

	for (i = 0; i < w->n_selectors; i++) {
		if (grants_cover(&c->identity->subscribe, w->selectors[i]))
			continue;
		(void)snprintf(text, sizeof(text),
		    "this token may not read %.*s", (int)w->selectors[i].n,
		    w->selectors[i].p);
		access_forbid(c, text, NULL);
		return false;
	}
	return true;
}

void
stream_start(struct conn *c, const struct http_request *r, struct slice key)
{
	struct stream_wish w = { .n_selectors = 0 };

	if (!stream_wish_read(c, &w, r, key) || !is_granted(c, &w))
		return;
	stream_lookup(c, &w, key);
}
