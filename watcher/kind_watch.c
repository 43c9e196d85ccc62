#include "watcher/kind_watch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mono.h"
#include "common/xmalloc.h"
#include "watcher/list_pages.h"
#include "watcher/request_path.h"
#include "watcher/watch_reason.h"
#include "watcher/watch_stream.h"

#define KIND_WATCH_MAGIC 0x4b494e44u   /* "KIND" */

struct kind_watch {
	uint32_t			 magic;
	struct kube_api			*api;
	const struct kind_watch_ops	*ops;
	void				*arg;
	unsigned			 kind;
	struct watch_fsm		 fsm;
	struct kube_request		*request;
	struct watch_stream		 watch;
	struct list_pages		 list;
	struct event			*wait;
	struct event			*stale;
	struct mono			 begun;      /* of the request */
	bool				 events;     /* this watch brought one */
	bool				 distrusted; /* address, credentials */
	struct mono			 dead;       /* its connection, since */
	bool				 listed;
	bool				 tried;
	bool				 refused;    /* what a 200 brought */
	bool				 has_outcome;
	bool				 unanswered; /* asks again after a wait */
	enum watch_state		 shown;      /* meanwhile */
	enum watch_input		 outcome;    /* decided in the body */
	int64_t				 retry_after_ms;
	int64_t				 delay_ms;
	struct watch_reason		 why;
	char				 version[KUBE_UID_MAX + 1];
};

static void	step(struct kind_watch *kw, enum watch_input input);

/* --- why ------------------------------------------------------------------ */

static void
decide(struct kind_watch *kw, enum watch_input input)
{
	if (kw->has_outcome)
		return;
	kw->has_outcome = true;
	kw->outcome = input;
}

/* What the server itself says: the body of an answer, or an ERROR event. */
static void
decide_error(struct kind_watch *kw, long status,
    const struct kube_error *error, enum watch_input input)
{
	int64_t retry_after_ms = watch_reason_retry_ms(status, error);

	if (retry_after_ms > 0)
		kw->retry_after_ms = retry_after_ms;
	kw->distrusted = status == 401;
	decide(kw, input);
}

static void
refuse(struct kind_watch *kw, const char *text)
{
	kw->refused = true;
	watch_reason_set(&kw->why, 200, "InvalidAnswer", text);
	decide(kw, WATCH_IN_FAILED);
}

/* A server that is asked again after a failure is no better before it has
 * answered: until then the state shown stays what it was. */
static void
kind_watch_answered_cb(void *arg)
{
	struct kind_watch *kw = arg;

	assert(kw->magic == KIND_WATCH_MAGIC);
	if (!kw->unanswered)
		return;
	kw->unanswered = false;
	watch_reason_set(&kw->why, 0, "", "");
	kw->ops->changed(kw, kw->arg);
}

/* --- bodies --------------------------------------------------------------- */

static void
alive(struct kind_watch *kw)
{
	if (kw->events)
		return;
	kw->events = true;
	(void)watch_fsm_step(&kw->fsm, WATCH_IN_ALIVE,
	    &(struct watch_facts){ 0 });
}

static bool
watch_frame_cb(struct slice frame, void *arg)
{
	struct kind_watch *kw = arg;
	struct kube_event ev;
	struct err err = { 0 };

	if (kube_object_parse_event(frame, &ev, &err) < 0) {
		refuse(kw, err.text);
		return false;
	}
	switch (ev.type) {
	case KUBE_EVENT_ADDED:
	case KUBE_EVENT_MODIFIED:
	case KUBE_EVENT_DELETED:
		kw->ops->object(kw, ev.type, &ev.object, kw->arg);
		break;
	case KUBE_EVENT_BOOKMARK:
		break;
	case KUBE_EVENT_ERROR:
		kw->refused = ev.error.retry_after_s == 0;
		decide_error(kw, (long)ev.error.code, &ev.error,
		    watch_reason_event(&kw->why, &ev.error));
		return false;
	case KUBE_EVENT_UNKNOWN:
		refuse(kw, "a watch event of unknown type");
		return false;
	}
	if (ev.object.resource_version.n > 0)
		(void)snprintf(kw->version, sizeof(kw->version), "%.*s",
		    (int)ev.object.resource_version.n,
		    ev.object.resource_version.p);
	alive(kw);
	return true;
}

static void
touch_stale(struct kind_watch *kw, int64_t ms)
{
	struct timeval tv = mono_timeval_ms(ms);

	(void)evtimer_add(kw->stale, &tv);
}

static bool
watch_data_cb(const char *p, size_t n, void *arg)
{
	struct kind_watch *kw = arg;
	uint64_t oversized = kw->watch.oversized;
	bool go_on;

	assert(kw->magic == KIND_WATCH_MAGIC);
	touch_stale(kw, KIND_WATCH_STALE_MS);
	go_on = watch_stream_feed(&kw->watch, p, n, watch_frame_cb, kw);
	if (kw->watch.oversized != oversized)
		kw->ops->notice(kw, "skipped a watch event larger than "
		    "16 MiB", kw->arg);
	return go_on;
}

static void
list_object_cb(const struct kube_object *object, void *arg)
{
	struct kind_watch *kw = arg;

	kw->ops->object(kw, KUBE_EVENT_ADDED, object, kw->arg);
}

static bool
list_data_cb(const char *p, size_t n, void *arg)
{
	struct kind_watch *kw = arg;
	uint64_t oversized = kw->list.stream.oversized;
	struct err err = { 0 };
	int rc;

	assert(kw->magic == KIND_WATCH_MAGIC);
	touch_stale(kw, KIND_WATCH_LIST_IDLE_MS);
	rc = list_pages_feed(&kw->list, p, n, list_object_cb, kw, &err);
	if (rc < 0)
		refuse(kw, err.text);
	if (kw->list.stream.oversized != oversized)
		kw->ops->notice(kw, "skipped an object larger than 16 MiB",
		    kw->arg);
	return rc == 0;
}

/* --- ends of requests ----------------------------------------------------- */

/* Decides by the answer itself unless its body already did. True: it was 200
 * and came to its end. */
static bool
judge(struct kind_watch *kw, const struct kube_result *result)
{
	struct kube_error error = { 0 };

	if (kw->has_outcome)
		return false;
	if (result->status != 0 && result->status != 200) {
		kw->retry_after_ms = result->retry_after_ms;
		(void)kube_object_parse_error(result->body, &error);
		decide_error(kw, result->status, &error,
		    watch_reason_status(&kw->why, result->status, &error));
		return false;
	}
	if (result->curl == CURLE_OK)
		return true;
	watch_reason_no_answer(&kw->why, result, kube_api_origin(kw->api));
	kw->distrusted = result->status == 0;
	decide(kw, WATCH_IN_FAILED);
	if (result->status == 0)
		kw->ops->unreachable(kw, kw->arg);
	return false;
}

static void
settle(struct kind_watch *kw)
{
	kw->request = NULL;
	(void)evtimer_del(kw->stale);
}

static void
watch_done_cb(const struct kube_result *result, void *arg)
{
	struct kind_watch *kw = arg;

	assert(kw->magic == KIND_WATCH_MAGIC);
	settle(kw);
	watch_stream_reset(&kw->watch);
	if (judge(kw, result))
		decide(kw, WATCH_IN_ENDED);
	if (kw->outcome == WATCH_IN_ENDED && !kw->events &&
	    mono_diff_ms(mono_now(), kw->begun) < WATCH_FSM_QUICK_MS)
		watch_reason_set(&kw->why, 200, "ClosedAtOnce", "the watch "
		    "ended at once and brought nothing");
	step(kw, kw->outcome);
}

/* A whole page: where it stands in the list's order. */
static void
page_ended(struct kind_watch *kw)
{
	struct err err = { 0 };
	bool more;

	if (list_pages_end(&kw->list, &more, &err) < 0)
		refuse(kw, err.text);
	else
		decide(kw, more ? WATCH_IN_PAGE : WATCH_IN_LISTED);
}

static void
list_done_cb(const struct kube_result *result, void *arg)
{
	struct kind_watch *kw = arg;

	assert(kw->magic == KIND_WATCH_MAGIC);
	settle(kw);
	if (judge(kw, result))
		page_ended(kw);
	if (kw->outcome != WATCH_IN_PAGE)
		kw->tried = true;
	if (kw->outcome == WATCH_IN_LISTED) {
		memcpy(kw->version, kw->list.version, sizeof(kw->version));
		kw->listed = true;
		watch_reason_set(&kw->why, 0, "", "");
		kw->ops->list_end(kw, kw->arg);
	}
	if (kw->outcome != WATCH_IN_PAGE)
		list_pages_reset(&kw->list);
	step(kw, kw->outcome);
}

/* --- requests ------------------------------------------------------------- */

static void
request(struct kind_watch *kw, bool watch)
{
	struct buf path = BUF_EMPTY;
	struct err err = { 0 };
	const struct kind *kind = &kinds[kw->kind];
	const struct request_list list = { kw->fsm.version, kw->version,
		kw->list.token };
	struct kube_get get = {
		.accept = watch ? kind->watch_accept : kind->list_accept,
		.watch = watch,
		.dead = kw->dead,
		.answered = kind_watch_answered_cb,
		.data = watch ? watch_data_cb : list_data_cb,
		.done = watch ? watch_done_cb : list_done_cb,
		.arg = kw,
	};

	if (watch)
		request_path_watch(&path, kind, kw->version,
		    KIND_WATCH_TIMEOUT_S +
		    arc4random_uniform(KIND_WATCH_TIMEOUT_S + 1));
	else
		request_path_list(&path, kind, &list);
	get.path = buf_cstr(&path);
	kw->has_outcome = false;
	kw->refused = false;
	kw->retry_after_ms = 0;
	kw->events = false;
	kw->dead.ns = 0;
	if (kw->distrusted)
		kw->ops->renew(kw, kw->arg);
	kw->distrusted = false;
	kw->begun = mono_now();
	touch_stale(kw, watch ? KIND_WATCH_STALE_MS : KIND_WATCH_LIST_IDLE_MS);
	kw->request = kube_api_get(kw->api, &get, &err);
	buf_free(&path);
	if (kw->request == NULL) {
		settle(kw);
		kw->tried = true;
		kw->distrusted = true;
		watch_reason_set(&kw->why, 0, "BadCredentials", err.text);
		step(kw, WATCH_IN_FAILED);
	}
}

static void
begin_list(struct kind_watch *kw)
{
	list_pages_reset(&kw->list);
	kw->ops->list_begin(kw, kw->arg);
	request(kw, false);
}

static void
begin_wait(struct kind_watch *kw, int64_t ms)
{
	struct timeval tv = mono_timeval_ms(ms);

	kw->delay_ms = ms;
	(void)evtimer_add(kw->wait, &tv);
}

/* Feeds the machine and does what it says. */
static void
step(struct kind_watch *kw, enum watch_input input)
{
	enum watch_state before = kw->fsm.state;
	struct watch_facts facts = {
		.quick = !kw->events && mono_diff_ms(mono_now(), kw->begun) <
		    WATCH_FSM_QUICK_MS,
		.answered = kw->refused,
		.retry_after_ms = kw->retry_after_ms,
		.random = arc4random(),
	};
	struct watch_step s = watch_fsm_step(&kw->fsm, input, &facts);

	if (input == WATCH_IN_TIMER) {
		kw->unanswered = true;
		kw->shown = before;
	} else if (s.action == WATCH_DO_WAIT || s.action == WATCH_DO_END) {
		kw->unanswered = false;
	}
	if (s.fresh_connection)
		kw->dead = mono_now();
	kw->delay_ms = s.action == WATCH_DO_WAIT ? s.delay_ms : 0;
	if (kw->fsm.state == WATCH_ABSENT && before != WATCH_ABSENT)
		kw->ops->list_end(kw, kw->arg);
	if (!kw->unanswered &&
	    (kw->fsm.state != before || s.action == WATCH_DO_WAIT))
		kw->ops->changed(kw, kw->arg);
	switch (s.action) {
	case WATCH_DO_LIST:
		begin_list(kw);
		break;
	case WATCH_DO_PAGE:
		request(kw, false);
		break;
	case WATCH_DO_WATCH:
		request(kw, true);
		break;
	case WATCH_DO_WAIT:
		begin_wait(kw, s.delay_ms);
		break;
	case WATCH_DO_NOTHING:
	case WATCH_DO_END:
	case WATCH_ACTION_MAX:
		break;
	}
}

/* --- timers and life ------------------------------------------------------ */

static void
kind_watch_wait_cb(evutil_socket_t fd, short what, void *arg)
{
	struct kind_watch *kw = arg;

	(void)fd;
	(void)what;
	assert(kw->magic == KIND_WATCH_MAGIC);
	step(kw, WATCH_IN_TIMER);
}

static void
kind_watch_stale_cb(evutil_socket_t fd, short what, void *arg)
{
	struct kind_watch *kw = arg;

	(void)fd;
	(void)what;
	assert(kw->magic == KIND_WATCH_MAGIC);
	kube_api_cancel(kw->request);
	settle(kw);
	watch_stream_reset(&kw->watch);
	list_pages_reset(&kw->list);
	watch_reason_set(&kw->why, 0, "Stale", "the API server sent nothing "
	    "for too long");
	kw->tried = true;
	step(kw, WATCH_IN_STALE);
}

struct kind_watch *
kind_watch_new(struct event_base *base, struct kube_api *api, unsigned kind,
    int64_t backoff_base_ms, int64_t backoff_max_ms,
    const struct kind_watch_ops *ops, void *arg)
{
	struct kind_watch *kw = xcalloc(1, sizeof(*kw));

	kw->magic = KIND_WATCH_MAGIC;
	kw->api = api;
	kw->ops = ops;
	kw->arg = arg;
	kw->kind = kind;
	watch_fsm_init(&kw->fsm, backoff_base_ms, backoff_max_ms);
	kw->wait = evtimer_new(base, kind_watch_wait_cb, kw);
	kw->stale = evtimer_new(base, kind_watch_stale_cb, kw);
	if (kw->wait == NULL || kw->stale == NULL)
		abort();
	return kw;
}

void
kind_watch_free(struct kind_watch *kw)
{
	if (kw == NULL)
		return;
	kube_api_cancel(kw->request);
	event_free(kw->wait);
	event_free(kw->stale);
	watch_stream_reset(&kw->watch);
	list_pages_reset(&kw->list);
	kw->magic = 0;
	free(kw);
}

void
kind_watch_start(struct kind_watch *kw)
{
	step(kw, WATCH_IN_START);
}

void
kind_watch_stop(struct kind_watch *kw)
{
	kube_api_cancel(kw->request);
	settle(kw);
	(void)evtimer_del(kw->wait);
	watch_reason_set(&kw->why, 0, "", "");
	step(kw, WATCH_IN_STOP);
}

struct kind_watch_view
kind_watch_view(const struct kind_watch *kw)
{
	return (struct kind_watch_view){
		.kind = kw->kind,
		.state = kw->unanswered ? kw->shown : kw->fsm.state,
		.attempt = kw->fsm.attempt,
		.delay_ms = kw->delay_ms,
		.resource_version = kw->version,
		.reason = kw->why.reason,
		.message = kw->why.message,
		.code = kw->why.code,
		.listed = kw->listed,
		.tried = kw->tried,
	};
}
