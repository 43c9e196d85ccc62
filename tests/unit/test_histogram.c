/* histogram: how often a time was how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "gateway/histogram.h"

static void
test_each_time_is_in_its_bucket_and_all_wider_ones(void **state)
{
	static const int64_t bounds[] = { 1, 50, 1500 };
	struct histogram h = { .bounds_ms = bounds, .n_bounds = 3 };
	static const int64_t times[] = { 0, -7, 1, 2, 50, 1500, 1501 };
	struct buf b = BUF_EMPTY;

	(void)state;
	for (size_t i = 0; i < NELEM(times); i++)
		histogram_observe(&h, times[i]);
	histogram_print(&b, &h, "x_seconds", "Some times.");
	assert_string_equal(buf_cstr(&b),
	    "# HELP x_seconds Some times.\n# TYPE x_seconds histogram\n"
	    "x_seconds_bucket{le=\"0.001\"} 3\n"
	    "x_seconds_bucket{le=\"0.050\"} 5\n"
	    "x_seconds_bucket{le=\"1.500\"} 6\n"
	    "x_seconds_bucket{le=\"+Inf\"} 7\n"
	    "x_seconds_sum 3.054\nx_seconds_count 7\n");
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_each_time_is_in_its_bucket_and_all_wider_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
