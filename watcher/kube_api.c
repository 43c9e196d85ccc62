#include "watcher/kube_api.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/mono.h"
#include "common/xmalloc.h"

#define API_MAGIC     0x4b415049u   /* "KAPI" */
#define REQUEST_MAGIC 0x4b524551u   /* "KREQ" */

/* One multi handle: its connections are shared by its requests only. */
struct lane {
	struct kube_api	*api;
	struct lane	*next;      /* of those that were given up */
	CURLM		*multi;
	struct event	*timer;
	struct mono	 opened;
	struct mono	 heard;     /* the last byte of any body */
	size_t		 n;         /* requests on it */
	bool		 given_up;  /* ends with its last request */
};

struct kube_api {
	uint32_t			 magic;
	struct event_base		*base;
	struct cluster_access		*access;
	struct event			*renew;     /* ends old watches */
	struct event			*resume;    /* those that waited */
	uint32_t			 generation; /* of those that wait */
	bool				 denied;    /* what they waited for */
	struct err			 why;
	struct lane			*watches;
	struct lane			*lists;
	struct lane			*sealed;
	struct lane			*given_up;
	struct kube_request		*requests;
	bool				 http2;
	bool				 no_streams;
};

struct kube_request {
	uint32_t		 magic;
	struct kube_request	*next, **link;
	struct lane		*lane;
	struct mono		 begun;
	uint32_t		 generation;
	bool			 waiting;   /* for credentials */
	bool			 outdated;  /* a watch with an old certificate */
	bool			 watch;
	char			*path;
	const char		*accept;
	CURL			*easy;
	struct curl_slist	*headers;
	struct curl_slist	*connect_to;
	bool			 sealed;
	kube_api_answered_cb	 answered;
	kube_api_data_cb	 data;
	kube_api_done_cb	 done;
	void			*arg;
	struct buf		 body;
	char			 error[CURL_ERROR_SIZE];
};

static int	begin(struct kube_request *r, struct err *err);

static const struct kube_credentials *
credentials(const struct kube_api *api)
{
	return cluster_access_credentials(api->access);
}

/* --- ends ----------------------------------------------------------------- */

static void
request_free(struct kube_request *r)
{
	struct lane *lane = r->lane;
	struct timeval now = { 0, 0 };

	if (r->next != NULL)
		r->next->link = r->link;
	*r->link = r->next;
	if (!r->waiting)
		(void)curl_multi_remove_handle(r->lane->multi, r->easy);
	free(r->path);
	curl_easy_cleanup(r->easy);
	curl_slist_free_all(r->headers);
	curl_slist_free_all(r->connect_to);
	buf_free(&r->body);
	r->magic = 0;
	free(r);
	/* Not here: libcurl may be at work on it. */
	if (--lane->n == 0 && lane->given_up)
		(void)evtimer_add(lane->timer, &now);
}

void
kube_api_cancel(struct kube_request *request)
{
	if (request == NULL)
		return;
	assert(request->magic == REQUEST_MAGIC);
	request_free(request);
}

/* Gives the result to the owner; the request is gone before. */
static void
finish(struct kube_request *r, struct kube_result *result)
{
	kube_api_done_cb done = r->done;
	void *arg = r->arg;
	struct buf body = r->body;

	result->body = (struct slice){ (const char *)body.data, body.len };
	r->body = BUF_EMPTY;
	request_free(r);
	done(result, arg);
	buf_free(&body);
}

static void
request_done(struct kube_request *r, CURLcode code)
{
	struct kube_result result = { .curl = code };
	char error[CURL_ERROR_SIZE];
	curl_off_t retry = 0;

	(void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE,
	    &result.status);
	(void)curl_easy_getinfo(r->easy, CURLINFO_RETRY_AFTER, &retry);
	if (retry > 0)
		result.retry_after_ms = (int64_t)MIN(retry, 3600) * 1000;
	memcpy(error, r->error, sizeof(error));
	if (error[0] == '\0' && code != CURLE_OK) {
		(void)snprintf(error, sizeof(error), "%s",
		    curl_easy_strerror(code));
	}
	result.error = error;
	cluster_access_ended(r->lane->api->access, r->begun, result.status);
	finish(r, &result);
}

static void
drain(struct lane *lane)
{
	struct kube_request *r;
	CURLMsg *msg;
	CURLcode code;
	char *private;
	int left;

	while ((msg = curl_multi_info_read(lane->multi, &left)) != NULL) {
		if (msg->msg != CURLMSG_DONE)
			continue;
		code = msg->data.result;
		(void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE,
		    &private);
		r = (struct kube_request *)(void *)private;
		assert(r->magic == REQUEST_MAGIC);
		request_done(r, code);
	}
}

/* --- curl under libevent -------------------------------------------------- */

static void
kube_api_socket_ready_cb(evutil_socket_t fd, short what, void *arg)
{
	struct lane *lane = arg;
	int running, flags = 0;

	assert(lane->api->magic == API_MAGIC);
	if ((what & EV_READ) != 0)
		flags |= CURL_CSELECT_IN;
	if ((what & EV_WRITE) != 0)
		flags |= CURL_CSELECT_OUT;
	(void)curl_multi_socket_action(lane->multi, fd, flags, &running);
	drain(lane);
}

static void
lane_free(struct lane *lane)
{
	(void)curl_multi_cleanup(lane->multi);
	event_free(lane->timer);
	free(lane);
}

static void
bury(struct lane *lane)
{
	struct lane **link = &lane->api->given_up;

	while (*link != lane)
		link = &(*link)->next;
	*link = lane->next;
	lane_free(lane);
}

static void
kube_api_timer_cb(evutil_socket_t fd, short what, void *arg)
{
	struct lane *lane = arg;
	int running;

	(void)fd;
	(void)what;
	assert(lane->api->magic == API_MAGIC);
	if (lane->given_up && lane->n == 0) {
		bury(lane);
		return;
	}
	(void)curl_multi_socket_action(lane->multi, CURL_SOCKET_TIMEOUT, 0,
	    &running);
	drain(lane);
}

static int
kube_api_socket_cb(CURL *easy, curl_socket_t fd, int what, void *arg,
    void *socket_arg)
{
	struct lane *lane = arg;
	struct event *ev = socket_arg;
	short flags = EV_PERSIST;

	(void)easy;
	if (ev != NULL)
		event_free(ev);
	ev = NULL;
	if (what != CURL_POLL_REMOVE) {
		if (what != CURL_POLL_OUT)
			flags |= EV_READ;
		if (what != CURL_POLL_IN)
			flags |= EV_WRITE;
		ev = event_new(lane->api->base, fd, flags,
		    kube_api_socket_ready_cb, lane);
		if (ev == NULL || event_add(ev, NULL) != 0)
			abort();
	}
	(void)curl_multi_assign(lane->multi, fd, ev);
	return 0;
}

static int
kube_api_timeout_cb(CURLM *multi, long ms, void *arg)
{
	struct lane *lane = arg;
	struct timeval tv;

	(void)multi;
	if (ms < 0) {
		(void)evtimer_del(lane->timer);
		return 0;
	}
	tv = mono_timeval_ms(ms);
	(void)evtimer_add(lane->timer, &tv);
	return 0;
}

static struct lane *
lane_new(struct kube_api *api)
{
	struct lane *lane = xcalloc(1, sizeof(*lane));

	lane->api = api;
	lane->opened = mono_now();
	lane->multi = curl_multi_init();
	lane->timer = evtimer_new(api->base, kube_api_timer_cb, lane);
	if (lane->multi == NULL || lane->timer == NULL)
		abort();
	(void)curl_multi_setopt(lane->multi, CURLMOPT_SOCKETFUNCTION,
	    kube_api_socket_cb);
	(void)curl_multi_setopt(lane->multi, CURLMOPT_SOCKETDATA, lane);
	(void)curl_multi_setopt(lane->multi, CURLMOPT_TIMERFUNCTION,
	    kube_api_timeout_cb);
	(void)curl_multi_setopt(lane->multi, CURLMOPT_TIMERDATA, lane);
	(void)curl_multi_setopt(lane->multi, CURLMOPT_PIPELINING,
	    CURLPIPE_MULTIPLEX);
	return lane;
}

/* --- credentials ---------------------------------------------------------- */

/* One that waited for the last answer. */
static struct kube_request *
next_waiting(struct kube_api *api)
{
	struct kube_request *r = api->requests;

	while (r != NULL && (!r->waiting || r->generation == api->generation))
		r = r->next;
	return r;
}

static void
fail(struct kube_request *r, const char *text)
{
	struct kube_result result = { .curl = CURLE_LOGIN_DENIED,
		.error = text };

	finish(r, &result);
}

/* One at a time: its beginning or end may start and end others. */
static void
kube_api_resume_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct kube_api *api = arg;
	struct kube_request *r;
	struct err err = { 0 };

	assert(api->magic == API_MAGIC);
	r = next_waiting(api);
	if (r == NULL)
		return;
	event_active(api->resume, EV_TIMEOUT, 0);
	if (api->denied)
		fail(r, api->why.text);
	else if (begin(r, &err) < 0)
		fail(r, err.text);
}

/* What begins to wait from here on waits for the next answer. */
static void
kube_api_settled(const struct err *err, void *arg)
{
	struct kube_api *api = arg;

	assert(api->magic == API_MAGIC);
	api->generation++;
	api->denied = err != NULL;
	if (err != NULL)
		api->why = *err;
	event_active(api->resume, EV_TIMEOUT, 0);
}

static struct kube_request *
next_outdated(struct kube_api *api)
{
	struct kube_request *r = api->requests;

	while (r != NULL && (r->waiting || !r->outdated))
		r = r->next;
	return r;
}

/* To its owner the watch has come to its end: it asks for the next. */
static void
kube_api_renew_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct kube_result result = { .curl = CURLE_OK, .status = 200,
		.error = "" };
	struct kube_api *api = arg;
	struct kube_request *r;

	assert(api->magic == API_MAGIC);
	r = next_outdated(api);
	if (r == NULL)
		return;
	event_active(api->renew, EV_TIMEOUT, 0);
	finish(r, &result);
}

/* Not at once: this may come from the midst of a request's beginning. */
static void
kube_api_renewed(void *arg)
{
	struct kube_api *api = arg;

	assert(api->magic == API_MAGIC);
	for (struct kube_request *r = api->requests; r != NULL; r = r->next)
		r->outdated = r->watch && !r->waiting;
	event_active(api->renew, EV_TIMEOUT, 0);
}

struct kube_api *
kube_api_new(struct event_base *base, struct cluster_access *access,
    bool http2)
{
	struct kube_api *api = xcalloc(1, sizeof(*api));
	const struct cluster_access_ops ops = { kube_api_settled,
		kube_api_renewed, api };

	api->magic = API_MAGIC;
	api->base = base;
	api->access = access;
	api->http2 = http2 && strncasecmp(credentials(api)->server, "https:",
	    6) == 0;
	api->renew = evtimer_new(base, kube_api_renew_cb, api);
	api->resume = evtimer_new(base, kube_api_resume_cb, api);
	if (api->renew == NULL || api->resume == NULL)
		abort();
	api->watches = lane_new(api);
	api->lists = lane_new(api);
	api->sealed = lane_new(api);
	cluster_access_listen(access, &ops);
	return api;
}

const char *
kube_api_origin(const struct kube_api *api)
{
	return credentials(api)->origin != NULL ? credentials(api)->origin :
	    "the kubeconfig";
}

const char *
kube_api_namespace(const struct kube_api *api)
{
	return credentials(api)->namespace;
}

bool
kube_api_streams(const struct kube_api *api)
{
	return !api->no_streams;
}

void
kube_api_no_streams(struct kube_api *api)
{
	api->no_streams = true;
}

void
kube_api_free(struct kube_api *api)
{
	struct kube_request *next;
	struct lane *lane, *next_lane;

	if (api == NULL)
		return;
	for (struct kube_request *r = api->requests; r != NULL; r = next) {
		next = r->next;
		request_free(r);
	}
	for (lane = api->given_up; lane != NULL; lane = next_lane) {
		next_lane = lane->next;
		lane_free(lane);
	}
	lane_free(api->watches);
	lane_free(api->lists);
	lane_free(api->sealed);
	event_free(api->renew);
	event_free(api->resume);
	api->magic = 0;
	free(api);
}

/* --- requests ------------------------------------------------------------- */

static size_t
kube_api_write_cb(char *p, size_t size, size_t n, void *arg)
{
	struct kube_request *r = arg;
	size_t len = size * n;
	long status = 0;
	bool go_on;

	assert(r->magic == REQUEST_MAGIC);
	r->lane->heard = mono_now();
	(void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200) {
		go_on = r->data(p, len, r->arg);
		/* It may be what was never to come here. */
		if (!go_on || r->sealed)
			explicit_bzero(p, len);
		return go_on ? len : 0;
	}
	if (r->body.len + len <= KUBE_API_BODY_MAX)
		buf_add(&r->body, p, len);
	return len;
}

/* A watch may bring its first byte of body minutes after its head. */
static size_t
kube_api_header_cb(char *p UNUSED, size_t size, size_t n, void *arg)
{
	struct kube_request *r = arg;
	size_t len = size * n;
	long status = 0;

	assert(r->magic == REQUEST_MAGIC);
	if (len > 2)
		return len;
	(void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200)
		r->answered(r->arg);
	return len;
}

/* The lane a request goes to; one whose connection is silent is replaced,
 * once for all that ran on it. */
static struct lane *
choose_lane(struct kube_api *api, const struct kube_get *get)
{
	struct lane **place = get->sealed ? &api->sealed :
	    get->watch ? &api->watches : &api->lists;
	struct lane *old = *place;

	if (get->silent.ns == 0 || mono_before(get->silent, old->opened) ||
	    mono_before(get->silent, old->heard))
		return old;
	*place = lane_new(api);
	if (old->n == 0) {
		lane_free(old);
	} else {
		old->given_up = true;
		old->next = api->given_up;
		api->given_up = old;
	}
	return *place;
}

/* A connection of HTTP/2 outlives its requests, and with it the bytes that
 * libcurl read of them: what is sealed has one of HTTP/1.1 each, which goes
 * with an answer that is refused. */
static void
set_options(const struct kube_api *api, struct kube_request *r)
{
	bool http2 = api->http2 && !r->sealed;

	(void)curl_easy_setopt(r->easy, CURLOPT_PRIVATE, (void *)r);
	/* libcurl copies everything but this, and credentials may change. */
	if (credentials(api)->connect_to != NULL) {
		r->connect_to = curl_slist_append(NULL,
		    credentials(api)->connect_to->data);
		(void)curl_easy_setopt(r->easy, CURLOPT_CONNECT_TO,
		    r->connect_to);
	}
	(void)curl_easy_setopt(r->easy, CURLOPT_WRITEFUNCTION,
	    kube_api_write_cb);
	(void)curl_easy_setopt(r->easy, CURLOPT_WRITEDATA, (void *)r);
	(void)curl_easy_setopt(r->easy, CURLOPT_HEADERFUNCTION,
	    kube_api_header_cb);
	(void)curl_easy_setopt(r->easy, CURLOPT_HEADERDATA, (void *)r);
	(void)curl_easy_setopt(r->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	(void)curl_easy_setopt(r->easy, CURLOPT_HTTP_VERSION, http2 ?
	    (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
	(void)curl_easy_setopt(r->easy, CURLOPT_PIPEWAIT,
	    http2 ? 1L : 0L);
	if (!r->watch && !credentials(api)->disable_compression)
		(void)curl_easy_setopt(r->easy, CURLOPT_ACCEPT_ENCODING,
		    "gzip");
}

static int
begin(struct kube_request *r, struct err *err)
{
	struct kube_api *api = r->lane->api;

	r->begun = mono_now();
	if (kube_http_setup(r->easy, credentials(api), r->path, r->accept,
	    &r->headers, r->error, err) < 0) {
		cluster_access_ended(api->access, r->begun, 0);
		return -1;
	}
	set_options(api, r);
	if (curl_multi_add_handle(r->lane->multi, r->easy) != CURLM_OK)
		return err_set(err, "libcurl refused the request");
	r->waiting = false;
	return 0;
}

struct kube_request *
kube_api_get(struct kube_api *api, const struct kube_get *get,
    struct err *err)
{
	struct kube_request *r = xcalloc(1, sizeof(*r));

	r->magic = REQUEST_MAGIC;
	r->lane = choose_lane(api, get);
	r->lane->n++;
	r->answered = get->answered;
	r->sealed = get->sealed;
	r->data = get->data;
	r->done = get->done;
	r->arg = get->arg;
	r->watch = get->watch;
	r->path = xstrdup(get->path);
	r->accept = get->accept;
	r->waiting = true;
	r->easy = curl_easy_init();
	if (r->easy == NULL)
		abort();
	r->link = &api->requests;
	r->next = api->requests;
	if (r->next != NULL)
		r->next->link = &r->next;
	api->requests = r;
	if (cluster_access_prepare(api->access)) {
		if (begin(r, err) == 0)
			return r;
		request_free(r);
		return NULL;
	}
	r->generation = api->generation;
	return r;
}

void
kube_api_refused(struct kube_api *api, struct mono began)
{
	cluster_access_ended(api->access, began, 401);
}
