/*
 * query_waiter: who waits for an answer of the store or of the broker: one
 * callback of a question (query.h), and how it is told what came, or that
 * nothing came. The client (query.c) owns the waiters, counts them and takes
 * them off their list before they are told, since a callback may ask again or
 * cancel others.
 */
#ifndef SLUICE_QUERY_WAITER_H
#define SLUICE_QUERY_WAITER_H

#include <sys/queue.h>

#include "common/mono.h"
#include "common/query.h"

struct query_waiter {
	TAILQ_ENTRY(query_waiter) link;
	uint64_t		 ticket;
	struct mono		 deadline;
	query_snapshot_cb	 snapshot_cb;   /* or */
	query_history_cb	 history_cb;    /* or */
	query_json_cb		 json_cb;       /* or */
	query_last_cb		 last_cb;       /* or */
	query_open_logs_cb	 open_logs_cb;
	void			*arg;
};

TAILQ_HEAD(query_waiters, query_waiter);

void	query_waiters_free(struct query_waiters *list);
/* Frees the one with this ticket; false: it is not on the list. */
bool	query_waiters_remove(struct query_waiters *list, uint64_t ticket);

/* Exactly one call of the callback; the waiter stays the caller's. */
void	query_waiter_tell(struct query_waiter *w, struct slice answer);
/* status and code for a JSON question; 503 is ETIMEDOUT for the others. */
void	query_waiter_fail(struct query_waiter *w, int status,
	    const char *code, const char *text);

#endif
