#include "gateway/publish_api.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/mono.h"
#include "common/xmalloc.h"
#include "gateway/access.h"
#include "gateway/connection.h"
#include "gateway/identity.h"
#include "gateway/publish_body.h"
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
	uint32_t		 refused;    /* events; here or there */
	uint32_t		 conflicts;
	uint32_t		 limited;
	uint32_t		 ended;
	struct position		 first;
	struct position		 last;
	struct reply_details	 details;    /* atomic=0: what was refused */
	char			 extra[PUBLISH_EXTRA_MAX];
	publish_lost_cb		 lost;
	bool			 log_moved;  /* RECORD_LOG_OFFSET came */
	uint64_t		 log_next;
};

TAILQ_HEAD(publish_waits, publish_wait);

static struct publish_waits waits = TAILQ_HEAD_INITIALIZER(waits);

/* --- answers -------------------------------------------------------------- */

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
	w->conn->exchange->waiting = NULL;
	w->conn->exchange->on_gone = NULL;
	w->conn->exchange->on_tick = NULL;
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
	if (w->extra[0] != '\0')
		buf_addf(&b, ",%s", w->extra);
	buf_addc(&b, '}');
	reply_json(c, 202, (struct slice){ (const char *)b.data, b.len });
	buf_free(&b);
}

/* Why the broker did not append. */
static const char *
refusal_text(enum record_code code)
{
	static const char *const texts[RECORD_CODE_MAX] = {
		[RECORD_KEY_CONFLICT] = "this idempotency_key was used for "
		    "another event, or for only some of an atomic request",
		[RECORD_LIMIT] = "the journal's max_streams is reached: raise "
		    "journal.max_streams",
		[RECORD_ENDED] = "the stream has ended",
		[RECORD_PARTS_LIMIT] = "the stream has all the steps it may "
		    "have",
	};

	return texts[code] != NULL ? texts[code] : "it was not taken";
}

static void
answer(struct publish_wait *w)
{
	struct conn *c = w->conn;

	if (c == NULL)
		return;
	detach(w);
	if (w->log_moved && w->lost != NULL)
		w->lost(c, w->log_next);
	else if (w->accepted + w->duplicates == 0 && w->conflicts > 0)
		reply_error(c, 409, "idempotency_conflict",
		    refusal_text(RECORD_KEY_CONFLICT), &w->details);
	else if (w->accepted + w->duplicates == 0 && w->ended > 0)
		reply_error(c, 409, "stream_ended",
		    refusal_text(RECORD_ENDED), &w->details);
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
	else if (result->code == RECORD_ENDED)
		w->ended += result->count;
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
	case RECORD_ENDED:
	case RECORD_PARTS_LIMIT:
	case RECORD_CODE_MAX:
		count_refused(w, result);
		break;
	case RECORD_LOG_OFFSET:
		w->log_moved = true;
		w->log_next = result->position.number;
		break;
	}
	if (result->code == RECORD_APPENDED ||
	    result->code == RECORD_DUPLICATE) {
		if (w->first.epoch == 0)
			w->first = result->position;
		w->last = result->last;
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
	struct publish_wait *w = c->exchange->waiting;

	if (w != NULL)
		detach(w);
}

/* A waiting client came due: is the broker still there? */
static void
tick(struct conn *c)
{
	struct publish_wait *w = c->exchange->waiting;

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

/* --- handing over --------------------------------------------------------- */

/* Gives the items to the publisher: one group, or one each. False when its
 * queue is full and nothing was taken. */
static bool
submit(struct gateway *g, struct publish_wait *w, const struct publish_body *b,
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
hand_over(struct conn *c, const struct publish_body *b, bool atomic,
    const struct reply_details *details, const char *extra,
    publish_lost_cb lost)
{
	struct publish_wait *w = xcalloc(1, sizeof(*w));

	assert(strlen(extra) < sizeof(w->extra));
	memcpy(w->extra, extra, strlen(extra) + 1);
	w->lost = lost;
	w->magic = PUBLISH_MAGIC;
	w->conn = c;
	w->gateway = c->gateway;
	w->since_ms = gateway_now_ms();
	w->list = b->list;
	w->refused = (uint32_t)(b->n - b->good);
	if (!atomic)
		w->places = xmemdup(b->places, b->good * sizeof(*b->places));
	w->details = *details;
	TAILQ_INSERT_TAIL(&waits, w, link);
	if (!submit(c->gateway, w, b, atomic)) {
		w->conn = NULL;
		wait_free(w);
		reply_unavailable(c, "broker_unavailable",
		    "the queue to the broker is full; nothing was taken");
		return;
	}
	c->exchange->waiting = w;
	c->exchange->on_gone = client_gone;
	c->exchange->on_tick = tick;
	conn_set_state(c, CONN_WAITING);
	conn_due(c, gateway_now_ms() + PUBLISH_TICK_MS);
}

/* One event of a stream that is not granted refuses the request, atomic or
 * not: a publisher without the grant has nothing to try again. */
static bool
may_publish(struct conn *c, const struct publish_body *b)
{
	char text[EVENT_KEY_MAX + 64];

	for (size_t i = 0; i < b->good; i++) {
		struct slice key = b->items[i].key;

		if (grants_cover(&c->identity->publish, key))
			continue;
		(void)snprintf(text, sizeof(text), "this token may not "
		    "publish to %.*s; nothing was taken", (int)key.n, key.p);
		access_forbid(c, text);
		return false;
	}
	return true;
}

/* Also of the registration: until it is answered, events wait. */
static bool
broker_is_away(struct conn *c)
{
	if (publisher_stalled_ms(c->gateway->publisher) <
	    GATEWAY_PUBLISH_STALL_MS)
		return false;
	reply_unavailable(c, "broker_unavailable",
	    "the broker does not answer; nothing was taken");
	return true;
}

void
publish_items(struct conn *c, const struct publish_body *b, bool atomic,
    struct reply_details *details, const char *extra, publish_lost_cb lost)
{
	if (!broker_is_away(c) && may_publish(c, b)) {
		hand_over(c, b, atomic, details, extra, lost);
		return;
	}
	c->gateway->metrics.publish_refused++;
	buf_free(&details->json);
}

static void
problem_cb(const char *path, const char *text, void *arg)
{
	reply_detail(arg, path, "%s", text);
}

static void
judge(struct conn *c, struct publish_body *b, bool atomic)
{
	struct reply_details details = { .n = 0 };
	struct buf source = BUF_EMPTY;

	identity_source(c->identity, &source);
	publish_body_check(b, slice_str(c->identity->tenant),
	    (struct slice){ (const char *)source.data, source.len },
	    wall_unix_ms(), &c->gateway->role->conf, problem_cb, &details);
	buf_free(&source);
	if (b->status != 0) {
		reply_error(c, b->status, b->code, b->text, NULL);
		buf_free(&details.json);
	} else if (!may_publish(c, b)) {
		buf_free(&details.json);
	} else if (b->good == 0 || (atomic && b->good < b->n)) {
		reply_error(c, 422, "schema_violation", b->list ?
		    "not every event is as the contract says" :
		    "the event is not as the contract says", &details);
	} else {
		hand_over(c, b, atomic, &details, "", NULL);
		return;
	}
	c->gateway->metrics.publish_refused++;
}

/* By the Content-Type; false: there is none that is known. */
static bool
read_body(struct publish_body *b, const struct http_request *r)
{
	struct slice body = { (const char *)r->body.data, r->body.len };

	if (http_content_type_is(r, "application/cloudevents+json"))
		publish_body_cloud(b, body, false);
	else if (http_content_type_is(r, "application/cloudevents-batch+json"))
		publish_body_cloud(b, body, true);
	else if (http_content_type_is(r, "application/x-ndjson"))
		publish_body_ndjson(b, body);
	else if (!http_content_type_is(r, "application/json"))
		return false;
	else if (http_header(r, "ce-specversion").p != NULL)
		publish_body_cloud_binary(b, r->headers, r->n_headers, body);
	else
		publish_body_json(b, body);
	return true;
}

void
publish_api(struct conn *c, const struct http_request *r)
{
	struct slice flag = http_param(r, "atomic");
	struct publish_body *b;

	if (flag.p != NULL && !slice_is(flag, "0") && !slice_is(flag, "1")) {
		reply_error(c, 400, "bad_request", "atomic must be 0 or 1",
		    NULL);
		return;
	}
	if (broker_is_away(c))
		return;
	b = publish_body_new();
	if (!read_body(b, r)) {
		publish_body_free(b);
		reply_error(c, 415, "unsupported_media_type",
		    "Content-Type must be application/json, application/"
		    "x-ndjson, application/cloudevents+json or application/"
		    "cloudevents-batch+json", NULL);
		return;
	}
	judge(c, b, flag.p == NULL || slice_is(flag, "1"));
	publish_body_free(b);
}
