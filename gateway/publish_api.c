#include "gateway/publish_api.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/mono.h"
#include "common/xmalloc.h"
#include "gateway/connection.h"
#include "gateway/envelope.h"
#include "gateway/json_slice.h"
#include "gateway/reply.h"

#define PUBLISH_MAGIC    0x50554257u   /* "PUBW" */
#define PUBLISH_TICK_MS  250
#define PUBLISH_WAIT_MS  10000

/* A request whose groups are with the broker. */
struct publish_wait {
	TAILQ_ENTRY(publish_wait) link;
	uint32_t		 magic;
	struct conn		*conn;       /* NULL: the client went */
	struct gateway		*gateway;
	int64_t			 since_ms;
	uint32_t		 groups;     /* not answered yet */
	uint32_t		 answered;   /* they are, in order */
	uint32_t		*places;     /* atomic=0: of each group's event
				      * in the request; else NULL */
	bool			 list;       /* paths have [i] */
	uint32_t		 accepted;
	uint32_t		 duplicates;
	uint32_t		 refused;    /* events; also before the broker */
	uint32_t		 conflicts;
	uint32_t		 limited;
	struct position		 first;
	struct position		 last;
	struct reply_details	 details;    /* atomic=0: what was refused */
};

TAILQ_HEAD(publish_waits, publish_wait);

static struct publish_waits waits = TAILQ_HEAD_INITIALIZER(waits);

/* A request being read. */
struct batch {
	json_t		*roots[EVENT_BATCH_MAX];
	struct slice	 raw[EVENT_BATCH_MAX];
	json_t		*events[EVENT_BATCH_MAX];   /* borrowed from roots */
	struct item	 items[EVENT_BATCH_MAX];
	uint32_t	 places[EVENT_BATCH_MAX];   /* of items in the request */
	struct buf	 frames[EVENT_BATCH_MAX];
	size_t		 n_roots;
	size_t		 n;
	size_t		 good;           /* items */
	bool		 list;           /* an array or ndjson: paths have [i] */
	int		 status;         /* of the first hard problem; 0 */
	const char	*code;
	char		 text[256];
	struct reply_details details;
	size_t		 at;             /* event being checked */
};

/* --- answers --------------------------------------------------------------------- */

static void
wait_free(struct publish_wait *w)
{
	TAILQ_REMOVE(&waits, w, link);
	buf_free(&w->details.json);
	free(w->places);
	w->magic = 0;
	free(w);
}

void
publish_finish(void)
{
	struct publish_wait *w;

	while ((w = TAILQ_FIRST(&waits)) != NULL)
		wait_free(w);
}

static void
detach(struct publish_wait *w)
{
	w->conn->waiting = NULL;
	w->conn->on_gone = NULL;
	w->conn->on_tick = NULL;
	w->conn = NULL;
}

static void
answer_accepted(struct conn *c, struct publish_wait *w)
{
	struct buf b = BUF_EMPTY;
	char id[EVENT_ID_MAX];

	buf_addf(&b, "{\"accepted\":%u,\"duplicates\":%u", w->accepted,
	    w->duplicates);
	if (w->first.epoch != 0) {
		buf_addf(&b, ",\"first_id\":\"%s\"",
		    position_format(w->first, id));
		buf_addf(&b, ",\"last_id\":\"%s\"",
		    position_format(w->last, id));
	}
	if (w->refused > 0) {
		buf_addf(&b, ",\"refused\":%u,\"details\":[", w->refused);
		buf_add(&b, w->details.json.data, w->details.json.len);
		buf_addc(&b, ']');
	}
	buf_addc(&b, '}');
	reply_json(c, 202, (struct slice){ (const char *)b.data, b.len });
	buf_free(&b);
}

/* Why the broker did not append; guards are not used yet. */
static const char *
refusal_text(enum record_code code)
{
	return code == RECORD_LIMIT ? "the journal's max_streams is reached: "
	    "raise journal.max_streams" :
	    "this idempotency_key was used for another event";
}

static void
answer(struct publish_wait *w)
{
	struct conn *c = w->conn;

	if (c == NULL)
		return;
	detach(w);
	if (w->accepted + w->duplicates == 0 && w->conflicts > 0)
		reply_error(c, 409, "idempotency_conflict",
		    refusal_text(RECORD_KEY_CONFLICT), &w->details);
	else if (w->accepted + w->duplicates == 0 && w->limited > 0)
		reply_error(c, 503, "too_many_streams",
		    refusal_text(RECORD_LIMIT), &w->details);
	else
		answer_accepted(c, w);
}

/* One event of a request that is not atomic was not taken. */
static void
refuse_one(struct publish_wait *w, uint32_t place, const char *text)
{
	char path[16] = "";

	if (w->list)
		(void)snprintf(path, sizeof(path), "[%" PRIu32 "]", place);
	reply_detail(&w->details, path, "%s", text);
}

static void
count_refused(struct publish_wait *w, const struct publish_result *result)
{
	w->refused += result->count;
	if (result->code == RECORD_LIMIT)
		w->limited += result->count;
	else
		w->conflicts += result->count;
	if (w->places != NULL)
		refuse_one(w, w->places[w->answered],
		    refusal_text(result->code));
}

static void
publish_result_cb(const struct publish_result *result, void *arg)
{
	struct publish_wait *w = arg;
	struct position last = result->position;

	assert(w->magic == PUBLISH_MAGIC);
	switch (result->code) {
	case RECORD_APPENDED:
		w->accepted += result->count;
		w->gateway->metrics.published += result->count;
		break;
	case RECORD_DUPLICATE:
		w->duplicates += result->count;
		break;
	case RECORD_KEY_CONFLICT:
	case RECORD_GUARD_LOST:
	case RECORD_LIMIT:
	case RECORD_CODE_MAX:
		count_refused(w, result);
		break;
	}
	if (result->code == RECORD_APPENDED ||
	    result->code == RECORD_DUPLICATE) {
		last.number += result->count - 1;
		if (w->first.epoch == 0)
			w->first = result->position;
		w->last = last;
	}
	w->answered++;
	if (--w->groups > 0)
		return;
	answer(w);
	wait_free(w);
}

static void
client_gone(struct conn *c)
{
	struct publish_wait *w = c->waiting;

	if (w != NULL)
		detach(w);
}

/* A waiting client came due: is the broker still there? */
static void
tick(struct conn *c)
{
	struct publish_wait *w = c->waiting;

	assert(w->magic == PUBLISH_MAGIC);
	if (publisher_stalled_ms(c->gateway->publisher) <
	    GATEWAY_PUBLISH_STALL_MS &&
	    gateway_now_ms() - w->since_ms < PUBLISH_WAIT_MS) {
		conn_due(c, gateway_now_ms() + PUBLISH_TICK_MS);
		return;
	}
	detach(w);
	reply_unavailable(c, "broker_unavailable", "the broker does not "
	    "answer; whether these events are taken is not known yet: repeat "
	    "them with the same idempotency_key");
}

/* --- reading ---------------------------------------------------------------------- */

static void
hard_problem(struct batch *b, int status, const char *code, const char *fmt,
    ...) PRINTF(4, 5);

static void
hard_problem(struct batch *b, int status, const char *code, const char *fmt,
    ...)
{
	va_list ap;

	if (b->status != 0)
		return;
	b->status = status;
	b->code = code;
	va_start(ap, fmt);
	(void)vsnprintf(b->text, sizeof(b->text), fmt, ap);
	va_end(ap);
}

static json_t *
parse(struct batch *b, struct slice text)
{
	json_error_t e;
	json_t *root = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES |
	    JSON_ALLOW_NUL | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &e);

	if (root != NULL)
		b->roots[b->n_roots++] = root;
	else if (b->list)
		hard_problem(b, 400, "invalid_json", "event %zu: %s", b->n,
		    e.text);
	else
		hard_problem(b, 400, "invalid_json", "line %d, column %d: %s",
		    e.line, e.column, e.text);
	return root;
}

static void
add_event(struct batch *b, struct slice raw, json_t *event)
{
	if (b->n == EVENT_BATCH_MAX) {
		hard_problem(b, 413, "too_large",
		    "more than %u events in one request", EVENT_BATCH_MAX);
		return;
	}
	if (raw.n > EVENT_MAX) {
		hard_problem(b, 413, "too_large",
		    "event %zu has %zu bytes, allowed are %u", b->n, raw.n,
		    EVENT_MAX);
		return;
	}
	b->raw[b->n] = raw;
	b->events[b->n++] = event;
}

static void
read_json(struct batch *b, struct slice body)
{
	struct slice at, raw, rest;
	json_t *root;
	size_t i = 0;

	/* Without a byte jansson only says "wrong arguments". */
	if (body.n == 0) {
		hard_problem(b, 400, "bad_request", "no event in the body");
		return;
	}
	root = parse(b, body);
	if (root == NULL || !json_slice_value(body, &raw, &rest))
		return;
	if (!json_is_array(root)) {
		add_event(b, raw, root);
		return;
	}
	b->list = true;
	(void)json_slice_array(raw, &at);
	while (b->status == 0 && json_slice_next(&at, &raw))
		add_event(b, raw, json_array_get(root, i++));
}

static void
read_ndjson(struct batch *b, struct slice body)
{
	const char *p = body.p, *end = body.p + body.n, *lf;
	struct slice line;
	json_t *root;

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
		if (b->n == EVENT_BATCH_MAX) {
			add_event(b, line, NULL);
			return;
		}
		root = parse(b, line);
		if (root != NULL)
			add_event(b, line, root);
	}
}

static void
envelope_cb(const char *path, const char *text, void *arg)
{
	struct batch *b = arg;
	char where[128];

	if (b->list)
		(void)snprintf(where, sizeof(where), "[%zu]%s%s", b->at,
		    *path != '\0' ? "." : "", path);
	else
		(void)snprintf(where, sizeof(where), "%s", path);
	reply_detail(&b->details, where, "%s", text);
}

static void
check_events(struct batch *b)
{
	int64_t now = wall_unix_ms();
	struct item *item;

	for (b->at = 0; b->at < b->n; b->at++) {
		item = &b->items[b->good];
		if (envelope_item(b->raw[b->at], b->events[b->at],
		    slice_str(EVENT_TENANT_DEFAULT), now,
		    &b->frames[b->good], item, envelope_cb, b) > 0)
			continue;
		/* Escaping may have made it longer. */
		if (item->frame.n > EVENT_DATA_LINE_MAX - 128) {
			hard_problem(b, 413, "too_large", "event %zu is over "
			    "%u bytes as a data line", b->at,
			    EVENT_DATA_LINE_MAX);
			return;
		}
		b->places[b->good++] = (uint32_t)b->at;
	}
}

static void
batch_free(struct batch *b)
{
	size_t i;

	for (i = 0; i < b->n_roots; i++)
		json_decref(b->roots[i]);
	for (i = 0; i < b->n; i++)
		buf_free(&b->frames[i]);
	buf_free(&b->details.json);
	free(b);
}

/* --- handing over ------------------------------------------------------------------ */

/* Gives the items to the publisher: one group, or one each. False when its
 * queue is full and nothing was taken. */
static bool
submit(struct gateway *g, struct publish_wait *w, const struct batch *b,
    bool atomic)
{
	size_t i, step = atomic ? b->good : 1;

	for (i = 0; i < b->good; i += step) {
		if (publisher_submit(g->publisher, &b->items[i], step,
		    publish_result_cb, w) == -1)
			break;
		w->groups++;
	}
	if (i == 0)
		return false;
	for (; i < b->good; i++) {
		w->refused++;
		refuse_one(w, b->places[i], "the queue to the broker is full");
	}
	return true;
}

static void
hand_over(struct conn *c, struct batch *b, bool atomic)
{
	struct publish_wait *w = xcalloc(1, sizeof(*w));

	w->magic = PUBLISH_MAGIC;
	w->conn = c;
	w->gateway = c->gateway;
	w->since_ms = gateway_now_ms();
	w->list = b->list;
	w->refused = (uint32_t)(b->n - b->good);
	if (!atomic)
		w->places = xmemdup(b->places, b->good * sizeof(*b->places));
	w->details = b->details;
	b->details = (struct reply_details){ .n = 0 };
	TAILQ_INSERT_TAIL(&waits, w, link);
	if (!submit(c->gateway, w, b, atomic)) {
		w->conn = NULL;
		wait_free(w);
		reply_unavailable(c, "broker_unavailable",
		    "the queue to the broker is full; nothing was taken");
		return;
	}
	c->waiting = w;
	c->on_gone = client_gone;
	c->on_tick = tick;
	conn_set_state(c, CONN_WAITING);
	conn_due(c, gateway_now_ms() + PUBLISH_TICK_MS);
}

static void
judge(struct conn *c, struct batch *b, bool atomic)
{
	if (b->status == 0 && b->n == 0)
		hard_problem(b, 400, "bad_request", "no event in the body");
	if (b->status == 0)
		check_events(b);
	if (b->status != 0) {
		reply_error(c, b->status, b->code, b->text, NULL);
	} else if (b->good == 0 || (atomic && b->good < b->n)) {
		reply_error(c, 422, "schema_violation", b->list ?
		    "not every event is as the contract says" :
		    "the event is not as the contract says", &b->details);
		b->details.json = BUF_EMPTY;
	} else {
		hand_over(c, b, atomic);
		return;
	}
	c->gateway->metrics.publish_refused++;
}

void
publish_api(struct conn *c, const struct http_request *r)
{
	struct gateway *g = c->gateway;
	struct slice body = { (const char *)r->body.data, r->body.len };
	struct slice flag = http_param(r, "atomic");
	struct batch *b;

	if (flag.p != NULL && !slice_is(flag, "0") && !slice_is(flag, "1")) {
		reply_error(c, 400, "bad_request", "atomic must be 0 or 1",
		    NULL);
		return;
	}
	if (!g->publisher_ready || publisher_stalled_ms(g->publisher) >=
	    GATEWAY_PUBLISH_STALL_MS) {
		reply_unavailable(c, "broker_unavailable",
		    "the broker does not answer; nothing was taken");
		return;
	}
	b = xcalloc(1, sizeof(*b));
	if (http_content_type_is(r, "application/json")) {
		read_json(b, body);
	} else if (http_content_type_is(r, "application/x-ndjson")) {
		read_ndjson(b, body);
	} else {
		free(b);
		reply_error(c, 415, "unsupported_media_type",
		    "Content-Type must be application/json or "
		    "application/x-ndjson", NULL);
		return;
	}
	judge(c, b, flag.p == NULL || slice_is(flag, "1"));
	batch_free(b);
}
