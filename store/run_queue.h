/*
 * run_queue: which run's progress is to be told next, and when: the latest of
 * each run, one at a time, and no sooner than RUN_QUEUE_PAUSE_MS after the one
 * before. Counts that leave no job queued or running may be a run's last, and
 * its own end, which nothing may follow, comes as a rule right behind: they do
 * not wait for the pause, which then falls to the ones after; one is let
 * forward in this way at a time. Pure: the clock is a parameter. Process:
 * store; run_teller drives it.
 *
 * What is not taken since the run's state is another by now waits for the next
 * offer, which that state brings. Limit: RUN_QUEUE_MAX runs; what is told, and
 * its pause over, is forgotten.
 */
#ifndef SLUICE_RUN_QUEUE_H
#define SLUICE_RUN_QUEUE_H

#include "store/run_progress.h"

#define RUN_QUEUE_MAX      4096u
#define RUN_QUEUE_PAUSE_MS 250    /* four events a second and run, or five */

struct run_queue;
struct run_wait;

/* The owner is who drives it. */
struct run_queue *run_queue_new(void *owner);
void	run_queue_free(struct run_queue *q);
bool	run_queue_full(const struct run_queue *q);

/* Takes what the run contains; it is not full. */
void	run_queue_offer(struct run_queue *q, struct run_progress *p);
/* What is due, until the queue is next called; NULL: nothing, and for
 * *ret_wait_ms (-1: until the next offer or answer). */
struct run_wait *run_queue_due(struct run_queue *q, int64_t now_ms,
	    int64_t *ret_wait_ms);
const struct run_progress *run_wait_progress(const struct run_wait *w);
void	*run_wait_owner(const struct run_wait *w);
/* It was handed over: it stays until the answer. */
void	run_wait_sent(struct run_wait *w, int64_t now_ms);
/* `taken`: it stands in its stream. */
void	run_wait_answered(struct run_wait *w, bool taken);

#endif
