#include "watcher/list_watch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/macros.h"
#include "common/mono.h"
#include "common/xmalloc.h"
#include "watcher/list_pages.h"
#include "watcher/request_path.h"
#include "watcher/side_question.h"
#include "watcher/watch_body.h"
#include "watcher/watch_reason.h"

#define LIST_WATCH_MAGIC 0x4c495357u   /* "LISW" */

struct list_watch {
	uint32_t			 magic;
	struct kube_api			*api;
	const struct conf		*conf;
	const struct list_watch_ops	*ops;
	void				*arg;
	struct request_place		 place;
	char				*namespace;
	struct watch_fsm		 fsm;
	struct kube_request		*request;
	struct side_question		*question;
	struct watch_body		 watch;
	struct list_pages		 list;
	uint32_t			 mark;       /* of the list under way */
	struct event			*wait;
	struct event			*stale;
	struct event			*limit;      /* a watch's own end */
	struct mono			 begun;      /* of the request */
	struct mono			 heard;      /* its last byte */
	struct mono			 trouble;    /* since then: calm_ms */
	struct mono			 silent;     /* its connection, since */
	struct mono			 missed;     /* an event, first; 0: none */
	bool				 open;
	bool				 listed;
	bool				 tried;
	bool				 paged;      /* a further page */
	bool				 refused;    /* what a 200 brought */
	bool				 cut;        /* a 200 broke off */
	bool				 has_outcome;
	bool				 unanswered; /* asks again after a wait */
	bool				 retried;    /* at once, after 401 */
	enum watch_state		 shown;      /* meanwhile */
	enum watch_input		 outcome;    /* decided in the body */
	int64_t				 retry_after_ms;
	int64_t				 delay_ms;
	struct watch_reason		 why;
};

static void	step(struct list_watch *lw, enum watch_input input);

static void
arm(struct event *timer, int64_t ms)
{
	struct timeval tv = mono_timeval_ms(ms);

	(void)evtimer_add(timer, &tv);
}

static bool
streaming(const struct list_watch *lw)
{
	return lw->fsm.state == WATCH_STREAMING;
}

/* --- why ------------------------------------------------------------------ */

static void
decide(struct list_watch *lw, enum watch_input input)
{
	if (lw->has_outcome)
		return;
	lw->has_outcome = true;
	lw->outcome = input;
}

static void
refuse(struct list_watch *lw, const char *text)
{
	lw->refused = true;
	watch_reason_set(&lw->why, 200, "InvalidAnswer", text);
	decide(lw, WATCH_IN_FAILED);
}

/* A list by watch that the server answers with an error it would not give to
 * a list: it cannot do this. */
static enum watch_input
input_of_error(const struct list_watch *lw, enum watch_input input, long code)
{
	if (streaming(lw) && input == WATCH_IN_FAILED && code != 429 &&
	    (code == 400 || code == 422 || lw->open))
		return WATCH_IN_UNSUPPORTED;
	return input;
}

/* A server that is asked again after a failure is no better before it has
 * answered: until then the state shown stays what it was. */
static void
list_watch_answered_cb(void *arg)
{
	struct list_watch *lw = arg;

	assert(lw->magic == LIST_WATCH_MAGIC);
	/* Nobody was told of this one. */
	if (lw->retried)
		watch_reason_set(&lw->why, 0, "", "");
	lw->retried = false;
	if (lw->unanswered) {
		lw->unanswered = false;
		watch_reason_set(&lw->why, 0, "", "");
		lw->ops->changed(lw, lw->arg);
	}
	if (lw->fsm.state == WATCH_LISTING)
		return;
	lw->open = true;
	if (lw->fsm.state == WATCH_WATCHING)
		lw->ops->open(lw, lw->arg);
}

/* --- bodies --------------------------------------------------------------- */

static void
watch_object_cb(enum kube_event_type type, const struct kube_object *object,
    void *arg)
{
	struct list_watch *lw = arg;

	lw->ops->object(type, object, lw->arg);
}

/* What a list had to skip exists: it cannot tell what is gone. */
static void
list_ended(struct list_watch *lw, uint64_t oversized)
{
	lw->listed = lw->tried = true;
	watch_reason_set(&lw->why, 0, "", "");
	if (oversized == 0)
		lw->ops->list_end(lw, lw->mark, lw->arg);
	else
		lw->ops->notice("the list held objects larger than 16 MiB, "
		    "which were skipped: what it did not name does not count "
		    "as deleted", lw->arg);
}

/* What exists has come by watch; the same watch goes on. */
static void
watch_listed_cb(void *arg)
{
	struct list_watch *lw = arg;

	list_ended(lw, lw->watch.stream.oversized);
	step(lw, WATCH_IN_LISTED);
	lw->ops->open(lw, lw->arg);
}

static const struct watch_body_ops body_ops = {
	.object = watch_object_cb,
	.listed = watch_listed_cb,
};

static void
watch_body_over(struct list_watch *lw)
{
	enum watch_input input;

	switch (lw->watch.end) {
	case WATCH_BODY_ERROR:
		lw->refused = lw->watch.error.retry_after_s == 0;
		input = watch_reason_event(&lw->why, &lw->watch.error);
		lw->retry_after_ms = watch_reason_retry_ms(lw->why.code,
		    &lw->watch.error);
		if (lw->why.code == 401)
			kube_api_refused(lw->api, lw->begun);
		decide(lw, input_of_error(lw, input, lw->why.code));
		break;
	case WATCH_BODY_BACK:
		watch_reason_set(&lw->why, 200, "VersionWentBack",
		    lw->watch.err.text);
		decide(lw, WATCH_IN_TOO_LARGE);
		break;
	case WATCH_BODY_BAD:
	case WATCH_BODY_OPEN:
		refuse(lw, lw->watch.err.text);
		break;
	}
}

static int64_t
stale_ms(const struct list_watch *lw)
{
	/* A.4: 30 s where a watch has 150 s. */
	return streaming(lw) ? lw->conf->watch.stale_ms / 5 :
	    lw->conf->watch.stale_ms;
}

/* A list shall follow; at the latest when the timer says so. */
static void
arm_missed(struct list_watch *lw)
{
	int64_t waited = mono_diff_ms(mono_now(), lw->missed);

	arm(lw->limit, MAX(LIST_WATCH_MISSED_MS - waited, 0));
}

static void
watch_skipped(struct list_watch *lw)
{
	lw->ops->notice("skipped a watch event larger than 16 MiB", lw->arg);
	if (streaming(lw) || lw->missed.ns != 0)
		return;
	lw->missed = mono_now();
	arm_missed(lw);
}

static bool
watch_data_cb(const char *p, size_t n, void *arg)
{
	struct list_watch *lw = arg;
	uint64_t oversized = lw->watch.stream.oversized;
	bool go_on;

	assert(lw->magic == LIST_WATCH_MAGIC);
	lw->heard = mono_now();
	lw->ops->received(n, lw->arg);
	go_on = watch_body_feed(&lw->watch, p, n, &body_ops, lw);
	arm(lw->stale, stale_ms(lw));
	if (!go_on) {
		watch_body_over(lw);
	} else if (lw->watch.events && !streaming(lw)) {
		(void)watch_fsm_step(&lw->fsm, WATCH_IN_ALIVE,
		    &(struct watch_facts){ .calm_ms = mono_diff_ms(lw->heard,
		    lw->trouble) });
	}
	if (lw->watch.stream.oversized != oversized)
		watch_skipped(lw);
	return go_on;
}

static void
list_object_cb(const struct kube_object *object, void *arg)
{
	struct list_watch *lw = arg;

	lw->ops->object(KUBE_EVENT_ADDED, object, lw->arg);
}

static bool
list_data_cb(const char *p, size_t n, void *arg)
{
	struct list_watch *lw = arg;
	uint64_t oversized = lw->list.stream.oversized;
	struct err err = { 0 };
	int rc;

	assert(lw->magic == LIST_WATCH_MAGIC);
	lw->heard = mono_now();
	lw->ops->received(n, lw->arg);
	arm(lw->stale, LIST_WATCH_IDLE_MS);
	rc = list_pages_feed(&lw->list, p, n, list_object_cb, lw, &err);
	if (rc < 0)
		refuse(lw, err.text);
	if (lw->list.stream.oversized != oversized)
		lw->ops->notice("skipped an object larger than 16 MiB",
		    lw->arg);
	return rc == 0;
}

/* --- ends of requests ----------------------------------------------------- */

/* Decides by the answer itself unless its body already did. True: it was 200
 * and came to its end. */
static bool
judge(struct list_watch *lw, const struct kube_result *result)
{
	enum watch_input input;

	if (lw->has_outcome)
		return false;
	if (watch_reason_result(&lw->why, result, kube_api_origin(lw->api),
	    &input, &lw->retry_after_ms))
		return true;
	if (result->status == 406 && lw->place.kind->metadata)
		watch_reason_set(&lw->why, 406, "NotAcceptable",
		    KINDS_NO_METADATA);
	lw->cut = result->status == 200;
	decide(lw, lw->cut ? input : input_of_error(lw, input,
	    result->status));
	if (result->status == 0)
		lw->ops->unreachable(lw->arg);
	return false;
}

static void
settle(struct list_watch *lw)
{
	lw->request = NULL;
	lw->open = false;
	(void)evtimer_del(lw->stale);
	(void)evtimer_del(lw->limit);
}

static void
watch_done_cb(const struct kube_result *result, void *arg)
{
	struct list_watch *lw = arg;

	assert(lw->magic == LIST_WATCH_MAGIC);
	if (judge(lw, result))
		decide(lw, WATCH_IN_ENDED);
	settle(lw);
	watch_body_reset(&lw->watch);
	if (lw->outcome == WATCH_IN_ENDED && !lw->watch.events &&
	    mono_diff_ms(mono_now(), lw->begun) < WATCH_FSM_QUICK_MS)
		watch_reason_set(&lw->why, 200, "ClosedAtOnce", "the watch "
		    "ended at once and brought nothing");
	if (streaming(lw))
		lw->tried = true;
	step(lw, lw->outcome);
}

/* A whole page: where it stands in the list's order. */
static void
page_ended(struct list_watch *lw)
{
	struct err err = { 0 };
	bool more;

	if (list_pages_end(&lw->list, &more, &err) < 0)
		refuse(lw, err.text);
	else
		decide(lw, more ? WATCH_IN_PAGE : WATCH_IN_LISTED);
}

static void
list_done_cb(const struct kube_result *result, void *arg)
{
	struct list_watch *lw = arg;

	assert(lw->magic == LIST_WATCH_MAGIC);
	if (judge(lw, result))
		page_ended(lw);
	settle(lw);
	if (lw->outcome != WATCH_IN_PAGE)
		lw->tried = true;
	if (lw->outcome == WATCH_IN_LISTED) {
		memcpy(lw->watch.version, lw->list.version,
		    sizeof(lw->watch.version));
		list_ended(lw, lw->list.oversized);
	}
	if (lw->outcome != WATCH_IN_PAGE)
		list_pages_reset(&lw->list);
	step(lw, lw->outcome);
}

static void
list_watch_question_cb(enum watch_input input, const struct watch_reason *why,
    int64_t retry_after_ms, void *arg)
{
	struct list_watch *lw = arg;

	assert(lw->magic == LIST_WATCH_MAGIC);
	settle(lw);
	lw->why = *why;
	lw->retry_after_ms = retry_after_ms;
	if (why->code == 401)   /* it may have been an event */
		kube_api_refused(lw->api, lw->begun);
	if (input == WATCH_IN_FAILED && why->code == 0)
		lw->ops->unreachable(lw->arg);
	step(lw, input);
}

/* --- requests ------------------------------------------------------------- */

static void
prepare(struct list_watch *lw)
{
	lw->has_outcome = lw->refused = lw->cut = false;
	lw->retry_after_ms = 0;
	lw->begun = lw->heard = mono_now();
}

static void
cannot_ask(struct list_watch *lw, const struct err *err)
{
	settle(lw);
	lw->tried = true;
	watch_reason_set(&lw->why, 0, "BadCredentials", err->text);
	step(lw, WATCH_IN_FAILED);
}

static void
request(struct list_watch *lw, struct kube_get *get, struct buf *path)
{
	struct err err = { 0 };

	get->path = buf_cstr(path);
	get->silent = lw->silent;
	get->answered = list_watch_answered_cb;
	get->arg = lw;
	lw->silent.ns = 0;
	lw->request = kube_api_get(lw->api, get, &err);
	if (lw->request == NULL)
		cannot_ask(lw, &err);
}

static void
request_list(struct list_watch *lw)
{
	const struct request_list list = { lw->fsm.version,
		lw->watch.version, lw->list.token, lw->fsm.whole };
	struct kube_get get = {
		.accept = lw->place.kind->list_accept,
		.sealed = lw->place.kind->metadata,
		.data = list_data_cb,
		.done = list_done_cb,
	};
	struct buf path = BUF_EMPTY;

	prepare(lw);
	lw->paged = lw->list.token != NULL;
	request_path_list(&path, &lw->place, &list);
	arm(lw->stale, LIST_WATCH_IDLE_MS);
	request(lw, &get, &path);
	buf_free(&path);
}

static void
request_watch(struct list_watch *lw, bool initial)
{
	unsigned base = (unsigned)(lw->conf->watch.timeout_ms / 1000);
	unsigned timeout_s = base + arc4random_uniform(base + 1);
	struct kube_get get = {
		.accept = lw->place.kind->watch_accept,
		.sealed = lw->place.kind->metadata,
		.watch = true,
		.data = watch_data_cb,
		.done = watch_done_cb,
	};
	struct buf path = BUF_EMPTY;

	prepare(lw);
	watch_body_begin(&lw->watch, initial);
	if (initial)
		request_path_stream(&path, &lw->place, timeout_s);
	else
		request_path_watch(&path, &lw->place, lw->watch.version,
		    timeout_s);
	arm(lw->stale, stale_ms(lw));
	if (lw->missed.ns != 0)
		arm_missed(lw);
	else
		arm(lw->limit, initial ? lw->conf->watch.stale_ms * 2 :
		    (timeout_s + LIST_WATCH_GRACE_S) * INT64_C(1000));
	request(lw, &get, &path);
	buf_free(&path);
}

static void
ask(struct list_watch *lw, enum watch_action what)
{
	struct mono silent = lw->silent;
	struct err err = { 0 };
	int rc;

	prepare(lw);
	lw->silent.ns = 0;
	arm(lw->stale, LIST_WATCH_IDLE_MS);
	rc = what == WATCH_DO_PROBE ?
	    side_question_probe(lw->question, lw->watch.version, silent,
	    &err) : side_question_discover(lw->question, &err);
	/* The watch that follows shall leave the silent connection, too. */
	lw->silent = silent;
	if (rc < 0)
		cannot_ask(lw, &err);
}

/* --- the machine ---------------------------------------------------------- */

static void
act(struct list_watch *lw, const struct watch_step *s)
{
	switch (s->action) {
	case WATCH_DO_LIST:
		list_pages_reset(&lw->list);
		lw->missed.ns = 0;
		lw->mark = lw->ops->list_begin(lw, lw->arg);
		request_list(lw);
		break;
	case WATCH_DO_PAGE:
		request_list(lw);
		break;
	case WATCH_DO_STREAM:
		lw->missed.ns = 0;
		lw->mark = lw->ops->list_begin(lw, lw->arg);
		request_watch(lw, true);
		break;
	case WATCH_DO_WATCH:
		request_watch(lw, false);
		break;
	case WATCH_DO_FOLLOW:
		arm(lw->limit, (lw->conf->watch.timeout_ms * 2) +
		    LIST_WATCH_GRACE_S * INT64_C(1000));
		break;
	case WATCH_DO_PROBE:
	case WATCH_DO_DISCOVER:
		ask(lw, s->action);
		break;
	case WATCH_DO_WAIT:
		lw->delay_ms = s->delay_ms;
		arm(lw->wait, s->delay_ms);
		break;
	case WATCH_DO_NOTHING:
	case WATCH_DO_END:
	case WATCH_ACTION_MAX:
		break;
	}
}

/* Whether this cluster can list by watch is learnt once, for all kinds. */
static struct watch_step
feed(struct list_watch *lw, enum watch_input input)
{
	const struct watch_facts facts = {
		.quick = !lw->watch.events && mono_diff_ms(mono_now(),
		    lw->begun) < WATCH_FSM_QUICK_MS,
		.paged = lw->paged,
		.calm_ms = mono_diff_ms(mono_now(), lw->trouble),
		.cut = lw->cut,
		.answered = lw->refused,
		.retry_after_ms = lw->retry_after_ms,
		.random = arc4random(),
	};
	struct watch_step s;

	lw->fsm.streams = lw->conf->watch.watch_list &&
	    kube_api_streams(lw->api);
	s = watch_fsm_step(&lw->fsm, input, &facts);
	if (lw->conf->watch.watch_list && kube_api_streams(lw->api) &&
	    !lw->fsm.streams) {
		kube_api_no_streams(lw->api);
		lw->ops->notice("this API server cannot list by watch: "
		    "listing as usual from now on", lw->arg);
	}
	return s;
}

static void
step(struct list_watch *lw, enum watch_input input)
{
	enum watch_state before = lw->fsm.state;
	struct watch_step s = feed(lw, input);
	bool same = strcmp(watch_fsm_word(before),
	    watch_fsm_word(lw->fsm.state)) == 0;

	if (input != WATCH_IN_ENDED)
		lw->trouble = mono_now();
	if (input == WATCH_IN_TIMER) {
		lw->unanswered = true;
		lw->shown = before;
	} else if (s.action == WATCH_DO_WAIT || s.action == WATCH_DO_END) {
		lw->unanswered = false;
	}
	lw->retried = input == WATCH_IN_UNAUTHORIZED &&
	    s.action != WATCH_DO_WAIT;
	if (s.fresh_connection)
		lw->silent = lw->heard;
	if (input == WATCH_IN_EXPIRED)
		lw->ops->expired(lw->arg);
	lw->delay_ms = s.action == WATCH_DO_WAIT ? s.delay_ms : 0;
	if (lw->fsm.state == WATCH_ABSENT && before != WATCH_ABSENT)
		lw->ops->list_end(lw, lw->ops->list_begin(lw, lw->arg),
		    lw->arg);
	if (!lw->unanswered && (!same || s.action == WATCH_DO_WAIT))
		lw->ops->changed(lw, lw->arg);
	act(lw, &s);
}

/* --- timers and life ------------------------------------------------------ */

static void
list_watch_wait_cb(evutil_socket_t fd, short what, void *arg)
{
	struct list_watch *lw = arg;

	(void)fd;
	(void)what;
	assert(lw->magic == LIST_WATCH_MAGIC);
	step(lw, WATCH_IN_TIMER);
}

static void
drop_request(struct list_watch *lw)
{
	kube_api_cancel(lw->request);
	side_question_cancel(lw->question);
	settle(lw);
	watch_body_reset(&lw->watch);
	list_pages_reset(&lw->list);
}

/* A list by watch that was answered and does not end is the server's (or a
 * proxy's) own fault, and no sign of a dead connection. */
static void
list_watch_stale_cb(evutil_socket_t fd, short what, void *arg)
{
	struct list_watch *lw = arg;
	bool endless = streaming(lw) && lw->open;

	(void)fd;
	(void)what;
	assert(lw->magic == LIST_WATCH_MAGIC);
	drop_request(lw);
	watch_reason_set(&lw->why, 0, "Stale", "the API server sent nothing "
	    "for too long");
	lw->tried = true;
	step(lw, endless ? WATCH_IN_UNSUPPORTED : WATCH_IN_STALE);
}

/* The server did not end the watch as it was told to; or it skipped an event,
 * and the list is due. */
static void
list_watch_limit_cb(evutil_socket_t fd, short what, void *arg)
{
	struct list_watch *lw = arg;
	bool endless = streaming(lw);

	(void)fd;
	(void)what;
	assert(lw->magic == LIST_WATCH_MAGIC);
	drop_request(lw);
	step(lw, endless ? WATCH_IN_UNSUPPORTED : lw->missed.ns != 0 ?
	    WATCH_IN_MISSED : WATCH_IN_ENDED);
}

struct list_watch *
list_watch_new(struct event_base *base, struct kube_api *api,
    const struct conf *conf, unsigned kind, const char *namespace,
    const struct list_watch_ops *ops, void *arg)
{
	struct list_watch *lw = xcalloc(1, sizeof(*lw));

	lw->magic = LIST_WATCH_MAGIC;
	lw->api = api;
	lw->conf = conf;
	lw->ops = ops;
	lw->arg = arg;
	lw->namespace = namespace == NULL ? NULL : xstrdup(namespace);
	lw->place = (struct request_place){ &kinds[kind], lw->namespace };
	lw->watch.metadata = lw->list.metadata_only = kinds[kind].metadata;
	watch_fsm_init(&lw->fsm, conf->watch.backoff_base_ms,
	    conf->watch.backoff_max_ms, conf->watch.denied_ms);
	lw->question = side_question_new(api, &lw->place,
	    list_watch_question_cb, lw);
	lw->wait = evtimer_new(base, list_watch_wait_cb, lw);
	lw->stale = evtimer_new(base, list_watch_stale_cb, lw);
	lw->limit = evtimer_new(base, list_watch_limit_cb, lw);
	if (lw->wait == NULL || lw->stale == NULL || lw->limit == NULL)
		abort();
	return lw;
}

void
list_watch_free(struct list_watch *lw)
{
	if (lw == NULL)
		return;
	kube_api_cancel(lw->request);
	side_question_free(lw->question);
	event_free(lw->wait);
	event_free(lw->stale);
	event_free(lw->limit);
	watch_body_reset(&lw->watch);
	list_pages_reset(&lw->list);
	free(lw->namespace);
	lw->magic = 0;
	free(lw);
}

void
list_watch_start(struct list_watch *lw)
{
	step(lw, WATCH_IN_START);
}

void
list_watch_stop(struct list_watch *lw)
{
	drop_request(lw);
	(void)evtimer_del(lw->wait);
	watch_reason_set(&lw->why, 0, "", "");
	step(lw, WATCH_IN_STOP);
}

const char *
list_watch_namespace(const struct list_watch *lw)
{
	return lw->namespace;
}

struct list_watch_view
list_watch_view(const struct list_watch *lw)
{
	enum watch_state state = lw->unanswered ? lw->shown : lw->fsm.state;

	/* Silence alone is no trouble yet. */
	return (struct list_watch_view){
		.state = state == WATCH_PROBING ? WATCH_WATCHING : state,
		.attempt = lw->fsm.attempt,
		.delay_ms = lw->delay_ms,
		.resource_version = lw->watch.version,
		.reason = lw->why.reason,
		.message = lw->why.message,
		.code = lw->why.code,
		.listed = lw->listed,
		.tried = lw->tried,
		.open = lw->open,
	};
}
