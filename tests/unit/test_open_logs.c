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
#include <time.h>

#include <cmocka.h>

static struct open_logs *logs;

static void
add_at(uint64_t number, const char *tenant, const char *key, int64_t until)
{
	open_logs_add(logs, slice_str(tenant), slice_str(key), 1,
	    (struct position){ 1, number }, until);
}

static void
add(const char *tenant, const char *key, int64_t until)
{
	add_at(2, tenant, key, until);
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

/* The order holds whatever comes, leaves and begins anew in between. */
static void
test_in_any_order_each_leaves_at_its_time(void **state)
{
	struct open_log log;
	uint32_t random = 12345, left = 0;
	int64_t times[500], before = 0;
	char key[32];

	(void)state;
	logs = open_logs_new();
	for (uint32_t i = 0; i < 2000; i++) {
		random = random * 1664525 + 1013904223;
		times[i % 500] = 1 + (int64_t)(random >> 8) % 1000;
		(void)snprintf(key, sizeof(key), "job:%u", i % 500);
		if (i % 7 == 0)
			open_logs_remove(logs, slice_str("-"),
			    slice_str(key));
		add_at(i % 500, "-", key, times[i % 500]);
	}
	for (uint32_t i = 0; i < 500; i += 5) {
		(void)snprintf(key, sizeof(key), "job:%u", i);
		open_logs_remove(logs, slice_str("-"), slice_str(key));
	}
	while (open_logs_take(logs, 1000, &log)) {
		assert_int_equal(log.until_ms, times[log.position.number]);
		assert_true(log.until_ms >= before);
		before = log.until_ms;
		left++;
		free(log.tenant);
		free(log.key);
	}
	assert_int_equal(left, 400);
	open_logs_free(logs);
}

/* After a restart all have one deadline: a look at each for each of them would
 * be two thousand million. */
static void
test_as_many_as_there_may_be_leave_together_at_once(void **state)
{
	struct timespec began, ended;
	struct open_log log;
	char key[32];

	(void)state;
	logs = open_logs_new();
	for (unsigned int i = 0; i < OPEN_LOGS_MAX; i++) {
		(void)snprintf(key, sizeof(key), "job:%u", i);
		add("-", key, 1000);
	}
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &began);
	for (unsigned int i = 0; i < OPEN_LOGS_MAX; i++) {
		assert_true(open_logs_take(logs, 1000, &log));
		free(log.tenant);
		free(log.key);
	}
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ended);
	assert_false(open_logs_take(logs, 1000, &log));
	assert_true(ended.tv_sec - began.tv_sec < 2);
	open_logs_free(logs);
}

static void
test_what_was_added_newest_is_what_is_there(void **state UNUSED)
{
	struct slice tenant = slice_str("-"), key = slice_str("job:a");
	const struct open_log *log;

	logs = open_logs_new();
	add("-", "job:a", 30);
	add("-", "job:b", 10);
	open_logs_add(logs, tenant, key, 7, (struct position){ 1, 9 }, 20);
	log = open_logs_get(logs, tenant, key);
	assert_non_null(log);
	assert_string_equal(log->key, "job:a");
	assert_int_equal(log->state, 7);
	assert_int_equal(log->until_ms, 20);
	assert_int_equal(log->position.number, 9);
	/* A line of it, and one of a stream that has not ended. */
	open_logs_line(logs, tenant, key, (struct position){ 1, 12 });
	open_logs_line(logs, tenant, slice_str("job:c"),
	    (struct position){ 1, 13 });
	log = open_logs_get(logs, tenant, key);
	assert_int_equal(log->position.number, 12);
	assert_int_equal(open_logs_count(logs), 2);
	open_logs_remove(logs, tenant, key);
	assert_null(open_logs_get(logs, tenant, key));
	assert_int_equal(open_logs_count(logs), 1);
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
		cmocka_unit_test(
		    test_what_was_added_newest_is_what_is_there),
		cmocka_unit_test(test_in_any_order_each_leaves_at_its_time),
		cmocka_unit_test(
		    test_as_many_as_there_may_be_leave_together_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
