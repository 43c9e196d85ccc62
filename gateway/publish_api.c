#include "gateway/publish_api.h"

#include <stdio.h>

#include "common/mono.h"
#include "gateway/access.h"
#include "gateway/connection.h"
#include "gateway/identity.h"
#include "gateway/publish_body.h"
#include "gateway/reply.h"

/* One event of a stream that is not granted refuses the request, atomic or
 * not: a publisher without the grant has nothing to try again. */
static bool
may_publish(struct conn *c, const struct publish_body *b)
{
	char text[EVENT_KEY_MAX + 64];

	for (size_t i = 0; i < b->good; i++) {
		struct slice key = b->items[i].key;

		if (grants_cover(&c->identity->publish, key))
			continue;
		(void)snprintf(text, sizeof(text), "this token may not "
		    "publish to %.*s; nothing was taken", (int)key.n, key.p);
		access_forbid(c, text);
		return false;
	}
	return true;
}

/* Also of the registration: until it is answered, events wait. */
static bool
broker_is_away(struct conn *c)
{
	if (publisher_stalled_ms(c->gateway->publisher) <
	    GATEWAY_PUBLISH_STALL_MS)
		return false;
	reply_unavailable(c, "broker_unavailable",
	    "the broker does not answer; nothing was taken");
	return true;
}

void
publish_items(struct conn *c, const struct publish_body *b, bool atomic,
    struct reply_details *details, const char *extra, publish_lost_cb lost)
{
	if (!broker_is_away(c) && may_publish(c, b)) {
		publish_wait_begin(c, b, atomic, details, extra, lost);
		return;
	}
	c->gateway->metrics.publish_refused++;
	buf_free(&details->json);
}

static void
problem_cb(const char *path, const char *text, void *arg)
{
	reply_detail_code(arg, path, "schema_violation", text);
}

static void
judge(struct conn *c, struct publish_body *b, bool atomic)
{
	struct reply_details details = { .n = 0 };
	struct buf source = BUF_EMPTY;

	identity_source(c->identity, &source);
	publish_body_check(b, slice_str(c->identity->tenant),
	    (struct slice){ (const char *)source.data, source.len },
	    wall_unix_ms(), &c->gateway->role->conf, problem_cb, &details);
	buf_free(&source);
	if (b->status != 0) {
		reply_error(c, b->status, b->code, b->text, NULL);
		buf_free(&details.json);
	} else if (!may_publish(c, b)) {
		buf_free(&details.json);
	} else if (b->good == 0 || (atomic && b->good < b->n)) {
		reply_error(c, 422, "schema_violation", b->list ?
		    "not every event is as the contract says" :
		    "the event is not as the contract says", &details);
	} else {
		publish_wait_begin(c, b, atomic, &details, "", NULL);
		return;
	}
	c->gateway->metrics.publish_refused++;
}

/* By the Content-Type; false: there is none that is known. */
static bool
read_body(struct publish_body *b, const struct http_request *r)
{
	struct slice body = { (const char *)r->body.data, r->body.len };

	if (http_content_type_is(r, "application/cloudevents+json"))
		publish_body_cloud(b, body, false);
	else if (http_content_type_is(r, "application/cloudevents-batch+json"))
		publish_body_cloud(b, body, true);
	else if (http_content_type_is(r, "application/x-ndjson"))
		publish_body_ndjson(b, body);
	else if (!http_content_type_is(r, "application/json"))
		return false;
	else if (http_header(r, "ce-specversion").p != NULL)
		publish_body_cloud_binary(b, r->headers, r->n_headers, body);
	else
		publish_body_json(b, body);
	return true;
}

void
publish_api(struct conn *c, const struct http_request *r)
{
	struct slice flag = http_param(r, "atomic");
	struct publish_body *b;

	if (flag.p != NULL && !slice_is(flag, "0") && !slice_is(flag, "1")) {
		reply_error(c, 400, "bad_request", "atomic must be 0 or 1",
		    NULL);
		return;
	}
	if (broker_is_away(c))
		return;
	b = publish_body_new();
	if (!read_body(b, r)) {
		publish_body_free(b);
		reply_error(c, 415, "unsupported_media_type",
		    "Content-Type must be application/json, application/"
		    "x-ndjson, application/cloudevents+json or application/"
		    "cloudevents-batch+json", NULL);
		return;
	}
	judge(c, b, flag.p == NULL || slice_is(flag, "1"));
	publish_body_free(b);
}
