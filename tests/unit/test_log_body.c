/* log_body: which bodies become which events of a log. */
#include "gateway/log_body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/xmalloc.h"

#define NOW INT64_C(1700000000000)

static struct buf told;
static struct conf conf;
static struct log_body *body;
static struct log_ask ask;

static void
problem_cb(const char *path, const char *code, const char *problem, void *arg)
{
	(void)arg;
	if (strcmp(code, "schema_violation") != 0)
		buf_addf(&told, "%s ", code);
	buf_addf(&told, "%s: %s\n", path, problem);
}

static int
setup(void **state)
{
	(void)state;
	body = xmalloc(sizeof(*body));
	for (size_t i = 0; i <= STREAM_TYPE_MAX; i++)
		conf.streams[i].max_event = EVENT_MAX;
	ask = (struct log_ask){ .key = slice_str("job:a"),
		.event_type = "job.log", .stream = slice_str("stdout"),
		.step_index = -1, .attempt = 1, .first = 1,
		.max_line = 16384, .max_event = EVENT_MAX };
	buf_reset(&told);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	free(body);
	buf_free(&told);
	return 0;
}

static struct publish_body *
read_bytes(const void *p, size_t n, bool ndjson)
{
	struct publish_body *b = publish_body_new();
	struct slice bytes = { p, n };

	buf_reset(&told);
	if (ndjson)
		log_body_ndjson(body, &ask, b, bytes, problem_cb, NULL);
	else
		log_body_text(body, &ask, b, bytes, problem_cb, NULL);
	log_body_check(body, slice_str("-"), slice_str("/p"), NOW, &conf);
	return b;
}

/* The data of each event, a line each. */
static void
expect_bytes(const void *p, size_t n, bool ndjson, const char *wanted)
{
	struct publish_body *b = read_bytes(p, n, ndjson);
	struct buf got = BUF_EMPTY;

	assert_int_equal(b->status, 0);
	assert_string_equal(buf_cstr(&told), "");
	for (size_t i = 0; i < b->good; i++) {
		struct slice data = item_data(&b->items[i]);

		buf_add(&got, data.p, data.n);
		buf_addc(&got, '\n');
	}
	assert_string_equal(buf_cstr(&got), wanted);
	buf_free(&got);
	publish_body_free(b);
}

static void
expect(const char *text, bool ndjson, const char *wanted)
{
	expect_bytes(text, strlen(text), ndjson, wanted);
}

static void
expect_told(const char *text, const char *wanted)
{
	struct publish_body *b = read_bytes(text, strlen(text), true);

	assert_int_equal(b->status, 0);
	assert_string_equal(buf_cstr(&told), wanted);
	publish_body_free(b);
}

/* `where`: what is told begins so. */
static void
expect_status(const void *p, size_t n, bool ndjson, int status,
    const char *where)
{
	struct publish_body *b = read_bytes(p, n, ndjson);

	assert_int_equal(b->status, status);
	assert_memory_equal(buf_cstr(&told), where, strlen(where));
	assert_int_equal(told.len == 0, status == 0);
	publish_body_free(b);
}

static void
test_lines_are_counted_from_the_first(void **state)
{
	(void)state;
	ask.first = 41;
	expect("a\n\nb", false,
	    "{\"line\":\"a\",\"line_no\":41,\"attempt\":1,"
	    "\"stream\":\"stdout\"}\n"
	    "{\"line\":\"\",\"line_no\":42,\"attempt\":1,"
	    "\"stream\":\"stdout\"}\n"
	    "{\"line\":\"b\",\"line_no\":43,\"attempt\":1,"
	    "\"stream\":\"stdout\"}\n");
	assert_int_equal(body->lines, 3);
}

static void
test_what_the_request_says_holds_for_every_line(void **state)
{
	struct publish_body *b;

	(void)state;
	ask.stream = slice_str("stderr");
	ask.level = slice_str("warn");
	ask.step_id = slice_str("build \"x\"");
	ask.step_index = 2;
	ask.attempt = 3;
	ask.last = true;
	expect("a\nb\n", false,
	    "{\"line\":\"a\",\"line_no\":1,\"attempt\":3,"
	    "\"stream\":\"stderr\",\"level\":\"warn\","
	    "\"step_id\":\"build \\\"x\\\"\",\"step_index\":2}\n"
	    "{\"line\":\"b\",\"line_no\":2,\"attempt\":3,"
	    "\"stream\":\"stderr\",\"level\":\"warn\","
	    "\"step_id\":\"build \\\"x\\\"\",\"step_index\":2,"
	    "\"last\":true}\n");
	b = read_bytes("a\nb\n", 4, false);
	assert_true(slice_is(b->items[0].key, "job:a"));
	assert_true(slice_is(b->items[0].event_type, "job.log"));
	assert_true(slice_is(b->items[0].subject, "build \"x\""));
	assert_int_equal(b->items[0].flags, ITEM_LOG);
	assert_int_equal(b->items[1].flags, ITEM_LOG | ITEM_LAST);
	assert_int_equal(b->items[1].attempt, 3);
	assert_int_equal(b->items[1].line_no, 2);
	publish_body_free(b);
	/* A log that had ended with a whole line before. */
	expect("", false, "{\"line\":\"\",\"line_no\":1,\"attempt\":3,"
	    "\"stream\":\"stderr\",\"level\":\"warn\","
	    "\"step_id\":\"build \\\"x\\\"\",\"step_index\":2,"
	    "\"last\":true}\n");
}

static void
test_every_character_comes_through(void **state)
{
	static const char text[] = "tab\t nul\0 esc\x1b q\" b\\ e\xc3\xa9 "
	    "ls\xe2\x80\xa8 ps\xe2\x80\xa9 c1\xc2\x85 \xf0\x9f\x98\x80";

	(void)state;
	expect_bytes(text, sizeof(text) - 1, false, "{\"line\":\"tab\\u0009 "
	    "nul\\u0000 esc\\u001b q\\\" b\\\\ e\xc3\xa9 ls\\u2028 ps\\u2029 "
	    "c1\\u0085 \xf0\x9f\x98\x80\",\"line_no\":1,\"attempt\":1,"
	    "\"stream\":\"stdout\"}\n");
}

static void
test_what_is_no_text_is_replaced_or_becomes_base64(void **state)
{
	(void)state;
	expect("a\xff\xc0\xaf" "b\nok", false,
	    "{\"line\":\"a\\ufffd\\ufffd\\ufffdb\",\"line_no\":1,"
	    "\"attempt\":1,\"stream\":\"stdout\",\"lossy\":true}\n"
	    "{\"line\":\"ok\",\"line_no\":2,\"attempt\":1,"
	    "\"stream\":\"stdout\"}\n");
	ask.base64 = true;
	expect("a\xff\xc0\xaf" "b\nok", false,
	    "{\"line\":\"Yf/Ar2I=\",\"line_no\":1,\"attempt\":1,"
	    "\"stream\":\"stdout\",\"encoding\":\"base64\"}\n"
	    "{\"line\":\"ok\",\"line_no\":2,\"attempt\":1,"
	    "\"stream\":\"stdout\"}\n");
}

/* Of no bytes there is no buffer, and nothing may be counted from NULL. */
static void
test_an_empty_line_in_base64_is_a_line(void **state)
{
	(void)state;
	expect("{\"line\":\"\",\"encoding\":\"base64\"}", true,
	    "{\"line\":\"\",\"line_no\":1,\"attempt\":1,"
	    "\"stream\":\"stdout\",\"encoding\":\"base64\"}\n");
}

static void
test_a_long_line_is_split_under_one_number(void **state)
{
	(void)state;
	ask.max_line = 4;
	ask.last = true;
	expect("abcdefghi\nx", false,
	    "{\"line\":\"abcd\",\"line_no\":1,\"attempt\":1,"
	    "\"stream\":\"stdout\",\"partial\":true}\n"
	    "{\"line\":\"efgh\",\"line_no\":1,\"attempt\":1,"
	    "\"stream\":\"stdout\",\"partial\":true}\n"
	    "{\"line\":\"i\",\"line_no\":1,\"attempt\":1,"
	    "\"stream\":\"stdout\"}\n"
	    "{\"line\":\"x\",\"line_no\":2,\"attempt\":1,"
	    "\"stream\":\"stdout\",\"last\":true}\n");
	assert_int_equal(body->lines, 2);
	expect("{\"line\":\"YWJjZGVmZw==\",\"encoding\":\"base64\"}", true,
	    "{\"line\":\"YWJj\",\"line_no\":1,\"attempt\":1,"
	    "\"stream\":\"stdout\",\"encoding\":\"base64\","
	    "\"partial\":true}\n"
	    "{\"line\":\"ZGVmZw==\",\"line_no\":1,\"attempt\":1,"
	    "\"stream\":\"stdout\",\"encoding\":\"base64\","
	    "\"last\":true}\n");
}

static void
test_whatever_a_line_grows_to_its_pieces_are_events(void **state)
{
	static const char fill[] = { '\0', '\xff', '"', 'a', '\x7f' };
	char *bytes = xmalloc(200000);

	(void)state;
	for (uint64_t max = 1024; max <= EVENT_MAX; max += 16056) {
		ask.max_event = max;
		for (size_t i = 0; i <= STREAM_TYPE_MAX; i++)
			conf.streams[i].max_event = max;
		for (size_t f = 0; f < 2 * sizeof(fill); f++) {
			struct publish_body *b;

			memset(bytes, fill[f / 2], 200000);
			ask.base64 = f % 2 == 0;
			b = read_bytes(bytes, max == 1024 ? 20000 : 200000,
			    false);
			assert_int_equal(b->status, 0);
			assert_int_equal(body->lines, 1);
			assert_true(b->good > 1 && b->good == b->n);
			publish_body_free(b);
		}
	}
	free(bytes);
}

static void
test_an_object_s_members_go_before_the_request_s(void **state)
{
	static const char dated[] = "{\"line\":\"a\",\"step_id\":\"s\","
	    "\"ts\":\"2023-11-14T22:13:20.5Z\"}";
	struct publish_body *b;

	(void)state;
	ask.level = slice_str("info");
	ask.step_index = 1;
	expect(" {\"line\":\"a\",\"stream\":\"system\", \"level\":\"debug\","
	    "\"mine\":{\"n\":1.50},\"attempt\":1,\"last\":false}\r\n\n"
	    "{\"line\":\"b\",\"last\":true}\n", true,
	    "{\"line\":\"a\",\"line_no\":1,\"attempt\":1,\"step_index\":1,"
	    "\"stream\":\"system\",\"level\":\"debug\",\"mine\":{\"n\":1.50}}"
	    "\n{\"line\":\"b\",\"line_no\":2,\"attempt\":1,"
	    "\"stream\":\"stdout\",\"level\":\"info\",\"step_index\":1,"
	    "\"last\":true}\n");
	b = read_bytes(dated, sizeof(dated) - 1, true);
	assert_int_equal(b->good, 1);
	assert_true(slice_is(b->items[0].subject, "s"));
	assert_non_null(strstr(b->items[0].frame.p,
	    "\"timestamp\":\"2023-11-14T22:13:20.500Z\""));
	publish_body_free(b);
}

static void
test_every_problem_is_told_by_the_place_of_its_line(void **state)
{
	(void)state;
	expect_told("{\"line\":\"a\",\"\\u006cine_no\":7}",
	    "[0].line_no: is given by the server\n");
	expect_told("{\"line\":\"a\"}\n[]\n{\"line\":1,\"line_no\":4}\n"
	    "{\"partial\":true,\"attempt\":2}\n"
	    "{\"line\":\"a\\nb\",\"last\":1}\n"
	    "{\"line\":\"!\",\"encoding\":\"base64\",\"last\":true}\n"
	    "{\"line\":\"a\",\"encoding\":\"latin1\"}",
	    "[1]: a line must be an object\n"
	    "[2].line_no: is given by the server\n"
	    "[2].line: must be a string\n"
	    "[3].partial: is given by the server\n"
	    "[3].attempt: must be that of the request\n"
	    "[3].line: is required\n"
	    "[4].line: has a line break\n"
	    "[4].last: must be true or false\n"
	    "[5].line: is not base64\n"
	    "[5].last: is the last line's only\n"
	    "[6].encoding: must be utf-8 or base64\n");
	/* What the envelope finds, behind a line that became several events; a
	 * ts is the event's timestamp and a member of its data. */
	ask.max_line = 2;
	expect_told("{\"line\":\"abcde\"}\n{\"line\":\"a\",\"ts\":\"soon\","
	    "\"step_id\":\"a\\u0001\"}",
	    "[1].step_id: has a control character\n"
	    "[1].ts: must be RFC 3339, as in 2026-11-21T21:33:06.123Z\n"
	    "[1].ts: must be RFC 3339, as in 2026-11-21T21:33:06.123Z\n");
	/* Also of lines around one that became none. */
	expect_told("{\"line\":\"a\",\"level\":1}\n{\"line\":1}\n"
	    "{\"line\":\"b\",\"level\":2}", "[1].line: must be a string\n"
	    "[0].level: must be a string\n[2].level: must be a string\n");
}

static void
test_what_is_unreadable_or_too_much_is_refused_whole(void **state)
{
	static const char *const unreadable[] = { "{\"line\":\"a\"}\n{",
	    "{\"line\":\"a\",\"line\":\"b\"}", "{\"line\":\"\xff\"}",
	    "{\"line\":\"a\"} {\"line\":\"b\"}" };
	static const char wrong[] = "{\"line\":\"abc\",\"level\":7}\n"
	    "{\"line\":5}\n{\"line\":\"a\",\"level\":7}\n{";
	char *bytes = xmalloc(1024 * 1024);

	(void)state;
	expect_status("", 0, false, 400, "bad_request : no event");
	expect_status("", 0, true, 400, "bad_request : no event");
	for (size_t i = 0; i < NELEM(unreadable); i++)
		expect_status(unreadable[i], strlen(unreadable[i]), true, 400,
		    i == 0 ? "invalid_json [1]: line 1: " :
		    "invalid_json [0]: line 0: ");
	/* Beside what else is wrong, and behind a line of several events. */
	ask.max_line = 2;
	expect_status("{\"line\":\"abcde\"}\n{", 18, true, 400,
	    "invalid_json [1]: line 1: ");
	expect_status("{\"line\":5}\n{", 12, true, 400,
	    "[0].line: must be a string\ninvalid_json [1]: line 1: ");
	/* So is a line that could be read, by what its event is not. */
	expect_status(wrong, sizeof(wrong) - 1, true, 400,
	    "[1].line: must be a string\n"
	    "[0].level: must be a string\n[0].level: must be a string\n"
	    "[2].level: must be a string\ninvalid_json [3]: line 3: ");
	ask.max_line = 16384;
	memset(bytes, '\n', EVENT_BATCH_MAX + 1);
	expect_status(bytes, EVENT_BATCH_MAX, false, 0, "");
	expect_status(bytes, EVENT_BATCH_MAX + 1, false, 413,
	    "too_large [1000]: more than 1000 events in one request\n");
	for (size_t i = 0; i <= STREAM_TYPE_MAX; i++)
		conf.streams[i].max_event = 64;
	expect_status(bytes, EVENT_BATCH_MAX + 1, false, 413,
	    "too_large [0]: event 0 has ");
	for (size_t i = 0; i <= STREAM_TYPE_MAX; i++)
		conf.streams[i].max_event = EVENT_MAX;
	/* NULs become six bytes each. */
	memset(bytes, '\0', 1024 * 1024);
	expect_status(bytes, 1024 * 1024, false, 413, "too_large [0]: "
	    "these lines are more than 4194304 bytes as events");
	expect_status(bytes, 512 * 1024, false, 0, "");
	free(bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_lines_are_counted_from_the_first),
		T(test_what_the_request_says_holds_for_every_line),
		T(test_every_character_comes_through),
		T(test_what_is_no_text_is_replaced_or_becomes_base64),
		T(test_an_empty_line_in_base64_is_a_line),
		T(test_a_long_line_is_split_under_one_number),
		T(test_whatever_a_line_grows_to_its_pieces_are_events),
		T(test_an_object_s_members_go_before_the_request_s),
		T(test_every_problem_is_told_by_the_place_of_its_line),
		T(test_what_is_unreadable_or_too_much_is_refused_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
