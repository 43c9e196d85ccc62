#include "gateway/stream_wish.h"

#include <stdio.h>
#include <string.h>

#include "gateway/access.h"
#include "gateway/connection.h"
#include "gateway/http_accept.h"
#include "gateway/query_param.h"
#include "gateway/reply.h"

#define TIMEOUT_MIN_MS 1000
#define TIMEOUT_MAX_MS (24LL * 3600 * 1000)
#define KNOWN          "stream, types, snapshot, must_exist, heartbeat, " \
		       "timeout, strict, format, last_event_id"

/* Sends the answer; false, so that callers can return it. */
static bool
bad(struct conn *c, int status, const char *code, const char *text)
{
	reply_error(c, status, code, text, NULL);
	return false;
}

/* --- parameters ----------------------------------------------------------- */

static bool
add_selector(struct conn *c, struct stream_wish *w, struct slice selector)
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
take_param(struct conn *c, struct stream_wish *w,
    const struct http_pair *p)
{
	struct err err = { 0 };

	if (slice_is(p->name, "stream"))
		return add_selector(c, w, p->value);
	if (slice_is(p->name, "types"))
		return query_param_types(p->value, w->types, HUB_TYPES_MAX,
		    &w->n_types, &err) == 0 ||
		    bad(c, 400, "bad_request", err.text);
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
	if (slice_is(p->name, "format")) {
		w->cloud = slice_is(p->value, "cloudevents");
		return w->cloud || bad(c, 400, "bad_request",
		    "format must be cloudevents, or left out");
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
	if (slice_is(p->name, "ticket") &&
	    !access_is_free(c->gateway->access))
		return true;   /* access looked at it */
	return bad(c, 400, "bad_request", access_is_free(c->gateway->access) ?
	    "unknown parameter; known are " KNOWN :
	    "unknown parameter; known are " KNOWN ", ticket");
}

/* Header, else query; both must agree. */
static bool
take_cursor(struct conn *c, struct stream_wish *w,
    const struct http_request *r)
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
	return http_header(r, "accept").p == NULL ||
	    http_accept(r, "text/event-stream") > 0 ||
	    http_accept(r, "text/*") > 0 || http_accept(r, "*/*") > 0;
}

bool
stream_wish_read(struct conn *c, struct stream_wish *w,
    const struct http_request *r, struct slice key)
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
