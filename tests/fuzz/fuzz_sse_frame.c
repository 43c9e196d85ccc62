/*
 * libFuzzer entry for what subscribers get: nobody can inject a frame.
 *
 * The first byte chooses. Even: the rest is a publisher's body (bit 1: ndjson),
 * read as the gateway reads it; each event that is taken is framed in every
 * form that a client can get it in. Odd: the rest is an event type, a key, a
 * list of keys (or an id) and a frame that go to the framer as they are.
 * What comes out must be one HTTP chunk, and in it an independent reader of
 * event streams (below, written from the HTML standard and from nothing of
 * ours) must find exactly one event, with that name, that id, and data that is
 * the JSON that was meant. What is refused must leave nothing behind.
 *
 *	clang -fsanitize=fuzzer,address tests/fuzz/fuzz_sse_frame.c ...
 */
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/lifecycle.h"
#include "common/utf8.h"
#include "gateway/cloud_event.h"
#include "gateway/publish_body.h"
#include "gateway/sse_frame.h"
#include "tests/unit/json_tree_fixture.h"

#define FUZZ_INPUT_MAX (64u * 1024)
#define FUZZ_NOW_MS    INT64_C(1700000000000)

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct position where = { 0x65f1a2b3, 41 };

#define MUST(cond) do { \
	if (!(cond)) { \
		fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond); \
		abort(); \
	} \
} while (0)

/* --- an independent reader (HTML standard, 9.2.6) ------------------------- */

struct seen {
	unsigned int	events;
	unsigned int	ids;        /* id fields */
	unsigned int	others;     /* lines of no known field, comments too */
	struct buf	name;
	struct buf	data;
	struct buf	id;
	bool		has_data;
};

static void
set(struct buf *b, const char *p, size_t n)
{
	buf_free(b);
	buf_add(b, p, n);
}

static void
read_field(struct seen *s, const char *p, size_t n)
{
	const char *colon = memchr(p, ':', n);
	size_t name = colon != NULL ? (size_t)(colon - p) : n;
	const char *value = p + name + (colon != NULL ? 1 : 0);
	size_t left = n - (size_t)(value - p);

	if (left > 0 && *value == ' ') {
		value++;
		left--;
	}
	if (name == 5 && memcmp(p, "event", 5) == 0) {
		set(&s->name, value, left);
	} else if (name == 4 && memcmp(p, "data", 4) == 0) {
		buf_add(&s->data, value, left);
		buf_addc(&s->data, '\n');
		s->has_data = true;
	} else if (name == 2 && memcmp(p, "id", 2) == 0) {
		MUST(memchr(value, '\0', left) == NULL);
		set(&s->id, value, left);
		s->ids++;
	} else {
		s->others++;
	}
}

/* A line ends with CRLF, CR or LF; an empty one dispatches the event. */
static void
read_stream(struct seen *s, const char *p, size_t n)
{
	size_t i, begin = 0;

	for (i = 0; i < n; i++) {
		if (p[i] != '\r' && p[i] != '\n')
			continue;
		if (i > begin)
			read_field(s, p + begin, i - begin);
		else if (s->has_data)
			s->events++;
		if (p[i] == '\r' && i + 1 < n && p[i + 1] == '\n')
			i++;
		begin = i + 1;
	}
	MUST(begin == n);   /* nothing is left open */
}

static void
seen_free(struct seen *s)
{
	buf_free(&s->name);
	buf_free(&s->data);
	buf_free(&s->id);
}

static bool
same(const struct buf *b, struct slice want)
{
	return b->len == want.n &&
	    (want.n == 0 || memcmp(b->data, want.p, want.n) == 0);
}

/* --- one frame ------------------------------------------------------------ */

/* Takes the bytes out of the one chunk that they must be. */
static struct slice
unchunk(const struct buf *b)
{
	size_t i = 0, n = 0;
	const char *p = (const char *)b->data;

	MUST(b->len > 0);
	for (; i < b->len && p[i] != '\r'; i++) {
		const char *digits = "0123456789abcdef";
		const char *at = strchr(digits, p[i]);

		MUST(p[i] != '\0' && at != NULL && i < 8);
		n = n * 16 + (size_t)(at - digits);
	}
	MUST(i > 0 && n > 0 && b->len == i + 2 + n + 2);
	MUST(memcmp(p + i, "\r\n", 2) == 0);
	MUST(memcmp(p + b->len - 2, "\r\n", 2) == 0);
	return (struct slice){ p + i + 2, n };
}

/* The frame is one event with this name and id ("": none); its data, parsed,
 * or NULL when it is no JSON. */
static json_t *
check_frame(const struct buf *b, struct slice name, const char *id)
{
	struct slice text = unchunk(b);
	struct seen s = { .events = 0 };
	json_t *root;

	read_stream(&s, text.p, text.n);
	MUST(s.events == 1 && s.others == 0);
	MUST(same(&s.name, name));
	MUST(s.ids == (id[0] != '\0') && same(&s.id, slice_str(id)));
	MUST(s.data.len > 0 && s.data.len - 1 <= EVENT_DATA_LINE_MAX);
	MUST(memchr(s.data.data, '\n', s.data.len - 1) == NULL);
	/* Numbers as publish_body reads them, which compares alike. */
	root = json_loadb((const char *)s.data.data, s.data.len - 1,
	    JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
	seen_free(&s);
	return root;
}

/* --- a publisher's body --------------------------------------------------- */

static void
problem_cb(const char *path, const char *code, const char *text, void *arg)
{
	MUST(path != NULL && code != NULL && text != NULL && arg == NULL);
}

static void
check_member(const json_t *root, const char *name, struct slice want)
{
	const json_t *v = json_object_get(root, name);

	MUST(json_is_string(v) && json_string_length(v) == want.n &&
	    memcmp(json_string_value(v), want.p, want.n) == 0);
}

/* As who reads while the store is away gets it: without an id. */
static void
check_without_id(const struct sse_parts *parts, const json_t *right)
{
	struct sse_parts bare = { parts->event, parts->data, SLICE_NONE };
	struct buf b = BUF_EMPTY;
	json_t *got;

	MUST(sse_event_of(&b, &bare) == 0);
	got = check_frame(&b, parts->event, "");
	MUST(json_equal(got, right));
	json_decref(got);
	buf_free(&b);
}

/* format=cloudevents. */
static void
check_cloud(const struct sse_parts *parts, const struct item *item,
    const json_t *right)
{
	struct buf event = BUF_EMPTY, b = BUF_EMPTY;
	struct sse_parts cloud = *parts;
	json_t *got;

	MUST(cloud_event(&event, parts->data));
	MUST(event.len <= parts->data.n + CLOUD_EVENT_GROWTH);
	cloud.data = (struct slice){ (const char *)event.data, event.len };
	if (sse_event_of(&b, &cloud) == 0) {
		got = check_frame(&b, item->event_type, "65f1a2b3-41");
		check_member(got, "specversion", slice_str("1.0"));
		check_member(got, "id", slice_str("65f1a2b3-41"));
		check_member(got, "type", item->event_type);
		check_member(got, "streamkey", item->key);
		check_member(got, "sequence", slice_str("7"));
		MUST(json_equal(json_object_get(got, "data"),
		    json_object_get(right, "data")));
		json_decref(got);
	} else {
		MUST(b.len == 0 && event.len > EVENT_DATA_LINE_MAX);
	}
	buf_free(&b);
	buf_free(&event);
}

static void
check_end(struct slice key)
{
	struct sse_control end = { .kind = SSE_END, .tip = where,
	    .state = LIFECYCLE_NONE + 1 };
	struct buf b = BUF_EMPTY;
	json_t *got;

	MUST(sse_control(&b, &end, key) == 0);
	got = check_frame(&b, slice_str("stream.end"), "");
	check_member(got, "stream_key", key);
	check_member(got, "last_id", slice_str("65f1a2b3-41"));
	check_member(got, "reason", slice_str("terminal"));
	json_decref(got);
	buf_free(&b);
}

static void
check_event(struct item *item, const struct json_value *sent)
{
	struct sse_parts parts;
	struct buf b = BUF_EMPTY;
	json_t *got;

	item->position = where;
	item->seq = 7;
	MUST(sse_event(&b, item) == 0);
	got = check_frame(&b, item->event_type, "65f1a2b3-41");
	MUST(json_is_object(got));
	check_member(got, "stream_key", item->key);
	check_member(got, "event_type", item->event_type);
	check_member(got, "id", slice_str("65f1a2b3-41"));
	MUST(json_number_value(json_object_get(got, "seq")) == 7);
	MUST(json_tree_same(json_tree_member(sent, "data"),
	    json_object_get(got, "data")));
	MUST(sse_event_parts(b.data, b.len, &parts));
	check_without_id(&parts, got);
	check_cloud(&parts, item, got);
	check_end(item->key);
	json_decref(got);
	buf_free(&b);
	if (sse_snapshot(&b, item, where, 1, 1, where) == 0) {
		got = check_frame(&b, slice_str("snapshot"), "65f1a2b3-41");
		MUST(json_tree_same(json_tree_member(sent, "data"),
		    json_object_get(got, "data")));
		json_decref(got);
	} else {
		MUST(b.len == 0);
	}
	buf_free(&b);
}

static const struct conf *
options(void)
{
	static struct conf conf;

	for (size_t i = 0; i <= STREAM_TYPE_MAX; i++)
		conf.streams[i].max_event = EVENT_MAX;
	return &conf;
}

static void
fuzz_body(const char *p, size_t n, bool lines)
{
	struct publish_body *b = publish_body_new();
	struct slice body = { p, n };
	size_t i;

	if (lines)
		publish_body_ndjson(b, body);
	else
		publish_body_json(b, body);
	publish_body_check(b, slice_str("-"), slice_str("/p"), FUZZ_NOW_MS,
	    options(), problem_cb, NULL);
	if (b->status == 0)
		for (i = 0; i < b->good; i++)
			check_event(&b->items[i], b->events[b->places[i]]);
	publish_body_free(b);
}

/* --- the framer by itself ------------------------------------------------- */

/* Up to the next 0xfe, which is in no UTF-8. */
static struct slice
cut(const char **p, const char *end)
{
	const char *at = memchr(*p, 0xfe, (size_t)(end - *p));
	struct slice s = { *p, (size_t)((at != NULL ? at : end) - *p) };

	*p = at != NULL ? at + 1 : end;
	return s;
}

/* Of any key, though those of streams need no escape. */
static void
check_raw_end(struct slice key, uint8_t state)
{
	struct sse_control end = { .kind = SSE_END, .tip = where,
	    .state = state };
	struct buf b = BUF_EMPTY;
	json_t *got;

	if (sse_control(&b, &end, key) == 0) {
		got = check_frame(&b, slice_str("stream.end"), "");
		if (utf8_valid(key.p, key.n))
			check_member(got, "stream_key", key);
		json_decref(got);
	} else {
		MUST(b.len == 0);
	}
	buf_free(&b);
}

/* An event put together again from parts that are not what they should be: one
 * frame with these, or nothing. */
static void
fuzz_parts(const struct sse_parts *parts)
{
	char id[EVENT_ID_MAX] = "";
	struct position pos = { 0, 0 };
	struct buf b = BUF_EMPTY;

	if (sse_event_of(&b, parts) == 0) {
		MUST(parts->id.p == NULL || position_parse(parts->id, &pos));
		if (pos.epoch != 0)
			(void)position_format(pos, id);
		json_decref(check_frame(&b, parts->event, id));
	} else {
		MUST(b.len == 0);
	}
	buf_free(&b);
}

static void
fuzz_forms(struct slice event_type, struct slice id, struct slice data)
{
	struct sse_parts parts = { event_type, data, id };
	struct buf event = BUF_EMPTY;

	fuzz_parts(&parts);
	parts.id = SLICE_NONE;
	fuzz_parts(&parts);
	if (cloud_event(&event, data)) {
		parts.data = (struct slice){ (const char *)event.data,
		    event.len };
		fuzz_parts(&parts);
	} else {
		MUST(event.len == 0);
	}
	buf_free(&event);
}

static void
fuzz_item(const char *p, size_t n)
{
	const char *end = p + n;
	struct item item = { .seq = 7, .position = where };
	struct sse_control open = { .kind = SSE_OPEN, .tip = where };
	struct buf b = BUF_EMPTY;
	struct slice keys;

	item.event_type = cut(&p, end);
	item.key = cut(&p, end);
	keys = cut(&p, end);
	item.frame = (struct slice){ p, (size_t)(end - p) };
	item.data_off = (uint32_t)(item.frame.n / 2);
	if (item.frame.n > 0 && sse_event(&b, &item) == 0)
		json_decref(check_frame(&b, item.event_type, "65f1a2b3-41"));
	else
		MUST(b.len == 0);
	buf_free(&b);
	if (item.frame.n > 1 && sse_snapshot(&b, &item, where, 1, 1,
	    where) == 0)
		json_decref(check_frame(&b, slice_str("snapshot"),
		    "65f1a2b3-41"));
	else
		MUST(b.len == 0);
	buf_free(&b);
	if (sse_control(&b, &open, keys) == 0)
		json_decref(check_frame(&b, slice_str("stream.open"), ""));
	else
		MUST(b.len == 0);
	buf_free(&b);
	check_raw_end(item.key, (uint8_t)n);
	fuzz_forms(item.event_type, keys, item.frame);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data + 1;

	if (size < 2 || size > FUZZ_INPUT_MAX)
		return 0;
	if ((data[0] & 1) != 0)
		fuzz_item(p, size - 1);
	else
		fuzz_body(p, size - 1, (data[0] & 2) != 0);
	return 0;
}
