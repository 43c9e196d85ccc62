#include "watcher/kind_watch.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/list_stream.h"
#include "common/mono.h"
#include "common/xmalloc.h"
#include "watcher/watch_stream.h"

#define KIND_WATCH_MAGIC 0x4b494e44u   /* "KIND" */
#define TOKEN_MAX        (16u * 1024)

struct kind_watch {
	uint32_t			 magic;
	struct kube_api			*api;
	const struct kind_watch_ops	*ops;
	void				*arg;
	unsigned			 kind;
	struct watch_fsm		 fsm;
	struct kube_request		*request;
	struct watch_stream		 watch;
	struct list_stream		 list;
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
	long				 code;
	char				 version[KUBE_UID_MAX + 1];
	char				 list_version[KUBE_UID_MAX + 1];
	char				*token;      /* of the next page */
	char				 reason[64];
	char				 message[512];
};

static void	step(struct kind_watch *kw, enum watch_input input);

/* --- why ------------------------------------------------------------------ */

static void
why(struct kind_watch *kw, long code, const char *reason, const char *message)
{
	kw->code = code;
	(void)snprintf(kw->reason, sizeof(kw->reason), "%s", reason);
	(void)snprintf(kw->message, sizeof(kw->message), "%s", message);
}

static void
decide(struct kind_watch *kw, enum watch_input input)
{
	if (kw->has_outcome)
		return;
	kw->has_outcome = true;
	kw->outcome = input;
}

static enum watch_input
input_of_status(long status, const struct kube_error *error)
{
	if (error->too_large)
		return WATCH_IN_TOO_LARGE;
	switch (status) {
	case 401:
		return WATCH_IN_UNAUTHORIZED;
	case 403:
		return WATCH_IN_FORBIDDEN;
	case 404:
		return WATCH_IN_NOT_FOUND;
	case 410:
		return WATCH_IN_EXPIRED;
	default:
		return WATCH_IN_FAILED;
	}
}

static void
decide_error(struct kind_watch *kw, long status,
    const struct kube_error *error)
{
	char fallback[32];

	(void)snprintf(fallback, sizeof(fallback), "Http%ld", status);
	why(kw, status, error->reason[0] != '\0' ? error->reason : fallback,
	    error->message);
	if (error->retry_after_s > 0 && status != 504)
		kw->retry_after_ms = MIN(error->retry_after_s, 3600) * 1000;
	kw->distrusted = status == 401;
	decide(kw, input_of_status(status, error));
}

static void
refuse(struct kind_watch *kw, const char *text)
{
	kw->refused = true;
	why(kw, 200, "InvalidAnswer", text);
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
	why(kw, 0, "", "");
	kw->ops->changed(kw, kw->arg);
}

/* --- bodies --------------------------------------------------------------- */

static void
set_version(char *to, struct slice version)
{
	(void)snprintf(to, KUBE_UID_MAX + 1, "%.*s", (int)version.n,
	    version.p);
}

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
		decide_error(kw, (long)ev.error.code, &ev.error);
		if (strcmp(ev.error.reason, "StoreReadError") == 0)
			kw->outcome = WATCH_IN_EXPIRED;
		return false;
	case KUBE_EVENT_UNKNOWN:
		refuse(kw, "a watch event of unknown type");
		return false;
	}
	if (ev.object.resource_version.n > 0)
		set_version(kw->version, ev.object.resource_version);
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

static bool
list_item_cb(struct slice item, void *arg)
{
	struct kind_watch *kw = arg;
	struct kube_object object;
	struct err err = { 0 };

	if (kube_object_parse(item, &object, &err) < 0) {
		refuse(kw, err.text);
		return false;
	}
	kw->ops->object(kw, KUBE_EVENT_ADDED, &object, kw->arg);
	return true;
}

static bool
list_data_cb(const char *p, size_t n, void *arg)
{
	struct kind_watch *kw = arg;
	uint64_t oversized = kw->list.oversized;
	bool go_on;

	assert(kw->magic == KIND_WATCH_MAGIC);
	touch_stale(kw, KIND_WATCH_LIST_IDLE_MS);
	go_on = list_stream_feed(&kw->list, p, n, list_item_cb, kw);
	if (!go_on)
		refuse(kw, "the answer is no list in JSON; does `server` "
		    "lead to a Kubernetes API server?");
	if (kw->list.oversized != oversized)
		kw->ops->notice(kw, "skipped an object larger than 16 MiB",
		    kw->arg);
	return go_on;
}

/* --- ends of requests ----------------------------------------------------- */

static const char *
curl_reason(CURLcode code)
{
	switch ((unsigned)code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return "DnsFailed";
	case CURLE_COULDNT_CONNECT:
		return "ConnectFailed";
	case CURLE_OPERATION_TIMEDOUT:
		return "Timeout";
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
		return "TlsFailed";
	default:
		return "ConnectionLost";
	}
}

/* libcurl's text names the place; the operator also wants to know where to
 * look. */
static void
why_no_answer(struct kind_watch *kw, const struct kube_result *result)
{
	const char *reason = curl_reason(result->curl);
	const char *origin = kube_api_origin(kw->api);
	char text[sizeof(kw->message)];

	if (result->status != 0)
		(void)snprintf(text, sizeof(text), "%.170s", result->error);
	else if (strcmp(reason, "TlsFailed") == 0)
		(void)snprintf(text, sizeof(text), "%.120s (do the "
		    "certificates of %s belong to this server?)",
		    result->error, origin);
	else
		(void)snprintf(text, sizeof(text), "%.120s (is the API server "
		    "up, and `server` of %s right?)", result->error, origin);
	kw->distrusted = result->status == 0;
	why(kw, result->status, reason, text);
}

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
		decide_error(kw, result->status, &error);
		return false;
	}
	if (result->curl == CURLE_OK)
		return true;
	why_no_answer(kw, result);
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
		why(kw, 200, "ClosedAtOnce", "the watch ended at once and "
		    "brought nothing");
	step(kw, kw->outcome);
}

/* A whole page: where it stands in the list's order. */
static enum watch_input
page_ended(struct kind_watch *kw)
{
	struct kube_list list;
	struct err err = { 0 };
	bool first = kw->token == NULL;

	free(kw->token);
	kw->token = NULL;
	if (!list_stream_complete(&kw->list) || kube_object_parse_list(
	    (struct slice){ (const char *)kw->list.metadata.data,
	    kw->list.metadata.len }, &list, &err) < 0) {
		refuse(kw, err.text[0] != '\0' ? err.text :
		    "the list ends before its end");
		return WATCH_IN_FAILED;
	}
	/* All pages carry page one's version: the watch starts there. */
	if (first)
		set_version(kw->list_version, list.resource_version);
	if (list.continue_token.n == 0)
		return WATCH_IN_LISTED;
	if (list.continue_token.n > TOKEN_MAX) {
		refuse(kw, "the list's continue token is too long");
		return WATCH_IN_FAILED;
	}
	kw->token = slice_dup(list.continue_token);
	return WATCH_IN_PAGE;
}

static void
list_done_cb(const struct kube_result *result, void *arg)
{
	struct kind_watch *kw = arg;

	assert(kw->magic == KIND_WATCH_MAGIC);
	settle(kw);
	if (judge(kw, result))
		decide(kw, page_ended(kw));
	list_stream_reset(&kw->list);
	if (kw->outcome != WATCH_IN_PAGE)
		kw->tried = true;
	if (kw->outcome == WATCH_IN_LISTED) {
		memcpy(kw->version, kw->list_version, sizeof(kw->version));
		kw->listed = true;
		why(kw, 0, "", "");
		kw->ops->list_end(kw, kw->arg);
	}
	step(kw, kw->outcome);
}

/* --- requests ------------------------------------------------------------- */

static void
add_escaped(struct buf *b, const char *text)
{
	for (; *text != '\0'; text++)
		if ((*text >= 'a' && *text <= 'z') ||
		    (*text >= 'A' && *text <= 'Z') ||
		    (*text >= '0' && *text <= '9') ||
		    strchr("-._~", *text) != NULL)
			buf_addc(b, *text);
		else
			buf_addf(b, "%%%02X", (unsigned)(unsigned char)*text);
}

static void
list_query(const struct kind_watch *kw, struct buf *b)
{
	if (kw->token != NULL) {
		/* Never with a resourceVersion (k8s-watch.md A.2). */
		buf_addf(b, "?limit=%d&continue=", KIND_WATCH_PAGE);
		add_escaped(b, kw->token);
		return;
	}
	switch (kw->fsm.version) {
	case WATCH_VERSION_LAST:
		if (kw->version[0] != '\0') {
			/* With a limit it would mean "exactly". */
			buf_adds(b, "?resourceVersion=");
			add_escaped(b, kw->version);
			return;
		}
		break;
	case WATCH_VERSION_ZERO:
		buf_addf(b, "?limit=%d&resourceVersion=0", KIND_WATCH_PAGE);
		return;
	case WATCH_VERSION_EMPTY:
		break;
	}
	buf_addf(b, "?limit=%d", KIND_WATCH_PAGE);
}

static void
request(struct kind_watch *kw, bool watch)
{
	struct buf path = BUF_EMPTY;
	struct err err = { 0 };
	char *base = kinds_path(&kinds[kw->kind]);
	struct kube_get get = {
		.accept = watch ? kinds[kw->kind].watch_accept :
		    kinds[kw->kind].list_accept,
		.watch = watch,
		.dead = kw->dead,
		.answered = kind_watch_answered_cb,
		.data = watch ? watch_data_cb : list_data_cb,
		.done = watch ? watch_done_cb : list_done_cb,
		.arg = kw,
	};

	buf_adds(&path, base);
	free(base);
	if (watch) {
		buf_adds(&path, "?watch=1&resourceVersion=");
		add_escaped(&path, kw->version);
		buf_addf(&path, "&allowWatchBookmarks=true&timeoutSeconds=%u",
		    KIND_WATCH_TIMEOUT_S +
		    arc4random_uniform(KIND_WATCH_TIMEOUT_S + 1));
	} else {
		list_query(kw, &path);
	}
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
		why(kw, 0, "BadCredentials", err.text);
		step(kw, WATCH_IN_FAILED);
	}
}

static void
begin_list(struct kind_watch *kw)
{
	free(kw->token);
	kw->token = NULL;
	list_stream_reset(&kw->list);
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
		list_stream_reset(&kw->list);
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
	list_stream_reset(&kw->list);
	why(kw, 0, "Stale", "the API server sent nothing for too long");
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
	list_stream_reset(&kw->list);
	free(kw->token);
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
	why(kw, 0, "", "");
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
		.reason = kw->reason,
		.message = kw->message,
		.code = kw->code,
		.listed = kw->listed,
		.tried = kw->tried,
	};
}
