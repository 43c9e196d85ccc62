#include "store/serve.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/bus.h"
#include "common/mono.h"
#include "common/query.h"
#include "common/xmalloc.h"
#include "store/json_ops.h"

#define SERVE_MAGIC    0x53455256u
#define SERVE_SWEEP_MS 500
/* Longest a question may be held, whatever its deadline says. */
#define SERVE_HOLD_MAX_MS 600000

struct question {
	TAILQ_ENTRY(question)	 link;
	uint64_t		 ticket;      /* ours, for the reader */
	uint64_t		 asker;
	uint64_t		 asker_ticket;
	struct bus_message	 message;     /* its return path */
	enum query_op		 op;
	uint64_t		 wait;        /* position to be applied */
	struct mono		 deadline;
	struct buf		 body;    /* for the reader; empty: it has it */
	bool			 handed;
};

TAILQ_HEAD(questions, question);

struct serve {
	uint32_t		 magic;
	int			 socket;
	struct event		*readable;
	struct event		*sweep;
	struct db_reader	*reader;
	uint64_t		 last_ticket;
	uint64_t		 applied;
	struct questions	 questions;
	unsigned int		 pending;
};

static struct serve *
serve_of(void *arg)
{
	struct serve *s = arg;

	assert(s->magic == SERVE_MAGIC);
	return s;
}

static void
question_free(struct serve *s, struct question *q)
{
	TAILQ_REMOVE(&s->questions, q, link);
	s->pending--;
	bus_message_free(&q->message);
	buf_free(&q->body);
	free(q);
}

/* Answers are sent without waiting; who gets none asks again
 * (common/bus_request). */
static void
reply_error(struct serve *s, struct bus_message *m, int status,
    const char *code, const char *text)
{
	struct buf b = BUF_EMPTY;
	struct err err;

	json_ops_error(&b, status, code, text);
	(void)bus_reply(s->socket, m, b.data, b.len, &err);
	buf_free(&b);
}

static enum db_reader_job
job_of(enum query_op op)
{
	return op == QUERY_SNAPSHOT ? DB_READER_SNAPSHOT :
	    op == QUERY_HISTORY ? DB_READER_HISTORY : DB_READER_JSON;
}

static void
question_hand(struct serve *s, struct question *q)
{
	if (q->handed || s->applied < q->wait)
		return;
	if (db_reader_submit(s->reader, job_of(q->op), q->ticket,
	    q->body.data, q->body.len) == -1) {
		reply_error(s, &q->message, 503, "store_busy",
		    "the store has too many questions waiting");
		question_free(s, q);
		return;
	}
	q->handed = true;
	buf_free(&q->body);
}

static struct question *
question_find(struct serve *s, uint64_t asker, uint64_t ticket)
{
	struct question *q;

	for (q = TAILQ_FIRST(&s->questions); q != NULL;
	    q = TAILQ_NEXT(q, link)) {
		if (q->asker == asker && q->asker_ticket == ticket)
			break;
	}
	return q;
}

/* Takes the message over, or answers it. */
static void
serve_take(struct serve *s, struct bus_message *m)
{
	struct rd r = rd_init(m->bytes, m->n);
	struct position wait = { 0, 0 };
	struct query_head head;
	struct question *q;

	if (query_wire_head_decode(&r, &head) == -1 ||
	    head.op == QUERY_LAST ||
	    (head.op != QUERY_JSON &&
	    query_wire_wait_decode(&r, &wait) == -1) ||
	    r.left > QUERY_JSON_MAX + 4) {
		reply_error(s, m, 400, "bad_request",
		    "the store could not read the question");
		return;
	}
	q = question_find(s, head.asker, head.ticket);
	if (q != NULL) {
		bus_message_free(&q->message);
		q->message = *m;
		*m = (struct bus_message){ 0 };
		return;
	}
	if (s->pending >= SERVE_PENDING_MAX) {
		reply_error(s, m, 503, "store_busy",
		    "the store has too many questions waiting");
		return;
	}
	q = xcalloc(1, sizeof(*q));
	q->ticket = ++s->last_ticket;
	q->asker = head.asker;
	q->asker_ticket = head.ticket;
	q->op = head.op;
	q->wait = wait.number;   /* positions alone order everything */
	q->deadline = mono_add_ms(mono_now(), MIN(
	    (int64_t)head.deadline_ms, (int64_t)SERVE_HOLD_MAX_MS));
	buf_add(&q->body, r.p, r.left);
	q->message = *m;
	*m = (struct bus_message){ 0 };
	TAILQ_INSERT_TAIL(&s->questions, q, link);
	s->pending++;
	question_hand(s, q);
}

static void
serve_readable_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct serve *s = serve_of(arg);
	struct bus_message m;
	struct err err;

	while (bus_receive(s->socket, &m, &err) > 0) {
		serve_take(s, &m);
		bus_message_free(&m);
	}
}

static void
serve_sweep_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct serve *s = serve_of(arg);
	struct mono now = mono_now();
	struct question *q, *next;

	for (q = TAILQ_FIRST(&s->questions); q != NULL; q = next) {
		next = TAILQ_NEXT(q, link);
		/* One the reader has is answered and then freed. */
		if (!q->handed && mono_before(q->deadline, now))
			question_free(s, q);
	}
}

void
serve_applied(struct serve *s, struct position applied)
{
	struct question *q, *next;

	s->applied = applied.number;
	for (q = TAILQ_FIRST(&s->questions); q != NULL; q = next) {
		next = TAILQ_NEXT(q, link);
		question_hand(s, q);
	}
}

void
serve_answer(struct serve *s, uint64_t ticket, const struct buf *answer)
{
	struct question *q;
	struct err err;

	for (q = TAILQ_FIRST(&s->questions); q != NULL;
	    q = TAILQ_NEXT(q, link)) {
		if (q->ticket == ticket)
			break;
	}
	if (q == NULL)
		return;
	(void)bus_reply(s->socket, &q->message, answer->data, answer->len,
	    &err);
	question_free(s, q);
}

unsigned int
serve_pending(const struct serve *s)
{
	return s->pending;
}

struct serve *
serve_new(struct event_base *base, const char *bus_directory,
    struct db_reader *reader, struct err *err)
{
	struct serve *s = xcalloc(1, sizeof(*s));
	struct timeval tv = mono_timeval_ms(SERVE_SWEEP_MS);
	char address[BUS_ADDRESS_SIZE];

	s->magic = SERVE_MAGIC;
	s->reader = reader;
	s->socket = -1;
	TAILQ_INIT(&s->questions);
	if (bus_address(address, sizeof(address), bus_directory, BUS_STORE,
	    err) == -1 || (s->socket = bus_open(BUS_REP, err)) == -1 ||
	    bus_bind(s->socket, address, err) == -1)
		goto fail;
	s->readable = bus_event(base, s->socket, serve_readable_cb, s);
	s->sweep = event_new(base, -1, EV_PERSIST, serve_sweep_cb, s);
	if (s->readable == NULL || s->sweep == NULL ||
	    event_add(s->readable, NULL) == -1 ||
	    event_add(s->sweep, &tv) == -1) {
		(void)err_set(err, "no memory for the store's events");
		goto fail;
	}
	return s;
fail:
	serve_free(s);
	return NULL;
}

void
serve_free(struct serve *s)
{
	struct question *q, *next;

	if (s == NULL)
		return;
	assert(s->magic == SERVE_MAGIC);
	s->magic = 0;
	if (s->readable != NULL)
		event_free(s->readable);
	if (s->sweep != NULL)
		event_free(s->sweep);
	for (q = TAILQ_FIRST(&s->questions); q != NULL; q = next) {
		next = TAILQ_NEXT(q, link);
		question_free(s, q);
	}
	if (s->socket != -1)
		bus_close(s->socket);
	free(s);
}
