/* publish_body: which bodies become items, and what is said of the others. */
#include "gateway/publish_body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"

#define NOW  INT64_C(1700000000000)
#define GOOD "{\"stream_key\":\"job:a\",\"event_type\":\"x.any\"," \
	"\"data\":{}}"
#define BAD  "{\"stream_key\":\"job:a\",\"event_type\":\"x.any\"}"

static struct buf told;
static struct conf conf;

static void
problem_cb(const char *path, const char *code, const char *problem, void *arg)
{
	(void)arg;
	if (strcmp(code, "schema_violation") != 0)
		buf_addf(&told, "%s ", code);
	buf_addf(&told, "%s: %s\n", path, problem);
}

static struct publish_body *
read_body(const char *text, bool ndjson)
{
	struct publish_body *b = publish_body_new();

	if (ndjson)
		publish_body_ndjson(b, slice_str(text));
	else
		publish_body_json(b, slice_str(text));
	buf_reset(&told);
	for (size_t i = 0; i <= STREAM_TYPE_MAX; i++)
		if (conf.streams[i].max_event == 0)
			conf.streams[i].max_event = EVENT_MAX;
	publish_body_check(b, slice_str("-"), slice_str("/p"), NOW, &conf,
	    problem_cb, NULL);
	return b;
}

static void
expect_status(const char *text, bool ndjson, int status, const char *part)
{
	struct publish_body *b = read_body(text, ndjson);

	assert_int_equal(b->status, status);
	assert_non_null(strstr(b->text, part));
	publish_body_free(b);
}

static void
expect_items(const char *text, bool ndjson, size_t good, size_t n)
{
	struct publish_body *b = read_body(text, ndjson);

	assert_int_equal(b->status, 0);
	assert_int_equal(b->n, n);
	assert_int_equal(b->good, good);
	publish_body_free(b);
}

static void
test_one_event_an_array_and_lines_become_items(void **state)
{
	(void)state;
	expect_items(GOOD, false, 1, 1);
	expect_items(" [ " GOOD " , " GOOD " ] ", false, 2, 2);
	expect_items(GOOD "\r\n\n\r\n" GOOD, true, 2, 2);
}

/* A repeat may come in another form, with other events or with none. */
static void
test_an_event_has_one_hash_in_every_form(void **state)
{
	static const struct {
		const char	*text;
		bool		 ndjson;
	} forms[] = {
		{ " " GOOD " \n", false },
		{ "[ " GOOD " , " GOOD "]", false },
		{ GOOD, true },
		{ GOOD " \r\n" GOOD "\n", true },
		{ " \t" GOOD "\t \n" GOOD "\n", true },
	};
	struct publish_body *alone = read_body(GOOD, false);

	(void)state;
	for (size_t i = 0; i < NELEM(forms); i++) {
		struct publish_body *b = read_body(forms[i].text,
		    forms[i].ndjson);

		assert_true(b->good > 0);
		assert_memory_equal(b->items[0].body, alone->items[0].body,
		    EVENT_HASH_SIZE);
		publish_body_free(b);
	}
	publish_body_free(alone);
}

static void
test_items_keep_their_place_in_the_request(void **state)
{
	struct publish_body *b;

	(void)state;
	b = read_body("[" BAD "," GOOD ",5," GOOD "]", false);
	assert_int_equal(b->good, 2);
	assert_int_equal(b->places[0], 1);
	assert_int_equal(b->places[1], 3);
	assert_string_equal(buf_cstr(&told), "[0].data: is required\n"
	    "[2]: an event must be an object\n");
	buf_free(&told);
	publish_body_free(b);
}

static void
test_a_broken_line_in_the_middle_ends_the_reading_by_its_place(void **state)
{
	(void)state;
	expect_status(GOOD "\n{\"stream_key\":\n" GOOD, true, 400, "event 1:");
	expect_status(GOOD "\n" GOOD " " GOOD, true, 400, "event 1:");
	expect_status(GOOD "\n   \n" GOOD, true, 400, "event 1:");
	expect_status("[" GOOD, false, 400, "line 1, column");
}

static void
test_what_two_readers_could_read_differently_is_refused(void **state)
{
	(void)state;
	expect_status("{\"data\":{},\"data\":{}}", false, 400, "duplicate");
	expect_status("{\"data\":{},\"d\\u0061ta\":{}}", false, 400,
	    "duplicate");
	expect_status("{\"data\":{\"a\":{\"x\":1,\"x\":2}}}", false, 400,
	    "duplicate");
	expect_status("{\"data\":\"\\ud800\"}", false, 400, "Unicode");
	expect_status("{\"data\":\"\\udc00\\ud800\"}", false, 400, "Unicode");
	expect_status("{\"data\":\"\xed\xa0\x80\"}", false, 400, "decode byte");
	expect_status("{\"data\":\"\xc0\xaf\"}", false, 400, "decode byte");
}

/* What is told of a body, a problem a line; the parser's own words, which may
 * be the last, are left out. */
static void
expect_told(const char *text, bool ndjson, int status, const char *wanted)
{
	struct publish_body *b = read_body(text, ndjson);

	assert_int_equal(b->status, status);
	(void)buf_cstr(&told);
	if (status == 400 && wanted[strlen(wanted) - 1] != '\n')
		told.data[MIN(told.len, strlen(wanted))] = '\0';
	assert_string_equal((const char *)told.data, wanted);
	buf_free(&told);
	publish_body_free(b);
}

static void
test_what_refuses_the_request_is_told_by_its_place_beside_the_rest(
    void **state)
{
	struct buf text = BUF_EMPTY, wanted = BUF_EMPTY;

	(void)state;
	expect_told("", false, 400, "bad_request : no event in the body\n");
	expect_told("[" GOOD ",", false, 400, "invalid_json : line 1, ");
	/* The events before it are checked: all that is known is told. */
	expect_told(BAD "\n" GOOD "\n{", true, 400, "[0].data: is required\n"
	    "invalid_json [2]: event 2: ");
	for (unsigned int i = 0; i < EVENT_BATCH_MAX; i++)
		buf_addf(&text, "%s\n", i == 7 ? BAD : GOOD);
	buf_adds(&text, BAD "\n");
	expect_told(buf_cstr(&text), true, 413, "[7].data: is required\n"
	    "too_large [1000]: more than 1000 events in one request\n");
	/* Each that is too large, and what is wrong with those behind it. */
	buf_reset(&text);
	buf_adds(&text, "[" GOOD);
	for (unsigned int i = 0; i < 2; i++) {
		buf_adds(&text, ",{\"data\":\"");
		for (unsigned int k = 0; k < EVENT_MAX; k++)
			buf_addc(&text, 'x');
		buf_adds(&text, "\"}," BAD);
	}
	buf_addc(&text, ']');
	buf_addf(&wanted, "too_large [1]: event 1 has %u bytes, allowed are "
	    "%u\n[2].data: is required\ntoo_large [3]: event 3 has %u bytes, "
	    "allowed are %u\n[4].data: is required\n", EVENT_MAX + 11,
	    EVENT_MAX, EVENT_MAX + 11, EVENT_MAX);
	expect_told(buf_cstr(&text), false, 413, buf_cstr(&wanted));
	buf_free(&text);
	buf_free(&wanted);
}

static void
test_an_empty_body_is_told_in_words(void **state)
{
	(void)state;
	expect_status("", false, 400, "no event");
	expect_status("[]", false, 400, "no event");
	expect_status("\n\r\n", true, 400, "no event");
}

static void
test_one_event_too_many_is_413(void **state)
{
	struct buf text = BUF_EMPTY;

	(void)state;
	for (unsigned int i = 0; i < EVENT_BATCH_MAX; i++)
		buf_adds(&text, GOOD "\n");
	expect_items(buf_cstr(&text), true, EVENT_BATCH_MAX, EVENT_BATCH_MAX);
	buf_adds(&text, GOOD "\n");
	expect_status(buf_cstr(&text), true, 413, "more than 1000");
	buf_free(&text);
}

static void
test_an_event_too_large_is_413_by_its_place(void **state)
{
	struct buf text = BUF_EMPTY;

	(void)state;
	buf_adds(&text, GOOD "\n{\"stream_key\":\"job:a\",\"event_type\":"
	    "\"x.any\",\"data\":{\"x\":\"");
	for (unsigned int i = 0; i < EVENT_MAX; i++)
		buf_addc(&text, 'x');
	buf_adds(&text, "\"}}\n");
	expect_status(buf_cstr(&text), true, 413, "event 1 has");
	/* Small as received, but each of these is six bytes in the frame. */
	buf_reset(&text);
	buf_adds(&text, "{\"stream_key\":\"job:a\",\"event_type\":"
	    "\"x.any\",\"data\":{\"x\":\"");
	for (unsigned int i = 0; i < 12000; i++)
		buf_addc(&text, 0x7f);
	buf_adds(&text, "\"}}\n");
	expect_status(buf_cstr(&text), true, 413,
	    "bytes as a data line without its id and seq, allowed are 59872");
	buf_free(&text);
}

static void
test_each_stream_type_has_its_own_largest_event(void **state)
{
	(void)state;
	conf.streams[STREAM_RUN].max_event = sizeof(GOOD) - 2;
	expect_items(GOOD, false, 1, 1);
	expect_status("{\"stream_key\":\"run:a\",\"event_type\":"
	    "\"x.another_one\",\"data\":{}}", false, 413,
	    "(streams.run.max_event)");
	conf.streams[STREAM_RUN].max_event = 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_one_event_an_array_and_lines_become_items),
		cmocka_unit_test(test_an_event_has_one_hash_in_every_form),
		cmocka_unit_test(test_items_keep_their_place_in_the_request),
		cmocka_unit_test(
		    test_a_broken_line_in_the_middle_ends_the_reading_by_its_place),
		cmocka_unit_test(
		    test_what_two_readers_could_read_differently_is_refused),
		cmocka_unit_test(
		    test_what_refuses_the_request_is_told_by_its_place_beside_the_rest),
		cmocka_unit_test(test_an_empty_body_is_told_in_words),
		cmocka_unit_test(test_one_event_too_many_is_413),
		cmocka_unit_test(test_an_event_too_large_is_413_by_its_place),
		cmocka_unit_test(
		    test_each_stream_type_has_its_own_largest_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
