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
	const struct kube_credentials	*cred;
	struct lane			*watches;
	struct lane			*lists;
	struct lane			*given_up;
	struct kube_request		*requests;
	bool				 http2;
	bool				 no_streams;
};

struct kube_request {
	uint32_t		 magic;
	struct kube_request	*next, **link;
	struct lane		*lane;
	CURL			*easy;
	struct curl_slist	*headers;
	struct curl_slist	*connect_to;
	kube_api_answered_cb	 answered;
	kube_api_data_cb	 data;
	kube_api_done_cb	 done;
	void			*arg;
	struct buf		 body;
	char			 error[CURL_ERROR_SIZE];
};

/* --- ends ----------------------------------------------------------------- */

static void
request_free(struct kube_request *r)
{
	struct lane *lane = r->lane;
	struct timeval now = { 0, 0 };

	if (r->next != NULL)
		r->next->link = r->link;
	*r->link = r->next;
	(void)curl_multi_remove_handle(r->lane->multi, r->easy);
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

static void
request_done(struct kube_request *r, CURLcode code)
{
	struct kube_result result = { .curl = code };
	kube_api_done_cb done = r->done;
	void *arg = r->arg;
	char error[CURL_ERROR_SIZE];
	struct buf body = r->body;
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
	result.body = (struct slice){ (const char *)body.data, body.len };
	r->body = BUF_EMPTY;
	request_free(r);
	done(&result, arg);
	buf_free(&body);
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

struct kube_api *
kube_api_new(struct event_base *base, const struct kube_credentials *cred,
    bool http2)
{
	struct kube_api *api = xcalloc(1, sizeof(*api));

	api->magic = API_MAGIC;
	api->base = base;
	api->cred = cred;
	api->http2 = http2 && strncasecmp(cred->server, "https:", 6) == 0;
	api->watches = lane_new(api);
	api->lists = lane_new(api);
	return api;
}

const char *
kube_api_origin(const struct kube_api *api)
{
	return api->cred->origin != NULL ? api->cred->origin :
	    "the kubeconfig";
}

const char *
kube_api_namespace(const struct kube_api *api)
{
	return api->cred->namespace;
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

	assert(r->magic == REQUEST_MAGIC);
	r->lane->heard = mono_now();
	(void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200) {
		if (r->data(p, len, r->arg))
			return len;
		/* It may be what was never to come here. */
		explicit_bzero(p, len);
		return 0;
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
	struct lane **place = get->watch ? &api->watches : &api->lists;
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

static void
set_options(const struct kube_api *api, struct kube_request *r,
    const struct kube_get *get)
{
	(void)curl_easy_setopt(r->easy, CURLOPT_PRIVATE, (void *)r);
	/* libcurl copies everything but this, and credentials may change. */
	if (api->cred->connect_to != NULL) {
		r->connect_to = curl_slist_append(NULL,
		    api->cred->connect_to->data);
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
	(void)curl_easy_setopt(r->easy, CURLOPT_HTTP_VERSION, api->http2 ?
	    (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
	(void)curl_easy_setopt(r->easy, CURLOPT_PIPEWAIT,
	    api->http2 ? 1L : 0L);
	if (!get->watch && !api->cred->disable_compression)
		(void)curl_easy_setopt(r->easy, CURLOPT_ACCEPT_ENCODING,
		    "gzip");
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
	r->data = get->data;
	r->done = get->done;
	r->arg = get->arg;
	r->easy = curl_easy_init();
	if (r->easy == NULL)
		abort();
	r->link = &api->requests;
	r->next = api->requests;
	if (r->next != NULL)
		r->next->link = &r->next;
	api->requests = r;
	if (kube_http_setup(r->easy, api->cred, get->path, get->accept,
	    &r->headers, r->error, err) < 0) {
		request_free(r);
		return NULL;
	}
	set_options(api, r, get);
	if (curl_multi_add_handle(r->lane->multi, r->easy) != CURLM_OK) {
		request_free(r);
		(void)err_set(err, "libcurl refused the request");
		return NULL;
	}
	return r;
}
