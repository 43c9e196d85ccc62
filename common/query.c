#include "common/query.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>

#include "common/bus_request.h"
#include "common/mono.h"
#include "common/query_queue.h"
#include "common/xmalloc.h"

#define QUERY_CLIENT_MAGIC 0x51435354u

struct query_client {
	uint32_t		 magic;
	struct event_base	*base;
	struct event		*readable;
	struct event		*timer;
	struct bus_request	 other;      /* who answers */
	bool			 of_broker;
	uint64_t		 asker;
	uint64_t		 last_ticket;
	unsigned int		 waiting;
	struct mono		 armed;      /* the timer, when it is pending */
	struct query_question	*on_wire;    /* not in the queue */
	bool			 telling;    /* its waiters, right now */
	struct query_queue	 queue;
	struct query_waiters	 failed;     /* told at the next timer */
};

static void	query_kick(struct query_client *c);
static void	query_arm(struct query_client *c);

static struct query_client *
query_client_of(void *arg)
{
	struct query_client *c = arg;

	assert(c->magic == QUERY_CLIENT_MAGIC);
	return c;
}

/* --- answers ------------------------------------------------------------- */

/* The question on the wire is answered: every waiter gets its callback, which
 * may ask again or cancel others. */
static void
query_answered(struct query_client *c, struct slice answer)
{
	struct query_question *q = c->on_wire;
	struct query_waiter *w;

	/* Left on the wire until all were told: query_cancel finds waiters. */
	c->telling = true;
	while ((w = TAILQ_FIRST(&q->waiters)) != NULL) {
		TAILQ_REMOVE(&q->waiters, w, link);
		c->waiting--;
		query_waiter_tell(w, answer);
		free(w);
	}
	c->telling = false;
	c->on_wire = NULL;
	query_question_free(&c->queue, q);
}

static void
query_readable_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct query_client *c = query_client_of(arg);
	struct bus_message m;
	struct err err;

	while (bus_request_answer(&c->other, &m, &err) > 0) {
		if (c->on_wire != NULL)
			query_answered(c, (struct slice){ m.bytes, m.n });
		bus_message_free(&m);
	}
	query_kick(c);
	query_arm(c);
}

/* --- sending and deadlines ----------------------------------------------- */

/* Sends the question, or sends it again: who answers knows it by its ticket. */
static int
question_put(struct query_client *c, const struct query_question *q)
{
	int64_t patience = query_question_patience(q, mono_now());
	struct buf b = BUF_EMPTY;
	struct err err;
	int sent;

	query_wire_head(&b, &(struct query_head){ .op = q->op,
	    .asker = c->asker, .ticket = q->ticket,
	    .deadline_ms = (uint32_t)MIN(patience, (int64_t)UINT32_MAX) });
	buf_add(&b, q->body.data, q->body.len);
	sent = bus_request_put(&c->other, b.data, b.len, &err);
	buf_free(&b);
	return sent;
}

/* Puts the next question on the wire, if there is room for it, or the one that
 * is there once more. */
static void
query_kick(struct query_client *c)
{
	struct query_question *q;

	if (c->on_wire != NULL) {
		if (!c->telling && bus_request_due(&c->other, mono_now()))
			(void)question_put(c, c->on_wire);
		return;
	}
	if ((q = query_queue_first(&c->queue)) == NULL)
		return;
	q->ticket = TAILQ_FIRST(&q->waiters)->ticket;
	bus_request_begin(&c->other);
	if (question_put(c, q) == -1)
		return;              /* the timer tries again */
	query_queue_take(&c->queue, q);
	c->on_wire = q;
}

/* Moves what is overdue to `failed` and drops questions nobody waits for. The
 * answer to one dropped from the wire is nobody's once the next is sent. */
static void
query_expire(struct query_client *c, struct mono now)
{
	if (c->on_wire != NULL) {
		query_question_expire(c->on_wire, now, &c->failed);
		if (TAILQ_EMPTY(&c->on_wire->waiters)) {
			query_question_free(&c->queue, c->on_wire);
			c->on_wire = NULL;
		}
	}
	query_queue_expire(&c->queue, now, &c->failed);
}

static void
query_timer_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct query_client *c = query_client_of(arg);
	struct query_waiter *w;

	query_expire(c, mono_now());
	while ((w = TAILQ_FIRST(&c->failed)) != NULL) {
		TAILQ_REMOVE(&c->failed, w, link);
		c->waiting--;
		if (c->of_broker)
			query_waiter_fail(w, 503, "broker_unavailable",
			    "no answer from the broker in time");
		else
			query_waiter_fail(w, 503, "store_unavailable",
			    "no answer from the store in time");
		free(w);
	}
	query_kick(c);
	query_arm(c);
}

static void
query_arm(struct query_client *c)
{
	struct mono now = mono_now(), earliest = mono_add_ms(now, 3600000);
	struct mono look;
	struct timeval tv;

	if (c->waiting == 0) {
		(void)event_del(c->timer);
		return;
	}
	if (c->on_wire != NULL)
		query_question_earliest(c->on_wire, &earliest);
	query_queue_earliest(&c->queue, &earliest);
	if (!TAILQ_EMPTY(&c->failed))
		earliest = now;
	look = mono_add_ms(now, c->on_wire != NULL ? BUS_REQUEST_LOOK_MS :
	    BUS_REQUEST_RETRY_MS);
	if ((c->on_wire != NULL || query_queue_first(&c->queue) != NULL) &&
	    mono_before(look, earliest))
		earliest = look;
	/* +1: mono_diff_ms rounds down. */
	tv = mono_timeval_ms(mono_diff_ms(earliest, now) + 1);
	c->armed = earliest;
	(void)event_add(c->timer, &tv);
}

/* The same after one more has come, without a look at all the others: when
 * thousands come at once each would look at all before it. */
static void
query_arm_for(struct query_client *c, const struct query_waiter *w)
{
	struct mono look = mono_add_ms(mono_now(), c->on_wire != NULL ?
	    BUS_REQUEST_LOOK_MS : BUS_REQUEST_RETRY_MS);

	if (!event_pending(c->timer, EV_TIMEOUT, NULL) ||
	    mono_before(look, c->armed) ||
	    mono_before(w->deadline, c->armed))
		query_arm(c);
}

/* --- asking -------------------------------------------------------------- */

/* Takes the body; of `how`, the callback and its argument. The ticket, or 0
 * when there is no room. */
static uint64_t
query_ask(struct query_client *c, enum query_op op, struct buf *body,
    int64_t deadline_ms, struct query_waiter how)
{
	struct query_question *q = NULL;
	struct query_waiter *w;

	if (c->waiting < QUERY_WAITERS_MAX)
		q = query_queue_ask(&c->queue, op, body);
	buf_free(body);
	if (q == NULL)
		return 0;
	w = xmemdup(&how, sizeof(how));
	w->ticket = ++c->last_ticket;
	w->deadline = mono_add_ms(mono_now(), deadline_ms);
	c->waiting++;
	TAILQ_INSERT_TAIL(&q->waiters, w, link);
	query_kick(c);
	query_arm_for(c, w);
	return w->ticket;
}

uint64_t
query_snapshot(struct query_client *c, struct slice tenant,
    const struct slice *selectors, size_t n, struct position wait_for,
    int64_t deadline_ms, query_snapshot_cb cb, void *arg)
{
	struct buf body = BUF_EMPTY;

	query_wire_snapshot(&body, wait_for, tenant, selectors, n);
	return query_ask(c, QUERY_SNAPSHOT, &body, deadline_ms,
	    (struct query_waiter){ .snapshot_cb = cb, .arg = arg });
}

uint64_t
query_page(struct query_client *c, struct slice tenant, struct slice selector,
    struct slice after, struct position wait_for, int64_t deadline_ms,
    query_snapshot_cb cb, void *arg)
{
	struct buf body = BUF_EMPTY;

	query_wire_page(&body, wait_for, tenant, selector, after);
	return query_ask(c, QUERY_SNAPSHOT, &body, deadline_ms,
	    (struct query_waiter){ .snapshot_cb = cb, .arg = arg });
}

uint64_t
query_json(struct query_client *c, struct slice json, int64_t deadline_ms,
    query_json_cb cb, void *arg)
{
	struct buf body = BUF_EMPTY;

	query_wire_json(&body, json);
	return query_ask(c, QUERY_JSON, &body, deadline_ms,
	    (struct query_waiter){ .json_cb = cb, .arg = arg });
}

uint64_t
query_history(struct query_client *c, const struct query_history_ask *ask,
    struct position wait_for, int64_t deadline_ms, query_history_cb cb,
    void *arg)
{
	struct buf body = BUF_EMPTY;

	query_wire_history(&body, wait_for, ask);
	return query_ask(c, QUERY_HISTORY, &body, deadline_ms,
	    (struct query_waiter){ .history_cb = cb, .arg = arg });
}

uint64_t
query_last(struct query_client *c, struct slice tenant,
    const struct slice *selectors, size_t n, int64_t deadline_ms,
    query_last_cb cb, void *arg)
{
	struct buf body = BUF_EMPTY;

	assert(c->of_broker);
	query_wire_last(&body, tenant, selectors, n);
	return query_ask(c, QUERY_LAST, &body, deadline_ms,
	    (struct query_waiter){ .last_cb = cb, .arg = arg });
}

uint64_t
query_open_logs(struct query_client *c, uint64_t from, int64_t deadline_ms,
    query_open_logs_cb cb, void *arg)
{
	struct buf body = BUF_EMPTY;

	assert(c->of_broker);
	query_wire_open_logs(&body, from);
	return query_ask(c, QUERY_OPEN_LOGS, &body, deadline_ms,
	    (struct query_waiter){ .open_logs_cb = cb, .arg = arg });
}

bool
query_is_busy(const struct query_client *c)
{
	return c->queue.questions >= QUERY_PENDING_MAX / 2 ||
	    c->waiting >= QUERY_WAITERS_MAX / 2;
}

/* What nobody waits for any more: the store may hold a snapshot for long, and
 * whoever comes next shall not wait behind it. */
static void
query_let_go(struct query_client *c)
{
	if (c->telling || c->on_wire->op == QUERY_JSON ||
	    !TAILQ_EMPTY(&c->on_wire->waiters))
		return;
	query_question_free(&c->queue, c->on_wire);
	c->on_wire = NULL;
	query_kick(c);
	query_arm(c);
}

/* Of a question on the wire that may change something, only the answer is
 * dropped. */
void
query_cancel(struct query_client *c, uint64_t ticket)
{
	if (c->on_wire != NULL &&
	    query_waiters_remove(&c->on_wire->waiters, ticket)) {
		c->waiting--;
		query_let_go(c);
	} else if (query_waiters_remove(&c->failed, ticket) ||
	    query_queue_cancel(&c->queue, ticket)) {
		c->waiting--;
	}
}

/* --- life ---------------------------------------------------------------- */

static struct query_client *
client_new(struct event_base *base, const char *bus_directory,
    const char *leaf, struct err *err)
{
	struct query_client *c = xcalloc(1, sizeof(*c));

	c->magic = QUERY_CLIENT_MAGIC;
	c->base = base;
	query_queue_init(&c->queue);
	TAILQ_INIT(&c->failed);
	c->other.socket = -1;
	if (getrandom(&c->asker, sizeof(c->asker), 0) != sizeof(c->asker)) {
		(void)err_errno(err, errno, "getrandom");
		goto fail;
	}
	if (bus_request_open(&c->other, bus_directory, leaf, err) == -1)
		goto fail;
	c->readable = bus_event(base, c->other.socket, query_readable_cb, c);
	c->timer = event_new(base, -1, 0, query_timer_cb, c);
	if (c->readable == NULL || c->timer == NULL ||
	    event_add(c->readable, NULL) == -1) {
		(void)err_set(err, "no memory for the events of %s", leaf);
		goto fail;
	}
	return c;
fail:
	query_client_free(c);
	return NULL;
}

struct query_client *
query_client_new(struct event_base *base, const char *bus_directory,
    struct err *err)
{
	return client_new(base, bus_directory, BUS_STORE, err);
}

struct query_client *
query_client_new_broker(struct event_base *base, const char *bus_directory,
    struct err *err)
{
	struct query_client *c = client_new(base, bus_directory,
	    BUS_BROKER, err);

	if (c != NULL)
		c->of_broker = true;
	return c;
}

void
query_client_free(struct query_client *c)
{
	if (c == NULL)
		return;
	assert(c->magic == QUERY_CLIENT_MAGIC);
	c->magic = 0;
	if (c->readable != NULL)
		event_free(c->readable);
	if (c->timer != NULL)
		event_free(c->timer);
	bus_request_close(&c->other);
	query_queue_clear(&c->queue);
	query_question_free(&c->queue, c->on_wire);
	query_waiters_free(&c->failed);
	free(c);
}
