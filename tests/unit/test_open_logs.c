/* open_logs: streams that have ended leave in the order in which their time of
 * grace does. */
#include "gateway/open_logs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct open_logs *logs;

static void
add(const char *tenant, const char *key, int64_t until)
{
	open_logs_add(logs, slice_str(tenant), slice_str(key), 1,
	    (struct position){ 1, 2 }, until);
}

static void
expect(int64_t now, const char *wanted)
{
	struct open_log log;

	assert_true(open_logs_take(logs, now, &log));
	assert_string_equal(log.key, wanted);
	free(log.tenant);
	free(log.key);
}

static void
test_who_is_over_first_leaves_first_and_nobody_before(void **state)
{
	struct open_log log;

	(void)state;
	logs = open_logs_new();
	add("-", "job:c", 30);
	add("-", "job:a", 10);
	add("-", "job:b", 20);
	assert_false(open_logs_take(logs, 9, &log));
	expect(25, "job:a");
	expect(25, "job:b");
	assert_false(open_logs_take(logs, 25, &log));
	assert_true(open_logs_has(logs, slice_str("-"), slice_str("job:c")));
	assert_false(open_logs_has(logs, slice_str("-"), slice_str("job:a")));
	expect(30, "job:c");
	assert_false(open_logs_take(logs, 99, &log));
	open_logs_free(logs);
}

static void
test_tenants_are_apart_and_a_stream_is_there_once(void **state)
{
	struct open_log log;

	(void)state;
	logs = open_logs_new();
	add("red", "job:a", 10);
	add("blue", "job:a", 20);
	add("red", "job:a", 30);
	open_logs_remove(logs, slice_str("green"), slice_str("job:a"));
	expect(20, "job:a");
	assert_false(open_logs_has(logs, slice_str("blue"),
	    slice_str("job:a")));
	assert_true(open_logs_has(logs, slice_str("red"), slice_str("job:a")));
	assert_false(open_logs_take(logs, 29, &log));
	open_logs_remove(logs, slice_str("red"), slice_str("job:a"));
	assert_false(open_logs_take(logs, 99, &log));
	add("red", "job:left", 10);
	open_logs_free(logs);
}

static void
test_beyond_the_limit_the_first_is_over(void **state)
{
	struct open_log log;
	char key[32];

	(void)state;
	logs = open_logs_new();
	for (unsigned int i = 0; i <= OPEN_LOGS_MAX; i++) {
		(void)snprintf(key, sizeof(key), "job:%u", i);
		add("-", key, 1000 + i);
	}
	expect(0, "job:0");
	assert_false(open_logs_take(logs, 0, &log));
	open_logs_free(logs);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_who_is_over_first_leaves_first_and_nobody_before),
		cmocka_unit_test(
		    test_tenants_are_apart_and_a_stream_is_there_once),
		cmocka_unit_test(test_beyond_the_limit_the_first_is_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
