/*
 * query_queue: the questions of a query client (query.h) in their order, each
 * with those who wait for its answer. Equal ones that change nothing are one.
 * Pure: no socket, no timer; the clock is a parameter. The client owns the
 * waiters' count, and takes the first question off the queue when it sends it;
 * it counts until it is freed.
 */
#ifndef SLUICE_QUERY_QUEUE_H
#define SLUICE_QUERY_QUEUE_H

#include <sys/queue.h>

#include "common/query_waiter.h"

struct query_question {
	TAILQ_ENTRY(query_question) link;
	enum query_op		op;
	uint64_t		ticket;   /* it goes by on the wire */
	struct buf		body;     /* what follows the head */
	struct query_waiters	waiters;
};

TAILQ_HEAD(query_questions, query_question);

struct query_queue {
	struct query_questions	 list;
	unsigned int		 questions;  /* and the one that was taken */
};

void	query_queue_init(struct query_queue *queue);
void	query_queue_clear(struct query_queue *queue);
/* The question in the queue that asks this: an equal one whose answer may be
 * shared, or a new one, which takes the body; it is empty then, in any case.
 * NULL: QUERY_PENDING_MAX are there. */
struct query_question *query_queue_ask(struct query_queue *queue,
	    enum query_op op, struct buf *body);
struct query_question *query_queue_first(const struct query_queue *queue);
void	query_queue_take(struct query_queue *queue, struct query_question *q);
/* Drops the waiter, and its question with the last one; false: not here. */
bool	query_queue_cancel(struct query_queue *queue, uint64_t ticket);
/* Moves who is overdue to `failed`, and drops what nobody waits for. */
void	query_queue_expire(struct query_queue *queue, struct mono now,
	    struct query_waiters *failed);
void	query_queue_earliest(const struct query_queue *queue,
	    struct mono *earliest);

/* --- one question, in the queue or taken ---------------------------------- */
void	query_question_free(struct query_queue *queue,
	    struct query_question *q);
void	query_question_expire(struct query_question *q, struct mono now,
	    struct query_waiters *failed);
/* *earliest is lowered to the first deadline of its waiters. */
void	query_question_earliest(const struct query_question *q,
	    struct mono *earliest);
/* The longest any of its waiters still waits, in ms. */
int64_t	query_question_patience(const struct query_question *q,
	    struct mono now);

#endif
