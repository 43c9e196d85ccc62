/* child_json: a child as operators are told of it. */
#include "supervisor/child_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void
expect_text(const char *text, const char *want)
{
	struct buf b = BUF_EMPTY;

	child_json_text(&b, text);
	buf_addc(&b, '\0');
	assert_string_equal((const char *)b.data, want);
	buf_free(&b);
}

static void
test_text_of_a_child_is_utf8_and_nothing_that_a_terminal_obeys(void **state)
{
	(void)state;
	expect_text("", "\"\"");
	expect_text("a \"b\" \\", "\"a \\\"b\\\" \\\\\"");
	expect_text("\x1b[2J\n\x7f", "\"?[2J??\"");
	expect_text("\xc2\x9b" "31m", "\"?31m\"");
	expect_text("cut \xe2\x82", "\"cut ??\"");
	expect_text("\xc3\xa9", "\"\xc3\xa9\"");
}

static void
test_all_of_them_are_one_array(void **state)
{
	struct child one = { .title = "store", .state = CHILD_READY,
	    .desired = CHILD_UP, .starts = 3, .incarnation = 7 };
	struct child two = { .title = "gateway/1", .state = CHILD_FAILED };
	struct child *both[] = { &one, &two };
	struct buf b = BUF_EMPTY;

	(void)state;
	one.process.pid = 11;
	child_json_all(&b, both, 0);
	assert_int_equal(b.len, 2);
	assert_memory_equal(b.data, "[]", 2);
	buf_reset(&b);
	child_json_all(&b, both, 2);
	buf_addc(&b, '\0');
	assert_non_null(strstr((const char *)b.data, "[{\"process\":\"store\","
	    "\"state\":\"ready\",\"desired\":\"up\",\"pid\":11,"
	    "\"incarnation\":7,"));
	assert_non_null(strstr((const char *)b.data, "\"restarts\":2,"));
	assert_non_null(strstr((const char *)b.data, "},{\"process\":"
	    "\"gateway/1\",\"state\":\"failed\",\"desired\":\"down\""));
	assert_non_null(strstr((const char *)b.data, "\"circuit\":\"open\""));
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_text_of_a_child_is_utf8_and_nothing_that_a_terminal_obeys),
		cmocka_unit_test(test_all_of_them_are_one_array),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
