#include "gateway/history_api.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/xmalloc.h"
#include "gateway/access.h"
#include "gateway/cloud_event.h"
#include "gateway/connection.h"
#include "gateway/http_accept.h"
#include "gateway/identity.h"
#include "gateway/query_param.h"
#include "gateway/reply.h"

#define HISTORY_API_MAGIC       0x48415049u   /* "HAPI" */
#define HISTORY_API_DEADLINE_MS 3000
/* For an id that a client has of another gateway, or of its own 202: it is
 * here within two heartbeats of the broker, or nobody's. */
#define HISTORY_API_HOLD_MS     500
#define HISTORY_API_LOOK_MS     20
#define KNOWN                   "after, limit, types, format"
#define BATCH                   "application/cloudevents-batch+json"

/* A request that waits for the store, or for this gateway to hear of the event
 * it names. What `ask` points to is the request's, which stays meanwhile. */
struct history_wait {
	uint32_t		 magic;
	struct conn		*conn;
	uint64_t		 ticket;     /* of the question; 0: held */
	bool			 batch;      /* of CloudEvents is wanted */
	int64_t			 until_ms;
	struct query_history_ask ask;
};

/* --- the answer ----------------------------------------------------------- */

static void
write_number(struct buf *b, const char *name, uint64_t seq)
{
	if (seq == 0)
		buf_addf(b, "\"%s\":null,", name);
	else
		buf_addf(b, "\"%s\":%" PRIu64 ",", name, seq);
}

static void
write_gaps(struct buf *b, const struct query_history *h)
{
	static const char *const reasons[QUERY_GAP_REASON_MAX] = {
		[QUERY_GAP_EVICTED] = "evicted",
		[QUERY_GAP_EPOCH_CHANGED] = "epoch_changed",
		[QUERY_GAP_CURSOR_AHEAD] = "cursor_ahead",
	};
	size_t i;

	buf_addc(b, '[');
	for (i = 0; i < h->n_gaps; i++) {
		buf_adds(b, i > 0 ? ",{" : "{");
		write_number(b, "from_seq", h->gaps[i].from);
		write_number(b, "to_seq", h->gaps[i].to);
		buf_addf(b, "\"reason\":\"%s\"}", reasons[h->gaps[i].reason]);
	}
	buf_addc(b, ']');
}

/* As a stream tells it. */
static void
write_event(struct buf *b, const struct item *item)
{
	char id[EVENT_ID_MAX];

	buf_addf(b, "{\"id\":\"%s\",\"seq\":%" PRIu64 ",",
	    position_format(item->position, id), item->seq);
	buf_add(b, item->frame.p, item->frame.n);
}

static bool
write_cloud_event(struct buf *b, const struct item *item)
{
	struct buf event = BUF_EMPTY;
	bool good;

	write_event(&event, item);
	good = cloud_event(b, (struct slice){ (const char *)event.data,
	    event.len });
	buf_free(&event);
	return good;
}

/* Events that are no CloudEvent: who made them has left a member out of the
 * rule. A page without them is worth more than none. */
struct left_out {
	struct position	first;
	uint32_t	n;
};

/* An array; -1: an item is not one. `out` NULL: of events as they are. */
static int
write_events(struct buf *b, const struct query_history *history,
    struct left_out *out)
{
	struct rd items = history->items;
	size_t begin, before;
	struct item item;

	buf_addc(b, '[');
	begin = b->len;
	for (uint32_t i = 0; i < history->count; i++) {
		if (item_decode(&items, &item, true) == -1)
			return -1;
		before = b->len;
		if (before > begin)
			buf_addc(b, ',');
		if (out == NULL) {
			write_event(b, &item);
		} else if (!write_cloud_event(b, &item)) {
			b->len = before;
			if (out->n++ == 0)
				out->first = item.position;
		}
	}
	buf_addc(b, ']');
	return rd_done(&items) ? 0 : -1;
}

/* What stands beside the events where the body has no place for it. */
static void
write_headers(struct buf *b, const struct query_history *history)
{
	char id[EVENT_ID_MAX];

	if (history->more)
		buf_addf(b, "X-History-Next: %s\r\n",
		    position_format(history->end, id));
	buf_addf(b, "X-History-As-Of: %s\r\nX-History-Complete: %s\r\n",
	    position_format(history->as_of, id),
	    history->n_gaps == 0 ? "true" : "false");
	buf_adds(b, "X-History-Gaps: ");
	write_gaps(b, history);
	buf_adds(b, "\r\n");
}

/* Once for a page: who asks again and again must not fill the log. */
static void
log_left_out(struct slice key, const struct left_out *out)
{
	char id[EVENT_ID_MAX];

	if (out->n > 0)
		log_warn("%.*s: %" PRIu32 " of its stored events, the first "
		    "of them %s, cannot be told as a CloudEvent: left out of "
		    "a page", (int)key.n, key.p, out->n,
		    position_format(out->first, id));
}

static int
write_batch(struct buf *b, struct buf *headers, struct slice key,
    const struct query_history *history)
{
	struct left_out out = { .n = 0 };
	int rc;

	write_headers(headers, history);
	rc = write_events(b, history, &out);
	log_left_out(key, &out);
	return rc;
}

int
history_api_write(struct buf *b, struct slice key,
    const struct query_history *history)
{
	char id[EVENT_ID_MAX];

	buf_addf(b, "{\"stream_key\":\"%.*s\",\"events\":", (int)key.n,
	    key.p);
	if (write_events(b, history, NULL) == -1)
		return -1;
	if (history->more)
		buf_addf(b, ",\"next\":\"%s\",",
		    position_format(history->end, id));
	else
		buf_adds(b, ",\"next\":null,");
	buf_addf(b, "\"as_of\":\"%s\",\"complete\":%s,\"gaps\":",
	    position_format(history->as_of, id),
	    history->n_gaps == 0 ? "true" : "false");
	write_gaps(b, history);
	buf_addc(b, '}');
	return 0;
}

/* --- asking --------------------------------------------------------------- */

static void
wait_free(struct history_wait *w)
{
	w->conn->exchange->waiting = NULL;
	w->conn->exchange->on_gone = NULL;
	w->conn->exchange->on_tick = NULL;
	w->magic = 0;
	free(w);
}

static void
client_gone(struct conn *c)
{
	struct history_wait *w = c->exchange->waiting;

	assert(w->magic == HISTORY_API_MAGIC);
	if (w->ticket != 0)
		query_cancel(c->gateway->query, w->ticket);
	wait_free(w);
}

static void
history_answer_cb(const struct query_history *history, const struct err *err,
    void *arg)
{
	struct history_wait *w = arg;
	struct conn *c = w->conn;
	struct buf b = BUF_EMPTY, headers = BUF_EMPTY;
	bool batch = w->batch;
	int rc = -1;

	assert(w->magic == HISTORY_API_MAGIC);
	if (history != NULL)
		rc = batch ?
		    write_batch(&b, &headers, w->ask.key, history) :
		    history_api_write(&b, w->ask.key, history);
	wait_free(w);
	if (history == NULL) {
		log_debug("a history was asked for: %s", err->text);
		reply_unavailable(c, "store_unavailable", "the store does not "
		    "answer; streams go on without it");
	} else if (rc == -1) {
		reply_unavailable(c, "store_unavailable", "the store's answer "
		    "could not be read");
	} else {
		reply_send(c, 200, batch ? BATCH : "application/json", b.data,
		    b.len, buf_cstr(&headers));
	}
	buf_free(&b);
	buf_free(&headers);
}

static bool
is_ahead(const struct history_wait *w)
{
	struct position tip = ring_tip(w->conn->gateway->ring);

	return w->ask.behind && w->ask.after.epoch == tip.epoch &&
	    w->ask.after.number > tip.number;
}

/* What the client has seen, the store may be about to write. */
static void
ask_store(struct history_wait *w)
{
	struct conn *c = w->conn;
	struct position wait = { 0, 0 };

	if (w->ask.behind && !is_ahead(w) &&
	    w->ask.after.epoch == ring_tip(c->gateway->ring).epoch)
		wait = w->ask.after;
	w->ticket = query_history(c->gateway->query, &w->ask, wait,
	    HISTORY_API_DEADLINE_MS, history_answer_cb, w);
	if (w->ticket != 0)
		return;
	wait_free(w);
	reply_unavailable(c, "store_unavailable",
	    "too many questions wait for the store");
}

static void
held_tick(struct conn *c)
{
	struct history_wait *w = c->exchange->waiting;

	assert(w->magic == HISTORY_API_MAGIC);
	if (w->ticket != 0)
		return;
	if (is_ahead(w) && gateway_now_ms() < w->until_ms)
		conn_due(c, gateway_now_ms() + HISTORY_API_LOOK_MS);
	else
		ask_store(w);
}

static void
begin(struct conn *c, const struct query_history_ask *ask, bool batch)
{
	struct history_wait *w = xcalloc(1, sizeof(*w));

	w->magic = HISTORY_API_MAGIC;
	w->conn = c;
	w->until_ms = gateway_now_ms() + HISTORY_API_HOLD_MS;
	w->ask = *ask;
	w->batch = batch;
	c->exchange->waiting = w;
	c->exchange->on_gone = client_gone;
	c->exchange->on_tick = held_tick;
	conn_set_state(c, CONN_WAITING);
	held_tick(c);
}

/* --- the request ---------------------------------------------------------- */

/* Sends the answer; false, so that callers can return it. */
static bool
bad(struct conn *c, int status, const char *code, const char *text)
{
	reply_error(c, status, code, text, NULL);
	return false;
}

static bool
take_param(struct conn *c, const struct http_pair *p,
    struct query_history_ask *ask, bool *batch)
{
	struct err err = { 0 };
	uint64_t limit;

	if (slice_is(p->name, "after")) {
		ask->behind = position_parse(p->value, &ask->after);
		return ask->behind || bad(c, 400, "invalid_cursor",
		    "after is the id of an event, or next of the page before");
	}
	if (slice_is(p->name, "limit")) {
		if (!query_param_number(p->value, 1, QUERY_HISTORY_LIMIT,
		    &limit))
			return bad(c, 400, "bad_request",
			    "limit must be 1 to 1000");
		ask->limit = (uint32_t)limit;
		return true;
	}
	if (slice_is(p->name, "types"))
		return query_param_types(p->value, ask->types,
		    QUERY_HISTORY_TYPES, &ask->n_types, &err) == 0 ||
		    bad(c, 400, "bad_request", err.text);
	if (slice_is(p->name, "format")) {
		*batch = slice_is(p->value, "cloudevents");
		return *batch || bad(c, 400, "bad_request",
		    "format must be cloudevents, or left out");
	}
	return bad(c, 400, "bad_request", "unknown parameter; known are "
	    KNOWN);
}

static bool
take_params(struct conn *c, const struct http_request *r,
    struct query_history_ask *ask, bool *batch)
{
	/* Where both are wanted alike it is what it is without the header. */
	*batch = http_accept(r, BATCH) > http_accept(r, "application/json");
	for (size_t i = 0; i < r->n_params; i++) {
		if (query_param_again(r, i))
			return bad(c, 400, "bad_request",
			    "a parameter is there twice");
		if (!take_param(c, &r->params[i], ask, batch))
			return false;
	}
	return true;
}

/* The same answer whether the stream exists or not. */
static bool
may_read(struct conn *c, struct slice key)
{
	char text[EVENT_KEY_MAX + 64];

	if (grants_cover(&c->identity->subscribe, key))
		return true;
	(void)snprintf(text, sizeof(text), "this token may not read %.*s",
	    (int)key.n, key.p);
	access_forbid(c, text, NULL);
	return false;
}

static bool
has_history(struct conn *c, struct slice key)
{
	if (!stream_has_history(key))
		return bad(c, 404, "no_history", "the events of this type of "
		    "stream are not stored: its snapshot is what GET "
		    "/api/v1/streams?stream= begins with");
	if (c->gateway->role->conf.history.retain_ms == 0)
		return bad(c, 404, "no_history", "no events are stored here "
		    "(history.retain is off)");
	return true;
}

void
history_api(struct conn *c, const struct http_request *r)
{
	struct query_history_ask ask = {
		.tenant = slice_str(c->identity->tenant),
		.key = r->segments[3],
		.limit = HISTORY_API_LIMIT_DEFAULT,
	};
	struct err err = { 0 };
	bool batch;

	if (stream_key_check(ask.key, NULL, &err) == -1) {
		reply_error(c, 400, "invalid_id", err.text, NULL);
		return;
	}
	if (may_read(c, ask.key) && has_history(c, ask.key) &&
	    take_params(c, r, &ask, &batch))
		begin(c, &ask, batch);
}
