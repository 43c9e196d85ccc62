#include "gateway/log_api.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/mono.h"
#include "common/sip.h"
#include "common/xmalloc.h"
#include "gateway/connection.h"
#include "gateway/identity.h"
#include "gateway/log_ask.h"
#include "gateway/log_body.h"
#include "gateway/publish_api.h"
#include "gateway/reply.h"
#include "gateway/stream_kind.h"
#include "gateway/test_hooks.h"

#define GUESSES          4096u   /* logs whose next line is remembered */
#define LOG_RETRY_MS     10000   /* while others win each time */

/* Where a log was when this gateway wrote to it last. Others write too, and
 * names may collide: the broker knows better, and says so. */
static struct {
	uint64_t	name;
	uint64_t	next;
} guesses[GUESSES];
static struct sip_key guess_key;

static uint64_t
name_of(const struct conn *c, const struct log_ask *ask)
{
	struct buf b = BUF_EMPTY;
	uint64_t hash;

	if (guess_key.k0 == 0 && guess_key.k1 == 0)
		sip_key_random(&guess_key);
	buf_adds(&b, c->identity->tenant);
	buf_addc(&b, '\0');
	buf_add(&b, ask->key.p, ask->key.n);
	buf_u32(&b, ask->attempt);
	hash = sip_hash(&guess_key, (struct slice){ (const char *)b.data,
	    b.len });
	buf_free(&b);
	return hash;
}

static uint64_t
guess(uint64_t name)
{
	return guesses[name % GUESSES].name == name ?
	    guesses[name % GUESSES].next : 1;
}

static void
remember(uint64_t name, uint64_t next)
{
	guesses[name % GUESSES].name = name;
	guesses[name % GUESSES].next = next;
}

static void
problem_cb(const char *path, const char *code, const char *text, void *arg)
{
	reply_detail_code(arg, path, code, text);
}

/* What is wrong with the body; true: it was answered. */
static bool
refused(struct conn *c, const struct log_body *body, struct publish_body *b,
    struct reply_details *details)
{
	if (b->status != 0) {
		reply_error(c, b->status, b->code, b->text, details);
	} else if (body->problems > 0 || b->good < b->n) {
		reply_error(c, 422, "schema_violation",
		    "not every line is as the contract says", details);
	} else {
		return false;
	}
	c->gateway->metrics.publish_refused++;
	return true;
}

static void	log_api_lost(struct conn *c, uint64_t next);

static void
read_lines(struct conn *c, const struct http_request *r, struct log_body *body,
    const struct log_ask *ask, struct publish_body *b,
    struct reply_details *details)
{
	struct slice bytes = { (const char *)r->body.data, r->body.len };
	struct buf source = BUF_EMPTY;

	if (http_content_type_is(r, "text/plain"))
		log_body_text(body, ask, b, bytes, problem_cb, details);
	else
		log_body_ndjson(body, ask, b, bytes, problem_cb, details);
	identity_source(c->identity, &source);
	log_body_check(body, slice_str(c->identity->tenant),
	    (struct slice){ (const char *)source.data, source.len },
	    wall_unix_ms(), &c->gateway->role->conf);
	buf_free(&source);
}

/* There is no number for one of these lines; true: it was answered. */
static bool
is_full(struct conn *c, const struct log_ask *ask, uint64_t first,
    uint64_t lines, struct reply_details *details)
{
	char text[160];

	if (lines == 0 || (first <= LOG_OFFSET_MAX &&
	    lines - 1 <= LOG_OFFSET_MAX - first))
		return false;
	(void)snprintf(text, sizeof(text), "lines are counted up to %" PRIu64
	    ", and in attempt %" PRIu32 " one of these would be beyond that: "
	    "begin another attempt", LOG_OFFSET_MAX, ask->attempt);
	buf_free(&details->json);
	reply_error_at(c, 409, "log_attempt", "attempt", text);
	return true;
}

static void
take(struct conn *c, const struct http_request *r, struct log_ask *ask)
{
	const struct conf_stream *options = conf_stream(
	    &c->gateway->role->conf, stream_kind_of(ask->key));
	struct log_body *body = xmalloc(sizeof(*body));
	struct publish_body *b = publish_body_new();
	struct reply_details details = { .n = 0 };
	uint64_t name = name_of(c, ask);
	char extra[PUBLISH_EXTRA_MAX];

	ask->max_line = options->max_line;
	ask->max_event = options->max_event;
	if (ask->first == 0) {
		ask->first = guess(name);
		if (test_hooks_has_bug("places-lost"))
			ask->first++;
	}
	read_lines(c, r, body, ask, b, &details);
	if (is_full(c, ask, ask->first, body->lines, &details)) {
		c->gateway->metrics.publish_refused++;
	} else if (!refused(c, body, b, &details)) {
		b->items[0].flags |= ITEM_LOG_NEXT;
		remember(name, ask->first + body->lines);
		(void)snprintf(extra, sizeof(extra), "\"next_offset\":%" PRIu64,
		    ask->first + body->lines);
		publish_items(c, b, true, &details, extra, log_api_lost);
	}
	publish_body_free(b);
	free(body);
}

static void
tell_offset(struct conn *c, const struct log_ask *ask, uint64_t next)
{
	struct reply_details details = { .n = 0 };
	char text[160], more[64], header[64];

	if (is_full(c, ask, next, 1, &details))
		return;
	if (next == 0) {
		(void)snprintf(text, sizeof(text), "attempt %" PRIu32 " is too "
		    "long ago, its lines are not counted any more",
		    ask->attempt);
		reply_error_at(c, 409, "log_attempt", "attempt", text);
		return;
	}
	(void)snprintf(text, sizeof(text), "the next line of attempt %" PRIu32
	    " is %" PRIu64 "; nothing was taken", ask->attempt, next);
	(void)snprintf(more, sizeof(more), "\"expected_offset\":%" PRIu64,
	    next);
	(void)snprintf(header, sizeof(header), "X-Log-Offset: %" PRIu64 "\r\n",
	    next);
	reply_detail(&details, "X-Log-Offset", "%s", text);
	reply_error_more(c, 409, "log_offset", text, &details, more, header);
}

/* The broker took nothing: the log's next line is another one. */
static void
log_api_lost(struct conn *c, uint64_t next)
{
	const struct http_request *r = c->exchange->request;
	struct log_refusal refusal;
	struct log_ask ask;
	uint64_t offset;

	/* It was read before. */
	if (log_ask_read(r, &ask, &offset, &refusal) == -1)
		abort();
	if (next > 0)
		remember(name_of(c, &ask), next);
	if (offset > 0 || next == 0) {
		tell_offset(c, &ask, next);
		c->gateway->metrics.publish_refused++;
	} else if (gateway_now_ms() - c->exchange->started_ms >
	    LOG_RETRY_MS) {
		reply_unavailable(c, "log_busy", "too many write to this log "
		    "at once; nothing was taken");
	} else {
		take(c, r, &ask);
	}
}

void
log_api(struct conn *c, const struct http_request *r)
{
	struct log_refusal refusal;
	struct log_ask ask;
	uint64_t offset;

	if (log_ask_read(r, &ask, &offset, &refusal) == -1)
		reply_error_at(c, refusal.status, refusal.code, refusal.name,
		    refusal.text);
	else if (!http_content_type_is(r, "text/plain") &&
	    !http_content_type_is(r, "application/x-ndjson"))
		reply_error_at(c, 415, "unsupported_media_type",
		    "Content-Type", "Content-Type must be text/plain or "
		    "application/x-ndjson");
	else if (!publish_granted(c, ask.key, "key"))
		c->gateway->metrics.publish_refused++;
	else
		take(c, r, &ask);
}
