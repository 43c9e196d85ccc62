#include "store/db_writer.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "common/journal.h"
#include "common/mono.h"
#include "common/xmalloc.h"
#include "store/backlog.h"
#include "store/conf_slot.h"
#include "store/db_batch.h"
#include "store/projection_db.h"
#include "store/run_handover.h"

#define DB_WRITER_MAGIC    0x44425752u
#define DB_WRITER_RETRY_MS 100

struct db_writer {
	uint32_t		 magic;
	int			 notify_fd;
	bool			 started;
	pthread_t		 thread;
	pthread_mutex_t		 mutex;     /* guards what follows */
	struct conf_slot	 conf;
	pthread_cond_t		 wake;
	struct backlog		 backlog;
	uint64_t		 oldest;
	bool			 stopping;
	struct mono		 stop_by;
	struct mono		 next_sweep;
	struct db_writer_status	 status;
	struct run_handover	 runs;
	/* The thread's own. */
	uint64_t		 runs_through;  /* `change` of the last */
	struct projection_db	*db;
	struct journal_reader	*journal;
	pthread_mutex_t		 journal_mutex;  /* the loop adds segments */
	int64_t			 retry_ms;
};

/* --- the thread: waiting ------------------------------------------------- */

static void
cond_wait_ms(struct db_writer *w, int64_t ms)
{
	struct mono t = mono_add_ms(mono_now(), ms);
	struct timespec ts = { t.ns / 1000000000, t.ns % 1000000000 };

	(void)pthread_cond_timedwait(&w->wake, &w->mutex, &ts);
}

static void
writer_notify(struct db_writer *w)
{
	(void)eventfd_write(w->notify_fd, 1);
}

static bool
writer_must_leave(struct db_writer *w)
{
	return w->stopping && (mono_before(w->stop_by, mono_now()) ||
	    backlog_empty(&w->backlog));
}

/* --- the thread: runs that are followed ---------------------------------- */

static void
run_changed_cb(struct run_progress *p, void *arg)
{
	struct db_writer *w = arg;

	pthread_mutex_lock(&w->mutex);
	run_handover_put(&w->runs, p);
	pthread_mutex_unlock(&w->mutex);
}

/* Hands over what was committed; what there is no room for comes when the
 * loop has taken all that is there. */
static int
hand_over_runs(struct db_writer *w, struct err *err)
{
	size_t room;
	int more = 1;

	pthread_mutex_lock(&w->mutex);
	room = run_handover_room(&w->runs);
	pthread_mutex_unlock(&w->mutex);
	if (room > 0)
		more = projection_db_runs(w->db, &w->runs_through, room,
		    run_changed_cb, w, err);
	if (more == -1)
		return -1;
	pthread_mutex_lock(&w->mutex);
	run_handover_more(&w->runs, more == 1);
	pthread_mutex_unlock(&w->mutex);
	return 0;
}

/* --- the thread: batches ------------------------------------------------- */

/* Commits and tells everybody; resets the back-off. */
static int
batch_commit(struct db_writer *w, struct err *err)
{
	const struct projection_state *s;

	/* What was committed changes nothing if it is applied again. */
	if (projection_db_commit(w->db, err) == -1 ||
	    hand_over_runs(w, err) == -1)
		return -1;
	s = projection_db_state(w->db);
	pthread_mutex_lock(&w->mutex);
	w->status.applied = s->applied;
	w->status.change = s->change;
	w->status.gapped = s->gapped;
	w->status.gap_change = s->gap_change;
	w->status.runs = *projection_db_run_losses(w->db);
	w->status.trouble[0] = '\0';
	pthread_mutex_unlock(&w->mutex);
	w->retry_ms = 0;
	writer_notify(w);
	return 0;
}

/* *ret_done works are in the database then. */
static int
works_apply(struct db_writer *w, const struct works *batch, size_t *ret_done,
    struct err *err)
{
	size_t done;

	if (projection_db_begin(w->db, err) == -1 ||
	    db_batch_works(w->db, batch, &done, err) == -1 ||
	    batch_commit(w, err) == -1)
		return -1;
	*ret_done = done;
	return 0;
}

/* --- the thread: what the queue could not hold --------------------------- */

/* Reads one batch from the journal. 1 = more may follow, 0 = all there is up
 * to `through` was read, -1 = error. `final`: what the journal lacks it will
 * not get; else that it is announced and not there yet is an error too. */
static int
journal_apply(struct db_writer *w, struct position through, bool final,
    struct err *err)
{
	enum journal_next next;
	bool moved;
	uint64_t at;

	if (projection_db_begin(w->db, err) == -1 ||
	    db_batch_journal(w->db, w->journal, through, &moved, &next,
	    err) == -1)
		return -1;
	if (moved && batch_commit(w, err) == -1)
		return -1;
	if (!moved)
		projection_db_rollback(w->db);
	if (next == JOURNAL_ERROR)
		return -1;
	at = projection_db_state(w->db)->applied.number;
	if (next != JOURNAL_END)
		return 1;
	if (at < through.number && !final)
		return err_set(err, "the journal does not have event %" PRIu64
		    " yet, of %" PRIu64 " announced", at + 1, through.number);
	return 0;
}

/* --- the thread: its loop ------------------------------------------------ */

/* With the mutex held. */
static void
writer_trouble(struct db_writer *w, const struct err *err)
{
	(void)memcpy(w->status.trouble, err->text, sizeof(w->status.trouble));
	w->status.damaged = err->code == EUCLEAN;
	w->retry_ms = MIN(MAX(w->retry_ms * 2, DB_WRITER_RETRY_MS),
	    DB_WRITER_RETRY_MAX_MS);
	writer_notify(w);
	if (w->status.damaged)
		return;
	cond_wait_ms(w, w->stopping ? DB_WRITER_RETRY_MS : w->retry_ms);
}

/* One round of work, the mutex held on entry and on return. */
static void
writer_round(struct db_writer *w)
{
	struct works batch = TAILQ_HEAD_INITIALIZER(batch);
	const struct work *run = backlog_journal(&w->backlog);
	struct position through = run != NULL ? run->through
	    : (struct position){ 0, 0 };
	bool final = backlog_journal_final(&w->backlog);
	struct err err = { 0 };
	size_t done = 0;
	int rc;

	backlog_take(&w->backlog, &batch, DB_BATCH_MAX);
	pthread_mutex_unlock(&w->mutex);
	if (run != NULL) {
		pthread_mutex_lock(&w->journal_mutex);
		rc = journal_apply(w, through, final, &err);
		pthread_mutex_unlock(&w->journal_mutex);
	} else {
		rc = works_apply(w, &batch, &done, &err);
	}
	if (rc == -1)
		projection_db_rollback(w->db);
	pthread_mutex_lock(&w->mutex);
	backlog_settle(&w->backlog, &batch, done);
	/* Not if it was moved further since. */
	if (run != NULL && rc == 0)
		backlog_journal_end(&w->backlog, through);
	if (rc == -1)
		writer_trouble(w, &err);
}

static void
writer_sweep(struct db_writer *w)
{
	uint64_t oldest = w->oldest;
	struct err err = { 0 };
	int rc, more = 0;

	(void)conf_slot_take(&w->conf);
	pthread_mutex_unlock(&w->mutex);
	pthread_mutex_lock(&w->journal_mutex);
	journal_reader_forget(w->journal, oldest);
	pthread_mutex_unlock(&w->journal_mutex);
	rc = projection_db_begin(w->db, &err);
	if (rc == 0)
		rc = more = projection_db_sweep(w->db, w->conf.now, oldest,
		    wall_unix_ms(), &err);
	if (rc >= 0)
		rc = batch_commit(w, &err);
	if (rc == -1)
		projection_db_rollback(w->db);
	pthread_mutex_lock(&w->mutex);
	w->next_sweep = mono_add_ms(mono_now(), more == 1
	    ? DB_WRITER_SWEEP_MORE_MS : DB_WRITER_SWEEP_MS);
	if (rc == -1)
		writer_trouble(w, &err);
}

/* The loop has taken every run it was given, and there are more. */
static void
writer_runs(struct db_writer *w)
{
	struct err err = { 0 };
	int rc;

	pthread_mutex_unlock(&w->mutex);
	rc = hand_over_runs(w, &err);
	pthread_mutex_lock(&w->mutex);
	if (rc == -1)
		writer_trouble(w, &err);
	else
		writer_notify(w);
}

static void *
writer_main(void *arg)
{
	struct db_writer *w = arg;

	assert(w->magic == DB_WRITER_MAGIC);
	pthread_mutex_lock(&w->mutex);
	while (!w->status.damaged && !writer_must_leave(w)) {
		/* Also while work never ends; but not at the end. */
		if (!w->stopping && mono_before(w->next_sweep, mono_now()))
			writer_sweep(w);
		else if (!backlog_empty(&w->backlog))
			writer_round(w);
		else if (run_handover_wanted(&w->runs))
			writer_runs(w);
		else
			cond_wait_ms(w, MAX(mono_diff_ms(w->next_sweep,
			    mono_now()), INT64_C(1)));
	}
	pthread_mutex_unlock(&w->mutex);
	return NULL;
}

/* --- the loop's side ----------------------------------------------------- */

static void
cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(cond, &attr);
	(void)pthread_condattr_destroy(&attr);
}

struct db_writer *
db_writer_new(const char *path, const struct conf *conf, int notify_fd,
    char *note, struct err *err)
{
	struct db_writer *w = xcalloc(1, sizeof(*w));
	const struct projection_state *s;
	char *directory = conf_journal_directory(conf);
	int rc;

	w->magic = DB_WRITER_MAGIC;
	conf_slot_init(&w->conf, conf);
	w->notify_fd = notify_fd;
	backlog_init(&w->backlog, DB_WRITER_QUEUE_MAX);
	(void)pthread_mutex_init(&w->mutex, NULL);
	(void)pthread_mutex_init(&w->journal_mutex, NULL);
	cond_init(&w->wake);
	w->next_sweep = mono_add_ms(mono_now(), DB_WRITER_SWEEP_MS);
	w->journal = journal_reader_new(directory, err);
	free(directory);
	if (w->journal == NULL ||
	    (w->db = projection_db_open(path, note, err)) == NULL)
		goto fail;
	if (hand_over_runs(w, err) == -1)
		goto fail;
	projection_db_conf(w->db, conf);
	s = projection_db_state(w->db);
	w->status.applied = s->applied;
	w->status.change = s->change;
	w->status.gapped = s->gapped;
	w->status.gap_change = s->gap_change;
	rc = pthread_create(&w->thread, NULL, writer_main, w);
	if (rc != 0) {
		(void)err_errno(err, rc, "the writer thread");
		goto fail;
	}
	w->started = true;
	return w;
fail:
	db_writer_free(w);
	return NULL;
}

void
db_writer_stop(struct db_writer *w, int64_t patience_ms)
{
	assert(w->magic == DB_WRITER_MAGIC);
	if (!w->started)
		return;
	pthread_mutex_lock(&w->mutex);
	w->stopping = true;
	w->stop_by = mono_add_ms(mono_now(), patience_ms);
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->mutex);
	(void)pthread_join(w->thread, NULL);
	w->started = false;
}

void
db_writer_free(struct db_writer *w)
{
	if (w == NULL)
		return;
	assert(w->magic == DB_WRITER_MAGIC && !w->started);
	w->magic = 0;
	backlog_clear(&w->backlog);
	run_handover_clear(&w->runs);
	conf_slot_clear(&w->conf);
	projection_db_close(w->db);
	journal_reader_free(w->journal);
	(void)pthread_mutex_destroy(&w->mutex);
	(void)pthread_mutex_destroy(&w->journal_mutex);
	(void)pthread_cond_destroy(&w->wake);
	free(w);
}

static void
writer_push(struct db_writer *w, enum work_kind kind, const void *bytes,
    size_t n, struct position through)
{
	pthread_mutex_lock(&w->mutex);
	backlog_push(&w->backlog, kind, bytes, n, through);
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->mutex);
}

void
db_writer_record(struct db_writer *w, const void *bytes, size_t n,
    struct position last)
{
	writer_push(w, WORK_RECORD, bytes, n, last);
}

void
db_writer_at(struct db_writer *w, struct position through)
{
	writer_push(w, WORK_AT, NULL, 0, through);
}

void
db_writer_gap(struct db_writer *w, struct position through)
{
	writer_push(w, WORK_GAP, NULL, 0, through);
}

void
db_writer_segment(struct db_writer *w, uint64_t first, int fd)
{
	pthread_mutex_lock(&w->journal_mutex);
	journal_reader_add_segment(w->journal, first, fd);
	pthread_mutex_unlock(&w->journal_mutex);
}

void
db_writer_retract(struct db_writer *w, uint64_t tip)
{
	pthread_mutex_lock(&w->journal_mutex);
	journal_reader_retract(w->journal, tip);
	pthread_mutex_unlock(&w->journal_mutex);
}

void
db_writer_oldest(struct db_writer *w, uint64_t oldest)
{
	pthread_mutex_lock(&w->mutex);
	w->oldest = oldest;
	pthread_mutex_unlock(&w->mutex);
}

void
db_writer_call(struct db_writer *w)
{
	writer_notify(w);
}

void
db_writer_conf(struct db_writer *w, struct conf *conf)
{
	pthread_mutex_lock(&w->mutex);
	conf_slot_offer(&w->conf, conf);
	w->next_sweep = mono_now();
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->mutex);
}

bool
db_writer_take_run(struct db_writer *w, struct run_progress *ret)
{
	bool there;

	pthread_mutex_lock(&w->mutex);
	there = run_handover_take(&w->runs, ret);
	if (run_handover_wanted(&w->runs))
		pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->mutex);
	return there;
}

void
db_writer_status(struct db_writer *w, struct db_writer_status *ret)
{
	pthread_mutex_lock(&w->mutex);
	*ret = w->status;
	ret->queued = w->backlog.bytes;
	ret->from_journal = w->backlog.runs > 0;
	pthread_mutex_unlock(&w->mutex);
}
