/*
 * json_scan: accepts what jansson accepts, and slices what is asked for. All
 * of it in each way in which this machine can read masks (json_block).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* jansson's header has names that json_scan's does not: no clash. */
#include <jansson.h>

#include "common/json_block.h"
#include "common/json_text.h"
#include "common/macros.h"
#include "watcher/json_scan.h"

static bool
accepts(const char *p, size_t n)
{
	return json_scan((struct slice){ p, n }, NULL, 0, NULL, 0);
}

/* 1, 0, or -1: refused for a number's size, which is not our business. */
static int
jansson_accepts(const char *p, size_t n)
{
	json_error_t error = { .text = "" };
	json_t *root = json_loadb(p, n, JSON_ALLOW_NUL | JSON_DECODE_ANY |
	    JSON_DECODE_INT_AS_REAL, &error);
	int ok = root != NULL ? 1 :
	    strstr(error.text, "real number overflow") != NULL ? -1 : 0;

	json_decref(root);
	return ok;
}

static void
test_what_is_json_and_what_is_not(void **state)
{
	static const struct { const char *text; bool ok; } cases[] = {
		{ "{}", true }, { "[]", true }, { " {\"a\" : 1 } ", true },
		{ "[1,2,[3,{\"a\":[]}],null,true,false]", true },
		{ "-0.5e+10", true }, { "\"\\u00e9\\n\\\"\"", true },
		{ "\"\\ud83d\\ude00\"", true }, { "\"\xc3\xa9\"", true },
		{ "\"0123456789abcdef0123456789\\u0041\"", true },
		{ "", false }, { " ", false }, { "{", false }, { "{]", false },
		{ "[1,]", false }, { "{\"a\":1,}", false }, { "{a:1}", false },
		{ "{\"a\" 1}", false }, { "[1 2]", false }, { "01", false },
		{ "1.", false }, { ".5", false }, { "1e", false },
		{ "+1", false }, { "tru", false }, { "nul", false },
		{ "\"\\x\"", false }, { "\"\\u12g4\"", false },
		{ "\"\\ud83d\"", false }, { "\"\\ude00\"", false },
		{ "\"\t\"", false }, { "\"\xff\"", false },
		{ "\"\xc0\x80\"", false }, { "\"\xed\xa0\x80\"", false },
		{ "\"\xf4\x90\x80\x80\"", false },
		{ "\"\xe0\x80\xaf\"", false },
		{ "{}{}", false }, { "{} x", false }, { "\"abc", false },
		{ "[\"a\":1]", false }, { "{\"a\":}", false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(cases); i++) {
		size_t n = strlen(cases[i].text);

		if (accepts(cases[i].text, n) != cases[i].ok)
			fail_msg("%s", cases[i].text);
		if (n > 0)
			assert_int_equal(jansson_accepts(cases[i].text, n),
			    cases[i].ok);
	}
}

static void
test_nesting_is_limited(void **state)
{
	char text[2 * JSON_SCAN_DEPTH_MAX + 8];
	size_t n = JSON_SCAN_DEPTH_MAX;

	(void)state;
	memset(text, '[', n);
	memset(text + n, ']', n);
	assert_true(accepts(text, 2 * n));
	memset(text, '[', n + 1);
	memset(text + n + 1, ']', n + 1);
	assert_false(accepts(text, 2 * n + 2));
}

static void
test_wanted_members_are_found_at_their_place_only(void **state)
{
	static const struct json_want inner[] = { { "x", 1, NULL, 0 } };
	static const struct json_want wants[] = {
		{ "a", 0, NULL, 0 }, { "m", 2, inner, 1 } };
	static const char text[] = "{\"b\":{\"a\":9,\"x\":8},\"m\":{\"x\":7},"
	    "\"m\":{\"y\":[1],\"\\u0078\":\"z\"},\"a\":[1,{\"a\":2}],"
	    "\"x\":6}";
	struct slice v[3], again[3];

	(void)state;
	assert_true(json_scan(slice_str(text), wants, 2, v, 3));
	json_scan_again(slice_str(text), wants, 2, again, 3);
	assert_memory_equal(again, v, sizeof(v));
	assert_true(slice_is(v[0], "[1,{\"a\":2}]"));
	assert_true(slice_is(v[1], "\"z\""));
	assert_true(slice_is(v[2], "{\"y\":[1],\"\\u0078\":\"z\"}"));
	assert_true(json_scan(slice_str("{\"m\":3}"), wants, 2, v, 3));
	assert_null(v[0].p);
	assert_null(v[1].p);
	assert_true(slice_is(v[2], "3"));
}

static void
test_values_are_read_as_what_they_are(void **state)
{
	char buf[8];

	(void)state;
	assert_int_equal(json_scan_int(slice_str("-12"), 5), -12);
	assert_int_equal(json_scan_int(slice_str("\"12\""), 5), 5);
	assert_int_equal(json_scan_int(slice_str("1.5"), 5), 5);
	assert_int_equal(json_scan_int(slice_str("99999999999999999999"), 5),
	    5);
	assert_int_equal(json_scan_int(SLICE_NONE, 5), 5);
	assert_true(json_scan_null(SLICE_NONE));
	assert_true(json_scan_true(slice_str("true")));
	assert_true(json_scan_is(slice_str("\"ab\""), "ab"));
	assert_false(json_scan_is(slice_str("ab"), "ab"));
	assert_null(json_scan_text(slice_str("\"a\\n\"")).p);
	assert_int_equal(json_text_unescape(
	    slice_str("\"\\ud83d\\ude00\\n\\\"\""), buf, sizeof(buf)), 6);
	assert_memory_equal(buf, "\xf0\x9f\x98\x80\n\"", 6);
	assert_int_equal(json_text_unescape(slice_str("\"1234567\xc3\xa9\""),
	    buf, sizeof(buf)), 7);
}

static void
test_arrays_are_walked_item_by_item(void **state)
{
	struct slice array = slice_str("[ 1 , {\"a\":[2]} ,\"x\"]"), one;
	const char *cursor = NULL;

	(void)state;
	assert_true(json_scan_next(array, &cursor, &one));
	assert_true(slice_is(one, "1"));
	assert_true(json_scan_next(array, &cursor, &one));
	assert_true(slice_is(one, "{\"a\":[2]}"));
	assert_true(json_scan_next(array, &cursor, &one));
	assert_true(slice_is(one, "\"x\""));
	assert_false(json_scan_next(array, &cursor, &one));
	cursor = NULL;
	assert_false(json_scan_next(slice_str("{}"), &cursor, &one));
	assert_false(json_scan_next(SLICE_NONE, &cursor, &one));
}

static void
test_looking_again_stays_inside_of_what_nobody_has_checked(void **state)
{
	static const char *const texts[] = { "", "{", "{\"", "{\"a", "{\"a\"",
		"{\"a\":", "{\"a\":[", "{\"a\":\"", "{\"a\":1", "{\"a\":1,",
		"{\"a\":x}", "{\"a\" 1}", "{1}", "[", "[1", "[[", "[\"", "[,",
		"7", "{\"m\":{\"x\":", "{\"m\":{]}" };
	static const struct json_want inner[] = { { "x", 1, NULL, 0 } };
	static const struct json_want wants[] = {
		{ "a", 0, NULL, 0 }, { "m", 2, inner, 1 } };
	struct slice v[3], one, value;
	const char *cursor;
	size_t i;
	char *copy;

	(void)state;
	for (i = 0; i < NELEM(texts); i++) {
		copy = malloc(strlen(texts[i]) + 1);
		assert_non_null(copy);
		/* It ends where the memory ends. */
		memcpy(copy + 1, texts[i], strlen(texts[i]));
		value = (struct slice){ copy + 1, strlen(texts[i]) };
		json_scan_again(value, wants, 2, v, 3);
		cursor = NULL;
		while (json_scan_next(value, &cursor, &one))
			assert_in_range(one.p - value.p, 1, value.n - 1);
		free(copy);
	}
}

/* --- against jansson ------------------------------------------------------ */

static uint32_t seed = 7;

static uint32_t
rnd(uint32_t n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

static json_t *
make_value(unsigned depth)
{
	static const char *const texts[] = { "", "a", "status", "caf\xc3\xa9",
		"quote\"back\\slash/\n\t", "\xf0\x9f\x98\x80 \xe2\x80\xa8",
		"a long text that passes sixteen bytes by far, \x01 too" };
	char key[32];
	uint32_t i, n = rnd(5);
	json_t *v;

	switch (depth == 0 ? rnd(5) : rnd(7)) {
	case 0:
		return json_integer((json_int_t)rnd(100000) - 50000);
	case 1:
		return json_real((double)rnd(1000) / 7);
	case 2:
		return rnd(2) != 0 ? json_boolean(rnd(2)) : json_null();
	case 3:
	case 4:
		return json_string(texts[rnd(NELEM(texts))]);
	case 5:
		v = json_array();
		for (i = 0; i < n; i++)
			(void)json_array_append_new(v, make_value(depth - 1));
		return v;
	default:
		v = json_object();
		for (i = 0; i < n; i++) {
			(void)snprintf(key, sizeof(key), "%s%u",
			    rnd(2) != 0 ? "k" : "a\"\\", i);
			(void)json_object_set_new(v, key,
			    make_value(depth - 1));
		}
		return v;
	}
}

static void
test_generated_documents_are_judged_as_jansson_does(void **state)
{
	static const struct json_want wants[] = { { "k0", 0, NULL, 0 },
		{ "k1", 1, NULL, 0 } };
	struct slice v[2], again[2];
	json_t *root, *piece;
	unsigned i, k;
	char *text;
	int verdict;
	size_t n;

	(void)state;
	for (i = 0; i < 3000; i++) {
		root = make_value(5);
		text = json_dumps(root, JSON_ENCODE_ANY | (i % 2 == 0 ?
		    JSON_COMPACT : JSON_INDENT(2) | JSON_ENSURE_ASCII));
		n = strlen(text);
		assert_true(json_scan((struct slice){ text, n }, wants, 2, v,
		    2));
		json_scan_again((struct slice){ text, n }, wants, 2, again, 2);
		for (k = 0; k < 2 && json_is_object(root); k++) {
			assert_ptr_equal(again[k].p, v[k].p);
			assert_int_equal(again[k].n, v[k].n);
			piece = v[k].p == NULL ? NULL : json_loadb(v[k].p,
			    v[k].n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
			assert_int_equal(piece != NULL, json_object_get(root,
			    wants[k].name) != NULL);
			if (piece != NULL)
				assert_true(json_equal(piece,
				    json_object_get(root, wants[k].name)));
			json_decref(piece);
		}
		for (k = 0; k < 8; k++) {   /* broken in one byte */
			text[rnd((uint32_t)n)] = (char)(rnd(255) + 1);
			verdict = jansson_accepts(text, n);
			if (verdict >= 0 && accepts(text, n) != (verdict == 1))
				fail_msg("differs: %.*s", (int)n, text);
		}
		free(text);
		json_decref(root);
	}
}

/* --- where blocks and batches of json_index meet -------------------------- */

/* {"a":"xx...SPECIALxx...","b":1}, `before` and `after` being the numbers of
 * plain bytes; its length. */
static size_t
border_text(char *buf, size_t size, size_t before, const char *special,
    size_t after)
{
	int n = snprintf(buf, size, "{\"a\":\"%*s%s%*s\",\"b\":1}",
	    (int)before, "", special, (int)after, "");

	assert_true(n > 0 && (size_t)n < size);
	return (size_t)n;
}

/* The text in memory of its exact size: what jansson says, and its slices. */
static void
judge_as_jansson(const char *text, size_t n)
{
	static const struct json_want wants[] = { { "a", 0, NULL, 0 },
		{ "b", 1, NULL, 0 } };
	json_t *root = json_loadb(text, n, JSON_ALLOW_NUL, NULL), *piece;
	struct slice v[2];
	char *copy = malloc(n);
	bool ok;

	assert_non_null(copy);
	memcpy(copy, text, n);
	ok = json_scan((struct slice){ copy, n }, wants, 2, v, 2);
	if (ok != (root != NULL))
		fail_msg("differs: %.*s", (int)n, text);
	if (ok) {
		piece = json_loadb(v[0].p, v[0].n, JSON_DECODE_ANY |
		    JSON_ALLOW_NUL, NULL);
		assert_true(json_equal(piece, json_object_get(root, "a")));
		assert_true(slice_is(v[1], "1"));
		json_decref(piece);
	}
	json_decref(root);
	free(copy);
}

static void
test_strings_are_judged_alike_wherever_blocks_end(void **state)
{
	static const char *const specials[] = { "", "\\n", "\\\"", "\\\\",
		"\\\\\\\"", "\\\\\"", "\"", "\\", "\\u0041", "\\u004",
		"\\ud83d\\ude00", "\\ud83d", "\\ude00", "\\x", "\n", "\x1f",
		"\x7f", "\xc3\xa9", "\xe6\x9d\xb1", "\xf0\x9f\x98\x80", "\xc3",
		"\x80", "\xe6\x9d", "\xed\xa0\x80", "{[,:]}", "\\u0000",
		"\",\"c\":[{\"d\":\"", "\"}" };
	char text[2400];
	size_t before, i;

	(void)state;
	for (i = 0; i < NELEM(specials); i++) {
		for (before = 0; before <= 200; before++)
			judge_as_jansson(text, border_text(text, sizeof(text),
			    before, specials[i], 200 - before));
		for (before = 990; before <= 1050; before++)
			judge_as_jansson(text, border_text(text, sizeof(text),
			    before, specials[i], before % 70));
	}
}

static void
test_tokens_are_judged_alike_wherever_blocks_end(void **state)
{
	static const char *const tails[] = { "", "1", "[", "]", "{", "}", ",",
		":", "\"", "x", "\\", "tru", "true", "false", "null", "nullx",
		"-", "-0", "01", "1.5e3", "1.", "1e", "\"a\"", "\"a\"x",
		"1\"a\"",
		"true\"a\"", "\"a\"\"b\"", "[1,2]", "[1 2]", "{\"x\":1}",
		"{\"x\" 1}", "{\"x\":}", "{,}", "[,]", "[1,]", "{\"x\":1,}",
		"{\"x\":1:2}", "[\"x\":1]", "{\"x\"}", "{1:2}", "[]]", "1,2",
		"\\\"", "1\\", "\xc3\xa9", "\x01", "[[[[]]]]", "[{}]", "{[]}" };
	char text[1400];
	size_t shift, i;
	int n;

	(void)state;
	for (i = 0; i < NELEM(tails); i++)
		for (shift = 0; shift < 1100; shift += shift < 140 ? 1 :
		    shift < 1000 ? 53 : 1) {
			n = snprintf(text, sizeof(text),
			    "{\"b\":1,%*s\"a\":%s}", (int)shift, "", tails[i]);
			judge_as_jansson(text, (size_t)n);
			n = snprintf(text, sizeof(text),
			    "{\"b\":1, \"a\":%s%*s}", tails[i], (int)shift, "");
			judge_as_jansson(text, (size_t)n);
		}
}

static void
test_every_cut_of_a_text_is_refused(void **state)
{
	static const char text[] = "{\"a\":[1,{\"b\":\"\\u00e9\\n "
	    "\xc3\xa9\"},true,null,-1.5e+7],\"metadata\":{\"name\":\"web\","
	    "\"labels\":{\"app\":\"x\"}},\"b\":\"quote \\\" in it, and "
	    "longer than a block of 64 bytes is\"}";
	char *copy;
	size_t n;

	(void)state;
	for (n = 0; n < sizeof(text) - 1; n++) {
		copy = malloc(n + 1);
		assert_non_null(copy);
		memcpy(copy + 1, text, n);   /* ends where the memory ends */
		assert_false(accepts(copy + 1, n));
		free(copy);
	}
	assert_true(accepts(text, n));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_json_and_what_is_not),
		cmocka_unit_test(test_nesting_is_limited),
		cmocka_unit_test(
		    test_wanted_members_are_found_at_their_place_only),
		cmocka_unit_test(test_values_are_read_as_what_they_are),
		cmocka_unit_test(test_arrays_are_walked_item_by_item),
		cmocka_unit_test(
		    test_looking_again_stays_inside_of_what_nobody_has_checked),
		cmocka_unit_test(
		    test_generated_documents_are_judged_as_jansson_does),
		cmocka_unit_test(
		    test_strings_are_judged_alike_wherever_blocks_end),
		cmocka_unit_test(
		    test_tokens_are_judged_alike_wherever_blocks_end),
		cmocka_unit_test(test_every_cut_of_a_text_is_refused),
	};
	int failed = 0, way;

	for (way = 0; way < JSON_BLOCK_MAX; way++)
		if (json_block_use((enum json_block_way)way))
			failed += cmocka_run_group_tests_name(
			    json_block_name((enum json_block_way)way), tests,
			    NULL, NULL);
	return failed;
}
