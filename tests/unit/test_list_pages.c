/* list_pages: objects of a list, over its pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "common/xmalloc.h"
#include "watcher/list_pages.h"

static void
name_cb(const struct kube_object *object, void *arg)
{
	struct buf *names = arg;

	buf_add(names, object->name.p, object->name.n);
	buf_addc(names, '|');
}

static int
feed(struct list_pages *l, const char *text, struct buf *names,
    struct err *err)
{
	return list_pages_feed(l, text, strlen(text), name_cb, names, err);
}

#define POD(name) "{\"metadata\":{\"name\":\"" name "\",\"uid\":\"u\"}}"
#define PAGE(version, token, items)					\
	"{\"metadata\":{\"resourceVersion\":\""				\
	version "\",\"continue\":\"" token "\"},\"items\":[" items "]}"

static void
test_pages_follow_the_token_and_keep_the_first_version(void **state)
{
	struct list_pages l = { 0 };
	struct buf names = BUF_EMPTY;
	struct err err = { 0 };
	bool more = false;

	(void)state;
	assert_int_equal(feed(&l, PAGE("7", "t1", POD("a")), &names, &err), 0);
	assert_int_equal(list_pages_end(&l, &more, &err), 0);
	assert_true(more);
	assert_string_equal(l.token, "t1");
	assert_int_equal(feed(&l, PAGE("9", "", POD("b")), &names, &err), 0);
	assert_int_equal(list_pages_end(&l, &more, &err), 0);
	assert_false(more);
	assert_null(l.token);
	assert_string_equal(l.version, "7");
	assert_string_equal(buf_cstr(&names), "a|b|");
	list_pages_reset(&l);
	assert_string_equal(l.version, "");
	buf_free(&names);
}

/* Who sweeps by the list must know, however many pages follow. */
static void
test_what_one_page_skipped_the_list_has_skipped(void **state)
{
	struct list_pages l = { .stream = { .item_max = 40 } };
	struct buf names = BUF_EMPTY;
	struct err err = { 0 };
	bool more = false;

	(void)state;
	assert_int_equal(feed(&l, PAGE("7", "t1", POD("a") ","
	    POD("of-a-name-that-is-too-long")), &names, &err), 0);
	assert_int_equal(list_pages_end(&l, &more, &err), 0);
	assert_int_equal(feed(&l, PAGE("7", "", POD("b")), &names, &err), 0);
	assert_int_equal(list_pages_end(&l, &more, &err), 0);
	assert_string_equal(buf_cstr(&names), "a|b|");
	assert_int_equal(l.oversized, 1);
	list_pages_reset(&l);
	assert_int_equal(l.oversized, 0);
	buf_free(&names);
}

/* Nobody knew it before: it stands in no sweep's way. */
static void
test_an_object_of_a_name_no_key_can_hold_does_not_stop_the_list(void **state)
{
	struct list_pages l = { 0 };
	struct buf names = BUF_EMPTY;
	struct err err = { 0 };
	bool more = false;

	(void)state;
	assert_int_equal(feed(&l, PAGE("7", "", POD("a") "," POD("b/c") ","
	    POD("d@e")), &names, &err), 0);
	assert_int_equal(list_pages_end(&l, &more, &err), 0);
	assert_string_equal(buf_cstr(&names), "a|d~40e|");
	assert_int_equal(l.oversized, 0);
	assert_int_equal(l.unfit, 1);
	assert_int_equal(list_pages_skipped(&l), 1);
	list_pages_reset(&l);
	assert_int_equal(list_pages_skipped(&l), 0);
	buf_free(&names);
}

#define KIND(kind) "\"kind\":\"" kind "\","
#define REST       "\"metadata\":{\"resourceVersion\":\"1\"},"
#define ITEMS      "\"items\":[" POD("a")

/* Byte by byte, so that a part of an item would have to be kept. */
static void
test_whole_objects_are_refused_before_one_is_kept(void **state)
{
	static const char *const bad[] = {
		"{" KIND("SecretList") REST ITEMS "]}",
		"{" REST ITEMS "]," KIND("PartialObjectMetadataList")
		    "\"x\":1}",
		"{" KIND("PartialObjectMetadata") ITEMS "]}",
		"{" ITEMS "]}",
	};
	struct buf names = BUF_EMPTY;
	size_t i, n;

	(void)state;
	for (i = 0; i < NELEM(bad); i++) {
		struct list_pages l = { .metadata_only = true };
		struct err err = { 0 };

		for (n = 0; bad[i][n] != '\0' && list_pages_feed(&l,
		    bad[i] + n, 1, name_cb, &names, &err) == 0; n++)
			;
		assert_ptr_equal(bad[i] + n, strstr(bad[i], "items") + 7);
		assert_non_null(strstr(err.text, "leave this kind out"));
		/* No more than the last name. */
		assert_int_equal(l.stream.partial.len, strlen("'items'"));
		list_pages_reset(&l);
	}
	assert_int_equal(names.len, 0);
}

static void
test_metadata_that_calls_itself_so_is_taken(void **state)
{
	static const char good[] = "{" KIND("PartialObjectMetadataList") REST
	    ITEMS "]}";
	struct list_pages l = { .metadata_only = true };
	struct buf names = BUF_EMPTY;
	struct err err = { 0 };
	bool more = true;
	size_t n;

	(void)state;
	for (n = 0; n < sizeof(good) - 1; n++)
		assert_int_equal(list_pages_feed(&l, good + n, 1, name_cb,
		    &names, &err), 0);
	assert_int_equal(list_pages_end(&l, &more, &err), 0);
	assert_false(more);
	assert_string_equal(buf_cstr(&names), "a|");
	list_pages_reset(&l);
	buf_free(&names);
}

static void
test_a_page_that_is_cut_is_not_the_last(void **state)
{
	static const char text[] = PAGE("7", "", POD("a"));
	struct buf names = BUF_EMPTY;
	struct err err = { 0 };
	bool more = true;
	size_t n;

	(void)state;
	for (n = 0; n < sizeof(text) - 1; n++) {
		struct list_pages l = { 0 };

		assert_int_equal(list_pages_feed(&l, text, n, name_cb, &names,
		    &err), 0);
		assert_int_equal(list_pages_end(&l, &more, &err), -1);
		assert_true(more);
		list_pages_reset(&l);
	}
	assert_string_equal(err.text, "the list ends before its end");
	buf_free(&names);
}

/* The object's own fault must not be told as that of the whole answer. */
static void
test_what_is_wrong_is_said_of_the_right_thing(void **state)
{
	static const struct {
		const char	*text;
		const char	*part;
	} cases[] = {
		{ "<html>", "is no list in JSON" },
		{ "{\"items\":[" POD("a") " " POD("b"), "is no list in JSON" },
		{ "{\"items\":[{\"metadata\":{\"name\":7}}]", "metadata.name" },
		{ "{\"items\":[" POD(""), "metadata.name" },
		{ "{\"items\":[{\"a\":}]", "not valid JSON" },
		{ "{\"items\":[3]", "metadata.name" },
	};
	struct buf names = BUF_EMPTY;
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(cases); i++) {
		struct list_pages l = { 0 };
		struct err err = { 0 };

		assert_int_equal(feed(&l, cases[i].text, &names, &err), -1);
		if (strstr(err.text, cases[i].part) == NULL)
			fail_msg("%s: %s", cases[i].text, err.text);
		list_pages_reset(&l);
	}
	buf_free(&names);
}

static void
test_a_list_without_a_version_or_with_a_huge_token_is_refused(void **state)
{
	struct list_pages l = { 0 };
	struct buf names = BUF_EMPTY;
	struct err err = { 0 };
	char *token = xcalloc(1, LIST_PAGES_TOKEN_MAX + 2), *text;
	bool more = true;

	(void)state;
	assert_int_equal(feed(&l, "{\"items\":[]}", &names, &err), 0);
	assert_int_equal(list_pages_end(&l, &more, &err), -1);
	assert_non_null(strstr(err.text, "resourceVersion"));
	memset(token, 't', LIST_PAGES_TOKEN_MAX + 1);
	text = xasprintf("{\"metadata\":{\"resourceVersion\":\"1\","
	    "\"continue\":\"%s\"},\"items\":[]}", token);
	assert_int_equal(feed(&l, text, &names, &err), 0);
	assert_int_equal(list_pages_end(&l, &more, &err), -1);
	assert_non_null(strstr(err.text, "too long"));
	assert_true(more);
	assert_null(l.token);
	free(text);
	free(token);
	list_pages_reset(&l);
	buf_free(&names);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_what_one_page_skipped_the_list_has_skipped),
		cmocka_unit_test(
		    test_an_object_of_a_name_no_key_can_hold_does_not_stop_the_list),
		cmocka_unit_test(
		    test_pages_follow_the_token_and_keep_the_first_version),
		cmocka_unit_test(
		    test_whole_objects_are_refused_before_one_is_kept),
		cmocka_unit_test(test_metadata_that_calls_itself_so_is_taken),
		cmocka_unit_test(test_a_page_that_is_cut_is_not_the_last),
		cmocka_unit_test(test_what_is_wrong_is_said_of_the_right_thing),
		cmocka_unit_test(
		    test_a_list_without_a_version_or_with_a_huge_token_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
