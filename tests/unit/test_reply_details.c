/* reply_details: which rows a request with many problems is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "common/macros.h"
#include "gateway/reply_details.h"

static json_t *
rows_of(struct reply_details *d)
{
	struct buf b = BUF_EMPTY;
	json_t *rows;

	buf_addc(&b, '[');
	buf_add(&b, d->json.data, d->json.len);
	buf_addc(&b, ']');
	rows = json_loadb((const char *)b.data, b.len, 0, NULL);
	assert_non_null(rows);
	buf_free(&b);
	buf_free(&d->json);
	return rows;
}

static void
row_is(const json_t *rows, size_t i, const char *path, const char *problem,
    const char *code)
{
	const json_t *row = json_array_get(rows, i);
	const char *got = json_string_value(json_object_get(row, "code"));

	assert_string_equal(json_string_value(json_object_get(row, "path")),
	    path);
	assert_string_equal(json_string_value(json_object_get(row,
	    "problem")), problem);
	if (code == NULL)
		assert_null(got);
	else
		assert_string_equal(got, code);
}

static void
test_a_row_has_the_code_of_its_event(void **state UNUSED)
{
	struct reply_details d = { .n = 0 };
	json_t *rows;

	reply_detail_code(&d, "[3].data.state", "illegal_transition", "no");
	reply_detail(&d, "nodes", "at most %d", 5);
	rows = rows_of(&d);
	row_is(rows, 0, "[3].data.state", "no", "illegal_transition");
	row_is(rows, 1, "nodes", "at most 5", NULL);
	json_decref(rows);
}

static void
test_behind_the_limit_each_event_has_still_one_row(void **state UNUSED)
{
	struct reply_details d = { .n = 0 };
	char path[32];
	json_t *rows;

	for (unsigned int i = 0; i < 150; i++) {
		(void)snprintf(path, sizeof(path), "[%u].type", i);
		reply_detail_code(&d, path, "schema_violation", "one");
		(void)snprintf(path, sizeof(path), "[%u].data.x", i);
		reply_detail_code(&d, path, "schema_violation", "two");
	}
	/* As the answer of the broker behind them. */
	reply_detail_code(&d, "[7]", "stream_ended", "three");
	assert_int_equal(d.n, 301);
	rows = rows_of(&d);
	assert_int_equal(json_array_size(rows), 200 + 50 + 1);
	row_is(rows, 199, "[99].data.x", "two", "schema_violation");
	row_is(rows, 200, "[100]", "too much is wrong in this request to say "
	    "it in full", "schema_violation");
	row_is(rows, 250, "[7]", "too much is wrong in this request to say it "
	    "in full", "stream_ended");
	json_decref(rows);
}

static void
test_of_one_event_the_rest_is_only_counted(void **state UNUSED)
{
	struct reply_details d = { .n = 0 };
	json_t *rows;

	for (unsigned int i = 0; i < 300; i++)
		reply_detail_code(&d, "data.x", "schema_violation", "p");
	rows = rows_of(&d);
	assert_int_equal(json_array_size(rows), REPLY_DETAILS_MAX);
	json_decref(rows);
}

static void
test_a_long_text_is_cut_between_characters(void **state UNUSED)
{
	struct reply_details d = { .n = 0 };
	char text[601];

	for (size_t i = 0; i < 600; i++)
		text[i] = "\xe2\x82\xac"[i % 3];
	text[600] = '\0';
	reply_detail_code(&d, "x", "c", text);
	json_decref(rows_of(&d));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_row_has_the_code_of_its_event),
		cmocka_unit_test(
		    test_behind_the_limit_each_event_has_still_one_row),
		cmocka_unit_test(test_of_one_event_the_rest_is_only_counted),
		cmocka_unit_test(test_a_long_text_is_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
