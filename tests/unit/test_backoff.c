/* When a dead child is started again, and when it is given up for a while. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/macros.h"
#include "supervisor/backoff.h"

static const struct backoff_params params = { .first_ms = 100,
	.base_ms = 500, .max_ms = 60000, .deaths = 5, .window_ms = 60000,
	.retry_ms = 300000 };

static struct mono
at_ms(int64_t ms)
{
	return mono_add_ms((struct mono){ 0 }, ms);
}

static void
test_the_first_restart_comes_after_100_ms(void **unused UNUSED)
{
	struct backoff b;
	struct backoff_verdict v;

	backoff_init(&b, params.deaths);
	v = backoff_death(&b, &params, at_ms(1000), false, 12345);
	assert_false(v.open);
	assert_int_equal(v.delay_ms, 100);
	backoff_clear(&b);
}

static void
test_later_delays_lie_between_base_and_max(void **unused UNUSED)
{
	uint32_t random = 1;

	for (int round = 0; round < 100; round++) {
		struct backoff b;
		int64_t now = 0, last = 0;

		backoff_init(&b, params.deaths);
		for (int i = 0; i < 60; i++) {
			struct backoff_verdict v;

			now += 1000000;   /* each alone in its window */
			random = random * 1664525u + 1013904223u;
			v = backoff_death(&b, &params, at_ms(now), false,
			    random);
			assert_false(v.open);
			if (i > 0) {
				assert_true(v.delay_ms >= 500);
				assert_true(v.delay_ms <= 60000);
				assert_true(v.delay_ms <=
				    MAX(last, 500) * 3);
			}
			last = v.delay_ms;
		}
		backoff_clear(&b);
	}
}

static void
test_more_than_five_deaths_in_a_minute_open_the_circuit(void **u UNUSED)
{
	struct backoff b;
	struct backoff_verdict v;

	backoff_init(&b, params.deaths);
	for (int i = 0; i < 5; i++)
		assert_false(backoff_death(&b, &params, at_ms(i * 10000),
		    false, 7).open);
	v = backoff_death(&b, &params, at_ms(60000), false, 7);
	assert_true(v.open);
	assert_int_equal(v.delay_ms, 300000);
	backoff_clear(&b);
}

static void
test_deaths_out_of_the_window_do_not_count(void **unused UNUSED)
{
	struct backoff b;

	backoff_init(&b, params.deaths);
	for (int i = 0; i < 50; i++)
		assert_false(backoff_death(&b, &params, at_ms(i * 12001),
		    false, 7).open);
	backoff_clear(&b);
}

static void
test_exit_78_opens_the_circuit_at_once(void **unused UNUSED)
{
	struct backoff b;

	backoff_init(&b, params.deaths);
	assert_true(backoff_death(&b, &params, at_ms(1), true, 7).open);
	backoff_clear(&b);
}

static void
test_one_death_after_the_retry_opens_it_again(void **unused UNUSED)
{
	struct backoff b;

	backoff_init(&b, params.deaths);
	assert_true(backoff_death(&b, &params, at_ms(1), true, 7).open);
	backoff_retry(&b);
	assert_true(backoff_death(&b, &params, at_ms(400000), false,
	    7).open);
	backoff_clear(&b);
}

static void
test_a_reset_forgets_deaths_and_delays(void **unused UNUSED)
{
	struct backoff b;

	backoff_init(&b, params.deaths);
	for (int i = 0; i < 5; i++)
		(void)backoff_death(&b, &params, at_ms(i), false, 7);
	backoff_retry(&b);
	backoff_reset(&b);
	for (int i = 0; i < 5; i++) {
		struct backoff_verdict v = backoff_death(&b, &params,
		    at_ms(100 + i), false, 7);

		assert_false(v.open);
		if (i == 0)
			assert_int_equal(v.delay_ms, 100);
	}
	assert_true(backoff_death(&b, &params, at_ms(200), false, 7).open);
	backoff_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_restart_comes_after_100_ms),
		cmocka_unit_test(test_later_delays_lie_between_base_and_max),
		cmocka_unit_test(
		    test_more_than_five_deaths_in_a_minute_open_the_circuit),
		cmocka_unit_test(test_deaths_out_of_the_window_do_not_count),
		cmocka_unit_test(test_exit_78_opens_the_circuit_at_once),
		cmocka_unit_test(
		    test_one_death_after_the_retry_opens_it_again),
		cmocka_unit_test(test_a_reset_forgets_deaths_and_delays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
