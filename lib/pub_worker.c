#include "lib/pub_worker.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "common/xmalloc.h"
#include "lib/pub_batch.h"
#include "lib/pub_http.h"
#include "lib/pub_queue.h"
#include "lib/pub_retry.h"
#include "lib/pub_token.h"
#include "lib/spool.h"
#include "lib/spool_recover.h"

#define WORKER_MAGIC    0x50555752u   /* "PUWR" */
#define IDLE_MS         60000
#define SPOOL_RETRY_MS  1000    /* after a write that has failed */
#define SYNC_MS         1000    /* SLUICE_SYNC_SECOND */
#define TOKEN_POLL_MS   1000    /* is a refused token's file another now */

struct pub_worker {
	uint32_t		 magic;
	pthread_t		 thread;
	pthread_mutex_t		 mutex;
	pthread_cond_t		 settled;   /* resolved has moved */
	/* Under the mutex. */
	struct pub_queue	 queue;
	struct sluice_stats	 stats;
	uint64_t		 resolved;  /* of handed + recovered */
	unsigned int		 flushing;  /* callers that wait */
	bool			 stopping;
	/* The thread's own. */
	sluice_refused_cb	 on_refused;
	sluice_state_cb		 on_state;
	void			*arg;
	struct pub_http		*http;
	struct pub_token	 token;
	struct spool		*spool;     /* NULL: none */
	bool			 spool_first;
	bool			 spool_failed;
	struct mono		 spool_retry_at;   /* a write */
	struct mono		 read_at;          /* the spool, not before */
	struct mono		 sync_at;
	char			 damage[SPOOL_DAMAGE_MAX];
	struct pub_batch	 batch;     /* n == 0: none */
	enum sluice_state	 state;     /* BACK, AWAY or UNAUTHORIZED */
	struct pub_retry	 retry;
	struct mono		 retry_at;
};

static int64_t
left_ms(struct mono at, struct mono now)
{
	/* Rounded up: too early would be a turn for nothing. */
	return at.ns > now.ns ? mono_diff_ms(at, now) + 1 : 0;
}

static uint32_t
any_number(void)
{
	uint32_t number;

	/* Early at boot there may be none: the clock spreads well enough. */
	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) !=
	    sizeof(number))
		number = (uint32_t)mono_now().ns * 2654435761u;
	return number;
}

/* --- what the caller is told ---------------------------------------------- */

static void
tell(struct pub_worker *w, enum sluice_state state, const char *text)
{
	if (w->on_state != NULL)
		w->on_state(state, text, w->arg);
}

static void
set_state(struct pub_worker *w, enum sluice_state state, const char *text)
{
	if (w->state == state)
		return;
	w->state = state;
	tell(w, state, text);
}

static void
set_spool_failed(struct pub_worker *w, bool failed, const char *text)
{
	if (failed)
		w->spool_retry_at = mono_add_ms(mono_now(), SPOOL_RETRY_MS);
	if (w->spool_failed == failed)
		return;
	w->spool_failed = failed;
	tell(w, failed ? SLUICE_SPOOL_FAILED : SLUICE_SPOOL_WORKS, text);
}

static void
refused_cb(const char *event, size_t size, const struct pub_answer *a,
    void *arg)
{
	struct pub_worker *w = arg;
	char *copy, *details;

	assert(w->magic == WORKER_MAGIC);
	if (w->on_refused == NULL)
		return;
	copy = xstrndup(event, size);
	details = a->details != NULL ? json_dumps(a->details, JSON_COMPACT)
				     : NULL;
	w->on_refused(&(struct sluice_refusal){
		.event = copy,
		.event_size = size,
		.status = a->status,
		.code = a->code,
		.text = a->text,
		.details = details != NULL ? details : "[]",
	}, w->arg);
	free(details);
	free(copy);
}

/* --- the row: spool, then queue ------------------------------------------- */

static void
publish_figures(struct pub_worker *w)
{
	if (w->spool == NULL)
		return;
	w->stats.spooled = spool_pending(w->spool);
	w->stats.spool_bytes = spool_bytes(w->spool);
}

/* Under the mutex, with a spool and a queue that is not empty: from when on it
 * is to be written. */
static struct mono
spill_due(const struct pub_worker *w)
{
	struct mono due = { 0 };

	if (!w->spool_first && w->state == SLUICE_BACK &&
	    !pub_queue_half_full(&w->queue))
		due = mono_add_ms(pub_queue_peek(&w->queue, 0)->since,
		    SLUICE_SPOOL_AFTER_MS);
	if (w->spool_failed && mono_before(due, w->spool_retry_at))
		due = w->spool_retry_at;
	return due;
}

/* Under the mutex. */
static bool
must_spill(const struct pub_worker *w, struct mono now)
{
	return w->spool != NULL && w->queue.n > 0 &&
	    (w->stopping || !mono_before(now, spill_due(w)));
}

/* The oldest texts of the queue, which stay there; how many. */
static size_t
peek(struct pub_worker *w, struct slice *texts, size_t n)
{
	size_t i;

	for (i = 0; i < n && i < w->queue.n; i++) {
		const struct pub_entry *e = pub_queue_peek(&w->queue, i);

		texts[i] = (struct slice){ e->text, e->size };
	}
	return i;
}

/* From the queue to the spool, as long as there is reason to and room. */
static void
spill(struct pub_worker *w)
{
	struct slice texts[SLUICE_BATCH_EVENTS];
	size_t n, done;
	struct err err;

	for (;;) {
		(void)pthread_mutex_lock(&w->mutex);
		n = must_spill(w, mono_now()) ?
		    peek(w, texts, NELEM(texts)) : 0;
		(void)pthread_mutex_unlock(&w->mutex);
		if (n == 0)
			return;
		done = spool_append(w->spool, texts, n, &err);
		(void)pthread_mutex_lock(&w->mutex);
		for (size_t i = 0; i < done; i++)
			pub_queue_remove(&w->queue);
		publish_figures(w);
		(void)pthread_mutex_unlock(&w->mutex);
		set_spool_failed(w, done < n, done < n ? err.text :
		    "the spool can be written again");
		if (done < n)
			return;
	}
}

/* The batch has its answers: it leaves the row. */
static void
settle(struct pub_worker *w)
{
	struct pub_batch *b = &w->batch;
	size_t spooled = 0, i;
	struct err err;
	bool kept = true;

	if (w->spool != NULL)
		spooled = MIN(spool_pending(w->spool), b->n);
	for (i = 0; i < spooled; i++)
		spool_take(w->spool, pub_batch_size(b, i));
	if (spooled > 0)
		kept = spool_commit(w->spool, &err) == 0;
	(void)pthread_mutex_lock(&w->mutex);
	for (; i < b->n; i++)
		pub_queue_remove(&w->queue);
	w->resolved += b->n;
	publish_figures(w);
	(void)pthread_cond_broadcast(&w->settled);
	(void)pthread_mutex_unlock(&w->mutex);
	pub_batch_clear(b);
	if (!kept)
		set_spool_failed(w, true, err.text);
}

/* --- sending -------------------------------------------------------------- */

static bool
add_spooled_cb(struct slice text, void *arg)
{
	return pub_batch_add(arg, text.p, text.n);
}

/* Under the mutex: is the queue's begin worth a request already? */
static bool
is_ripe(const struct pub_worker *w, struct mono now)
{
	const struct pub_queue *q = &w->queue;

	return q->n > 0 && (w->flushing > 0 ||
	    q->n >= SLUICE_BATCH_EVENTS || q->bytes >= SLUICE_BATCH_BYTES ||
	    !mono_before(now, mono_add_ms(pub_queue_peek(q, 0)->since,
	    SLUICE_BATCH_MS)));
}

static void
take_from_queue(struct pub_worker *w)
{
	struct slice texts[SLUICE_BATCH_EVENTS];
	size_t n;

	/* Then it is written first, in the next turn. */
	if (w->spool_first && !w->spool_failed)
		return;
	(void)pthread_mutex_lock(&w->mutex);
	n = is_ripe(w, mono_now()) ? peek(w, texts, NELEM(texts)) : 0;
	(void)pthread_mutex_unlock(&w->mutex);
	for (size_t i = 0; i < n; i++)
		if (!pub_batch_add(&w->batch, texts[i].p, texts[i].n))
			break;
}

/* The next batch, where there is none. */
static void
take_batch(struct pub_worker *w)
{
	struct err err;

	if (w->batch.n > 0)
		return;
	if (w->spool == NULL || spool_pending(w->spool) == 0) {
		take_from_queue(w);
	} else if (!mono_before(mono_now(), w->read_at) &&
	    spool_read(w->spool, add_spooled_cb, &w->batch, &err) != 0) {
		w->read_at = mono_add_ms(mono_now(), SPOOL_RETRY_MS);
		set_spool_failed(w, true, err.text);
	}
	if (w->batch.n > 0)
		pub_batch_begin(&w->batch);
}

static void
failed(struct pub_worker *w, int64_t retry_after_ms)
{
	int64_t wait = pub_retry_failed(&w->retry, retry_after_ms,
	    any_number());

	w->retry_at = mono_add_ms(mono_now(), wait);
}

/* Sends the batch's next question, if it is time. */
static void
post(struct pub_worker *w)
{
	struct slice body;
	struct err err;
	size_t n;

	if (w->batch.n == 0 || pub_http_is_busy(w->http))
		return;
	if (pub_token_refresh(&w->token) && w->state == SLUICE_UNAUTHORIZED)
		w->retry_at = mono_now();
	if (mono_before(mono_now(), w->retry_at))
		return;
	body = pub_batch_question(&w->batch, &n);
	if (pub_http_post(w->http, body, n > 1, w->token.text, &err) != 0) {
		failed(w, 0);
		set_state(w, SLUICE_AWAY, err.text);
	}
}

/* The service has judged the events of the question. */
static void
take_answer(struct pub_worker *w, const struct pub_answer *a)
{
	struct pub_batch *b = &w->batch;
	size_t accepted = b->accepted, duplicates = b->duplicates,
	    refused = b->refused;

	pub_retry_reset(&w->retry);
	pub_batch_answer(b, a, refused_cb, w);
	(void)pthread_mutex_lock(&w->mutex);
	w->stats.accepted += b->accepted - accepted;
	w->stats.duplicates += b->duplicates - duplicates;
	w->stats.refused += b->refused - refused;
	(void)pthread_mutex_unlock(&w->mutex);
	if (a->verdict != PUB_UNAUTHORIZED)
		set_state(w, SLUICE_BACK, "the service takes events");
	if (!pub_batch_is_open(b))
		settle(w);
}

static void
answered(struct pub_worker *w)
{
	struct slice body = pub_http_body(w->http);
	struct pub_answer a;
	char *text = slice_dup(body);
	bool again;
	size_t n;

	(void)pub_batch_question(&w->batch, &n);
	pub_answer_read(&a, n, pub_http_status(w->http), text, body.n);
	again = a.verdict == PUB_AWAY ||
	    (a.verdict == PUB_UNAUTHORIZED && w->token.file != NULL);
	(void)pthread_mutex_lock(&w->mutex);
	w->stats.requests++;
	w->stats.failures += again;
	(void)pthread_mutex_unlock(&w->mutex);
	if (!again) {
		take_answer(w, &a);
	} else if (!pub_token_refresh(&w->token) ||
	    a.verdict != PUB_UNAUTHORIZED) {
		failed(w, pub_http_retry_after_ms(w->http));
		set_state(w, a.verdict == PUB_AWAY ? SLUICE_AWAY :
		    SLUICE_UNAUTHORIZED, a.text);
	}
	pub_answer_clear(&a);
	free(text);
}

/* --- the thread ----------------------------------------------------------- */

/* Under the mutex: until the queue's oldest event is sent or spooled. */
static int64_t
queue_wait_ms(const struct pub_worker *w, struct mono now)
{
	struct mono since = pub_queue_peek(&w->queue, 0)->since;

	if (w->batch.n == 0 && (w->spool == NULL ||
	    spool_pending(w->spool) == 0))
		return w->flushing > 0 ? 0 : left_ms(mono_add_ms(since,
		    SLUICE_BATCH_MS), now);
	return w->spool != NULL ? left_ms(spill_due(w), now) : IDLE_MS;
}

/* Until something is to be done that no event wakes us for. */
static int
wait_ms(struct pub_worker *w)
{
	struct mono now = mono_now();
	int64_t wait = IDLE_MS;

	if (w->batch.n > 0 && !pub_http_is_busy(w->http)) {
		wait = MIN(wait, left_ms(w->retry_at, now));
		if (w->state == SLUICE_UNAUTHORIZED)
			wait = MIN(wait, TOKEN_POLL_MS);
	}
	if (w->spool != NULL) {
		if (spool_needs_sync(w->spool))
			wait = MIN(wait, left_ms(w->sync_at, now));
		if (w->batch.n == 0 && spool_pending(w->spool) > 0)
			wait = MIN(wait, left_ms(w->read_at, now));
	}
	(void)pthread_mutex_lock(&w->mutex);
	if (w->queue.n > 0)
		wait = MIN(wait, queue_wait_ms(w, now));
	if (w->stopping)
		wait = 0;
	(void)pthread_mutex_unlock(&w->mutex);
	return (int)wait;
}

static void
sync_spool(struct pub_worker *w)
{
	struct mono now = mono_now();
	struct err err;

	if (w->spool == NULL || !spool_needs_sync(w->spool)) {
		w->sync_at = mono_add_ms(now, SYNC_MS);
		return;
	}
	if (mono_before(now, w->sync_at))
		return;
	w->sync_at = mono_add_ms(now, SYNC_MS);
	if (spool_sync(w->spool, &err) != 0)
		set_spool_failed(w, true, err.text);
}

static bool
is_stopping(struct pub_worker *w)
{
	bool stopping;

	(void)pthread_mutex_lock(&w->mutex);
	stopping = w->stopping;
	(void)pthread_mutex_unlock(&w->mutex);
	return stopping;
}

static void *
worker_thread(void *arg)
{
	struct pub_worker *w = arg;

	assert(w->magic == WORKER_MAGIC);
	if (w->damage[0] != '\0')
		tell(w, SLUICE_SPOOL_DAMAGED, w->damage);
	while (!is_stopping(w)) {
		spill(w);
		take_batch(w);
		post(w);
		sync_spool(w);
		if (pub_http_work(w->http, wait_ms(w)))
			answered(w);
	}
	spill(w);
	return NULL;
}

/* --- starting ------------------------------------------------------------- */

static int
open_parts(struct pub_worker *w, const struct sluice_options *o,
    struct err *err)
{
	if (pub_token_init(&w->token, o->token, o->token_file, err) != 0)
		return -1;
	w->http = pub_http_new(o->url, o->ca_file, err);
	if (w->http == NULL)
		return -1;
	if (o->spool_directory == NULL)
		return 0;
	w->spool = spool_open(o->spool_directory, o->spool_max_bytes,
	    o->sync, w->damage, err);
	if (w->spool == NULL)
		return -1;
	w->stats.recovered = spool_pending(w->spool);
	publish_figures(w);
	return 0;
}

static void
worker_free(struct pub_worker *w)
{
	pub_http_free(w->http);
	pub_token_clear(&w->token);
	spool_close(w->spool);
	pub_queue_clear(&w->queue);
	buf_free(&w->batch.text);
	(void)pthread_cond_destroy(&w->settled);
	(void)pthread_mutex_destroy(&w->mutex);
	w->magic = 0;
	free(w);
}

/* The application's handlers never run on this thread, and a SIGPIPE or
 * SIGXFSZ that it causes stays pending and goes with it. */
static int
start_thread(struct pub_worker *w, struct err *err)
{
	sigset_t all, before;
	int code;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	code = pthread_create(&w->thread, NULL, worker_thread, w);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return code == 0 ? 0 : err_errno(err, code, "a thread");
}

struct pub_worker *
pub_worker_start(const struct sluice_options *o, struct err *err)
{
	struct pub_worker *w = xcalloc(1, sizeof(*w));
	pthread_condattr_t monotonic;

	w->magic = WORKER_MAGIC;
	(void)pthread_mutex_init(&w->mutex, NULL);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&w->settled, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	pub_queue_init(&w->queue, o->queue_events, o->queue_bytes);
	pub_batch_clear(&w->batch);
	w->state = SLUICE_BACK;
	w->on_refused = o->refused;
	w->on_state = o->state;
	w->arg = o->arg;
	w->spool_first = o->spool_first != 0;
	if (open_parts(w, o, err) != 0 || start_thread(w, err) != 0) {
		worker_free(w);
		return NULL;
	}
	return w;
}

/* --- called by the others ------------------------------------------------- */

int
pub_worker_hand(struct pub_worker *w, char *text, size_t size)
{
	bool taken, wake = false;

	assert(w->magic == WORKER_MAGIC);
	(void)pthread_mutex_lock(&w->mutex);
	taken = pub_queue_push(&w->queue, text, size, mono_now());
	if (taken) {
		const struct pub_queue *q = &w->queue;
		bool half = pub_queue_half_full(q);

		w->stats.handed++;
		/* When there is something at all, a whole batch, or little
		 * room: else the thread wakes by itself. */
		wake = q->n == 1 || q->n == SLUICE_BATCH_EVENTS ||
		    (q->bytes >= SLUICE_BATCH_BYTES &&
		    q->bytes - size < SLUICE_BATCH_BYTES) ||
		    (half && (q->n == q->places / 2 + 1 ||
		    q->bytes - size <= q->bytes_max / 2));
	}
	(void)pthread_mutex_unlock(&w->mutex);
	if (wake)
		pub_http_wake(w->http);
	return taken ? SLUICE_OK : SLUICE_FULL;
}

int
pub_worker_flush(struct pub_worker *w, int64_t timeout_ms)
{
	struct mono end = mono_add_ms(mono_now(), MAX(timeout_ms, 0));
	struct timespec at = { .tv_sec = end.ns / 1000000000,
	    .tv_nsec = end.ns % 1000000000 };
	uint64_t until;
	int code = 0, rc;

	assert(w->magic == WORKER_MAGIC);
	(void)pthread_mutex_lock(&w->mutex);
	until = w->stats.handed + w->stats.recovered;
	w->flushing++;
	pub_http_wake(w->http);
	while (w->resolved < until && code == 0 && timeout_ms > 0)
		code = pthread_cond_timedwait(&w->settled, &w->mutex, &at);
	w->flushing--;
	rc = w->resolved >= until ? SLUICE_OK : SLUICE_TIMEOUT;
	(void)pthread_mutex_unlock(&w->mutex);
	return rc;
}

void
pub_worker_stats(struct pub_worker *w, struct sluice_stats *ret)
{
	assert(w->magic == WORKER_MAGIC);
	(void)pthread_mutex_lock(&w->mutex);
	*ret = w->stats;
	ret->queued = w->queue.n;
	(void)pthread_mutex_unlock(&w->mutex);
}

void
pub_worker_stop(struct pub_worker *w, struct sluice_stats *ret)
{
	assert(w->magic == WORKER_MAGIC);
	(void)pthread_mutex_lock(&w->mutex);
	w->stopping = true;
	(void)pthread_mutex_unlock(&w->mutex);
	pub_http_wake(w->http);
	(void)pthread_join(w->thread, NULL);
	pub_worker_stats(w, ret);
	worker_free(w);
}

bool
pub_worker_is_self(const struct pub_worker *w)
{
	return pthread_equal(w->thread, pthread_self()) != 0;
}
