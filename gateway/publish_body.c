#include "gateway/publish_body.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "gateway/cloud_event.h"
#include "gateway/stream_kind.h"

/* What the broker gives has room in the data line whatever it is. */
#define FRAME_MAX (EVENT_DATA_LINE_MAX - 128u)

void
publish_body_stop(struct publish_body *b, size_t place, int status,
    const char *code, const char *fmt, ...)
{
	va_list ap;

	if (b->status != 0)
		return;
	b->status = status;
	b->stopped_at = place;
	b->code = code;
	va_start(ap, fmt);
	(void)vsnprintf(b->text, sizeof(b->text), fmt, ap);
	va_end(ap);
}

struct publish_body *
publish_body_new(void)
{
	struct publish_body *b = xmalloc(sizeof(*b));
	size_t begin = offsetof(struct publish_body, tree);

	/* Room for EVENT_BATCH_MAX events is 200 KiB, and most requests have
	 * one: each place is emptied when it is used. */
	memset((char *)b + begin, 0, sizeof(*b) - begin);
	return b;
}

static struct json_value *
parse(struct publish_body *b, struct slice text)
{
	json_error_t e;
	struct json_value *root = json_tree_parse(&b->tree, text, &e);

	if (root == NULL && b->list)
		publish_body_stop(b, b->n, 400, "invalid_json",
		    "event %zu: %s", b->n, e.text);
	else if (root == NULL)
		publish_body_stop(b, PUBLISH_BODY_WHOLE, 400, "invalid_json",
		    "line %d, column %d: %s", e.line, e.column, e.text);
	return root;
}

static bool
has_room(struct publish_body *b)
{
	if (b->n == EVENT_BATCH_MAX)
		publish_body_stop(b, b->n, 413, "too_large",
		    "more than %u events in one request", EVENT_BATCH_MAX);
	return b->n < EVENT_BATCH_MAX;
}

static void
add_event(struct publish_body *b, struct json_value *event)
{
	if (!has_room(b))
		return;
	b->frames[b->n] = BUF_EMPTY;
	b->items[b->n] = (struct item){ .seq = 0 };
	b->states[b->n] = (struct event_state){ .hole = 0 };
	b->events[b->n++] = event;
}

void
publish_body_json(struct publish_body *b, struct slice body)
{
	struct json_value *root, *event;

	if (body.n == 0) {
		publish_body_stop(b, PUBLISH_BODY_WHOLE, 400, "bad_request",
		    "no event in the body");
		return;
	}
	root = parse(b, body);
	if (root == NULL)
		return;
	if (root->type != JSON_TREE_ARRAY) {
		add_event(b, root);
		return;
	}
	b->list = true;
	for (event = root->first; event != NULL && b->status == 0;
	    event = event->next)
		add_event(b, event);
}

void
publish_body_ndjson(struct publish_body *b, struct slice body)
{
	const char *p = body.p, *end = body.p + body.n, *lf;
	struct json_value *event;
	struct slice line;

	b->list = true;
	for (; p < end && b->status == 0; p = lf + 1) {
		lf = memchr(p, '\n', (size_t)(end - p));
		if (lf == NULL)
			lf = end;
		line = (struct slice){ p, (size_t)(lf - p) };
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		if (line.n == 0)
			continue;
		if (!has_room(b))
			return;
		event = parse(b, line);
		if (event != NULL)
			add_event(b, event);
	}
}

void
publish_body_cloud(struct publish_body *b, struct slice body, bool batch)
{
	b->cloud = true;
	publish_body_json(b, body);
	if (b->status == 0 && b->list != batch)
		publish_body_stop(b, PUBLISH_BODY_WHOLE, 400, "bad_request",
		    batch ?
		    "a batch of CloudEvents must be an array" :
		    "an array of CloudEvents has another Content-Type: "
		    "application/cloudevents-batch+json");
}

void
publish_body_cloud_binary(struct publish_body *b,
    const struct http_pair *headers, size_t n, struct slice body)
{
	if (!cloud_event_binary(&b->made, headers, n, body))
		publish_body_stop(b, PUBLISH_BODY_WHOLE, 400, "bad_request",
		    "the body is not JSON, or a ce- header is not "
		    "percent-encoded UTF-8");
	else
		publish_body_cloud(b, (struct slice){
		    (const char *)b->made.data, b->made.len }, false);
}

bool
publish_body_made(struct publish_body *b)
{
	if (b->n_made == EVENT_BATCH_MAX) {
		publish_body_stop(b, b->n_made, 413, "too_large",
		    "more than %u events in one request", EVENT_BATCH_MAX);
		return false;
	}
	b->made_end[b->n_made++] = b->made.len;
	return true;
}

void
publish_body_read(struct publish_body *b)
{
	size_t begin = 0;
	struct json_value *event;
	struct slice raw;

	for (size_t i = 0; i < b->n_made; i++) {
		raw = (struct slice){ (const char *)b->made.data + begin,
		    b->made_end[i] - begin };
		begin = b->made_end[i];
		event = parse(b, raw);
		if (event == NULL)
			return;
		add_event(b, event);
	}
}

/* Of the event at b->at. */
static void
tell(struct publish_body *b, const char *path, const char *code,
    const char *text)
{
	char where[128];

	if (b->list && b->at != PUBLISH_BODY_WHOLE)
		(void)snprintf(where, sizeof(where), "[%zu]%s%s", b->at,
		    *path != '\0' ? "." : "", path);
	else
		(void)snprintf(where, sizeof(where), "%s", path);
	b->cb(where, code, text, b->arg);
}

static void
problem_cb(const char *path, const char *text, void *arg)
{
	tell(arg, path, "schema_violation", text);
}

/* The event at b->at. */
static bool
is_by_id(const struct publish_body *b)
{
	return b->cloud && cloud_event_keyed_by_id(b->events[b->at]);
}

static void
envelope_cb(const char *path, const char *text, void *arg)
{
	struct publish_body *b = arg;

	problem_cb(b->cloud ? cloud_event_name(path, is_by_id(b)) : path, text,
	    b);
}

static bool	too_large(struct publish_body *b, const char *fmt, ...)
		    PRINTF(2, 3);

/* The others are checked nevertheless: all that is wrong is told. */
static bool
too_large(struct publish_body *b, const char *fmt, ...)
{
	char text[sizeof(b->text)];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	publish_body_stop(b, b->at, 413, "too_large", "%s", text);
	tell(b, "", "too_large", text);
	return true;
}

/* Of any type. */
static bool
is_over_all(struct publish_body *b)
{
	size_t n = b->events[b->at]->raw.n;

	return n > EVENT_MAX && too_large(b, "event %zu has %zu bytes, allowed "
	    "are %u", b->at, n, EVENT_MAX);
}

/* After envelope_item, which knows the type. */
static bool
is_over_its_type(struct publish_body *b, const struct item *item,
    const struct conf *conf)
{
	enum stream_type type = stream_kind_of(item->key);
	uint64_t max = conf_stream(conf, type)->max_event;
	size_t n = b->events[b->at]->raw.n;

	if (n > max)
		return too_large(b, "event %zu has %zu bytes, allowed are %"
		    PRIu64 " (streams.%s.max_event)", b->at, n, max,
		    stream_type_name(type));
	/* Escaping may have made it longer. */
	return item->frame.n > FRAME_MAX && too_large(b, "event %zu has %zu "
	    "bytes as a data line without its id and seq, allowed are %u",
	    b->at, item->frame.n, FRAME_MAX);
}

/* The event at b->at; NULL when cb was told why it is none. */
static struct json_value *
event_of(struct publish_body *b, struct slice tenant, struct buf *text)
{
	struct json_value *event;

	if (!b->cloud)
		return b->events[b->at];
	buf_reset(text);
	if (cloud_event_read(text, b->events[b->at], tenant, problem_cb,
	    b) > 0)
		return NULL;
	/* What was valid piece by piece is so as a whole. */
	event = json_tree_parse(&b->tree, json_tree_keep(&b->tree,
	    (struct slice){ (const char *)text->data, text->len }), NULL);
	if (event == NULL)
		problem_cb("", "cannot be read", b);
	return event;
}

static void
check_events(struct publish_body *b, struct slice tenant,
    struct slice publisher, int64_t now_unix_ms, const struct conf *conf)
{
	struct buf text = BUF_EMPTY;
	struct json_value *event;
	struct item *item;

	for (b->at = 0; b->at < b->n; b->at++) {
		if (is_over_all(b))
			continue;
		item = &b->items[b->good];
		event = event_of(b, tenant, &text);
		if (event == NULL || envelope_item(event, tenant, publisher,
		    now_unix_ms, &b->frames[b->good], item,
		    &b->states[b->good], envelope_cb, b) > 0 ||
		    is_over_its_type(b, item, conf))
			continue;
		/* `off` leaves no log open. */
		if ((item->flags & ITEM_TERMINAL) != 0 && conf_stream(conf,
		    stream_kind_of(item->key))->log_grace_ms == 0)
			item->state &= (uint8_t)~LIFECYCLE_LOGS_OPEN;
		b->by_id[b->good] = is_by_id(b);
		b->places[b->good++] = (uint32_t)b->at;
	}
	buf_free(&text);
}

void
publish_body_check(struct publish_body *b, struct slice tenant,
    struct slice publisher, int64_t now_unix_ms, const struct conf *conf,
    publish_problem_cb cb, void *arg)
{
	bool stopped;

	b->cb = cb;
	b->arg = arg;
	if (b->status == 0 && b->n == 0)
		publish_body_stop(b, PUBLISH_BODY_WHOLE, 400, "bad_request",
		    "no event in the body");
	stopped = b->status != 0;
	if (!stopped || b->stopped_at != PUBLISH_BODY_WHOLE)
		check_events(b, tenant, publisher, now_unix_ms, conf);
	if (!stopped)
		return;
	b->at = b->stopped_at;
	tell(b, "", b->code, b->text);
}

void
publish_body_free(struct publish_body *b)
{
	size_t i;

	json_tree_free(&b->tree);
	for (i = 0; i < b->n; i++)
		buf_free(&b->frames[i]);
	buf_free(&b->made);
	free(b);
}
