#include "lib/pub_row.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "common/mono.h"
#include "common/xmalloc.h"
#include "lib/pub_queue.h"
#include "lib/spool.h"
#include "lib/spool_recover.h"

#define ROW_MAGIC       0x50555257u   /* "PURW" */
#define IDLE_MS         60000
#define SPOOL_RETRY_MS  1000    /* after a write or a read that has failed */
#define READ_TRIES_MAX  5       /* of a file that is to blame itself */
#define SYNC_MS         1000    /* SLUICE_SYNC_SECOND */

struct pub_row {
	uint32_t		 magic;
	pthread_mutex_t		 mutex;
	pthread_cond_t		 settled;   /* resolved has moved */
	/* Under the mutex. */
	struct pub_queue	 queue;
	struct sluice_stats	 stats;
	uint64_t		 resolved;  /* of handed + recovered */
	unsigned int		 flushing;  /* callers that wait */
	bool			 stopping;
	/* The own thread's. */
	pub_row_cb		 cb;
	void			*arg;
	struct spool		*spool;     /* NULL: none */
	bool			 spool_first;
	bool			 away;
	bool			 write_failed;
	bool			 read_failed;
	unsigned int		 read_tries;
	struct mono		 write_at;  /* not before; so are all */
	struct mono		 read_at;
	struct mono		 sync_at;
	char			 damage[SPOOL_DAMAGE_MAX];
};

/* --- what there is to say ------------------------------------------------- */

/* One word for both: the spool does its work, or not. */
static void
set_failed(struct pub_row *r, bool *which, bool failed, const char *text)
{
	bool before = r->write_failed || r->read_failed;
	bool now;

	*which = failed;
	now = r->write_failed || r->read_failed;
	if (before != now)
		r->cb(now ? SLUICE_SPOOL_FAILED : SLUICE_SPOOL_WORKS, text,
		    r->arg);
}

static void
set_write_failed(struct pub_row *r, bool failed, const char *text)
{
	if (failed)
		r->write_at = mono_add_ms(mono_now(), SPOOL_RETRY_MS);
	set_failed(r, &r->write_failed, failed, text);
}

static void
publish_figures(struct pub_row *r)
{
	if (r->spool == NULL)
		return;
	r->stats.spooled = spool_pending(r->spool);
	r->stats.spool_bytes = spool_bytes(r->spool);
}

/* --- from the queue to the spool ------------------------------------------ */

/* Under the mutex, with a spool and a queue that is not empty: from when on it
 * is to be written. */
static struct mono
spill_due(const struct pub_row *r)
{
	struct mono due = { 0 };

	if (!r->spool_first && !r->away &&
	    !pub_queue_half_full(&r->queue))
		due = mono_add_ms(pub_queue_peek(&r->queue, 0)->since,
		    SLUICE_SPOOL_AFTER_MS);
	if (r->write_failed && mono_before(due, r->write_at))
		due = r->write_at;
	return due;
}

/* Under the mutex. */
static bool
must_spill(const struct pub_row *r, struct mono now)
{
	return r->spool != NULL && r->queue.n > 0 &&
	    (r->stopping || !mono_before(now, spill_due(r)));
}

/* The oldest texts of the queue, which stay there; how many. */
static size_t
peek(struct pub_row *r, struct slice *texts, size_t n)
{
	size_t i;

	for (i = 0; i < n && i < r->queue.n; i++) {
		const struct pub_entry *e = pub_queue_peek(&r->queue, i);

		texts[i] = (struct slice){ e->text, e->size };
	}
	return i;
}

/* From the queue to the spool, as long as there is reason to and room. */
void
pub_row_spill(struct pub_row *r)
{
	struct slice texts[SLUICE_BATCH_EVENTS];
	size_t n, done;
	struct err err;

	for (;;) {
		(void)pthread_mutex_lock(&r->mutex);
		n = must_spill(r, mono_now()) ?
		    peek(r, texts, NELEM(texts)) : 0;
		(void)pthread_mutex_unlock(&r->mutex);
		if (n == 0)
			return;
		done = spool_append(r->spool, texts, n, &err);
		(void)pthread_mutex_lock(&r->mutex);
		for (size_t i = 0; i < done; i++)
			pub_queue_remove(&r->queue);
		publish_figures(r);
		(void)pthread_mutex_unlock(&r->mutex);
		set_write_failed(r, done < n, done < n ? err.text :
		    "the spool can be written again");
		if (done < n)
			return;
	}
}

/* --- the begin of the row ------------------------------------------------- */

/* n events are in the row no more. Under the mutex. */
static void
resolve(struct pub_row *r, uint64_t n)
{
	r->resolved += n;
	publish_figures(r);
	(void)pthread_cond_broadcast(&r->settled);
}

void
pub_row_settle(struct pub_row *r, const struct pub_batch *b)
{
	size_t spooled = 0, i;
	struct err err;
	bool kept = true;

	if (r->spool != NULL)
		spooled = MIN(spool_pending(r->spool), b->n);
	for (i = 0; i < spooled; i++)
		spool_take(r->spool, pub_batch_size(b, i));
	if (spooled > 0)
		kept = spool_commit(r->spool, &err) == 0;
	(void)pthread_mutex_lock(&r->mutex);
	for (; i < b->n; i++)
		pub_queue_remove(&r->queue);
	resolve(r, b->n);
	(void)pthread_mutex_unlock(&r->mutex);
	if (!kept)
		set_write_failed(r, true, err.text);
}

static bool
add_spooled_cb(struct slice text, void *arg)
{
	return pub_batch_add(arg, text.p, text.n);
}

/* Under the mutex: is the queue's begin worth a request already? */
static bool
is_ripe(const struct pub_row *r, struct mono now)
{
	const struct pub_queue *q = &r->queue;

	return q->n > 0 && (r->flushing > 0 ||
	    q->n >= SLUICE_BATCH_EVENTS || q->bytes >= SLUICE_BATCH_BYTES ||
	    !mono_before(now, mono_add_ms(pub_queue_peek(q, 0)->since,
	    SLUICE_BATCH_MS)));
}

static void
take_from_queue(struct pub_row *r, struct pub_batch *b)
{
	struct slice texts[SLUICE_BATCH_EVENTS];
	size_t n;

	/* Then it is written first, in the next turn. */
	if (r->spool_first && !r->write_failed)
		return;
	(void)pthread_mutex_lock(&r->mutex);
	n = is_ripe(r, mono_now()) ? peek(r, texts, NELEM(texts)) : 0;
	(void)pthread_mutex_unlock(&r->mutex);
	for (size_t i = 0; i < n; i++)
		if (!pub_batch_add(b, texts[i].p, texts[i].n))
			break;
}

/* A file that is to blame itself would hold up all that stands behind it. */
static void
give_up(struct pub_row *r)
{
	uint64_t lost = spool_set_aside(r->spool, r->damage);

	r->read_tries = 0;
	(void)pthread_mutex_lock(&r->mutex);
	r->stats.damaged += lost;
	resolve(r, lost);
	(void)pthread_mutex_unlock(&r->mutex);
	r->cb(SLUICE_SPOOL_DAMAGED, r->damage, r->arg);
	set_failed(r, &r->read_failed, false, "what stands behind is read");
}

static void
take_from_spool(struct pub_row *r, struct pub_batch *b)
{
	struct err err;

	if (mono_before(mono_now(), r->read_at))
		return;
	if (spool_read(r->spool, add_spooled_cb, b, &err) == 0) {
		r->read_tries = 0;
		set_failed(r, &r->read_failed, false,
		    "the spool can be read again");
		return;
	}
	set_failed(r, &r->read_failed, true, err.text);
	if (spool_is_broken(r->spool) && ++r->read_tries == READ_TRIES_MAX)
		give_up(r);
	else
		r->read_at = mono_add_ms(mono_now(), SPOOL_RETRY_MS);
}

void
pub_row_take(struct pub_row *r, struct pub_batch *b)
{
	if (r->spool == NULL || spool_pending(r->spool) == 0)
		take_from_queue(r, b);
	else
		take_from_spool(r, b);
}

/* --- the own thread's turn ------------------------------------------------ */

void
pub_row_begin(struct pub_row *r)
{
	if (r->damage[0] != '\0')
		r->cb(SLUICE_SPOOL_DAMAGED, r->damage, r->arg);
}

void
pub_row_set_away(struct pub_row *r, bool away)
{
	r->away = away;
}

bool
pub_row_is_stopping(struct pub_row *r)
{
	bool stopping;

	(void)pthread_mutex_lock(&r->mutex);
	stopping = r->stopping;
	(void)pthread_mutex_unlock(&r->mutex);
	return stopping;
}

void
pub_row_count(struct pub_row *r, const struct sluice_stats *more)
{
	(void)pthread_mutex_lock(&r->mutex);
	r->stats.requests += more->requests;
	r->stats.failures += more->failures;
	r->stats.accepted += more->accepted;
	r->stats.duplicates += more->duplicates;
	r->stats.refused += more->refused;
	(void)pthread_mutex_unlock(&r->mutex);
}

void
pub_row_sync(struct pub_row *r)
{
	struct mono now = mono_now();
	struct err err;

	if (r->spool == NULL || !spool_needs_sync(r->spool)) {
		r->sync_at = mono_add_ms(now, SYNC_MS);
		return;
	}
	if (mono_before(now, r->sync_at))
		return;
	r->sync_at = mono_add_ms(now, SYNC_MS);
	if (spool_sync(r->spool, &err) != 0)
		set_write_failed(r, true, err.text);
}

/* Under the mutex: until the queue's oldest event is sent or spooled. */
static int64_t
queue_wait_ms(const struct pub_row *r, bool busy, struct mono now)
{
	struct mono since = pub_queue_peek(&r->queue, 0)->since;

	if (!busy && (r->spool == NULL ||
	    spool_pending(r->spool) == 0))
		return r->flushing > 0 ? 0 : mono_left_ms(mono_add_ms(since,
		    SLUICE_BATCH_MS), now);
	return r->spool != NULL ? mono_left_ms(spill_due(r), now) : IDLE_MS;
}

int64_t
pub_row_wait_ms(struct pub_row *r, bool busy)
{
	struct mono now = mono_now();
	int64_t wait = IDLE_MS;

	if (r->spool != NULL) {
		if (spool_needs_sync(r->spool))
			wait = MIN(wait, mono_left_ms(r->sync_at, now));
		if (!busy && spool_pending(r->spool) > 0)
			wait = MIN(wait, mono_left_ms(r->read_at, now));
	}
	(void)pthread_mutex_lock(&r->mutex);
	if (r->queue.n > 0)
		wait = MIN(wait, queue_wait_ms(r, busy, now));
	if (r->stopping)
		wait = 0;
	(void)pthread_mutex_unlock(&r->mutex);
	return wait;
}

/* --- called by any -------------------------------------------------------- */

int
pub_row_hand(struct pub_row *r, char *text, size_t size, bool *ret_wake)
{
	bool taken, wake = false;

	assert(r->magic == ROW_MAGIC);
	(void)pthread_mutex_lock(&r->mutex);
	taken = pub_queue_push(&r->queue, text, size, mono_now());
	if (taken) {
		const struct pub_queue *q = &r->queue;
		bool half = pub_queue_half_full(q);

		r->stats.handed++;
		/* When there is something at all, a whole batch, or little
		 * room: else the thread wakes by itself. */
		wake = q->n == 1 || q->n == SLUICE_BATCH_EVENTS ||
		    (q->bytes >= SLUICE_BATCH_BYTES &&
		    q->bytes - size < SLUICE_BATCH_BYTES) ||
		    (half && (q->n == q->places / 2 + 1 ||
		    q->bytes - size <= q->bytes_max / 2));
	}
	(void)pthread_mutex_unlock(&r->mutex);
	*ret_wake = wake;
	return taken ? SLUICE_OK : SLUICE_FULL;
}

uint64_t
pub_row_flush(struct pub_row *r)
{
	uint64_t until;

	assert(r->magic == ROW_MAGIC);
	(void)pthread_mutex_lock(&r->mutex);
	until = r->stats.handed + r->stats.recovered;
	r->flushing++;
	(void)pthread_mutex_unlock(&r->mutex);
	return until;
}

int
pub_row_wait(struct pub_row *r, uint64_t until, int64_t timeout_ms)
{
	struct mono end = mono_add_ms(mono_now(), MAX(timeout_ms, 0));
	struct timespec at = { .tv_sec = end.ns / 1000000000,
	    .tv_nsec = end.ns % 1000000000 };
	int code = 0, rc;

	(void)pthread_mutex_lock(&r->mutex);
	while (r->resolved < until && code == 0 && timeout_ms > 0)
		code = pthread_cond_timedwait(&r->settled, &r->mutex, &at);
	r->flushing--;
	rc = r->resolved >= until ? SLUICE_OK : SLUICE_TIMEOUT;
	(void)pthread_mutex_unlock(&r->mutex);
	return rc;
}

void
pub_row_stats(struct pub_row *r, struct sluice_stats *ret)
{
	assert(r->magic == ROW_MAGIC);
	(void)pthread_mutex_lock(&r->mutex);
	*ret = r->stats;
	ret->queued = r->queue.n;
	(void)pthread_mutex_unlock(&r->mutex);
}

void
pub_row_stop(struct pub_row *r)
{
	assert(r->magic == ROW_MAGIC);
	(void)pthread_mutex_lock(&r->mutex);
	r->stopping = true;
	(void)pthread_mutex_unlock(&r->mutex);
}

/* --- opening -------------------------------------------------------------- */

struct pub_row *
pub_row_new(const struct sluice_options *o, pub_row_cb cb, void *arg,
    struct err *err)
{
	struct pub_row *r = xcalloc(1, sizeof(*r));
	pthread_condattr_t monotonic;

	r->magic = ROW_MAGIC;
	r->cb = cb;
	r->arg = arg;
	r->spool_first = o->spool_first != 0;
	(void)pthread_mutex_init(&r->mutex, NULL);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&r->settled, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	pub_queue_init(&r->queue, o->queue_events, o->queue_bytes);
	if (o->spool_directory == NULL)
		return r;
	r->spool = spool_open(o->spool_directory, o->spool_max_bytes, o->sync,
	    r->damage, err);
	if (r->spool == NULL) {
		(void)pub_row_free(r);
		return NULL;
	}
	r->stats.recovered = spool_pending(r->spool);
	r->stats.damaged = r->damage[0] != '\0';
	publish_figures(r);
	return r;
}

int
pub_row_free(struct pub_row *r)
{
	int rc;

	if (r == NULL)
		return SLUICE_OK;
	assert(r->magic == ROW_MAGIC);
	rc = spool_close(r->spool) == 0 ? SLUICE_OK : SLUICE_UNSYNCED;
	pub_queue_clear(&r->queue);
	(void)pthread_cond_destroy(&r->settled);
	(void)pthread_mutex_destroy(&r->mutex);
	r->magic = 0;
	free(r);
	return rc;
}
