/* Unit tests of gateway/json_tree.h: it reads what jansson reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/buf.h"
#include "tests/unit/json_tree_fixture.h"

/* Both read it alike, or refuse it in the same words. */
static void
expect_same(struct slice text)
{
	json_error_t mine = { .text = "" }, theirs = { .text = "" };
	json_t *other = json_loadb(text.p, text.n, JSON_TREE_FLAGS, &theirs);
	struct json_tree tree = { .blocks = NULL };
	struct json_value *v = json_tree_parse(&tree, text, &mine);

	if ((v == NULL) != (other == NULL) ||
	    (v != NULL && !json_tree_same(v, other)))
		fail_msg("%.*s", (int)text.n, text.p);
	if (v == NULL) {
		assert_string_equal(mine.text, theirs.text);
		assert_int_equal(mine.line, theirs.line);
		assert_int_equal(mine.column, theirs.column);
	}
	json_tree_free(&tree);
	json_decref(other);
}

/* `begin` and `end` around `n` of `each`, which may have a number. */
static struct slice
repeated(struct buf *b, const char *begin, const char *each, unsigned int n,
    const char *end)
{
	buf_reset(b);
	buf_adds(b, begin);
	for (unsigned int i = 0; i < n; i++) {
		const char *at = strchr(each, '#');

		if (at == NULL) {
			buf_adds(b, each);
			continue;
		}
		buf_add(b, each, (size_t)(at - each));
		buf_addf(b, "%u%s", i, at + 1);
	}
	buf_adds(b, end);
	return (struct slice){ (const char *)b->data, b->len };
}

static void
test_what_jansson_reads_is_read_alike(void **state UNUSED)
{
	static const char *const texts[] = { "{}", "[]", " [ ] ", "\"\"",
		" {\"a\" : 1 ,\"b\":[ ]}\n",
		"[1,[2,{\"a\":[]}],null,true,false]",
		"\"\\u00e9\\n\\\"\\/\"", "\"\\ud83d\\ude00\"",
		"\"\xc3\xa9\x7f\"", "\"a\\u0000b\"", "{\"\":1}",
		"{\"a\\u0062\":1,\"ac\":2}", "{\"\\\"\":{\"\\\"\":[]}}",
		"", " ", "{", "[", "{]", "[}", "[1,]", "{\"a\":1,}",
		"{,\"a\":1}", "{a:1}", "{\"a\" 1}", "{\"a\":}", "[\"a\":1]",
		"{1:2}", "[1 2]", "[,1]", "[1", "{\"a\":1", "{\"a\"",
		"\"a", "{}{}", "{} x", "tru", "truex", "[nullx]", "[true1]",
		"\"\\x\"", "\"\\u12g4\"", "\"\\ud83d\"", "\"\\ude00\"",
		"\"\t\"", "\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"",
		"\xef\xbb\xbf{}", "{\"a\":1,\"a\":2}", "[1\x0c]",
		"{\"a\":1,\"\\u0061\":2}", "{\"a\\u0000\":1}",
		"{\"a\":{\"b\":1,\"b\":1}}" };

	for (size_t i = 0; i < NELEM(texts); i++)
		expect_same(slice_str(texts[i]));
}

static void
test_numbers_are_the_nearest_doubles(void **state UNUSED)
{
	static const char *const texts[] = { "0", "-0", "-0.0", "1", "-17",
		"0.1", "0.3", "12.5", "1.005", "99.999999999999",
		"123456789012345", "9007199254740993", "0.000000000000001",
		"0.0000000000000000000001", "1e0", "1E+2", "-2.5e-3",
		"1e22", "1e23", "1e308", "1.7976931348623157e308", "5e-324",
		"1e-999", "1e999", "-1e999", "12345678901234567890",
		"01", "1.",
		".5", "1e", "1e+", "-", "+1", "1.5.5", "12a", "0x1" };
	struct buf b = BUF_EMPTY;
	char text[32];

	for (size_t i = 0; i < NELEM(texts); i++)
		expect_same(slice_str(texts[i]));
	expect_same(repeated(&b, "0.", "0", 100, "17"));
	expect_same(repeated(&b, "1", "0", 300, ""));
	expect_same(repeated(&b, "1", "0", 400, ""));
	buf_free(&b);
	for (int i = 0; i < 100000; i += 7) {
		(void)snprintf(text, sizeof(text), "%d.%0*d", i % 1000,
		    1 + i % 11, i);
		expect_same(slice_str(text));
	}
}

static void
test_a_member_that_is_there_twice_is_found_however_many_there_are(
    void **state UNUSED)
{
	static const unsigned int counts[] = { 1, 2, 31, 32, 33, 64, 1000 };
	struct buf b = BUF_EMPTY;

	for (size_t i = 0; i < NELEM(counts); i++) {
		expect_same(repeated(&b, "{", "\"m#\":1,", counts[i],
		    "\"last\":{}}"));
		expect_same(repeated(&b, "{", "\"m#\":1,", counts[i],
		    "\"m0\":{}}"));
		expect_same(repeated(&b, "{\"last\":1,", "\"m#\":1,",
		    counts[i], "\"last\":{}}"));
	}
	buf_free(&b);
}

static void
test_nesting_has_the_same_limit(void **state UNUSED)
{
	struct buf b = BUF_EMPTY;

	for (unsigned int n = JSON_TREE_DEPTH_MAX - 1;
	    n <= JSON_TREE_DEPTH_MAX + 1; n++) {
		struct buf end = BUF_EMPTY;

		(void)repeated(&end, "", "]", n, "");
		expect_same(repeated(&b, "", "[", n, buf_cstr(&end)));
		(void)repeated(&end, "7", "]", n, "");
		expect_same(repeated(&b, "", "[", n, buf_cstr(&end)));
		(void)repeated(&end, "7", "}", n, "");
		expect_same(repeated(&b, "", "{\"a\":", n, buf_cstr(&end)));
		buf_free(&end);
	}
	buf_free(&b);
}

/* jansson passes over it, and nobody else who reads the event would. */
static void
test_a_nul_byte_between_values_is_refused(void **state UNUSED)
{
	static const char text[] = "[\n 1\0]";
	struct json_tree tree = { .blocks = NULL };
	json_error_t e = { .text = "" };

	assert_null(json_tree_parse(&tree, (struct slice){ text,
	    sizeof(text) - 1 }, &e));
	assert_string_equal(e.text, "NUL byte between values");
	assert_int_equal(e.line, 2);
	assert_int_equal(e.column, 3);
	json_tree_free(&tree);
}

static void
test_values_point_into_the_text_and_say_what_they_are(void **state UNUSED)
{
	struct json_tree tree = { .blocks = NULL };
	struct slice text = slice_str(" {\"a\": \"x\\ty\" , \"b\":[ 2.50 ]}");
	struct json_value *v = json_tree_parse(&tree, text, NULL);
	struct json_value *a = json_tree_member(v, "a");
	struct json_value *b = json_tree_member(v, "b");
	struct slice kept;
	char name[2];

	assert_non_null(v);
	assert_ptr_equal(v->raw.p, text.p + 1);
	assert_int_equal(v->raw.n, text.n - 1);
	assert_true(slice_is(a->raw, "\"x\\ty\""));
	assert_true(slice_is(json_tree_text(a), "x\ty"));
	assert_true(slice_is(b->raw, "[ 2.50 ]"));
	assert_true(json_tree_number(b->first) >= 2.5 &&
	    json_tree_number(b->first) <= 2.5);
	assert_null(json_tree_text(b).p);
	assert_true(json_tree_number(a) >= 0 && json_tree_number(a) <= 0);
	assert_null(json_tree_member(v, "c"));
	assert_null(json_tree_member(b, "a"));
	assert_null(json_tree_member(NULL, "a"));
	assert_false(json_tree_is(NULL, JSON_TREE_NULL));
	assert_string_equal(json_tree_name(a, name, sizeof(name)), "a");
	assert_string_equal(json_tree_name(a, name, 1), "?");
	kept = json_tree_keep(&tree, text);
	assert_true(slice_eq(kept, text) && kept.p != text.p);
	json_tree_free(&tree);
	assert_null(tree.blocks);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_jansson_reads_is_read_alike),
		cmocka_unit_test(test_numbers_are_the_nearest_doubles),
		cmocka_unit_test(
	    test_a_member_that_is_there_twice_is_found_however_many_there_are),
		cmocka_unit_test(test_nesting_has_the_same_limit),
		cmocka_unit_test(test_a_nul_byte_between_values_is_refused),
		cmocka_unit_test(
		    test_values_point_into_the_text_and_say_what_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
