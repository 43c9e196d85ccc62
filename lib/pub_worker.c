#include "lib/pub_worker.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "common/mono.h"
#include "common/xmalloc.h"
#include "lib/pub_batch.h"
#include "lib/pub_http.h"
#include "lib/pub_retry.h"
#include "lib/pub_row.h"
#include "lib/pub_token.h"

#define WORKER_MAGIC    0x50555752u   /* "PUWR" */
#define TOKEN_POLL_MS   1000    /* is a refused token's file another now */

struct pub_worker {
	uint32_t		 magic;
	pthread_t		 thread;
	struct pub_row		*row;
	struct pub_http		*http;
	/* The thread's own. */
	sluice_refused_cb	 on_refused;
	sluice_state_cb		 on_state;
	void			*arg;
	struct pub_token	 token;
	struct pub_batch	 batch;     /* n == 0: none */
	enum sluice_state	 state;     /* BACK, AWAY or UNAUTHORIZED */
	struct pub_retry	 retry;
	struct mono		 retry_at;
};

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
tell_cb(enum sluice_state state, const char *text, void *arg)
{
	struct pub_worker *w = arg;

	assert(w->magic == WORKER_MAGIC);
	if (w->on_state != NULL)
		w->on_state(state, text, w->arg);
}

static void
set_state(struct pub_worker *w, enum sluice_state state, const char *text)
{
	if (w->state == state)
		return;
	w->state = state;
	pub_row_set_away(w->row, state != SLUICE_BACK);
	tell_cb(state, text, w);
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

/* --- sending -------------------------------------------------------------- */

/* The next batch, where there is none. */
static void
take_batch(struct pub_worker *w)
{
	if (w->batch.n > 0)
		return;
	pub_row_take(w->row, &w->batch);
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
	pub_row_count(w->row, &(struct sluice_stats){
		.accepted = b->accepted - accepted,
		.duplicates = b->duplicates - duplicates,
		.refused = b->refused - refused,
	});
	if (a->verdict != PUB_UNAUTHORIZED)
		set_state(w, SLUICE_BACK, "the service takes events");
	if (!pub_batch_is_open(b)) {
		pub_row_settle(w->row, b);
		pub_batch_clear(b);
	}
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
	pub_row_count(w->row, &(struct sluice_stats){ .requests = 1,
	    .failures = again });
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

/* Until something is to be done that no event wakes us for. */
static int
wait_ms(struct pub_worker *w)
{
	bool busy = w->batch.n > 0;
	int64_t wait = pub_row_wait_ms(w->row, busy);

	if (busy && !pub_http_is_busy(w->http)) {
		wait = MIN(wait, mono_left_ms(w->retry_at, mono_now()));
		if (w->state == SLUICE_UNAUTHORIZED)
			wait = MIN(wait, TOKEN_POLL_MS);
	}
	return (int)wait;
}

static void *
worker_thread(void *arg)
{
	struct pub_worker *w = arg;

	assert(w->magic == WORKER_MAGIC);
	pub_row_begin(w->row);
	while (!pub_row_is_stopping(w->row)) {
		pub_row_spill(w->row);
		take_batch(w);
		post(w);
		pub_row_sync(w->row);
		if (pub_http_work(w->http, wait_ms(w)))
			answered(w);
	}
	pub_row_spill(w->row);
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
	w->row = pub_row_new(o, tell_cb, w, err);
	return w->row != NULL ? 0 : -1;
}

static int
worker_free(struct pub_worker *w)
{
	int rc = pub_row_free(w->row);

	pub_http_free(w->http);
	pub_token_clear(&w->token);
	buf_free(&w->batch.text);
	w->magic = 0;
	free(w);
	return rc;
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

	w->magic = WORKER_MAGIC;
	pub_batch_clear(&w->batch);
	w->state = SLUICE_BACK;
	w->on_refused = o->refused;
	w->on_state = o->state;
	w->arg = o->arg;
	if (open_parts(w, o, err) != 0 || start_thread(w, err) != 0) {
		(void)worker_free(w);
		return NULL;
	}
	return w;
}

/* --- called by the others ------------------------------------------------- */

int
pub_worker_hand(struct pub_worker *w, char *text, size_t size)
{
	bool wake;
	int rc;

	assert(w->magic == WORKER_MAGIC);
	rc = pub_row_hand(w->row, text, size, &wake);
	if (wake)
		pub_http_wake(w->http);
	return rc;
}

int
pub_worker_flush(struct pub_worker *w, int64_t timeout_ms)
{
	uint64_t until;

	assert(w->magic == WORKER_MAGIC);
	until = pub_row_flush(w->row);
	pub_http_wake(w->http);
	return pub_row_wait(w->row, until, timeout_ms);
}

void
pub_worker_stats(struct pub_worker *w, struct sluice_stats *ret)
{
	assert(w->magic == WORKER_MAGIC);
	pub_row_stats(w->row, ret);
}

int
pub_worker_stop(struct pub_worker *w, struct sluice_stats *ret)
{
	assert(w->magic == WORKER_MAGIC);
	pub_row_stop(w->row);
	pub_http_wake(w->http);
	(void)pthread_join(w->thread, NULL);
	pub_worker_stats(w, ret);
	return worker_free(w);
}

bool
pub_worker_is_self(const struct pub_worker *w)
{
	return pthread_equal(w->thread, pthread_self()) != 0;
}
