/* health/list_scan: lists cut at every byte, and what is no list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "common/xmalloc.h"
#include "health/list_scan.h"

#define METADATA "{\"resourceVersion\":\"5\",\"continue\":\"a\\\"}b\"}"
#define ITEM_A   "{\"metadata\":{\"name\":\"a\"},\"items\":[{\"x\":\"]}\"}]}"
#define ITEM_B   "{\"metadata\":{\"name\":\"\\\\\"},\"n\":1.5e3,\"t\":true}"
#define LIST	 "{\"kind\":\"NodeList\",\"items2\":[{\"no\":1}],"	\
		 "\"metadata\":" METADATA ",\n\"items\": [ " ITEM_A ",\n"	\
		 ITEM_B " ],\"more\":{\"items\":[{}]},\"z\":null}\n"

static bool
collect_cb(enum list_scan_part part, struct slice json, void *arg)
{
	struct buf *seen = arg;

	buf_adds(seen, part == LIST_SCAN_ITEM ? "I" : "M");
	buf_add(seen, json.p, json.n);
	return true;
}

static bool
refuse_cb(enum list_scan_part part UNUSED, struct slice json UNUSED,
    void *arg UNUSED)
{
	return false;
}

static void
test_objects_are_found_wherever_the_bytes_are_cut(void **state UNUSED)
{
	const size_t n = strlen(LIST);

	for (size_t cut = 0; cut <= n; cut++) {
		struct buf seen = BUF_EMPTY;
		struct list_scan s;

		list_scan_init(&s, collect_cb, &seen);
		assert_true(list_scan_feed(&s, LIST, cut));
		assert_int_equal(list_scan_done(&s), cut >= n - 1);
		assert_true(list_scan_feed(&s, &LIST[cut], n - cut));
		assert_true(list_scan_done(&s));
		assert_string_equal(buf_cstr(&seen),
		    "M" METADATA "I" ITEM_A "I" ITEM_B);
		list_scan_free(&s);
		buf_free(&seen);
	}
}

static void
test_an_empty_list_is_a_list(void **state UNUSED)
{
	struct buf seen = BUF_EMPTY;
	struct list_scan s;
	const char *text = "{\"metadata\":{},\"items\":[]}";

	list_scan_init(&s, collect_cb, &seen);
	assert_true(list_scan_feed(&s, text, strlen(text)));
	assert_true(list_scan_done(&s));
	assert_string_equal(buf_cstr(&seen), "M{}");
	list_scan_free(&s);
	buf_free(&seen);
}

static bool
takes(const char *text, size_t n)
{
	struct buf seen = BUF_EMPTY;
	struct list_scan s;
	bool good;

	list_scan_init(&s, collect_cb, &seen);
	good = list_scan_feed(&s, text, n) && list_scan_done(&s);
	list_scan_free(&s);
	buf_free(&seen);
	return good;
}

static void
test_what_is_no_list_is_refused(void **state UNUSED)
{
	static const char *const bad[] = {
		"", "<html>", "[]", "\"x\"", "}", "{\"items\":[{}]",
		"{}{}", "{} x", "404 page not found",
	};

	for (size_t i = 0; i < NELEM(bad); i++)
		assert_false(takes(bad[i], strlen(bad[i])));
}

static void
test_depth_and_size_are_bounded(void **state UNUSED)
{
	size_t n = LIST_SCAN_OBJECT_MAX + 64;
	char *text = xmalloc(n);

	memset(text, '[', n);
	text[0] = '{';
	assert_false(takes(text, n));
	memset(text, 'x', n);
	memcpy(text, "{\"items\":[{\"a\":\"", 16);
	assert_false(takes(text, n));
	free(text);
}

static void
test_the_callback_ends_the_scan(void **state UNUSED)
{
	struct list_scan s;

	list_scan_init(&s, refuse_cb, NULL);
	assert_false(list_scan_feed(&s, LIST, strlen(LIST)));
	assert_false(list_scan_done(&s));
	list_scan_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_objects_are_found_wherever_the_bytes_are_cut),
		cmocka_unit_test(test_an_empty_list_is_a_list),
		cmocka_unit_test(test_what_is_no_list_is_refused),
		cmocka_unit_test(test_depth_and_size_are_bounded),
		cmocka_unit_test(test_the_callback_ends_the_scan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
