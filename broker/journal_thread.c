#include "broker/journal_thread.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "broker/background_sync.h"
#include "common/mono.h"
#include "common/xmalloc.h"

#define THREAD_MAGIC      0x4a544852u
#define THREAD_RETAIN_MS  1000

struct journal_thread {
	uint32_t			 magic;
	struct journal_writer		*writer;
	struct background_sync		*background;   /* INTERVAL only */
	enum conf_sync			 sync;
	int64_t				 sync_ms;
	journal_thread_done_cb		 done_cb;
	journal_thread_trouble_cb	 trouble_cb;
	void				*arg;
	struct event			*event;
	int				 wake_fd;    /* thread to loop */
	pthread_t			 thread;
	bool				 started;
	bool				 busy;       /* the loop's view */
	pthread_mutex_t			 mutex;
	pthread_cond_t			 cond;
	/* Under the mutex. */
	struct journal_job		*todo;
	struct journal_job		*done;
	bool				 stop;
	bool				 synced;     /* look at it */
	struct mono			 since;      /* blocked since; 0: not */
	bool				 trouble;
	struct err			 trouble_err;
	uint64_t			 oldest;
	/* The thread's own. */
	struct mono			 sync_due;
	struct mono			 retain_due;
	uint64_t			 announced;  /* newest memory segment */
};

/* --- jobs ---------------------------------------------------------------- */

void
journal_job_add(struct journal_job *job, const void *record, size_t n,
    uint64_t first, uint64_t last)
{
	if (job->n_records == job->size_records) {
		job->size_records = job->size_records * 2 + 64;
		job->records = xreallocarray(job->records,
		    job->size_records, sizeof(*job->records));
	}
	job->records[job->n_records++] = (struct writer_record){
		job->bytes.len, n, first, last };
	buf_add(&job->bytes, record, n);
}

void
journal_job_reset(struct journal_job *job)
{
	struct journal_job kept = { .bytes = job->bytes, .state = job->state,
		.publishers = job->publishers, .records = job->records,
		.size_records = job->size_records };

	*job = kept;
	buf_reset(&job->bytes);
	buf_reset(&job->state);
	buf_reset(&job->publishers);
}

void
journal_job_clear(struct journal_job *job)
{
	buf_free(&job->bytes);
	buf_free(&job->state);
	buf_free(&job->publishers);
	free(job->records);
	*job = (struct journal_job){ 0 };
}

/* --- the thread ---------------------------------------------------------- */

static void
wake_loop(struct journal_thread *t)
{
	uint64_t one = 1;

	while (write(t->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static int
job_records(struct journal_thread *t, struct journal_job *job,
    int64_t now_ms)
{
	struct journal_writer *w = t->writer;

	/* A disk that failed is no news to who goes on in memory. */
	if (!job->to_memory && journal_writer_sync_keep_up(w, t->sync_ms,
	    &job->err) < 0)
		return -1;
	if (job->to_memory && journal_writer_memory(w, job->memory_epoch,
	    job->memory_first, now_ms, &job->err) < 0)
		return -1;
	if (job->publishers.len != 0 && journal_writer_publishers(w,
	    job->publishers.data, job->publishers.len, &job->err) < 0)
		return -1;
	return journal_writer_append(w, job->bytes.data, job->records,
	    job->n_records, t->sync == CONF_SYNC_ALWAYS, now_ms, &job->err);
}

/* Hands the loop its own fds of memory segments it has not seen. */
static void
job_segments(struct journal_thread *t, struct journal_job *job)
{
	uint64_t first;
	int fd;

	job->n_segments = 0;
	for (size_t i = 0; (fd = journal_writer_memory_fd(t->writer, i,
	    &first)) >= 0; i++) {
		if (first <= t->announced || job->n_segments ==
		    JOB_SEGMENTS_MAX)
			continue;
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (fd < 0)
			continue;
		t->announced = first;
		job->segments[job->n_segments++] =
		    (struct job_segment){ first, fd };
	}
}

static void
job_run(struct journal_thread *t, struct journal_job *job)
{
	struct journal_writer *w = t->writer;
	int64_t now_ms = wall_unix_ms();

	job->rc = job_records(t, job, now_ms);
	if (job->rc == 0 && job->state.len != 0)
		job->state_rc = journal_writer_state(w, job->state_position,
		    job->state_begin, job->state_finish, job->state.data,
		    job->state.len, &job->state_err);
	if (job->rc == 0 && job->close)
		job->rc = journal_writer_close(w, &job->err);
	if (job->n_records != 0)
		journal_writer_retain(w, now_ms);
	job_segments(t, job);
	job->state_due = journal_writer_state_due(w);
	journal_writer_info(w, &job->info);
}

/* Background work; false when the disk failed. */
static bool
idle_work(struct journal_thread *t, struct err *err)
{
	struct mono now = mono_now();

	if (!mono_before(now, t->retain_due)) {
		t->retain_due = mono_add_ms(now, THREAD_RETAIN_MS);
		journal_writer_retain(t->writer, wall_unix_ms());
		journal_writer_note(t->writer);
	}
	if (t->sync != CONF_SYNC_INTERVAL)
		return true;
	if (journal_writer_sync_keep_up(t->writer, INT64_MAX, err) < 0)
		return false;
	if (!journal_writer_dirty(t->writer) ||
	    journal_writer_syncing(t->writer) ||
	    mono_before(now, t->sync_due))
		return true;
	t->sync_due = mono_add_ms(now, t->sync_ms);
	return journal_writer_sync_begin(t->writer, err) == 0;
}

/* Sleeps until there is a job, a sync is due, or it is time to stop. */
static void
sleep_locked(struct journal_thread *t)
{
	struct mono until = t->retain_due;
	struct timespec ts;

	if (t->sync == CONF_SYNC_INTERVAL &&
	    journal_writer_dirty(t->writer) &&
	    !journal_writer_syncing(t->writer) && !t->trouble &&
	    mono_before(t->sync_due, until))
		until = t->sync_due;
	ts.tv_sec = until.ns / 1000000000;
	ts.tv_nsec = until.ns % 1000000000;
	(void)pthread_cond_timedwait(&t->cond, &t->mutex, &ts);
}

/* The loop has it back as soon as it is written: nobody's answer waits for a
 * sync in the background. */
static void
run_and_hand_back(struct journal_thread *t, struct journal_job *job)
{
	bool memory = job->to_memory;

	job_run(t, job);
	(void)pthread_mutex_lock(&t->mutex);
	if (memory)
		t->trouble = false;
	t->done = job;
	(void)pthread_mutex_unlock(&t->mutex);
	wake_loop(t);
}

static void
work_unlocked(struct journal_thread *t, struct journal_job *job)
{
	struct writer_info info;
	struct err err;
	bool good;

	t->since = mono_now();
	(void)pthread_mutex_unlock(&t->mutex);
	if (job != NULL)
		run_and_hand_back(t, job);
	good = idle_work(t, &err);
	journal_writer_info(t->writer, &info);
	(void)pthread_mutex_lock(&t->mutex);
	t->oldest = info.oldest;
	t->since = (struct mono){ 0 };
	if (!good && !t->trouble) {
		t->trouble = true;
		t->trouble_err = err;
		wake_loop(t);
	}
}

static void *
thread_main(void *arg)
{
	struct journal_thread *t = arg;

	(void)pthread_mutex_lock(&t->mutex);
	for (;;) {
		struct journal_job *job = t->todo;

		t->todo = NULL;
		t->synced = false;
		if (job == NULL && t->stop)
			break;
		work_unlocked(t, job);
		if (t->todo == NULL && !t->stop && !t->synced)
			sleep_locked(t);
	}
	(void)pthread_mutex_unlock(&t->mutex);
	return NULL;
}

/* A sync is over: the thread takes its result. */
static void
journal_thread_synced_cb(void *arg)
{
	struct journal_thread *t = arg;

	assert(t->magic == THREAD_MAGIC);
	(void)pthread_mutex_lock(&t->mutex);
	t->synced = true;
	(void)pthread_mutex_unlock(&t->mutex);
	(void)pthread_cond_signal(&t->cond);
}

/* --- the loop's side ----------------------------------------------------- */

static void
journal_thread_wake_cb(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct journal_thread *t = arg;
	struct journal_job *job;
	struct err err = { 0 };
	uint64_t count;
	bool trouble;

	assert(t->magic == THREAD_MAGIC);
	(void)!read(fd, &count, sizeof(count));
	(void)pthread_mutex_lock(&t->mutex);
	job = t->done;
	t->done = NULL;
	trouble = t->trouble && t->trouble_err.text[0] != '\0';
	if (trouble) {
		err = t->trouble_err;
		t->trouble_err.text[0] = '\0';
	}
	(void)pthread_mutex_unlock(&t->mutex);
	if (trouble)
		t->trouble_cb(&err, t->arg);
	if (job != NULL) {
		t->busy = false;
		t->done_cb(job, t->arg);
	}
}

static int
start(struct journal_thread *t, struct err *err)
{
	sigset_t all, before;
	int rc;

	if (t->sync == CONF_SYNC_INTERVAL) {
		t->background = background_sync_new(journal_thread_synced_cb,
		    t, err);
		if (t->background == NULL)
			return -1;
		journal_writer_background(t->writer, t->background);
	}
	/* Signals are the loop's. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&t->thread, NULL, thread_main, t);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0)
		return err_errno(err, rc, "journal thread");
	t->started = true;
	return 0;
}

struct journal_thread *
journal_thread_new(struct event_base *base, struct journal_writer *writer,
    enum conf_sync sync, int64_t sync_ms, journal_thread_done_cb done,
    journal_thread_trouble_cb trouble, void *arg, struct err *err)
{
	struct journal_thread *t = xcalloc(1, sizeof(*t));
	pthread_condattr_t attr;

	t->magic = THREAD_MAGIC;
	t->writer = writer;
	t->sync = sync;
	t->sync_ms = sync_ms;
	t->done_cb = done;
	t->trouble_cb = trouble;
	t->arg = arg;
	t->sync_due = t->retain_due = mono_now();
	(void)pthread_mutex_init(&t->mutex, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&t->cond, &attr);
	(void)pthread_condattr_destroy(&attr);
	t->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (t->wake_fd < 0) {
		(void)err_errno(err, errno, "eventfd");
		journal_thread_free(t);
		return NULL;
	}
	t->event = event_new(base, t->wake_fd, EV_READ | EV_PERSIST,
	    journal_thread_wake_cb, t);
	if (t->event == NULL || event_add(t->event, NULL) < 0 ||
	    start(t, err) < 0) {
		journal_thread_free(t);
		return NULL;
	}
	return t;
}

void
journal_thread_free(struct journal_thread *t)
{
	if (t == NULL)
		return;
	assert(t->magic == THREAD_MAGIC);
	if (t->started) {
		(void)pthread_mutex_lock(&t->mutex);
		t->stop = true;
		(void)pthread_cond_signal(&t->cond);
		(void)pthread_mutex_unlock(&t->mutex);
		(void)pthread_join(t->thread, NULL);
	}
	background_sync_free(t->background);
	if (t->event != NULL)
		event_free(t->event);
	if (t->wake_fd >= 0)
		(void)close(t->wake_fd);
	(void)pthread_cond_destroy(&t->cond);
	(void)pthread_mutex_destroy(&t->mutex);
	journal_writer_free(t->writer);
	t->magic = 0;
	free(t);
}

void
journal_thread_submit(struct journal_thread *t, struct journal_job *job)
{
	assert(!t->busy);
	t->busy = true;
	(void)pthread_mutex_lock(&t->mutex);
	t->todo = job;
	(void)pthread_mutex_unlock(&t->mutex);
	/* Not before: the thread would wake up only to wait for the mutex. */
	(void)pthread_cond_signal(&t->cond);
}

bool
journal_thread_busy(const struct journal_thread *t)
{
	return t->busy;
}

int64_t
journal_thread_blocked_ms(struct journal_thread *t)
{
	int64_t ms = 0;

	(void)pthread_mutex_lock(&t->mutex);
	if (t->since.ns != 0)
		ms = mono_diff_ms(mono_now(), t->since);
	(void)pthread_mutex_unlock(&t->mutex);
	return t->background == NULL ? ms :
	    MAX(ms, background_sync_ms(t->background));
}

uint64_t
journal_thread_oldest(struct journal_thread *t)
{
	uint64_t oldest;

	(void)pthread_mutex_lock(&t->mutex);
	oldest = t->oldest;
	(void)pthread_mutex_unlock(&t->mutex);
	return oldest;
}
