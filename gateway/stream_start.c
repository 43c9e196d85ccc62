/*
 * stream_start: from a request to an open stream: parameters, cursor, head.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "gateway/connection.h"
#include "gateway/reply.h"
#include "gateway/sse_frame.h"
#include "gateway/stream_kind.h"
#include "gateway/stream_private.h"

#define TIMEOUT_MIN_MS 1000
#define TIMEOUT_MAX_MS (24LL * 3600 * 1000)

enum cursor_kind { CURSOR_NONE, CURSOR_AT, CURSOR_OLDEST, CURSOR_NOW };

/* What a request asks for. */
struct wish {
	struct slice		selectors[HUB_SELECTORS_MAX];
	size_t			n_selectors;
	struct slice		types[HUB_TYPES_MAX];
	size_t			n_types;
	enum cursor_kind	cursor_kind;
	struct position		cursor;
	int64_t			timeout_ms;   /* -1: the configured one */
	bool			snapshot;
	bool			strict;
	bool			must_exist;
	bool			comment;
	bool			heartbeat_set;
};

/* Sends the answer; false, so that callers can return it. */
static bool
bad(struct conn *c, int status, const char *code, const char *text)
{
	reply_error(c, status, code, text, NULL);
	return false;
}

/* --- parameters ------------------------------------------------------------------- */

static bool
add_selector(struct conn *c, struct wish *w, struct slice selector)
{
	struct err err = { 0 };
	size_t prefix;

	if (stream_selector_check(selector, &prefix, &err) == -1)
		return bad(c, 400, "invalid_id", err.text);
	if (w->n_selectors == HUB_SELECTORS_MAX)
		return bad(c, 400, "bad_request",
		    "more than 64 stream parameters");
	w->selectors[w->n_selectors++] = selector;
	return true;
}

static bool
add_types(struct conn *c, struct wish *w, struct slice list)
{
	const char *p = list.p, *end = list.p + list.n, *comma;
	struct slice type;

	while (p < end) {
		comma = memchr(p, ',', (size_t)(end - p));
		if (comma == NULL)
			comma = end;
		type = (struct slice){ p, (size_t)(comma - p) };
		if (!event_type_valid(type))
			return bad(c, 400, "bad_request",
			    "types: not an event type");
		if (w->n_types == HUB_TYPES_MAX)
			return bad(c, 400, "bad_request",
			    "more than 32 event types");
		w->types[w->n_types++] = type;
		p = comma + 1;
	}
	return true;
}

/* "30", "30s", "500ms", "5m", "2h"; -1 = malformed. */
static int64_t
duration_ms(struct slice v)
{
	static const struct { const char *unit; int64_t ms; } units[] = {
		{ "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 },
		{ "h", 3600000 },
	};
	int64_t n = 0;
	size_t i = 0, k;

	while (i < v.n && i < 9 && v.p[i] >= '0' && v.p[i] <= '9')
		n = n * 10 + (v.p[i++] - '0');
	if (i == 0)
		return -1;
	for (k = 0; k < NELEM(units); k++)
		if (slice_is((struct slice){ v.p + i, v.n - i },
		    units[k].unit))
			return n * units[k].ms;
	return -1;
}

static bool
take_bool(struct conn *c, struct slice v, const char *name, bool *ret)
{
	char text[64];

	if (!slice_is(v, "0") && !slice_is(v, "1")) {
		(void)snprintf(text, sizeof(text), "%s must be 0 or 1", name);
		return bad(c, 400, "bad_request", text);
	}
	*ret = slice_is(v, "1");
	return true;
}

static bool
take_param(struct conn *c, struct wish *w, const struct http_pair *p)
{
	if (slice_is(p->name, "stream"))
		return add_selector(c, w, p->value);
	if (slice_is(p->name, "types"))
		return add_types(c, w, p->value);
	if (slice_is(p->name, "snapshot"))
		return take_bool(c, p->value, "snapshot", &w->snapshot);
	if (slice_is(p->name, "strict"))
		return take_bool(c, p->value, "strict", &w->strict);
	if (slice_is(p->name, "must_exist"))
		return take_bool(c, p->value, "must_exist", &w->must_exist);
	if (slice_is(p->name, "heartbeat")) {
		w->heartbeat_set = true;
		w->comment = slice_is(p->value, "comment");
		return w->comment || slice_is(p->value, "event") ||
		    bad(c, 400, "bad_request",
		    "heartbeat must be event or comment");
	}
	if (slice_is(p->name, "timeout")) {
		w->timeout_ms = duration_ms(p->value);
		return (w->timeout_ms >= TIMEOUT_MIN_MS &&
		    w->timeout_ms <= TIMEOUT_MAX_MS) || bad(c, 400,
		    "bad_request", "timeout must be 1s to 24h");
	}
	if (slice_is(p->name, "last_event_id") ||
	    slice_is(p->name, "lastEventId"))
		return true;   /* see take_cursor */
	return bad(c, 400, "bad_request", "unknown parameter; known are "
	    "stream, types, snapshot, must_exist, heartbeat, timeout, "
	    "strict, last_event_id");
}

/* Header, else query; both must agree. */
static bool
take_cursor(struct conn *c, struct wish *w, const struct http_request *r)
{
	struct slice all[3] = { http_header(r, "last-event-id"),
	    http_param(r, "last_event_id"), http_param(r, "lastEventId") };
	struct slice v = SLICE_NONE;
	size_t i;

	if (http_header_count(r, "last-event-id") > 1)
		return bad(c, 400, "invalid_cursor",
		    "more than one Last-Event-ID");
	for (i = 0; i < NELEM(all); i++) {
		/* A browser that has no id yet sends an empty one. */
		if (all[i].p == NULL || all[i].n == 0)
			continue;
		if (v.p != NULL && !slice_eq(v, all[i]))
			return bad(c, 400, "invalid_cursor",
			    "Last-Event-ID and last_event_id differ");
		v = all[i];
	}
	if (v.p == NULL)
		return true;
	if (slice_is(v, "-1"))
		w->cursor_kind = CURSOR_OLDEST;
	else if (slice_is(v, "now"))
		w->cursor_kind = CURSOR_NOW;
	else if (position_parse(v, &w->cursor))
		w->cursor_kind = CURSOR_AT;
	else
		return bad(c, 400, "invalid_cursor", "a cursor is "
		    "<epoch>-<position> as an id: line has it, -1 or now");
	return true;
}

static bool
accepts_stream(const struct http_request *r)
{
	struct slice v;
	const char *semi;
	size_t i;
	bool any = false;

	for (i = 0; i < r->n_headers; i++) {
		if (!http_slice_is_nocase(r->headers[i].name, "accept"))
			continue;
		any = true;
		v = r->headers[i].value;
		while (v.n > 0) {
			semi = memchr(v.p, ',', v.n);
			struct slice one = { v.p,
			    semi != NULL ? (size_t)(semi - v.p) : v.n };
			v.n -= MIN(v.n, one.n + 1);
			v.p += one.n + 1;
			semi = memchr(one.p, ';', one.n);
			if (semi != NULL)
				one.n = (size_t)(semi - one.p);
			if (http_list_has(one, "text/event-stream") ||
			    http_list_has(one, "text/*") ||
			    http_list_has(one, "*/*"))
				return true;
		}
	}
	return !any;
}

static bool
read_wish(struct conn *c, struct wish *w, const struct http_request *r,
    struct slice key)
{
	size_t i;

	if (r->minor == 0)
		return bad(c, 505, "http_version", "a stream needs HTTP/1.1 "
		    "(nginx: proxy_http_version 1.1)");
	if (!accepts_stream(r))
		return bad(c, 406, "not_acceptable",
		    "a stream is text/event-stream");
	w->snapshot = true;
	w->timeout_ms = -1;
	if (key.p != NULL && !add_selector(c, w, key))
		return false;
	for (i = 0; i < r->n_params; i++) {
		if (key.p != NULL && slice_is(r->params[i].name, "stream"))
			return bad(c, 400, "bad_request",
			    "this path names its stream");
		if (!take_param(c, w, &r->params[i]))
			return false;
	}
	if (w->n_selectors == 0)
		return bad(c, 400, "bad_request", "at least one stream= "
		    "parameter is needed, as in stream=cluster:*");
	return take_cursor(c, w, r);
}

/* --- opening ---------------------------------------------------------------------- */

static void
write_head(struct conn *c)
{
	c->gateway->metrics.answers[200]++;
	buf_adds(&c->out, "HTTP/1.1 200 OK\r\n"
	    "Content-Type: text/event-stream; charset=utf-8\r\n"
	    "Cache-Control: no-cache, no-store, no-transform\r\n"
	    "X-Accel-Buffering: no\r\n"
	    "X-Content-Type-Options: nosniff\r\n"
	    "Transfer-Encoding: chunked\r\n\r\n");
}

static void
keys_json(struct buf *b, const struct hub_subscription *s)
{
	size_t i;

	buf_addc(b, '[');
	for (i = 0; i < s->n_selectors; i++) {
		buf_adds(b, i > 0 ? ",\"" : "\"");
		buf_json_text(b, s->selectors[i].p, s->selectors[i].n);
		buf_addc(b, '"');
	}
	buf_addc(b, ']');
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
	conn_begin_stream(c);
	write_head(c);
	keys_json(&keys, s->sub);
	stream_control(c, &retry, SLICE_NONE);
	stream_control(c, &open, (struct slice){ (const char *)keys.data,
	    keys.len });
	buf_free(&keys);
	conn_due(c, gateway_now_ms() + s->heartbeat_ms);
	if (s->idle_ms > 0)
		conn_due(c, gateway_now_ms() + s->idle_ms);
	if (s->age_ms > 0)
		conn_due(c, s->opened_ms + s->age_ms);
}

/* Draining, overloaded, or not caught up yet: 200, so that an EventSource
 * comes back. */
static void
turn_away(struct conn *c, enum sse_reason reason)
{
	const struct conf_stream *o =
	    &c->gateway->role->conf.streams[STREAM_TYPE_MAX];
	struct sse_control ctl = { .kind = SSE_RETRY,
	    .retry_ms = stream_retry_ms(o->retry_ms) };

	c->gateway->metrics.closings[reason]++;
	conn_begin_stream(c);
	write_head(c);
	stream_control(c, &ctl, SLICE_NONE);
	ctl.kind = SSE_CLOSING;
	ctl.reason = reason;
	stream_control(c, &ctl, SLICE_NONE);
	c->stream.phase = STREAM_ENDING;
	conn_finish(c, CLOSE_ENDED);
}

static void
set_options(struct conn *c, const struct wish *w)
{
	struct stream *s = &c->stream;
	const struct conf_stream *o = conf_stream(&c->gateway->role->conf,
	    stream_kind_of(w->selectors[0]));

	*s = (struct stream){ .next = CONN_NONE, .prev = CONN_NONE,
	    .replay_next = CONN_NONE };
	s->heartbeat_ms = o->heartbeat_interval_ms;
	s->comment = w->heartbeat_set ? w->comment :
	    o->heartbeat_form == CONF_HEARTBEAT_COMMENT;
	s->idle_ms = w->timeout_ms >= 0 ? w->timeout_ms : o->idle_timeout_ms;
	s->stall_ms = o->write_stall_timeout_ms;
	s->retry_ms = o->retry_ms;
	s->on_overflow = o->on_overflow;
	/* 80 to 100 % of max_duration, so that not all end at one time. */
	s->age_ms = o->max_duration_ms - (int64_t)((uint64_t)
	    (o->max_duration_ms / 5) * (gateway_random() % 1024) / 1024);
	s->snapshots = w->snapshot;
	s->strict = w->strict;
	s->opened_ms = s->event_ms = gateway_now_ms();
}

static void
join(struct conn *c, const struct wish *w)
{
	struct stream *s = &c->stream;
	struct gateway *g = c->gateway;

	s->sub = hub_acquire(g->hub, slice_str(EVENT_TENANT_DEFAULT),
	    w->selectors, w->n_selectors, w->types, w->n_types);
	s->prev = CONN_NONE;
	s->next = s->sub->first_client;
	if (s->next != CONN_NONE)
		connections_get(g->connections, s->next)->stream.prev = c->id;
	s->sub->first_client = c->id;
	c->row->subscription = s->sub->id + 1;
	s->cursor = ring_tip(g->ring);
}

/* Known = it has a frame in the ring; beyond that a stream counts as there
 * when a prefix was asked for. */
static bool
known_missing(struct conn *c, const struct wish *w)
{
	size_t i;

	for (i = 0; i < w->n_selectors; i++) {
		size_t prefix = 0;

		(void)stream_selector_check(w->selectors[i], &prefix, NULL);
		if (prefix > 0 || ring_stream_first(c->gateway->ring,
		    slice_str(EVENT_TENANT_DEFAULT), w->selectors[i]) != 0)
			return false;
	}
	/* Only when the ring holds all there ever was is absence certain. */
	return ring_oldest(c->gateway->ring) <= 1;
}

void
stream_start(struct conn *c, const struct http_request *r, struct slice key)
{
	struct stream *s = &c->stream;
	struct gateway *g = c->gateway;
	struct wish w = { .n_selectors = 0 };

	if (!read_wish(c, &w, r, key))
		return;
	if (g->draining || c->spare || g->beats == 0) {
		turn_away(c, g->draining ? SSE_SHUTDOWN : SSE_OVERLOADED);
		return;
	}
	if (w.must_exist && known_missing(c, &w)) {
		reply_error(c, 404, "not_found", "no such stream", NULL);
		return;
	}
	set_options(c, &w);
	join(c, &w);
	if (w.cursor_kind == CURSOR_NONE || w.cursor_kind == CURSOR_NOW) {
		stream_open(c);
		if (s->snapshots && w.cursor_kind == CURSOR_NONE)
			stream_begin_snapshot(c);
		else
			s->phase = STREAM_LIVE;
	} else {
		if (w.cursor_kind == CURSOR_AT)
			s->cursor = w.cursor;
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
		(void)stream_flush(c);
}
