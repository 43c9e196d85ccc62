#include "watcher/side_question.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/list_stream.h"
#include "common/timer.h"
#include "common/xmalloc.h"
#include "watcher/access_review.h"
#include "watcher/discovery.h"
#include "watcher/watch_body.h"

#define QUESTION_MAGIC 0x534b4153u   /* "SASK" */

enum topic { TOPIC_VERSION, TOPIC_SERVED, TOPIC_ALLOWED };

struct side_question {
	uint32_t			 magic;
	struct kube_api			*api;
	const struct request_place	*place;
	side_question_cb		 cb;
	void				*arg;
	struct kube_request		*request;
	struct event			*limit;
	struct mono			 begun;
	enum topic			 topic;
	struct buf			 body;      /* TOPIC_SERVED */
	struct list_stream		 list;      /* TOPIC_VERSION */
	bool				 unusable;  /* too long, or no list */
	char				 version[KUBE_UID_MAX + 1];
};

static int	ask(struct side_question *q, struct kube_get *get,
		    struct err *err);

/* --- answers -------------------------------------------------------------- */

/* Megabytes per kind, and nobody looks at an answer twice. Of a kind whose
 * content is not read it may be the content, by a proxy that mixes them up. */
static void
forget(struct side_question *q)
{
	buf_wipe(&q->body);
	list_stream_reset(&q->list);
}

static bool
ignore_item_cb(struct slice item, void *arg)
{
	(void)item;
	(void)arg;
	return true;
}

static bool
side_question_data_cb(const char *p, size_t n, void *arg)
{
	struct side_question *q = arg;

	assert(q->magic == QUESTION_MAGIC);
	if (q->topic == TOPIC_VERSION) {
		q->unusable = !list_stream_feed(&q->list, p, n,
		    ignore_item_cb, NULL);
	} else if (q->body.len + n > DISCOVERY_BODY_MAX) {
		q->unusable = true;
	} else {
		buf_add_sealed(&q->body, p, n);
	}
	return !q->unusable;
}

static enum watch_input
judge_version(const struct side_question *q, struct watch_reason *why)
{
	struct slice raw = { (const char *)q->list.metadata.data,
		q->list.metadata.len };
	struct kube_list list;
	struct err err = { 0 };
	char text[256];

	if (!list_stream_complete(&q->list) ||
	    kube_object_parse_list(raw, &list, &err) < 0) {
		watch_reason_set(why, 200, "InvalidAnswer", "the answer to "
		    "a probe is no list");
		return WATCH_IN_FAILED;
	}
	if (!watch_body_older(list.resource_version, slice_str(q->version)))
		return WATCH_IN_CURRENT;
	(void)snprintf(text, sizeof(text), "the server is at version %.*s, "
	    "%s was seen before", (int)list.resource_version.n,
	    list.resource_version.p, q->version);
	watch_reason_set(why, 200, "VersionWentBack", text);
	return WATCH_IN_TOO_LARGE;
}

static enum watch_input
served(struct watch_reason *why)
{
	watch_reason_set(why, 404, "NotFound", "404, though the API server's "
	    "discovery names the kind; is there a proxy on the way?");
	return WATCH_IN_SERVED;
}

static enum watch_input
judge_served(const struct side_question *q, bool *ret_more,
    struct watch_reason *why)
{
	const struct kind *kind = q->place->kind;
	struct slice body = { (const char *)q->body.data, q->body.len };

	*ret_more = false;
	switch (discovery_judge(body, kind)) {
	case DISCOVERY_UNSERVED:
		watch_reason_set(why, 404, "NotServed", "the API server does "
		    "not serve this kind in this version");
		return WATCH_IN_UNSERVED;
	case DISCOVERY_ASK_GROUP:
		*ret_more = true;
		break;
	case DISCOVERY_OUTSIDE:
		if (q->place->namespace == NULL)
			return served(why);
		watch_reason_set(why, 404, "NotInNamespaces", "the kind "
		    "belongs to no namespace: allow list and watch in the "
		    "whole cluster, or leave it out");
		return WATCH_IN_UNSERVED;
	case DISCOVERY_SERVED:
		return served(why);
	case DISCOVERY_UNKNOWN:
		break;
	}
	watch_reason_set(why, 404, "NotFound", "404, and no discovery; does "
	    "`server` lead to a Kubernetes API server?");
	return WATCH_IN_SERVED;
}

/* True: the question for the group's resources is under way. */
static bool
ask_group(struct side_question *q)
{
	struct buf path = BUF_EMPTY;
	struct kube_get get = { .accept = "application/json" };
	struct err err = { 0 };
	int rc;

	discovery_path_group(&path, q->place->kind);
	get.path = buf_cstr(&path);
	rc = ask(q, &get, &err);
	buf_free(&path);
	return rc == 0;
}

/* Whatever else it answers: the 403 stands, with the server's own reason. */
static enum watch_input
judge_allowed(const struct kube_result *result, struct watch_reason *why)
{
	if (result->status != 201 || !access_review_allows(result->body))
		return WATCH_IN_DENIED;
	watch_reason_set(why, 403, "ForbiddenElsewhere", "403, though the API "
	    "server's own rules allow it (SelfSubjectAccessReview); is there "
	    "a proxy or a webhook on the way?");
	return WATCH_IN_ALLOWED;
}

static enum watch_input
judge(const struct side_question *q, const struct kube_result *result,
    int64_t *ret_retry_ms, bool *ret_more, struct watch_reason *why)
{
	enum watch_input input = WATCH_IN_FAILED;

	if (q->topic == TOPIC_ALLOWED)
		return judge_allowed(result, why);
	if (q->unusable) {
		watch_reason_set(why, 200, "InvalidAnswer", q->topic ==
		    TOPIC_VERSION ? "the answer to a probe is no list" :
		    "the answer to discovery is too long");
		return WATCH_IN_FAILED;
	}
	if (!watch_reason_result(why, result, kube_api_origin(q->api),
	    &input, ret_retry_ms))
		return input;
	return q->topic == TOPIC_VERSION ? judge_version(q, why) :
	    judge_served(q, ret_more, why);
}

/* The question may be asked again from within. */
static void
finish(struct side_question *q, const struct watch_outcome *outcome)
{
	(void)evtimer_del(q->limit);
	q->cb(outcome, q->arg);
}

static void
side_question_done_cb(const struct kube_result *result, void *arg)
{
	struct watch_outcome o = { .decided = true, .explained = true };
	struct side_question *q = arg;
	bool more = false;

	assert(q->magic == QUESTION_MAGIC);
	q->request = NULL;
	o.input = judge(q, result, &o.retry_after_ms, &more, &o.why);
	forget(q);
	if (more && ask_group(q))
		return;
	o.unreachable = o.input == WATCH_IN_FAILED && o.why.code == 0;
	if (o.why.code == 401)   /* a 200 may have said so, too */
		kube_api_refused(q->api, q->begun);
	finish(q, &o);
}

static void
side_question_limit_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct watch_outcome o = { 0 };
	struct side_question *q = arg;
	char text[160];

	assert(q->magic == QUESTION_MAGIC);
	side_question_cancel(q);
	(void)snprintf(text, sizeof(text), "no whole answer to a small "
	    "question came within %d s; does the API server hang, or something "
	    "on the way to it?", SIDE_QUESTION_MS / 1000);
	watch_outcome_say(&o, 0, "Stale", text);
	o.silent = true;
	watch_outcome_decide(&o, WATCH_IN_STALE);
	finish(q, &o);
}

/* --- questions ------------------------------------------------------------ */

static int
ask(struct side_question *q, struct kube_get *get, struct err *err)
{
	get->sealed = q->place->kind->metadata;
	get->data = side_question_data_cb;
	get->done = side_question_done_cb;
	get->arg = q;
	forget(q);
	q->unusable = false;
	q->request = kube_api_get(q->api, get, err);
	return q->request == NULL ? -1 : 0;
}

/* The first request of a question. */
static void
begin(struct side_question *q, enum topic topic, struct kube_get *get)
{
	struct watch_outcome o = { 0 };
	struct err err = { 0 };

	q->topic = topic;
	q->begun = mono_now();
	timer_arm(q->limit, SIDE_QUESTION_MS);
	if (ask(q, get, &err) == 0)
		return;
	watch_outcome_say(&o, 0, "BadCredentials", err.text);
	watch_outcome_decide(&o, WATCH_IN_FAILED);
	finish(q, &o);
}

void
side_question_probe(struct side_question *q, const char *version,
    struct mono silent)
{
	struct kube_get get = { .accept = q->place->kind->list_accept,
		.silent = silent };
	struct buf path = BUF_EMPTY;

	q->list.kind_only = q->place->kind->metadata ?
	    "\"" KINDS_METADATA_LIST "\"" : NULL;
	(void)snprintf(q->version, sizeof(q->version), "%s", version);
	request_path_probe(&path, q->place, version);
	get.path = buf_cstr(&path);
	begin(q, TOPIC_VERSION, &get);
	buf_free(&path);
}

void
side_question_discover(struct side_question *q)
{
	struct kube_get get = { .accept = DISCOVERY_ACCEPT };
	struct buf path = BUF_EMPTY;

	discovery_path(&path, q->place->kind);
	get.path = buf_cstr(&path);
	begin(q, TOPIC_SERVED, &get);
	buf_free(&path);
}

void
side_question_review(struct side_question *q, const char *verb)
{
	struct kube_get get = { .accept = "application/json",
		.path = ACCESS_REVIEW_PATH };
	struct buf body = BUF_EMPTY;

	access_review_ask(&body, q->place, verb);
	get.post = buf_cstr(&body);
	begin(q, TOPIC_ALLOWED, &get);
	buf_free(&body);
}

void
side_question_cancel(struct side_question *q)
{
	kube_api_cancel(q->request);
	q->request = NULL;
	(void)evtimer_del(q->limit);
	forget(q);
}

struct mono
side_question_begun(const struct side_question *q)
{
	return q->begun;
}

/* --- life ----------------------------------------------------------------- */

struct side_question *
side_question_new(struct event_base *base, struct kube_api *api,
    const struct request_place *place, side_question_cb cb, void *arg)
{
	struct side_question *q = xcalloc(1, sizeof(*q));

	q->magic = QUESTION_MAGIC;
	q->api = api;
	q->place = place;
	q->cb = cb;
	q->arg = arg;
	q->limit = timer_new(base, side_question_limit_cb, q);
	return q;
}

void
side_question_free(struct side_question *q)
{
	if (q == NULL)
		return;
	side_question_cancel(q);
	event_free(q->limit);
	q->magic = 0;
	free(q);
}
