#include "gateway/publish_api.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/mono.h"
#include "gateway/access.h"
#include "gateway/connection.h"
#include "gateway/identity.h"
#include "gateway/publish_body.h"
#include "gateway/reply.h"

#define NOT_GRANTED "this token may not publish to %.*s"

/* The first item from `i` on whose stream is not granted; b->good: none. */
static size_t
not_granted(const struct conn *c, const struct publish_body *b, size_t i)
{
	while (i < b->good && grants_cover(&c->identity->publish,
	    b->items[i].key))
		i++;
	return i;
}

/* Each of them by its place, so that whoever sent many knows which to leave
 * out. */
static void
tell_not_granted(const struct conn *c, const struct publish_body *b,
    struct reply_details *details)
{
	const char *name = b->cloud ? "streamkey" : "stream_key";
	char text[EVENT_KEY_MAX + 64], path[64];

	for (size_t i = not_granted(c, b, 0); i < b->good;
	    i = not_granted(c, b, i + 1)) {
		struct slice key = b->items[i].key;

		(void)snprintf(text, sizeof(text), NOT_GRANTED, (int)key.n,
		    key.p);
		if (b->list)
			(void)snprintf(path, sizeof(path), "[%" PRIu32 "].%s",
			    b->places[i], name);
		else
			(void)snprintf(path, sizeof(path), "%s", name);
		reply_detail_code(details, path, "forbidden", text);
	}
}

static void
forbid(struct conn *c, struct slice key, struct reply_details *details)
{
	char text[EVENT_KEY_MAX + 64];

	(void)snprintf(text, sizeof(text), NOT_GRANTED "; nothing was taken",
	    (int)key.n, key.p);
	access_forbid(c, text, details);
}

/* One event of a stream that is not granted refuses the request, atomic or
 * not: a publisher without the grant has nothing to try again. details: what
 * is wrong with others; released then. */
static bool
may_publish(struct conn *c, const struct publish_body *b,
    struct reply_details *details)
{
	size_t first = not_granted(c, b, 0);

	if (first == b->good)
		return true;
	tell_not_granted(c, b, details);
	forbid(c, b->items[first].key, details);
	return false;
}

bool
publish_granted(struct conn *c, struct slice key, const char *path)
{
	struct reply_details details = { .n = 0 };

	if (grants_cover(&c->identity->publish, key))
		return true;
	reply_detail(&details, path, NOT_GRANTED, (int)key.n, key.p);
	forbid(c, key, &details);
	return false;
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
	if (!broker_is_away(c)) {
		publish_wait_begin(c, b, atomic, details, extra, lost);
		return;
	}
	c->gateway->metrics.publish_refused++;
	buf_free(&details->json);
}

static void
problem_cb(const char *path, const char *code, const char *text, void *arg)
{
	reply_detail_code(arg, path, code, text);
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
		reply_error(c, b->status, b->code, b->text, &details);
	} else if (!may_publish(c, b, &details)) {
		;   /* answered */
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
		reply_error_at(c, 400, "bad_request", "atomic",
		    "atomic must be 0 or 1");
		return;
	}
	if (broker_is_away(c))
		return;
	b = publish_body_new();
	if (!read_body(b, r)) {
		publish_body_free(b);
		reply_error_at(c, 415, "unsupported_media_type",
		    "Content-Type", "Content-Type must be application/json, "
		    "application/x-ndjson, application/cloudevents+json or "
		    "application/cloudevents-batch+json");
		return;
	}
	judge(c, b, flag.p == NULL || slice_is(flag, "1"));
	publish_body_free(b);
}
