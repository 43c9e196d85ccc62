/*
 * Fuzz target: what is no event yet and is made into one: lines of a log
 * (log_body) and CloudEvents. The first byte says which: text, ndjson, a
 * CloudEvent, a batch, or binary mode. Whatever became an item must be one that
 * the broker's reader takes, and its frame JSON; the lines of a text are those
 * that were sent.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"
#include "gateway/log_body.h"
#include "gateway/log_line.h"

#define MUST(condition) do {						\
	if (!(condition))						\
		abort();						\
} while (0)

#define FUZZ_INPUT_MAX 65536
#define FUZZ_NOW_MS    INT64_C(1700000000000)

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
problem_cb(const char *path, const char *code, const char *problem, void *arg)
{
	(void)arg;
	MUST(strlen(problem) > 0 && strlen(code) > 0 &&
	    utf8_valid(path, strlen(path)));
}

static const struct conf *
options(void)
{
	static struct conf conf;

	for (size_t i = 0; i <= STREAM_TYPE_MAX; i++)
		conf.streams[i].max_event = EVENT_MAX;
	return &conf;
}

/* The frame, whole and parsed. */
static json_t *
check_item(const struct item *item)
{
	struct buf b = BUF_EMPTY, whole = BUF_EMPTY;
	struct item back;
	json_t *event;
	struct rd r;

	item_encode(&b, item, false);
	r = rd_init(b.data, b.len);
	MUST(item_decode(&r, &back, false) == 0 && rd_done(&r));
	buf_addc(&whole, '{');
	buf_add(&whole, item->frame.p, item->frame.n);
	MUST(memchr(whole.data, '\n', whole.len) == NULL);
	event = json_loadb((const char *)whole.data, whole.len,
	    JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL,
	    NULL);
	MUST(json_is_object(json_object_get(event, "data")));
	buf_free(&b);
	buf_free(&whole);
	return event;
}

static void
check_items(const struct publish_body *b)
{
	for (size_t i = 0; b->status == 0 && i < b->good; i++)
		json_decref(check_item(&b->items[i]));
}

/* Of valid UTF-8 nothing but the lines' ends is lost. */
static void
check_text(const struct publish_body *b, struct slice body)
{
	struct buf sent = BUF_EMPTY, got = BUF_EMPTY;
	struct slice line;

	while (log_line_next(&body, &line))
		buf_add(&sent, line.p, line.n);
	for (size_t i = 0; i < b->good; i++) {
		json_t *event = check_item(&b->items[i]);
		json_t *text = json_object_get(json_object_get(event, "data"),
		    "line");

		MUST(json_is_string(text));
		buf_add(&got, json_string_value(text),
		    json_string_length(text));
		json_decref(event);
	}
	MUST(sent.len == got.len && (sent.len == 0 ||
	    memcmp(sent.data, got.data, sent.len) == 0));
	buf_free(&sent);
	buf_free(&got);
}

static void
fuzz_log(struct slice body, unsigned int how)
{
	struct log_ask ask = { .key = slice_str("job:a"),
	    .event_type = "job.log", .stream = slice_str("stdout"),
	    .step_index = -1, .attempt = 1, .first = 1,
	    .last = (how & 1) != 0, .base64 = (how & 2) != 0,
	    .max_line = (how & 4) != 0 ? 16384 : 16, .max_event = EVENT_MAX };
	struct log_body *log = malloc(sizeof(*log));
	struct publish_body *b = publish_body_new();

	MUST(log != NULL);
	if ((how & 8) != 0)
		log_body_ndjson(log, &ask, b, body, problem_cb, NULL);
	else
		log_body_text(log, &ask, b, body, problem_cb, NULL);
	log_body_check(log, slice_str("-"), slice_str("/p"), FUZZ_NOW_MS,
	    options());
	check_items(b);
	if (b->status == 0 && (how & 8) == 0 && utf8_valid(body.p, body.n)) {
		MUST(b->good == b->n);
		check_text(b, body);
	}
	publish_body_free(b);
	free(log);
}

/* Binary mode: a line each of name, colon, value; an empty line, the body. */
static void
fuzz_binary(struct publish_body *b, struct slice body)
{
	struct http_pair headers[HTTP_HEADERS_MAX];
	struct slice line;
	const char *colon;
	size_t n = 0;

	while (n < HTTP_HEADERS_MAX && log_line_next(&body, &line) &&
	    line.n > 0) {
		colon = memchr(line.p, ':', line.n);
		if (colon == NULL)
			continue;
		headers[n].name = (struct slice){ line.p,
		    (size_t)(colon - line.p) };
		headers[n].value = (struct slice){ colon + 1,
		    line.n - headers[n].name.n - 1 };
		n++;
	}
	publish_body_cloud_binary(b, headers, n, body);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice body = { (const char *)data + 1, size - 1 };
	struct publish_body *b;

	if (size < 1 || size > FUZZ_INPUT_MAX)
		return 0;
	if ((data[0] & 0x10) == 0) {
		fuzz_log(body, data[0]);
		return 0;
	}
	b = publish_body_new();
	if ((data[0] & 2) != 0)
		fuzz_binary(b, body);
	else
		publish_body_cloud(b, body, (data[0] & 1) != 0);
	publish_body_check(b, slice_str("-"), slice_str("/p"), FUZZ_NOW_MS,
	    options(), problem_cb, NULL);
	check_items(b);
	publish_body_free(b);
	return 0;
}
