#include "watcher/kube_api.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/mono.h"
#include "common/xmalloc.h"
#include "watcher/curl_lane.h"

#define API_MAGIC     0x4b415049u   /* "KAPI" */
#define REQUEST_MAGIC 0x4b524551u   /* "KREQ" */

struct kube_api {
	uint32_t			 magic;
	struct event_base		*base;
	struct cluster_access		*access;
	struct event			*renew;     /* ends old watches */
	struct event			*resume;    /* those that waited */
	uint32_t			 generation; /* of those that wait */
	bool				 denied;    /* what they waited for */
	struct err			 why;
	struct curl_lane		*watches;
	struct curl_lane		*lists;
	struct curl_lane		*sealed;
	struct curl_lane		*given_up;
	struct kube_request		*requests;
	bool				 http2;
	bool				 no_streams;
	struct server_words		 words;     /* warnings heard */
	server_words_cb			 warned;
	void				*arg;
};

struct kube_request {
	uint32_t		 magic;
	struct kube_request	*next, **link;
	struct kube_api		*api;
	struct curl_lane	*lane;
	struct mono		 begun;
	uint32_t		 generation;
	bool			 waiting;   /* for credentials */
	bool			 outdated; /* a watch with an old certificate */
	bool			 watch;
	char			*path;
	char			*post;
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
	char			 audit[KUBE_API_AUDIT_MAX + 1];
};

static int	begin(struct kube_request *r, struct err *err);

static const struct kube_credentials *
credentials(const struct kube_api *api)
{
	return cluster_access_credentials(api->access);
}

/* --- ends ----------------------------------------------------------------- */

/* What is sealed is wiped, whatever status it came with: who put a secret
 * into a 200 may put one into a 403. */
static void
body_free(struct buf *body, bool sealed)
{
	if (sealed)
		buf_wipe(body);
	else
		buf_free(body);
}

static void
request_free(struct kube_request *r)
{
	struct curl_lane *lane = r->lane;

	if (r->next != NULL)
		r->next->link = r->link;
	*r->link = r->next;
	if (!r->waiting)
		(void)curl_multi_remove_handle(r->lane->multi, r->easy);
	free(r->path);
	free(r->post);
	curl_easy_cleanup(r->easy);
	curl_slist_free_all(r->headers);
	curl_slist_free_all(r->connect_to);
	body_free(&r->body, r->sealed);
	r->magic = 0;
	free(r);
	curl_lane_left(lane);
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
	bool sealed = r->sealed;

	result->body = (struct slice){ (const char *)body.data, body.len };
	r->body = BUF_EMPTY;
	request_free(r);
	done(result, arg);
	body_free(&body, sealed);
}

static void
request_done(void *private, CURLcode code)
{
	struct kube_result result = { .curl = code };
	struct kube_request *r = private;
	char error[CURL_ERROR_SIZE], audit[sizeof(r->audit)];
	curl_off_t retry = 0;

	assert(r->magic == REQUEST_MAGIC);
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
	memcpy(audit, r->audit, sizeof(audit));
	result.audit = audit;
	cluster_access_ended(r->api->access, r->begun, result.status);
	finish(r, &result);
}

static void
kube_api_unused_cb(struct curl_lane *lane, void *arg)
{
	struct kube_api *api = arg;
	struct curl_lane **link = &api->given_up;

	assert(api->magic == API_MAGIC);
	while (*link != lane)
		link = &(*link)->next;
	*link = lane->next;
	curl_lane_free(lane);
}

static struct curl_lane *
lane_new(struct kube_api *api)
{
	return curl_lane_new(api->base, request_done, kube_api_unused_cb,
	    api);
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
		.error = text, .audit = "" };

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
		.error = "", .audit = "" };
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

void
kube_api_on_warning(struct kube_api *api, server_words_cb warned, void *arg)
{
	api->warned = warned;
	api->arg = arg;
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
	struct curl_lane *lane, *next_lane;

	if (api == NULL)
		return;
	for (struct kube_request *r = api->requests; r != NULL; r = next) {
		next = r->next;
		request_free(r);
	}
	for (lane = api->given_up; lane != NULL; lane = next_lane) {
		next_lane = lane->next;
		curl_lane_free(lane);
	}
	curl_lane_free(api->watches);
	curl_lane_free(api->lists);
	curl_lane_free(api->sealed);
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
	if (r->body.len + len > KUBE_API_BODY_MAX)
		len = 0;   /* the rest is not kept */
	if (r->sealed) {
		buf_add_sealed(&r->body, p, len);
		explicit_bzero(p, size * n);
	} else {
		buf_add(&r->body, p, len);
	}
	return size * n;
}

/* What operators need to find a request in the server's audit log, and what the
 * server says of an API that will go (k8s-watch.md A 39). */
static void
take_header(struct kube_request *r, struct slice line)
{
	struct slice id;

	if (server_words_audit(line, &id))
		(void)snprintf(r->audit, sizeof(r->audit), "%.*s", (int)id.n,
		    id.p);
	else if (r->api->warned != NULL)
		server_words_warning(&r->api->words, line, r->api->warned,
		    r->api->arg);
}

/* A watch may bring its first byte of body minutes after its head. */
static size_t
kube_api_header_cb(char *p, size_t size, size_t n, void *arg)
{
	struct kube_request *r = arg;
	size_t len = size * n;
	long status = 0;

	assert(r->magic == REQUEST_MAGIC);
	if (len > 2) {
		take_header(r, (struct slice){ p, len });
		return len;
	}
	(void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200)
		r->answered(r->arg);
	return len;
}

static struct curl_lane **
lane_of(struct kube_api *api, bool sealed, bool watch)
{
	return sealed ? &api->sealed : watch ? &api->watches : &api->lists;
}

/* The lane a request goes to; one whose connection is silent is replaced,
 * once for all that ran on it. */
static struct curl_lane *
choose_lane(struct kube_api *api, const struct kube_get *get)
{
	struct curl_lane **place = lane_of(api, get->sealed, get->watch);
	struct curl_lane *old = *place;

	if (get->silent.ns == 0 || mono_before(get->silent, old->opened) ||
	    mono_before(get->silent, old->heard))
		return old;
	*place = lane_new(api);
	old->next = api->given_up;
	api->given_up = old;
	curl_lane_give_up(old);
	return *place;
}

/* While it waited for credentials its lane may have been given up. */
static void
leave_given_up(struct kube_request *r)
{
	struct curl_lane *old = r->lane;

	if (!old->given_up)
		return;
	r->lane = *lane_of(r->api, r->sealed, r->watch);
	r->lane->n++;
	curl_lane_left(old);
}

/* A connection of HTTP/2 outlives its requests, and with it the bytes that
 * libcurl read of them: what is sealed has one of HTTP/1.1 each, which goes
 * with an answer that is refused. */
static void
set_options(const struct kube_api *api, struct kube_request *r)
{
	bool http2 = api->http2 && !r->sealed;

	(void)curl_easy_setopt(r->easy, CURLOPT_PRIVATE, (void *)r);
	if (r->post != NULL)   /* not copied */
		(void)curl_easy_setopt(r->easy, CURLOPT_POSTFIELDS, r->post);
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
	struct kube_api *api = r->api;

	r->begun = mono_now();
	if (r->post != NULL)
		r->headers = curl_slist_append(NULL,
		    "Content-Type: application/json");
	if (kube_http_setup(r->easy, credentials(api), r->path, r->accept,
	    &r->headers, r->error, err) < 0) {
		cluster_access_ended(api->access, r->begun, 0);
		return -1;
	}
	set_options(api, r);
	leave_given_up(r);
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
	r->api = api;
	r->lane = choose_lane(api, get);
	r->lane->n++;
	r->answered = get->answered;
	r->sealed = get->sealed;
	r->data = get->data;
	r->done = get->done;
	r->arg = get->arg;
	r->watch = get->watch;
	r->path = xstrdup(get->path);
	r->post = get->post == NULL ? NULL : xstrdup(get->post);
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
