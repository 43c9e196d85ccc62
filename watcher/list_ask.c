#include "watcher/list_ask.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/macros.h"
#include "common/mono.h"
#include "common/xmalloc.h"
#include "watcher/side_question.h"

#define LIST_ASK_MAGIC 0x4b534155u   /* "UASK" */

enum what { ASK_LIST, ASK_WATCH, ASK_STREAM, ASK_QUESTION };

struct list_ask {
	uint32_t			 magic;
	struct kube_api			*api;
	const struct conf		*conf;
	const struct request_place	*place;
	const struct list_ask_ops	*ops;
	void				*arg;
	enum what			 what;
	struct kube_request		*request;
	struct side_question		*question;
	struct watch_body		 watch;
	struct list_pages		 list;
	struct watch_outcome		 outcome;
	struct event			*stale;
	struct event			*limit;   /* a watch's own end */
	struct mono			 begun;   /* of the request */
	struct mono			 heard;   /* its last byte */
	struct mono			 silent;  /* its connection, since */
	struct mono			 missed;  /* an event, first; 0: none */
	size_t				 window;  /* bytes of a list, lately */
	uint64_t			 unkept;  /* found no room */
	bool				 open;
};

static void
arm(struct event *timer, int64_t ms)
{
	struct timeval tv = mono_timeval_ms(ms);

	(void)evtimer_add(timer, &tv);
}

static bool
streaming(const struct list_ask *a)
{
	return a->what == ASK_STREAM;
}

static void
skipped(const struct list_ask *a, uint64_t objects)
{
	if (objects > 0)
		a->ops->news(&(struct watch_news){ .objects = objects,
		    .type = WATCH_NEWS_SKIPPED }, a->arg);
}

static void
heard(struct list_ask *a, size_t bytes)
{
	a->heard = mono_now();
	a->ops->news(&(struct watch_news){ .type = WATCH_NEWS_RECEIVED,
	    .bytes = bytes }, a->arg);
}

static void
say_full(struct list_ask *a)
{
	char text[192];

	(void)snprintf(text, sizeof(text), "the cluster has more than %u "
	    "objects; %llu of this kind found no room; raise "
	    "watch.max_objects, or watch fewer kinds",
	    (unsigned)a->conf->watch.max_objects,
	    (unsigned long long)a->unkept);
	watch_outcome_say(&a->outcome, 0, "TooManyObjects", text);
	a->outcome.full = true;
}

/* A list goes on to its end: what it does not name is gone, and makes room
 * for the next. */
static void
no_room(struct list_ask *a)
{
	a->unkept++;
	if (a->what != ASK_WATCH)
		return;
	say_full(a);
	watch_outcome_decide(&a->outcome, WATCH_IN_FULL);
}

static struct watch_asked
asked(const struct list_ask *a)
{
	return (struct watch_asked){ .stream = streaming(a), .open = a->open,
		.metadata = a->place->kind->metadata,
		.origin = kube_api_origin(a->api) };
}

/* --- ends ----------------------------------------------------------------- */

static void
settle(struct list_ask *a)
{
	a->request = NULL;
	a->open = false;
	(void)evtimer_del(a->stale);
	(void)evtimer_del(a->limit);
}

/* The owner may ask again from within. */
static void
finish(struct list_ask *a)
{
	struct watch_outcome outcome = a->outcome;

	settle(a);
	a->ops->done(&outcome, a->arg);
}

static void
cannot_ask(struct list_ask *a, const struct err *err)
{
	watch_outcome_say(&a->outcome, 0, "BadCredentials", err->text);
	watch_outcome_decide(&a->outcome, WATCH_IN_FAILED);
	finish(a);
}

static void
list_ask_answered_cb(void *arg)
{
	struct list_ask *a = arg;

	assert(a->magic == LIST_ASK_MAGIC);
	a->open = a->what != ASK_LIST;
	a->ops->answered(a->arg);
}

/* --- watches -------------------------------------------------------------- */

static void
watch_object_cb(enum kube_event_type type, const struct kube_object *object,
    void *arg)
{
	struct list_ask *a = arg;

	if (!a->ops->object(type, object, a->arg))
		no_room(a);
}

static void
watch_listed_cb(void *arg)
{
	struct list_ask *a = arg;

	a->ops->listed(a->watch.stream.oversized, a->arg);
	if (a->unkept == 0)
		return;
	say_full(a);
	watch_outcome_decide(&a->outcome, WATCH_IN_FULL);
}

static const struct watch_body_ops body_ops = {
	.object = watch_object_cb,
	.listed = watch_listed_cb,
};

static void
watch_body_over(struct list_ask *a)
{
	struct watch_asked what = asked(a);

	watch_outcome_body(&a->outcome, &a->watch, &what);
	if (a->watch.end == WATCH_BODY_ERROR && a->outcome.why.code == 401)
		kube_api_refused(a->api, a->begun);
}

static int64_t
stale_ms(const struct list_ask *a)
{
	/* A.4: 30 s where a watch has 150 s. */
	return streaming(a) ? a->conf->watch.stale_ms / 5 :
	    a->conf->watch.stale_ms;
}

/* An event too large to be read may have been a deletion: a list follows, but
 * one such object that changes all the time must not cost one a second: 60 s
 * where silence may last 150. */
static int64_t
missed_ms(const struct list_ask *a)
{
	return a->conf->watch.stale_ms * 2 / 5;
}

/* A list shall follow; at the latest when the timer says so. */
static void
arm_missed(struct list_ask *a)
{
	int64_t waited = mono_diff_ms(mono_now(), a->missed);

	arm(a->limit, MAX(missed_ms(a) - waited, 0));
}

static void
watch_missed(struct list_ask *a)
{
	if (streaming(a) || a->missed.ns != 0)
		return;
	a->missed = mono_now();
	arm_missed(a);
}

static bool
watch_data_cb(const char *p, size_t n, void *arg)
{
	struct list_ask *a = arg;
	uint64_t oversized = a->watch.stream.oversized;
	uint64_t before = oversized + a->watch.unfit;
	bool go_on;

	assert(a->magic == LIST_ASK_MAGIC);
	heard(a, n);
	go_on = watch_body_feed(&a->watch, p, n, &body_ops, a);
	skipped(a, a->watch.stream.oversized + a->watch.unfit - before);
	arm(a->stale, stale_ms(a));
	if (a->outcome.decided)
		return false;
	if (!go_on)
		watch_body_over(a);
	else if (a->watch.events && !streaming(a))
		a->ops->alive(a->arg);
	if (a->watch.stream.oversized != oversized)
		watch_missed(a);
	return go_on;
}

static void
watch_done_cb(const struct kube_result *result, void *arg)
{
	struct list_ask *a = arg;
	struct watch_asked what;

	assert(a->magic == LIST_ASK_MAGIC);
	what = asked(a);
	if (watch_outcome_result(&a->outcome, result, &what))
		watch_outcome_decide(&a->outcome, WATCH_IN_ENDED);
	watch_body_reset(&a->watch);
	a->outcome.quick = !a->watch.events &&
	    mono_diff_ms(mono_now(), a->begun) < WATCH_FSM_QUICK_MS;
	if (a->outcome.input == WATCH_IN_ENDED && a->outcome.quick)
		watch_outcome_say(&a->outcome, 200, "ClosedAtOnce", "the watch "
		    "ended at once and brought nothing");
	finish(a);
}

/* --- lists ---------------------------------------------------------------- */

static void
list_object_cb(const struct kube_object *object, void *arg)
{
	struct list_ask *a = arg;

	if (!a->ops->object(KUBE_EVENT_ADDED, object, a->arg))
		no_room(a);
}

static bool
list_data_cb(const char *p, size_t n, void *arg)
{
	struct list_ask *a = arg;
	uint64_t before = list_pages_skipped(&a->list);
	struct err err = { 0 };

	assert(a->magic == LIST_ASK_MAGIC);
	heard(a, n);
	a->window += n;
	if (list_pages_feed(&a->list, p, n, list_object_cb, a, &err) < 0)
		watch_outcome_refuse(&a->outcome, err.text);
	skipped(a, list_pages_skipped(&a->list) - before);
	return !a->outcome.decided;
}

static void
list_done_cb(const struct kube_result *result, void *arg)
{
	struct list_ask *a = arg;
	struct watch_asked what;

	assert(a->magic == LIST_ASK_MAGIC);
	what = asked(a);
	if (watch_outcome_result(&a->outcome, result, &what))
		watch_outcome_page(&a->outcome, &a->list);
	if (a->outcome.input == WATCH_IN_LISTED) {
		memcpy(a->watch.version, a->list.version,
		    sizeof(a->watch.version));
		a->outcome.oversized = a->list.oversized;
		if (a->unkept > 0)
			say_full(a);
	}
	if (a->outcome.input != WATCH_IN_PAGE)
		list_pages_reset(&a->list);
	finish(a);
}

/* --- requests ------------------------------------------------------------- */

static void
prepare(struct list_ask *a, enum what what)
{
	a->what = what;
	a->outcome = (struct watch_outcome){ 0 };
	a->begun = a->heard = mono_now();
}

static void
request(struct list_ask *a, struct kube_get *get, struct buf *path)
{
	struct err err = { 0 };

	get->path = buf_cstr(path);
	get->silent = a->silent;
	get->sealed = a->place->kind->metadata;
	get->answered = list_ask_answered_cb;
	get->arg = a;
	a->silent.ns = 0;
	a->request = kube_api_get(a->api, get, &err);
	buf_free(path);
	if (a->request == NULL)
		cannot_ask(a, &err);
}

void
list_ask_forget(struct list_ask *a)
{
	list_pages_reset(&a->list);
	a->unkept = 0;
}

void
list_ask_list(struct list_ask *a, enum watch_version version, bool whole)
{
	const struct request_list list = { version, a->watch.version,
		a->list.token, whole };
	struct kube_get get = {
		.accept = a->place->kind->list_accept,
		.data = list_data_cb,
		.done = list_done_cb,
	};
	struct buf path = BUF_EMPTY;

	prepare(a, ASK_LIST);
	a->missed.ns = 0;
	a->outcome.paged = a->list.token != NULL;
	a->window = 0;
	request_path_list(&path, a->place, &list);
	arm(a->limit, a->conf->watch.slow_list_ms);
	request(a, &get, &path);
}

static struct kube_get
get_watch(const struct list_ask *a)
{
	return (struct kube_get){
		.accept = a->place->kind->watch_accept,
		.watch = true,
		.data = watch_data_cb,
		.done = watch_done_cb,
	};
}

static unsigned
watch_timeout_s(const struct list_ask *a)
{
	unsigned base = (unsigned)(a->conf->watch.timeout_ms / 1000);

	return base + arc4random_uniform(base + 1);
}

void
list_ask_watch(struct list_ask *a)
{
	unsigned timeout_s = watch_timeout_s(a);
	struct kube_get get = get_watch(a);
	struct buf path = BUF_EMPTY;

	prepare(a, ASK_WATCH);
	a->unkept = 0;
	watch_body_begin(&a->watch, false);
	request_path_watch(&path, a->place, a->watch.version, timeout_s);
	arm(a->stale, stale_ms(a));
	if (a->missed.ns != 0)
		arm_missed(a);
	else
		arm(a->limit, (timeout_s + LIST_ASK_GRACE_S) * INT64_C(1000));
	request(a, &get, &path);
}

void
list_ask_stream(struct list_ask *a)
{
	struct kube_get get = get_watch(a);
	struct buf path = BUF_EMPTY;

	prepare(a, ASK_STREAM);
	a->missed.ns = 0;
	a->unkept = 0;
	watch_body_begin(&a->watch, true);
	request_path_stream(&path, a->place, watch_timeout_s(a));
	arm(a->stale, stale_ms(a));
	arm(a->limit, a->conf->watch.stale_ms * 2);
	request(a, &get, &path);
}

void
list_ask_follow(struct list_ask *a)
{
	a->what = ASK_WATCH;
	arm(a->limit, (a->conf->watch.timeout_ms * 2) +
	    LIST_ASK_GRACE_S * INT64_C(1000));
}

/* --- side questions ------------------------------------------------------- */

static void
list_ask_question_cb(enum watch_input input, const struct watch_reason *why,
    int64_t retry_after_ms, void *arg)
{
	struct list_ask *a = arg;

	assert(a->magic == LIST_ASK_MAGIC);
	a->outcome.explained = true;
	a->outcome.why = *why;
	a->outcome.retry_after_ms = retry_after_ms;
	a->outcome.unreachable = input == WATCH_IN_FAILED && why->code == 0;
	if (why->code == 401)   /* it may have been an event */
		kube_api_refused(a->api, a->begun);
	watch_outcome_decide(&a->outcome, input);
	finish(a);
}

static void
prepare_question(struct list_ask *a)
{
	prepare(a, ASK_QUESTION);
	arm(a->stale, LIST_ASK_QUESTION_MS);
}

/* The watch that follows shall leave the silent connection, too: `silent`
 * stays. */
void
list_ask_probe(struct list_ask *a)
{
	struct err err = { 0 };

	prepare_question(a);
	if (side_question_probe(a->question, a->watch.version, a->silent,
	    &err) < 0)
		cannot_ask(a, &err);
}

void
list_ask_discover(struct list_ask *a)
{
	struct err err = { 0 };

	prepare_question(a);
	if (side_question_discover(a->question, &err) < 0)
		cannot_ask(a, &err);
}

/* By the verb of the request that was refused. */
void
list_ask_review(struct list_ask *a)
{
	const char *verb = a->what == ASK_WATCH || a->what == ASK_STREAM ?
	    "watch" : "list";
	struct err err = { 0 };

	prepare_question(a);
	if (side_question_review(a->question, verb, &err) < 0)
		cannot_ask(a, &err);
}

/* --- timers and life ------------------------------------------------------ */

void
list_ask_drop(struct list_ask *a)
{
	kube_api_cancel(a->request);
	side_question_cancel(a->question);
	settle(a);
	watch_body_reset(&a->watch);
	list_pages_reset(&a->list);
	a->outcome = (struct watch_outcome){ 0 };
}

/* A list by watch that was answered and does not end is the server's (or a
 * proxy's) own fault, and no sign of a dead connection. */
static void
list_ask_stale_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct list_ask *a = arg;
	bool endless;

	assert(a->magic == LIST_ASK_MAGIC);
	endless = streaming(a) && a->open;
	list_ask_drop(a);
	watch_outcome_say(&a->outcome, 0, "Stale", "the API server sent "
	    "nothing for too long");
	watch_outcome_decide(&a->outcome, endless ? WATCH_IN_UNSUPPORTED :
	    WATCH_IN_STALE);
	finish(a);
}

/* A list that trickles would keep its slot for ever, silence or not. */
static void
slow_list(struct list_ask *a)
{
	if (a->window >= LIST_ASK_SLOW_BYTES) {
		a->window = 0;
		arm(a->limit, a->conf->watch.slow_list_ms);
		return;
	}
	list_ask_drop(a);
	watch_outcome_say(&a->outcome, 0, "SlowList", "the list hardly comes "
	    "(less than 64 KiB within watch.slow_list); is the API server "
	    "overloaded, or the way to it too narrow?");
	watch_outcome_decide(&a->outcome, WATCH_IN_STALE);
	finish(a);
}

/* The server did not end the watch as it was told to; or it skipped an event,
 * and the list is due. */
static void
list_ask_limit_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct list_ask *a = arg;
	bool endless;

	assert(a->magic == LIST_ASK_MAGIC);
	if (a->what == ASK_LIST) {
		slow_list(a);
		return;
	}
	endless = streaming(a);
	list_ask_drop(a);
	watch_outcome_decide(&a->outcome, endless ? WATCH_IN_UNSUPPORTED :
	    a->missed.ns != 0 ? WATCH_IN_MISSED : WATCH_IN_ENDED);
	finish(a);
}

void
list_ask_leave_connection(struct list_ask *a)
{
	a->silent = a->heard;
}

const char *
list_ask_version(const struct list_ask *a)
{
	return a->watch.version;
}

bool
list_ask_open(const struct list_ask *a)
{
	return a->open;
}

struct list_ask *
list_ask_new(struct event_base *base, struct kube_api *api,
    const struct conf *conf, const struct request_place *place,
    const struct list_ask_ops *ops, void *arg)
{
	struct list_ask *a = xcalloc(1, sizeof(*a));

	a->magic = LIST_ASK_MAGIC;
	a->api = api;
	a->conf = conf;
	a->place = place;
	a->ops = ops;
	a->arg = arg;
	a->watch.metadata = a->list.metadata_only = place->kind->metadata;
	a->question = side_question_new(api, place, list_ask_question_cb, a);
	a->stale = evtimer_new(base, list_ask_stale_cb, a);
	a->limit = evtimer_new(base, list_ask_limit_cb, a);
	if (a->stale == NULL || a->limit == NULL)
		abort();
	return a;
}

void
list_ask_free(struct list_ask *a)
{
	if (a == NULL)
		return;
	kube_api_cancel(a->request);
	side_question_free(a->question);
	event_free(a->stale);
	event_free(a->limit);
	watch_body_reset(&a->watch);
	list_pages_reset(&a->list);
	a->magic = 0;
	free(a);
}
