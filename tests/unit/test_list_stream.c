/* list_stream: the items of a list, wherever the bytes are cut, and what is
 * none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/list_stream.h"
#include "common/macros.h"
#include "common/xmalloc.h"
#include "tests/unit/frames_fixture.h"

static const char list_text[] = "{\"kind\":\"PodList\",\"metadata\":"
    "{\"resourceVersion\":\"7\",\"x\":[\"]}\"]}, \"items\" : "
    "[ {\"a\":\"}]\\\"\"}"
    ",{\"b\":[{}]} , {\"c\":\"\\\\\"}], \"n\":12, \"z\":\"s\"} \n";

static void
test_items_are_the_same_however_the_bytes_are_split(void **state)
{
	size_t n = sizeof(list_text) - 1, i, k;

	(void)state;
	for (i = 0; i <= n; i++)
		for (k = i; k <= n; k++) {
			struct list_stream s = { 0 };
			struct buf out = BUF_EMPTY;

			assert_true(list_stream_feed(&s, list_text, i,
			    frames_collect_cb, &out));
			assert_true(list_stream_feed(&s, list_text + i,
			    k - i, frames_collect_cb, &out));
			assert_true(list_stream_feed(&s, list_text + k,
			    n - k, frames_collect_cb, &out));
			assert_true(list_stream_complete(&s));
			assert_string_equal(buf_cstr(&out),
			    "{\"a\":\"}]\\\"\"}|{\"b\":[{}]}|"
			    "{\"c\":\"\\\\\"}|");
			assert_string_equal(buf_cstr(&s.metadata),
			    "{\"resourceVersion\":\"7\",\"x\":[\"]}\"]}");
			assert_string_equal(buf_cstr(&s.kind), "\"PodList\"");
			assert_int_equal(s.items, 3);
			list_stream_reset(&s);
			buf_free(&out);
		}
}

static void
test_what_is_no_list_is_refused(void **state)
{
	static const char *const bad[] = { "<html>", "[1]", "{\"a\" 1}",
		"{\"items\":[{}{}]}", "{\"items\":[{}]]", "{}{}", "{1:2}",
		"{\"a\":1,}", "", "[]", "\"x\"", "}", "{\"items\":[{}]",
		"{} x", "404 page not found" };
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(bad); i++) {
		struct list_stream s = { 0 };
		struct buf out = BUF_EMPTY;

		if (list_stream_feed(&s, bad[i], strlen(bad[i]),
		    frames_collect_cb, &out) && list_stream_complete(&s))
			fail_msg("%s", bad[i]);
		list_stream_reset(&s);
		buf_free(&out);
	}
}

static void
test_a_cut_list_is_not_complete(void **state)
{
	size_t n = strlen("{\"items\":[{}]}"), i;

	(void)state;
	for (i = 0; i < n; i++) {
		struct list_stream s = { 0 };
		struct buf out = BUF_EMPTY;

		assert_true(list_stream_feed(&s, "{\"items\":[{}]}", i,
		    frames_collect_cb, &out));
		assert_false(list_stream_complete(&s));
		list_stream_reset(&s);
		buf_free(&out);
	}
}

static void
test_null_and_empty_items_are_an_empty_list(void **state)
{
	static const char *const texts[] = { "{\"items\":null}",
		"{\"items\":[]}", "{}" };
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(texts); i++) {
		struct list_stream s = { 0 };

		assert_true(list_stream_feed(&s, texts[i], strlen(texts[i]),
		    frames_refuse_cb, NULL));
		assert_true(list_stream_complete(&s));
		list_stream_reset(&s);
	}
}

static void
test_the_callback_ends_the_list(void **state)
{
	struct list_stream s = { 0 };

	(void)state;
	assert_false(list_stream_feed(&s, "{\"items\":[{}]}", 14,
	    frames_refuse_cb, NULL));
	assert_false(list_stream_complete(&s));
	list_stream_reset(&s);
}

/* Whole in one chunk, or in many: the limit is the same. */
static void
test_an_item_over_the_limit_is_skipped_and_the_next_is_read(void **state)
{
	static const char text[] =
	    "{\"items\":[{\"a\":\"12345678\"},{\"b\":1}]}";
	size_t n = sizeof(text) - 1, i;

	(void)state;
	for (i = 0; i <= n; i++) {
		struct list_stream s = { .item_max = 15 };
		struct buf out = BUF_EMPTY;

		assert_true(list_stream_feed(&s, text, i, frames_collect_cb,
		    &out));
		assert_true(list_stream_feed(&s, text + i, n - i,
		    frames_collect_cb, &out));
		assert_true(list_stream_complete(&s));
		assert_string_equal(buf_cstr(&out), "{\"b\":1}|");
		assert_int_equal(s.oversized, 1);
		assert_int_equal(s.items, 2);
		list_stream_reset(&s);
		assert_int_equal(s.item_max, 15);
		buf_free(&out);
	}
}

static void
test_a_member_beside_the_items_is_bounded(void **state)
{
	struct list_stream s = { 0 };
	size_t n = LIST_STREAM_MEMBER_MAX + 16;
	char *text = xmalloc(n);

	(void)state;
	memset(text, '[', n);
	memcpy(text, "{\"a\":", 5);
	assert_false(list_stream_feed(&s, text, n, frames_refuse_cb, NULL));
	list_stream_reset(&s);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_items_are_the_same_however_the_bytes_are_split),
		cmocka_unit_test(test_what_is_no_list_is_refused),
		cmocka_unit_test(test_a_cut_list_is_not_complete),
		cmocka_unit_test(test_null_and_empty_items_are_an_empty_list),
		cmocka_unit_test(test_the_callback_ends_the_list),
		cmocka_unit_test(
		    test_an_item_over_the_limit_is_skipped_and_the_next_is_read),
		cmocka_unit_test(test_a_member_beside_the_items_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
