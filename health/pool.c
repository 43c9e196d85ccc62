#include "health/pool.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/xmalloc.h"

/* A queue of jobs in the order they came. */
struct queue {
	struct pool_job	*first;
	struct pool_job	**last;
};

struct pool {
	pthread_mutex_t	 lock;         /* everything below but `cancelled` */
	pthread_cond_t	 work;
	struct queue	 waiting;
	struct queue	 ended;
	uint32_t	 out;          /* submitted and not collected */
	bool		 stopping;
	atomic_bool	 cancelled;
	int		 fd;
	uint32_t	 n_threads;
	pthread_t	 threads[POOL_THREADS_MAX];
};

static void
queue_init(struct queue *q)
{
	q->first = NULL;
	q->last = &q->first;
}

static void
queue_add(struct queue *q, struct pool_job *job)
{
	job->next = NULL;
	*q->last = job;
	q->last = &job->next;
}

static struct pool_job *
queue_take(struct queue *q)
{
	struct pool_job *job = q->first;

	if (job == NULL)
		return NULL;
	q->first = job->next;
	if (q->first == NULL)
		q->last = &q->first;
	job->next = NULL;
	return job;
}

static void *
worker(void *arg)
{
	struct pool *p = arg;
	struct pool_job *job;
	uint64_t one = 1;

	(void)pthread_mutex_lock(&p->lock);
	for (;;) {
		while (!p->stopping && p->waiting.first == NULL)
			(void)pthread_cond_wait(&p->work, &p->lock);
		if (p->stopping)
			break;
		job = queue_take(&p->waiting);
		(void)pthread_mutex_unlock(&p->lock);
		job->run(job);
		(void)pthread_mutex_lock(&p->lock);
		queue_add(&p->ended, job);
		/* Fails only when 2^64-2 jobs wait: it is readable then. */
		(void)!write(p->fd, &one, sizeof(one));
	}
	(void)pthread_mutex_unlock(&p->lock);
	return NULL;
}

static int
start_threads(struct pool *p, uint32_t threads, struct err *err)
{
	sigset_t all, before;
	int code = 0;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	while (p->n_threads < threads && code == 0) {
		code = pthread_create(&p->threads[p->n_threads], NULL, worker,
		    p);
		if (code == 0)
			p->n_threads++;
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (code != 0)
		return err_errno(err, code, "starting worker thread %u of %u "
		    "(see TasksMax= and `ulimit -u`)", p->n_threads + 1,
		    threads);
	return 0;
}

struct pool *
pool_new(uint32_t threads, struct err *err)
{
	struct pool *p = xcalloc(1, sizeof(*p));

	assert(threads >= 1 && threads <= POOL_THREADS_MAX);
	(void)pthread_mutex_init(&p->lock, NULL);
	(void)pthread_cond_init(&p->work, NULL);
	queue_init(&p->waiting);
	queue_init(&p->ended);
	atomic_init(&p->cancelled, false);
	p->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->fd < 0) {
		(void)err_errno(err, errno, "eventfd");
		goto fail;
	}
	if (start_threads(p, threads, err) < 0)
		goto fail;
	return p;
fail:
	pool_free(p, NULL);
	return NULL;
}

void
pool_free(struct pool *p, void (*drop)(struct pool_job *job))
{
	struct pool_job *job;

	if (p == NULL)
		return;
	pool_cancel(p);
	(void)pthread_mutex_lock(&p->lock);
	p->stopping = true;
	(void)pthread_cond_broadcast(&p->work);
	(void)pthread_mutex_unlock(&p->lock);
	for (uint32_t i = 0; i < p->n_threads; i++)
		(void)pthread_join(p->threads[i], NULL);
	while ((job = queue_take(&p->waiting)) != NULL ||
	    (job = queue_take(&p->ended)) != NULL) {
		assert(drop != NULL);   /* none when pool_new fails */
		drop(job);
	}
	(void)pthread_cond_destroy(&p->work);
	(void)pthread_mutex_destroy(&p->lock);
	if (p->fd >= 0)
		(void)close(p->fd);
	free(p);
}

int
pool_submit(struct pool *p, struct pool_job *job)
{
	int rc = -1;

	(void)pthread_mutex_lock(&p->lock);
	if (p->out < POOL_QUEUE_MAX) {
		p->out++;
		queue_add(&p->waiting, job);
		(void)pthread_cond_signal(&p->work);
		rc = 0;
	}
	(void)pthread_mutex_unlock(&p->lock);
	return rc;
}

int
pool_fd(const struct pool *p)
{
	return p->fd;
}

struct pool_job *
pool_collect(struct pool *p)
{
	struct pool_job *job;
	uint64_t count;

	/* Before the look, so that what ends after it makes it readable. */
	(void)!read(p->fd, &count, sizeof(count));
	(void)pthread_mutex_lock(&p->lock);
	job = queue_take(&p->ended);
	if (job != NULL)
		p->out--;
	(void)pthread_mutex_unlock(&p->lock);
	return job;
}

void
pool_cancel(struct pool *p)
{
	atomic_store(&p->cancelled, true);
}

const atomic_bool *
pool_cancelled(const struct pool *p)
{
	return &p->cancelled;
}
