#include "gateway/publish_wait.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/mono.h"
#include "common/xmalloc.h"
#include "gateway/connection.h"
#include "gateway/publish_body.h"
#include "gateway/publish_rest.h"
#include "gateway/publish_tally.h"
#include "gateway/publish_unit.h"

#define PUBLISH_MAGIC    0x50554257u   /* "PUBW" */
#define PUBLISH_TICK_MS  250
#define PUBLISH_WAIT_MS  10000

/* A request that is with the broker. */
struct publish_wait {
	TAILQ_ENTRY(publish_wait) link;
	uint32_t		 magic;
	struct conn		*conn;       /* NULL: the client went */
	struct gateway		*gateway;
	int64_t			 since_ms;   /* the last answer */
	size_t			 held;       /* of held_bytes */
	uint32_t		 groups;     /* not answered yet */
	uint32_t		 answered;   /* they are, in order */
	bool			 atomic;
	struct publish_rest	*rest;       /* NULL: all went at once */
	struct publish_stretch	 stretch;    /* what went last */
	struct publish_tally	 tally;
	bool			 stopped;    /* one is to be tried again: none
					      * behind it is handed over, or it
					      * would come before the repeat */
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
	publish_rest_free(w->rest);
	publish_tally_free(&w->tally);
	w->magic = 0;
	free(w);
}

void
publish_wait_finish(void)
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
	publish_tally_answer(&w->tally, c, w->extra);
}

static void
count_refused(struct publish_wait *w, enum publish_refusal refusal,
    uint32_t n)
{
	publish_tally_refused(&w->tally, refusal, n);
	w->stopped |= refusal == REFUSAL_ROOM || refusal == REFUSAL_BUSY;
}

/* None of these is taken, so that repeating them keeps their order. */
static void
not_taken(struct publish_wait *w, uint32_t good, size_t n, const char *text)
{
	count_refused(w, REFUSAL_ROOM, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		publish_tally_tell(&w->tally, good + (uint32_t)i, REFUSAL_ROOM,
		    "", text);
}

static void
no_room(struct publish_wait *w, uint32_t good, size_t n)
{
	not_taken(w, good, n, publish_refusal_text(REFUSAL_ROOM)->text);
}

static void
count_taken(struct publish_wait *w, uint32_t accepted, uint32_t duplicates,
    struct position first, struct position last)
{
	w->gateway->metrics.published += accepted;
	publish_tally_taken(&w->tally, accepted, duplicates, first, last);
}

static void	go_on(struct publish_wait *w);

/* A group was answered. */
static void
one_less(struct publish_wait *w)
{
	w->since_ms = gateway_now_ms();
	if (--w->groups == 0)
		go_on(w);
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
		publish_tally_tell(&w->tally, w->answered + result->item,
		    refusal, publish_refusal_path(refusal),
		    publish_refusal_text(refusal)->text);
	}
	w->answered += result->count;
	one_less(w);
}

static void
unit_refused(struct publish_wait *w, const struct publish_unit_result *result)
{
	struct buf b = BUF_EMPTY;
	enum publish_refusal refusal = publish_refusal_of(result->code,
	    result->verdict);
	const char *path;

	count_refused(w, refusal, (uint32_t)w->stretch.n);
	path = publish_refusal_problem(&b, refusal, result->machine,
	    result->verdict, &result->now);
	publish_tally_tell(&w->tally,
	    w->stretch.first + (uint32_t)result->item, refusal, path,
	    buf_cstr(&b));
	buf_free(&b);
}

/* Where the stretch may be cut, so that its events are judged apart. */
static size_t
to_blame(const struct publish_unit_result *result)
{
	if (result->code == RECORD_KEY_CONFLICT ||
	    (result->code == RECORD_GUARD_LOST &&
	    result->verdict == LIFECYCLE_ACCEPT))
		return PUBLISH_REST_UNKNOWN;
	return result->item;
}

/* Of a whole atomic request, or of a stretch of another. */
static void
publish_unit_result_cb(const struct publish_unit_result *result, void *arg)
{
	struct publish_wait *w = arg;

	assert(w->magic == PUBLISH_MAGIC);
	w->gateway->metrics.guards_lost += result->lost;
	if (result->code == RECORD_APPENDED) {
		count_taken(w, result->accepted, result->duplicates,
		    result->first, result->last);
	} else if (result->code == RECORD_LOG_OFFSET) {
		w->log_moved = true;
		w->log_next = result->now.position.number;
	} else if (result->no_room) {
		no_room(w, w->stretch.first, w->stretch.n);
	} else {
		if (w->rest != NULL)
			publish_rest_refused(w->rest, to_blame(result));
		if (w->rest == NULL || w->stretch.n == 1)
			unit_refused(w, result);
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

/* False: there is no room. */
static bool
submit_unit(struct publish_wait *w, const struct publish_stretch *s)
{
	struct transitions *t = transitions_new(s->items, s->states, s->n);

	if (publish_unit_submit(w->gateway->publisher, t,
	    publish_unit_result_cb, w) == -1)
		return false;
	w->groups++;
	return true;
}

static bool
submit_stretch(struct publish_wait *w, const struct publish_stretch *s)
{
	return transitions_in(s->items, s->n) ? submit_unit(w, s) :
	    submit(w, s->items, s->n, s->first);
}

/* Of what is left; false: there is nothing to wait for. */
static bool
next_stretch(struct publish_wait *w)
{
	struct publish_stretch *s = &w->stretch;

	while (w->rest != NULL && publish_rest_next(w->rest, s)) {
		if (w->stopped)
			not_taken(w, s->first, s->n, "one before it is to be "
			    "tried again, and this behind that one");
		else if (submit_stretch(w, s))
			return true;
		else
			no_room(w, s->first, s->n);
	}
	return false;
}

/* Behind the last the answer. Of a client that went no more is begun: it holds
 * nothing here any more, and repeats them all or does not care. */
static void
go_on(struct publish_wait *w)
{
	if (w->conn != NULL && next_stretch(w))
		return;
	answer(w);
	wait_free(w);
}

/* False: the queue is full, and nothing was taken. */
static bool
begin(struct publish_wait *w, const struct publish_body *b)
{
	const struct publish_stretch all = { 0, b->good, b->items,
		b->states };

	w->stretch.n = all.n;
	if (w->atomic || !transitions_in(all.items, all.n))
		return submit_stretch(w, &all);
	w->rest = publish_rest_new(b->items, b->states, b->good);
	return next_stretch(w);
}

/* What this request will hold until it is answered; false: all together would
 * be too much. One alone may be of any size that a body can have. */
static bool
may_hold(const struct publish_body *b, bool atomic, size_t *ret)
{
	*ret = 0;
	if (transitions_in(b->items, b->good))
		*ret = transitions_need(b->items, b->good) + (atomic ? 0 :
		    publish_rest_need(b->items, b->good));
	return *ret == 0 || held_bytes == 0 ||
	    held_bytes + *ret <= GATEWAY_PUBLISH_HELD_MAX;
}

void
publish_wait_begin(struct conn *c, const struct publish_body *b, bool atomic,
    struct reply_details *details, const char *extra, publish_lost_cb lost)
{
	struct publish_wait *w;
	size_t held;

	if (!may_hold(b, atomic, &held)) {
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
	w->tally = (struct publish_tally){
		.refused = (uint32_t)(b->n - b->good),
		.list = b->list,
		.places = xmemdup(b->places, b->good * sizeof(*b->places)),
		.by_id = b->cloud ? xmemdup(b->by_id, b->good *
		    sizeof(*b->by_id)) : NULL,
		.details = *details,
	};
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
