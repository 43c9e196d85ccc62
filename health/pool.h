/*
 * pool: a fixed number of worker threads that run jobs which may block, and
 * hand them back to the loop through an eventfd.
 *
 * Process: health (curl's easy interface and getaddrinfo block). A job is
 * owned by the pool from pool_submit until pool_collect returns it; the loop
 * must not touch it in between, and `run` must touch nothing but the job.
 * Workers block all signals, so that the loop alone sees them.
 */
#ifndef SLUICE_POOL_H
#define SLUICE_POOL_H

#include <stdatomic.h>
#include <stdint.h>

#include "common/err.h"

#define POOL_THREADS_MAX 64u
#define POOL_QUEUE_MAX   64u     /* jobs given and not yet collected */

struct pool;

struct pool_job {
	void		(*run)(struct pool_job *job);   /* in a worker */
	struct pool_job	*next;                          /* the pool's */
};

/* NULL with *err. */
struct pool *pool_new(uint32_t threads, struct err *err) MUST_CHECK;
/* Raises the cancel flag and waits for the workers. Jobs never collected are
 * given to `drop` (their owner frees them). */
void	pool_free(struct pool *p, void (*drop)(struct pool_job *job));

/* -1 when POOL_QUEUE_MAX jobs are out (nothing was taken). */
int	pool_submit(struct pool *p, struct pool_job *job) MUST_CHECK;
/* Readable when a job has ended. */
int	pool_fd(const struct pool *p);
/* An ended job, or NULL: call until NULL whenever the fd is readable. */
struct pool_job *pool_collect(struct pool *p);

/* Long jobs look at this now and then and give up when it is true. */
void		 pool_cancel(struct pool *p);
const atomic_bool *pool_cancelled(const struct pool *p);

#endif
