#include "broker/background_sync.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/mono.h"
#include "common/xmalloc.h"

#define SYNC_MAGIC 0x42474e44u   /* "BGND" */

struct background_sync {
	uint32_t	 magic;
	void		(*over)(void *arg);
	void		*arg;
	bool		 started;
	pthread_t	 thread;
	pthread_mutex_t	 mutex;
	pthread_cond_t	 begun;
	pthread_cond_t	 ended;
	/* Under the mutex. */
	int		 fd;          /* under way; -1: none is */
	struct mono	 since;
	int		 result;      /* of the last */
	bool		 stop;
};

/* One, with the mutex held on entry and on return. */
static void
run(struct background_sync *b)
{
	int fd = b->fd, result;

	(void)pthread_mutex_unlock(&b->mutex);
	result = fdatasync(fd) == -1 ? errno : 0;
	(void)close(fd);
	(void)pthread_mutex_lock(&b->mutex);
	b->fd = -1;
	b->result = result;
	(void)pthread_cond_signal(&b->ended);
	(void)pthread_mutex_unlock(&b->mutex);
	b->over(b->arg);
	(void)pthread_mutex_lock(&b->mutex);
}

static void *
background_sync_main(void *arg)
{
	struct background_sync *b = arg;

	assert(b->magic == SYNC_MAGIC);
	(void)pthread_mutex_lock(&b->mutex);
	for (;;) {
		if (b->fd != -1)
			run(b);
		else if (b->stop)
			break;
		else
			(void)pthread_cond_wait(&b->begun, &b->mutex);
	}
	(void)pthread_mutex_unlock(&b->mutex);
	return NULL;
}

struct background_sync *
background_sync_new(void (*over)(void *arg), void *arg, struct err *err)
{
	struct background_sync *b = xcalloc(1, sizeof(*b));
	sigset_t all, before;
	int rc;

	b->magic = SYNC_MAGIC;
	b->over = over;
	b->arg = arg;
	b->fd = -1;
	(void)pthread_mutex_init(&b->mutex, NULL);
	(void)pthread_cond_init(&b->begun, NULL);
	(void)pthread_cond_init(&b->ended, NULL);
	/* Signals are the loop's. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&b->thread, NULL, background_sync_main, b);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	b->started = rc == 0;
	if (b->started)
		return b;
	(void)err_errno(err, rc, "the thread that syncs the journal");
	background_sync_free(b);
	return NULL;
}

void
background_sync_free(struct background_sync *b)
{
	if (b == NULL)
		return;
	assert(b->magic == SYNC_MAGIC);
	if (b->started) {
		(void)pthread_mutex_lock(&b->mutex);
		b->stop = true;
		(void)pthread_cond_signal(&b->begun);
		(void)pthread_mutex_unlock(&b->mutex);
		(void)pthread_join(b->thread, NULL);
	}
	(void)pthread_cond_destroy(&b->ended);
	(void)pthread_cond_destroy(&b->begun);
	(void)pthread_mutex_destroy(&b->mutex);
	b->magic = 0;
	free(b);
}

bool
background_sync_begin(struct background_sync *b, int fd)
{
	/* Of one open file: the kernel tells a failure once, to whichever of
	 * its descriptors asks first. */
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	if (own == -1)
		return false;
	(void)pthread_mutex_lock(&b->mutex);
	assert(b->fd == -1);
	b->fd = own;
	b->since = mono_now();
	(void)pthread_mutex_unlock(&b->mutex);
	(void)pthread_cond_signal(&b->begun);
	return true;
}

bool
background_sync_is_over(struct background_sync *b)
{
	bool over;

	(void)pthread_mutex_lock(&b->mutex);
	over = b->fd == -1;
	(void)pthread_mutex_unlock(&b->mutex);
	return over;
}

int64_t
background_sync_ms(struct background_sync *b)
{
	int64_t ms = 0;

	(void)pthread_mutex_lock(&b->mutex);
	if (b->fd != -1)
		ms = mono_diff_ms(mono_now(), b->since);
	(void)pthread_mutex_unlock(&b->mutex);
	return ms;
}

bool
background_sync_is_late(struct background_sync *b, int64_t ms)
{
	return background_sync_ms(b) > ms;
}

int
background_sync_wait(struct background_sync *b)
{
	int result;

	(void)pthread_mutex_lock(&b->mutex);
	while (b->fd != -1)
		(void)pthread_cond_wait(&b->ended, &b->mutex);
	result = b->result;
	(void)pthread_mutex_unlock(&b->mutex);
	return result;
}
