#include "common/query_queue.h"

#include <stdlib.h>
#include <string.h>

#include "common/macros.h"
#include "common/xmalloc.h"

void
query_queue_init(struct query_queue *queue)
{
	TAILQ_INIT(&queue->list);
	queue->questions = 0;
}

void
query_queue_clear(struct query_queue *queue)
{
	struct query_question *q, *next;

	for (q = TAILQ_FIRST(&queue->list); q != NULL; q = next) {
		next = TAILQ_NEXT(q, link);
		query_question_free(queue, q);
	}
	TAILQ_INIT(&queue->list);
}

/* --- one question -------------------------------------------------------- */

void
query_question_free(struct query_queue *queue, struct query_question *q)
{
	if (q == NULL)
		return;
	queue->questions--;
	query_waiters_free(&q->waiters);
	buf_free(&q->body);
	free(q);
}

int64_t
query_question_patience(const struct query_question *q, struct mono now)
{
	const struct query_waiter *w;
	int64_t most = 0;

	for (w = TAILQ_FIRST(&q->waiters); w != NULL; w = TAILQ_NEXT(w, link))
		most = MAX(most, mono_diff_ms(w->deadline, now));
	return most;
}

void
query_question_expire(struct query_question *q, struct mono now,
    struct query_waiters *failed)
{
	struct query_waiter *w, *next;

	for (w = TAILQ_FIRST(&q->waiters); w != NULL; w = next) {
		next = TAILQ_NEXT(w, link);
		if (mono_before(now, w->deadline))
			continue;
		TAILQ_REMOVE(&q->waiters, w, link);
		TAILQ_INSERT_TAIL(failed, w, link);
	}
}

void
query_question_earliest(const struct query_question *q, struct mono *earliest)
{
	const struct query_waiter *w;

	for (w = TAILQ_FIRST(&q->waiters); w != NULL;
	    w = TAILQ_NEXT(w, link)) {
		if (mono_before(w->deadline, *earliest))
			*earliest = w->deadline;
	}
}

/* --- the queue ----------------------------------------------------------- */

static bool
equals(const struct query_question *q, enum query_op op,
    const struct buf *body)
{
	return q->op == op && q->body.len == body->len &&
	    memcmp(q->body.data, body->data, body->len) == 0;
}

/* A JSON question may change something: its answer is not shared. */
static struct query_question *
find_equal(const struct query_queue *queue, enum query_op op,
    const struct buf *body)
{
	struct query_question *q;

	if (op == QUERY_JSON)
		return NULL;
	for (q = TAILQ_FIRST(&queue->list); q != NULL;
	    q = TAILQ_NEXT(q, link)) {
		if (equals(q, op, body))
			break;
	}
	return q;
}

struct query_question *
query_queue_ask(struct query_queue *queue, enum query_op op, struct buf *body)
{
	struct query_question *q = find_equal(queue, op, body);

	if (q != NULL || queue->questions >= QUERY_PENDING_MAX) {
		buf_free(body);
		return q;
	}
	q = xcalloc(1, sizeof(*q));
	q->op = op;
	q->body = *body;
	*body = BUF_EMPTY;
	queue->questions++;
	TAILQ_INIT(&q->waiters);
	TAILQ_INSERT_TAIL(&queue->list, q, link);
	return q;
}

struct query_question *
query_queue_first(const struct query_queue *queue)
{
	return TAILQ_FIRST(&queue->list);
}

void
query_queue_take(struct query_queue *queue, struct query_question *q)
{
	TAILQ_REMOVE(&queue->list, q, link);
}

bool
query_queue_cancel(struct query_queue *queue, uint64_t ticket)
{
	struct query_question *q;

	for (q = TAILQ_FIRST(&queue->list); q != NULL;
	    q = TAILQ_NEXT(q, link)) {
		if (query_waiters_remove(&q->waiters, ticket))
			break;
	}
	if (q == NULL)
		return false;
	if (TAILQ_EMPTY(&q->waiters)) {
		query_queue_take(queue, q);
		query_question_free(queue, q);
	}
	return true;
}

void
query_queue_expire(struct query_queue *queue, struct mono now,
    struct query_waiters *failed)
{
	struct query_question *q, *next;

	for (q = TAILQ_FIRST(&queue->list); q != NULL; q = next) {
		next = TAILQ_NEXT(q, link);
		query_question_expire(q, now, failed);
		if (TAILQ_EMPTY(&q->waiters)) {
			query_queue_take(queue, q);
			query_question_free(queue, q);
		}
	}
}

void
query_queue_earliest(const struct query_queue *queue, struct mono *earliest)
{
	const struct query_question *q;

	for (q = TAILQ_FIRST(&queue->list); q != NULL;
	    q = TAILQ_NEXT(q, link))
		query_question_earliest(q, earliest);
}
