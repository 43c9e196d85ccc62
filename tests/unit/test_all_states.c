/* all_states: how often the list of all processes is made. */
#include "supervisor/all_states.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MS INT64_C(1000000)   /* in ns */

static void
test_a_small_list_is_made_as_often_as_the_eye_can_see(void **state)
{
	(void)state;
	assert_int_equal(all_states_pause_ms(0), ALL_STATES_EVERY_MS);
	assert_int_equal(all_states_pause_ms(1 * MS), ALL_STATES_EVERY_MS);
}

static void
test_a_large_one_takes_a_tenth_of_the_time_at_most(void **state)
{
	(void)state;
	assert_int_equal(all_states_pause_ms(5 * MS), 50);
	assert_int_equal(all_states_pause_ms(30 * MS), 300);
}

static void
test_no_gateway_waits_in_vain_for_it(void **state)
{
	(void)state;
	assert_int_equal(all_states_pause_ms(3000 * MS),
	    ALL_STATES_EVERY_MAX_MS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_small_list_is_made_as_often_as_the_eye_can_see),
		cmocka_unit_test(
		    test_a_large_one_takes_a_tenth_of_the_time_at_most),
		cmocka_unit_test(test_no_gateway_waits_in_vain_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
