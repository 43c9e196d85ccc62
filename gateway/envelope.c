#include "gateway/envelope.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_slice.h"
#include "common/mono.h"
#include "gateway/http_request.h"
#include "gateway/payload_check.h"
#include "gateway/stream_kind.h"

/* What the server adds to an event: type, timestamp, source, tenant. */
#define FRAME_GROWTH 256u

struct check {
	const struct json_value	*event;
	envelope_problem_cb	 cb;
	void			*arg;
	unsigned int		 problems;
};

static void
problem(struct check *k, const char *path, const char *text)
{
	k->problems++;
	k->cb(path, text, k->arg);
}

/* --- members -------------------------------------------------------------- */

/* Members that only the server gives, and those a publisher may. */
static const char *const server_members[] = { "id", "seq", "tenant",
	"terminal" };
static const char *const members[] = { "type", "stream_key", "event_type",
	"timestamp", "source", "subject", "version", "correlation_id",
	"traceparent", "idempotency_key", "data" };

static void
check_names(struct check *k)
{
	const struct json_value *v;
	char name[EVENT_TYPE_MAX + 1];

	for (v = k->event->first; v != NULL; v = v->next)
		if (!json_slice_named(v->name, members, NELEM(members)))
			problem(k, json_tree_name(v, name, sizeof(name)),
			    json_slice_named(v->name, server_members,
			    NELEM(server_members)) ? "is given by the server" :
			    "is not a member of an event");
}

/* A string member without control characters; empty if absent. */
static struct slice
text_member(struct check *k, const char *name, size_t max)
{
	const struct json_value *v = json_tree_member(k->event, name);
	struct slice s = { "", 0 };
	size_t i;

	if (v == NULL || v->type == JSON_TREE_NULL)
		return s;
	if (v->type != JSON_TREE_STRING) {
		problem(k, name, "must be a string");
		return s;
	}
	s = v->text;
	if (s.n == 0)
		problem(k, name, "must not be empty");
	if (s.n > max)
		problem(k, name, "is too long");
	for (i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f) {
			problem(k, name, "has a control character");
			break;
		}
	return s;
}

/* Absent and null are one. */
static void
need_member(struct check *k, const char *name)
{
	const struct json_value *v = json_tree_member(k->event, name);

	if (v == NULL || v->type == JSON_TREE_NULL)
		problem(k, name, "is required");
}

static enum stream_type
check_key(struct check *k, struct slice key, struct slice type)
{
	enum stream_type t = STREAM_TYPE_MAX;
	struct err err = { 0 };

	if (key.n == 0) {
		need_member(k, "stream_key");
		return STREAM_TYPE_MAX;
	}
	if (stream_key_check(key, &t, &err) == -1) {
		problem(k, "stream_key", err.text);
		return STREAM_TYPE_MAX;
	}
	if (type.n > 0 && !slice_is(type, stream_type_name(t)))
		problem(k, "type", "does not agree with stream_key");
	return t;
}

static void
check_event_type(struct check *k, struct slice event_type,
    enum stream_type type)
{
	if (event_type.n == 0) {
		need_member(k, "event_type");
		return;
	}
	if (!event_type_valid(event_type))
		problem(k, "event_type", "must be lower-case words joined by "
		    "dots, at most 64 characters");
	else if (type != STREAM_TYPE_MAX &&
	    !stream_kind_admits(type, event_type))
		problem(k, "event_type", "is not one of this stream type's; "
		    "own ones begin with x.");
}

static int64_t
check_timestamp(struct check *k, int64_t now)
{
	struct slice s = text_member(k, "timestamp", 64);
	int64_t at = now;

	if (s.n == 0)
		return now;
	if (!wall_parse(s.p, s.n, &at))
		problem(k, "timestamp", "must be RFC 3339, as in "
		    "2026-11-21T21:33:06.123Z");
	else if (at > now + ENVELOPE_FUTURE_MAX_MS)
		problem(k, "timestamp", "is more than 5 minutes ahead");
	return at;
}

static int32_t
check_version(struct check *k)
{
	const struct json_value *v = json_tree_member(k->event, "version");
	double number = json_tree_number(v);

	if (v == NULL)
		return 1;
	if (number >= 1 && number <= INT32_MAX &&
	    number <= (double)(int32_t)number)
		return (int32_t)number;
	problem(k, "version", "must be an integer of at least 1");
	return 1;
}

/* RFC 3986 characters: no space, quote or bracket that a link would end at. */
static void
check_source(struct check *k, struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' ||
		    (unsigned char)s.p[i] >= 0x7f ||
		    strchr("\"<>\\^`{|}", s.p[i]) != NULL) {
			problem(k, "source", "must be a URI reference");
			return;
		}
}

/* W3C Trace Context: 00-<32 hex>-<16 hex>-<2 hex>. */
static void
check_traceparent(struct check *k, struct slice s)
{
	static const char shape[] =
	    "hh-hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh-hhhhhhhhhhhhhhhh-hh";
	bool ok = s.n == sizeof(shape) - 1;
	size_t i;

	if (s.n == 0)
		return;
	for (i = 0; ok && i < s.n; i++)
		ok = shape[i] == '-' ? s.p[i] == '-' :
		    strchr("0123456789abcdef", s.p[i]) != NULL;
	if (!ok || memcmp(s.p, "ff", 2) == 0 ||
	    strspn(s.p + 3, "0") >= 32 || strspn(s.p + 36, "0") >= 16)
		problem(k, "traceparent", "is not of W3C Trace Context");
}

/* By the schema of its event_type, once it is known which that is. */
static void
check_data(struct check *k, enum stream_type type, struct slice key,
    struct slice event_type, int32_t version)
{
	struct json_value *data = json_tree_member(k->event, "data");
	const struct schema_rule *rule = NULL;

	if (data == NULL)
		problem(k, "data", "is required");
	else if (data->type != JSON_TREE_OBJECT)
		problem(k, "data", "must be an object");
	else if (type != STREAM_TYPE_MAX &&
	    stream_kind_event(type, event_type) != NULL)
		rule = payload_check_rule(event_type);
	if (rule == NULL)
		return;
	if (version != PAYLOAD_VERSION)
		problem(k, "version", "only 1 is known of this event_type");
	event_state_words(data, type, event_type);
	k->problems += payload_check(rule, key, data, k->cb, k->arg);
}

/* --- hashes --------------------------------------------------------------- */

static void
hash(uint8_t ret[EVENT_HASH_SIZE], const void *p, size_t n)
{
	/* Kept: to look one up and make it costs as much as to hash an
	 * event. */
	static EVP_MD_CTX *context;
	const EVP_MD *first = NULL;
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned int len = 0;

	if (context == NULL) {
		context = EVP_MD_CTX_new();
		first = EVP_sha256();
	}
	if (context == NULL ||
	    EVP_DigestInit_ex(context, first, NULL) != 1 ||
	    EVP_DigestUpdate(context, p, n) != 1 ||
	    EVP_DigestFinal_ex(context, sum, &len) != 1 ||
	    len < EVENT_HASH_SIZE)
		abort();
	memcpy(ret, sum, EVENT_HASH_SIZE);
}

static void
hash_idempotency(struct item *item, struct slice source, struct slice key)
{
	struct buf b = BUF_EMPTY;

	buf_str16(&b, item->tenant.p, item->tenant.n);
	buf_str16(&b, source.p, source.n);
	buf_str16(&b, key.p, key.n);
	hash(item->idem, b.data, b.len);
	buf_free(&b);
	item->flags |= ITEM_IDEMPOTENT;
}

/* --- the frame ------------------------------------------------------------ */

static void
add_text(struct buf *b, const char *name, struct slice s)
{
	if (s.n == 0)
		return;
	buf_addc(b, '"');
	buf_adds(b, name);
	buf_adds(b, "\":\"");
	buf_json_text(b, s.p, s.n);
	buf_adds(b, "\",");
}

unsigned int
envelope_item(const struct json_value *event, struct slice tenant,
    struct slice publisher, int64_t now_unix_ms, struct buf *frame,
    struct item *ret, struct event_state *ret_state, envelope_problem_cb cb,
    void *arg)
{
	struct check k = { event, cb, arg, 0 };
	struct slice key, type, event_type, source, subject, correlation;
	struct slice trace, idem;
	enum stream_type t;
	int32_t version;
	int64_t at;
	char ts[MONO_RFC3339_SIZE];
	struct json_value *data;
	size_t head;

	if (event->type != JSON_TREE_OBJECT) {
		problem(&k, "", "an event must be an object");
		return k.problems;
	}
	check_names(&k);
	type = text_member(&k, "type", EVENT_TYPE_MAX);
	key = text_member(&k, "stream_key", EVENT_KEY_MAX);
	event_type = text_member(&k, "event_type", EVENT_TYPE_MAX);
	source = text_member(&k, "source", ENVELOPE_TEXT_MAX);
	subject = text_member(&k, "subject", EVENT_SUBJECT_MAX);
	correlation = text_member(&k, "correlation_id", ENVELOPE_TEXT_MAX);
	trace = text_member(&k, "traceparent", ENVELOPE_TEXT_MAX);
	idem = text_member(&k, "idempotency_key", EVENT_IDEM_KEY_MAX);
	t = check_key(&k, key, type);
	check_event_type(&k, event_type, t);
	at = check_timestamp(&k, now_unix_ms);
	version = check_version(&k);
	check_source(&k, source);
	check_traceparent(&k, trace);
	check_data(&k, t, key, event_type, version);
	if (k.problems > 0)
		return k.problems;
	data = json_tree_member(event, "data");
	if (source.n == 0)
		source = publisher;

	*ret = (struct item){
		.tenant = tenant,
		.key = key,
		.event_type = event_type,
		.subject = subject,
	};
	k.problems += event_state_read(data, t, ret, ret_state, cb, arg);
	if (k.problems > 0)
		return k.problems;
	head = frame->len;
	/* At once what it needs, nearly always. */
	(void)buf_reserve(frame, event->raw.n + FRAME_GROWTH);
	add_text(frame, "type", slice_str(stream_type_name(t)));
	add_text(frame, "stream_key", key);
	add_text(frame, "event_type", event_type);
	add_text(frame, "timestamp", slice_str(wall_format(at, ts)));
	add_text(frame, "source", source);
	add_text(frame, "subject", subject);
	buf_addf(frame, "\"version\":%" PRId32 ",", version);
	add_text(frame, "tenant", tenant);
	add_text(frame, "correlation_id", correlation);
	add_text(frame, "traceparent", trace);
	add_text(frame, "idempotency_key", idem);
	if (ret_state->machine != LIFECYCLE_OF_NOTHING)
		buf_addf(frame, "\"terminal\":%s,",
		    (ret->flags & ITEM_TERMINAL) != 0 ? "true" : "false");
	buf_adds(frame, "\"data\":");
	ret->data_off = (uint32_t)(frame->len - head);
	/* As it was written, so that numbers keep their digits. */
	json_slice_compact(frame, data->raw);
	event_state_write(frame, head, head + ret->data_off, data, ret_state);
	buf_addc(frame, '}');
	ret->frame = (struct slice){ (const char *)frame->data + head,
	    frame->len - head };
	if (idem.n > 0)
		hash_idempotency(ret, source, idem);
	hash(ret->body, event->raw.p, event->raw.n);
	return 0;
}
