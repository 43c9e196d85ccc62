#include "watcher/list_ask.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mono.h"
#include "common/timer.h"
#include "common/xmalloc.h"
#include "watcher/ask_patience.h"

#define LIST_ASK_MAGIC 0x4b534155u   /* "UASK" */

struct list_ask {
	uint32_t			 magic;
	struct kube_api			*api;
	const struct conf		*conf;
	const struct request_place	*place;
	const struct list_ask_ops	*ops;
	void				*arg;
	struct ask_patience		 patience;  /* and what is asked */
	struct kube_request		*request;
	struct watch_body		 watch;
	struct list_pages		 list;
	struct watch_outcome		 outcome;
	struct event			*stale;
	struct event			*limit;
	struct mono			 begun;   /* of the request */
	struct mono			 heard;   /* its last byte */
	struct mono			 silent;  /* its connection, since */
	uint64_t			 unkept;  /* found no room */
	bool				 open;
};

static bool
streaming(const struct list_ask *a)
{
	return a->patience.what == ASK_STREAM;
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
	if (a->patience.what != ASK_WATCH)
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
	a->open = a->patience.what != ASK_LIST;
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

static void
arm_limit(struct list_ask *a, unsigned timeout_s)
{
	timer_arm(a->limit, ask_patience_limit(&a->patience, timeout_s,
	    mono_now()));
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
	timer_arm(a->stale, ask_patience_silence(&a->patience));
	if (a->outcome.decided)
		return false;
	if (!go_on)
		watch_body_over(a);
	else if (a->watch.events && !streaming(a))
		a->ops->alive(a->arg);
	if (a->watch.stream.oversized != oversized &&
	    ask_patience_missed(&a->patience, mono_now()))
		arm_limit(a, 0);
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
	ask_patience_heard(&a->patience, n);
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
prepare(struct list_ask *a, enum ask_what what, unsigned timeout_s)
{
	ask_patience_begin(&a->patience, what);
	a->outcome = (struct watch_outcome){ 0 };
	a->begun = a->heard = mono_now();
	arm_limit(a, timeout_s);
	if (ask_patience_silence(&a->patience) >= 0)
		timer_arm(a->stale, ask_patience_silence(&a->patience));
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

	prepare(a, ASK_LIST, 0);
	a->outcome.paged = a->list.token != NULL;
	request_path_list(&path, a->place, &list);
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

void
list_ask_watch(struct list_ask *a)
{
	unsigned timeout_s = ask_patience_timeout_s(&a->patience,
	    arc4random());
	struct kube_get get = get_watch(a);
	struct buf path = BUF_EMPTY;

	prepare(a, ASK_WATCH, timeout_s);
	a->unkept = 0;
	watch_body_begin(&a->watch, false);
	request_path_watch(&path, a->place, a->watch.version, timeout_s);
	request(a, &get, &path);
}

void
list_ask_stream(struct list_ask *a)
{
	unsigned timeout_s = ask_patience_timeout_s(&a->patience,
	    arc4random());
	struct kube_get get = get_watch(a);
	struct buf path = BUF_EMPTY;

	prepare(a, ASK_STREAM, timeout_s);
	a->unkept = 0;
	watch_body_begin(&a->watch, true);
	request_path_stream(&path, a->place, timeout_s);
	request(a, &get, &path);
}

/* When the server will end it is not known to the second any more. */
void
list_ask_follow(struct list_ask *a)
{
	ask_patience_follow(&a->patience);
	arm_limit(a, (unsigned)(a->conf->watch.timeout_ms / 1000 * 2));
}

/* --- timers and life ------------------------------------------------------ */

void
list_ask_drop(struct list_ask *a)
{
	kube_api_cancel(a->request);
	settle(a);
	watch_body_reset(&a->watch);
	list_pages_reset(&a->list);
	a->outcome = (struct watch_outcome){ 0 };
}

static void
give_up(struct list_ask *a, const struct watch_outcome *outcome)
{
	list_ask_drop(a);
	a->outcome = *outcome;
	finish(a);
}

static void
list_ask_stale_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct watch_outcome outcome = { 0 };
	struct list_ask *a = arg;

	assert(a->magic == LIST_ASK_MAGIC);
	ask_patience_silent(&a->patience, a->open, &outcome);
	/* A watch may be quiet all its life; one that told is not. */
	outcome.silent = a->patience.what == ASK_WATCH && a->watch.events;
	give_up(a, &outcome);
}

static void
list_ask_limit_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct watch_outcome outcome = { 0 };
	struct list_ask *a = arg;

	assert(a->magic == LIST_ASK_MAGIC);
	if (ask_patience_over(&a->patience, &outcome))
		give_up(a, &outcome);
	else
		arm_limit(a, 0);
}

struct mono
list_ask_heard(const struct list_ask *a)
{
	return a->heard;
}

struct mono
list_ask_silent(const struct list_ask *a)
{
	return a->silent;
}

void
list_ask_leave_connection(struct list_ask *a, struct mono since)
{
	a->silent = since;
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
	ask_patience_init(&a->patience, conf);
	a->place = place;
	a->ops = ops;
	a->arg = arg;
	a->watch.metadata = a->list.metadata_only = place->kind->metadata;
	a->stale = timer_new(base, list_ask_stale_cb, a);
	a->limit = timer_new(base, list_ask_limit_cb, a);
	return a;
}

void
list_ask_free(struct list_ask *a)
{
	if (a == NULL)
		return;
	kube_api_cancel(a->request);
	event_free(a->stale);
	event_free(a->limit);
	watch_body_reset(&a->watch);
	list_pages_reset(&a->list);
	a->magic = 0;
	free(a);
}
