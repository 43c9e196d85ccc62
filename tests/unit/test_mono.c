/* mono: RFC 3339 in and out, and arithmetic on monotonic time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "common/mono.h"

static void
test_times_are_written_in_utc_with_milliseconds(void **state)
{
	char text[MONO_RFC3339_SIZE];

	(void)state;
	assert_string_equal(wall_format(0, text), "1970-01-01T00:00:00.000Z");
	assert_string_equal(wall_format(1709210096007, text),
	    "2024-02-29T12:34:56.007Z");
	assert_string_equal(wall_format(-1, text), "1969-12-31T23:59:59.999Z");
}

static void
test_good_times_are_read(void **state)
{
	static const struct {
		const char	*text;
		int64_t		 unix_ms;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2024-02-29T12:34:56.007Z", 1709210096007 },
		{ "2024-02-29t12:34:56.007999999z", 1709210096007 },
		{ "2024-02-29T14:34:56.0+02:00", 1709210096000 },
		{ "2024-02-29T07:04:56-05:30", 1709210096000 },
		{ "2016-12-31T23:59:60Z", 1483228800000 },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		int64_t ms = 0;

		assert_true(wall_parse(cases[i].text, strlen(cases[i].text),
		    &ms));
		assert_true(ms == cases[i].unix_ms);
	}
}

static void
test_bad_times_are_refused(void **state)
{
	static const char *const cases[] = {
		"", "2024", "2024-02-30T00:00:00Z", "2023-02-29T00:00:00Z",
		"2024-13-01T00:00:00Z", "2024-01-01T24:00:00Z",
		"2024-01-01T00:60:00Z", "2024-01-01T00:00:61Z",
		"2024-01-01 00:00:00Z", "2024-01-01T00:00:00",
		"2024-01-01T00:00:00.Z", "2024-01-01T00:00:00.0123456789Z",
		"2024-01-01T00:00:00+24:00", "2024-01-01T00:00:00Zx",
		"2024-1-1T00:00:00Z", "+024-01-01T00:00:00Z",
	};

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		int64_t ms = 0;

		assert_false(wall_parse(cases[i], strlen(cases[i]), &ms));
	}
}

static void
test_differences_are_in_milliseconds(void **state)
{
	struct mono a = { .ns = 5000000000 };
	struct mono b = mono_add_ms(a, 1500);

	(void)state;
	assert_true(mono_diff_ms(b, a) == 1500);
	assert_true(mono_diff_ms(a, b) == -1500);
	assert_true(mono_before(a, b));
	assert_false(mono_before(a, a));
	assert_int_equal(mono_timeval_ms(1500).tv_usec, 500000);
	assert_int_equal(mono_timeval_ms(-5).tv_sec, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times_are_written_in_utc_with_milliseconds),
		cmocka_unit_test(test_good_times_are_read),
		cmocka_unit_test(test_bad_times_are_refused),
		cmocka_unit_test(test_differences_are_in_milliseconds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
