#include "watcher/kube_api.h"

#include <assert.h>
#include <stdlib.h>
#include <strings.h>

#include "common/mono.h"
#include "common/timer.h"
#include "common/xmalloc.h"
#include "watcher/curl_lane.h"
#include "watcher/kube_transfer.h"

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
	bool			 sealed;
	struct kube_transfer	*transfer;
	kube_api_done_cb	 done;
	void			*arg;
};

static int	begin(struct kube_request *r, struct err *err);

static const struct kube_credentials *
credentials(const struct kube_api *api)
{
	return cluster_access_credentials(api->access);
}

/* --- ends ----------------------------------------------------------------- */

/* The transfer is the caller's then. */
static struct kube_transfer *
request_free(struct kube_request *r)
{
	struct kube_transfer *transfer = r->transfer;
	struct curl_lane *lane = r->lane;

	if (r->next != NULL)
		r->next->link = r->link;
	*r->link = r->next;
	if (!r->waiting)
		(void)curl_multi_remove_handle(lane->multi,
		    kube_transfer_easy(transfer));
	r->magic = 0;
	free(r);
	curl_lane_left(lane);
	return transfer;
}

void
kube_api_cancel(struct kube_request *request)
{
	if (request == NULL)
		return;
	assert(request->magic == REQUEST_MAGIC);
	kube_transfer_free(request_free(request));
}

/* Gives the result to the owner; the request is gone before. */
static void
finish(struct kube_request *r, const struct kube_result *result)
{
	kube_api_done_cb done = r->done;
	void *arg = r->arg;
	struct kube_transfer *transfer = request_free(r);

	done(result, arg);
	kube_transfer_free(transfer);
}

static void
request_done(void *private, CURLcode code)
{
	struct kube_request *r = private;
	struct kube_result result;

	assert(r->magic == REQUEST_MAGIC);
	kube_transfer_result(r->transfer, code, &result);
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
	api->renew = timer_new(base, kube_api_renew_cb, api);
	api->resume = timer_new(base, kube_api_resume_cb, api);
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
		kube_api_cancel(r);
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

static void
kube_api_heard(void *arg)
{
	struct kube_request *r = arg;

	assert(r->magic == REQUEST_MAGIC);
	r->lane->heard = mono_now();
}

/* The server may say of an API that it will go (k8s-watch.md A 39). */
static void
kube_api_said(struct slice line, void *arg)
{
	struct kube_request *r = arg;
	struct kube_api *api = r->api;

	assert(r->magic == REQUEST_MAGIC);
	if (api->warned != NULL)
		server_words_warning(&api->words, line, api->warned,
		    api->arg);
}

static const struct kube_transfer_ops transfer_ops = {
	.heard = kube_api_heard,
	.said = kube_api_said,
};

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

static int
begin(struct kube_request *r, struct err *err)
{
	struct kube_api *api = r->api;

	r->begun = mono_now();
	if (kube_transfer_prepare(r->transfer, credentials(api), api->http2,
	    err) < 0) {
		cluster_access_ended(api->access, r->begun, 0);
		return -1;
	}
	leave_given_up(r);
	if (curl_multi_add_handle(r->lane->multi,
	    kube_transfer_easy(r->transfer)) != CURLM_OK)
		return err_set(err, "libcurl refused the request");
	r->waiting = false;
	return 0;
}

static struct kube_request *
request_new(struct kube_api *api, const struct kube_get *get)
{
	struct kube_request *r = xcalloc(1, sizeof(*r));

	r->magic = REQUEST_MAGIC;
	r->api = api;
	r->lane = choose_lane(api, get);
	r->lane->n++;
	r->sealed = get->sealed;
	r->watch = get->watch;
	r->done = get->done;
	r->arg = get->arg;
	r->waiting = true;
	r->generation = api->generation;
	r->transfer = kube_transfer_new(get, &transfer_ops, r);
	r->link = &api->requests;
	r->next = api->requests;
	if (r->next != NULL)
		r->next->link = &r->next;
	api->requests = r;
	return r;
}

struct kube_request *
kube_api_get(struct kube_api *api, const struct kube_get *get,
    struct err *err)
{
	struct kube_request *r = request_new(api, get);

	if (cluster_access_prepare(api->access) && begin(r, err) < 0) {
		kube_api_cancel(r);
		return NULL;
	}
	return r;
}

void
kube_api_refused(struct kube_api *api, struct mono began)
{
	cluster_access_ended(api->access, began, 401);
}
