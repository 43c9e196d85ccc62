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
#include "gateway/publish_refusal.h"
#include "gateway/publish_unit.h"
#include "gateway/reply.h"

#define PUBLISH_MAGIC    0x50554257u   /* "PUBW" */
#define PUBLISH_TICK_MS  250
#define PUBLISH_WAIT_MS  10000

/* Of a request that is not atomic: an event of a state machine, or those up to
 * the next, which wait for the one before to be answered: each is judged on
 * what the others came to, and stands in their order. */
struct step {
	struct transitions	*t;
	uint32_t		 place;      /* of its first, of the good */
};

/* A request that is with the broker. */
struct publish_wait {
	TAILQ_ENTRY(publish_wait) link;
	uint32_t		 magic;
	struct conn		*conn;       /* NULL: the client went */
	struct gateway		*gateway;
	int64_t			 since_ms;
	size_t			 held;       /* of held_bytes */
	uint32_t		 groups;     /* not answered yet */
	uint32_t		 answered;   /* they are, in order */
	uint32_t		*places;     /* of the good in the request */
	bool			 atomic;
	bool			 list;       /* paths have [i] */
	struct step		*steps;
	size_t			 n_steps;
	size_t			 step;       /* the next */
	uint32_t		 accepted;
	uint32_t		 duplicates;
	uint32_t		 refused;    /* events; here or there */
	uint32_t		 refusals[REFUSAL_MAX];
	bool			 full;       /* one found no room: none behind
					      * it is handed over, or it would
					      * come before that one's repeat */
	struct position		 first;
	struct position		 last;
	struct reply_details	 details;    /* what was refused */
	char			 extra[PUBLISH_EXTRA_MAX];
	publish_lost_cb		 lost;
	bool			 log_moved;  /* RECORD_LOG_OFFSET came */
	uint64_t		 log_next;
};

TAILQ_HEAD(publish_waits, publish_wait);

static struct publish_waits waits = TAILQ_HEAD_INITIALIZER(waits);
static size_t held_bytes;   /* by all of them */

/* --- answers -------------------------------------------------------------- */

static void
wait_free(struct publish_wait *w)
{
	TAILQ_REMOVE(&waits, w, link);
	held_bytes -= w->held;
	for (size_t i = 0; i < w->n_steps; i++)
		transitions_free(w->steps[i].t);
	free(w->steps);
	buf_free(&w->details.json);
	free(w->places);
	w->magic = 0;
	free(w);
}

void
publish_finish(void)
{
	struct publish_wait *w;

	publish_unit_finish();
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

static void
answer(struct publish_wait *w)
{
	struct conn *c = w->conn;

	if (c == NULL)
		return;
	detach(w);
	if (w->log_moved && w->lost != NULL) {
		w->lost(c, w->log_next);
		return;
	}
	for (int i = 0; w->accepted + w->duplicates == 0 && i < REFUSAL_MAX;
	    i++) {
		const struct publish_refusal_text *t = publish_refusal_text(
		    (enum publish_refusal)i);

		if (w->refusals[i] == 0)
			continue;
		if (i == REFUSAL_BUSY)
			reply_unavailable(c, t->code, t->text);
		else
			reply_error(c, t->status, t->code, t->text,
			    &w->details);
		return;
	}
	answer_accepted(c, w);
}

/* The `good`-th event was not taken; `path` is inside it. */
static void
tell_refused(struct publish_wait *w, uint32_t good, const char *path,
    const char *text)
{
	char where[64];

	if (w->list)
		(void)snprintf(where, sizeof(where), "[%" PRIu32 "]%s%s",
		    w->places[good], *path != '\0' ? "." : "", path);
	else
		(void)snprintf(where, sizeof(where), "%s", path);
	reply_detail(&w->details, where, "%s", text);
}

static void
count_refused(struct publish_wait *w, enum publish_refusal refusal,
    uint32_t n)
{
	w->refused += n;
	w->refusals[refusal] += n;
	w->full |= refusal == REFUSAL_BUSY;
}

static void
count_taken(struct publish_wait *w, uint32_t accepted, uint32_t duplicates,
    struct position first, struct position last)
{
	w->accepted += accepted;
	w->duplicates += duplicates;
	w->gateway->metrics.published += accepted;
	if (w->first.epoch == 0)
		w->first = first;
	if (last.epoch != 0)
		w->last = last;
}

static void	run_steps(struct publish_wait *w);

/* A group was answered. */
static void
one_less(struct publish_wait *w)
{
	if (--w->groups == 0)
		run_steps(w);
}

static void
publish_result_cb(const struct publish_result *result, void *arg)
{
	struct publish_wait *w = arg;
	enum publish_refusal refusal;

	assert(w->magic == PUBLISH_MAGIC);
	if (result->code == RECORD_APPENDED) {
		count_taken(w, result->count, 0, result->position,
		    result->last);
	} else if (result->code == RECORD_DUPLICATE) {
		count_taken(w, 0, result->count, result->position,
		    result->last);
	} else if (result->code == RECORD_LOG_OFFSET) {
		w->log_moved = true;
		w->log_next = result->position.number;
	} else {
		refusal = publish_refusal_of(result->code, LIFECYCLE_ILLEGAL);
		count_refused(w, refusal, result->count);
		if (!w->atomic || refusal == REFUSAL_ENDED)
			tell_refused(w, w->answered + result->item, "",
			    publish_refusal_text(refusal)->text);
	}
	w->answered += result->count;
	one_less(w);
}

/* Of a whole atomic request, or of one event. */
static void
publish_unit_result_cb(const struct publish_unit_result *result, void *arg)
{
	struct publish_wait *w = arg;
	struct buf b = BUF_EMPTY;
	uint32_t good = w->atomic ? 0 : w->steps[w->step - 1].place;
	enum publish_refusal refusal;
	const char *path;

	assert(w->magic == PUBLISH_MAGIC);
	if (result->code == RECORD_APPENDED) {
		count_taken(w, result->accepted, result->duplicates,
		    result->first, result->last);
	} else if (result->code == RECORD_LOG_OFFSET) {
		w->log_moved = true;
		w->log_next = result->now.position.number;
	} else {
		refusal = publish_refusal_of(result->code, result->verdict);
		count_refused(w, refusal, 1);
		path = publish_refusal_problem(&b, refusal, result->machine,
		    result->verdict, &result->now);
		tell_refused(w, good + (uint32_t)result->item, path,
		    buf_cstr(&b));
		buf_free(&b);
	}
	one_less(w);
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

/* Those that the queue has no room for, or that stand behind one without room,
 * from the `good`-th on. */
static void
no_room(struct publish_wait *w, uint32_t good, size_t n)
{
	count_refused(w, REFUSAL_BUSY, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		tell_refused(w, good + (uint32_t)i, "",
		    "there was no room for it, or for one before it, in the "
		    "queue to the broker");
}

/* Gives items that belong to no machine to the publisher, a group each or one
 * of all. False when its queue is full and nothing was taken. */
static bool
submit(struct publish_wait *w, const struct item *items, size_t n,
    uint32_t good)
{
	size_t i, step = w->atomic ? n : 1;

	w->answered = good;
	for (i = 0; i < n; i += step) {
		if (publisher_submit(w->gateway->publisher, &items[i], step,
		    publish_result_cb, w) == -1)
			break;
		w->groups++;
	}
	if (i == 0)
		return false;
	if (i < n)
		no_room(w, good + (uint32_t)i, n - i);
	return true;
}

static bool
submit_step(struct publish_wait *w, struct step *s)
{
	struct transitions *t = s->t;
	const struct item *items;
	size_t n;

	if (transitions_machines(t) > 0) {
		s->t = NULL;
		if (publish_unit_submit(w->gateway->publisher, t,
		    publish_unit_result_cb, w) == -1) {
			no_room(w, s->place, 1);
			return false;
		}
		w->groups++;
		return true;
	}
	n = transitions_group(t, &items);
	if (submit(w, items, n, s->place))
		return true;
	no_room(w, s->place, n);
	return false;
}

/* The steps that are left, up to the first that must be waited for; false:
 * there is none. */
static bool
next_step(struct publish_wait *w)
{
	while (w->step < w->n_steps) {
		struct step *s = &w->steps[w->step++];

		if (w->full)
			no_room(w, s->place, transitions_count(s->t));
		else if (submit_step(w, s))
			return true;
	}
	return false;
}

/* Behind the last step the answer. Of a client that went none is begun: it
 * holds nothing here any more, and repeats them all or does not care. */
static void
run_steps(struct publish_wait *w)
{
	if (w->conn != NULL && next_step(w))
		return;
	answer(w);
	wait_free(w);
}

/* Each event of a machine by itself, and what stands between them. */
static void
cut_steps(struct publish_wait *w, const struct publish_body *b)
{
	size_t begin, end;

	w->steps = xcalloc(b->good, sizeof(*w->steps));
	for (begin = 0; begin < b->good; begin = end) {
		for (end = begin; end < b->good &&
		    !transitions_in(&b->items[end], 1); end++)
			continue;
		if (end == begin)
			end++;
		w->steps[w->n_steps++] = (struct step){ transitions_new(
		    &b->items[begin], &b->states[begin], end - begin),
		    (uint32_t)begin };
	}
}

/* False: the queue is full, and nothing was taken. */
static bool
begin(struct publish_wait *w, const struct publish_body *b)
{
	if (!transitions_in(b->items, b->good))
		return submit(w, b->items, b->good, 0);
	if (!w->atomic) {
		cut_steps(w, b);
		return next_step(w);
	}
	if (publish_unit_submit(w->gateway->publisher, transitions_new(
	    b->items, b->states, b->good), publish_unit_result_cb, w) == -1)
		return false;
	w->groups = 1;
	return true;
}

/* What this request will hold until it is answered; false: all together would
 * be too much. One alone may be of any size that a body can have. */
static bool
may_hold(const struct publish_body *b, size_t *ret)
{
	*ret = transitions_in(b->items, b->good) ?
	    transitions_need(b->items, b->good) : 0;
	return *ret == 0 || held_bytes == 0 ||
	    held_bytes + *ret <= GATEWAY_PUBLISH_HELD_MAX;
}

static void
hand_over(struct conn *c, const struct publish_body *b, bool atomic,
    struct reply_details *details, const char *extra, publish_lost_cb lost)
{
	struct publish_wait *w;
	size_t held;

	if (!may_hold(b, &held)) {
		buf_free(&details->json);
		c->gateway->metrics.publish_refused++;
		reply_unavailable(c, "broker_unavailable", "too many requests "
		    "with events of state machines wait for the broker; "
		    "nothing was taken");
		return;
	}
	w = xcalloc(1, sizeof(*w));
	w->held = held;
	held_bytes += held;
	assert(strlen(extra) < sizeof(w->extra));
	memcpy(w->extra, extra, strlen(extra) + 1);
	w->lost = lost;
	w->magic = PUBLISH_MAGIC;
	w->conn = c;
	w->gateway = c->gateway;
	w->since_ms = gateway_now_ms();
	w->atomic = atomic;
	w->list = b->list;
	w->refused = (uint32_t)(b->n - b->good);
	w->places = xmemdup(b->places, b->good * sizeof(*b->places));
	w->details = *details;
	TAILQ_INSERT_TAIL(&waits, w, link);
	if (!begin(w, b)) {
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
