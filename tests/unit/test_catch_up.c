#include "tests/unit/store_fixture.h"

#include "store/catch_up.h"

static struct catch_up c;
static struct position through;

static struct position
at(uint64_t number)
{
	return (struct position){ FIXTURE_EPOCH, number };
}

static void
begin_at(uint64_t number)
{
	catch_up_init(&c, number == 0 ? (struct position){ 0, 0 }
	    : at(number));
	through = (struct position){ 0, 0 };
}

static void
check_through(uint64_t number)
{
	assert_int_equal(through.epoch, FIXTURE_EPOCH);
	assert_int_equal(through.number, number);
}

static void
test_an_empty_projection_misses_what_lies_before_its_first_record(void **state
    UNUSED)
{
	begin_at(0);
	assert_int_equal(catch_up_record(&c, at(7), &through), CATCH_UP_LOST);
	check_through(6);
	/* Only before the first. */
	assert_int_equal(catch_up_record(&c, at(20), &through),
	    CATCH_UP_NOTHING);
}

static void
test_a_journal_that_begins_at_one_is_whole(void **state UNUSED)
{
	begin_at(0);
	assert_int_equal(catch_up_record(&c, at(1), &through),
	    CATCH_UP_NOTHING);
	assert_int_equal(catch_up_tip(&c, at(1), &through), CATCH_UP_NOTHING);
}

static void
test_a_projection_that_stands_somewhere_is_told_of_holes(void **state UNUSED)
{
	begin_at(5);
	assert_int_equal(catch_up_record(&c, at(9), &through),
	    CATCH_UP_NOTHING);
	begin_at(5);
	assert_int_equal(catch_up_tip(&c, at(9), &through), CATCH_UP_NOTHING);
}

static void
test_an_empty_journal_that_had_events_has_lost_them(void **state UNUSED)
{
	begin_at(0);
	assert_int_equal(catch_up_tip(&c, at(41), &through), CATCH_UP_LOST);
	check_through(41);
	assert_int_equal(catch_up_record(&c, at(42), &through),
	    CATCH_UP_NOTHING);
}

static void
test_a_journal_without_any_event_is_a_place_to_be_at(void **state UNUSED)
{
	begin_at(0);
	assert_int_equal(catch_up_tip(&c, at(0), &through), CATCH_UP_AT);
	check_through(0);
	assert_int_equal(catch_up_tip(&c, at(3), &through), CATCH_UP_NOTHING);
}

static void
test_a_gap_ends_before_what_follows_it(void **state UNUSED)
{
	begin_at(0);
	assert_int_equal(catch_up_gap(&c, at(12)).number, 11);
	assert_int_equal(catch_up_record(&c, at(12), &through),
	    CATCH_UP_NOTHING);
	assert_int_equal(catch_up_gap(&c, at(0)).number, 0);
}

static void
test_it_has_arrived_at_the_tip_of_the_first_heartbeat(void **state UNUSED)
{
	begin_at(5);
	assert_false(catch_up_done(&c, at(5)));
	(void)catch_up_tip(&c, at(9), &through);
	assert_false(catch_up_done(&c, at(8)));
	/* What is appended meanwhile does not move the goal. */
	(void)catch_up_tip(&c, at(100), &through);
	assert_true(catch_up_done(&c, at(9)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_projection_misses_what_lies_before_its_first_record),
		cmocka_unit_test(test_a_journal_that_begins_at_one_is_whole),
		cmocka_unit_test(
		    test_a_projection_that_stands_somewhere_is_told_of_holes),
		cmocka_unit_test(
		    test_an_empty_journal_that_had_events_has_lost_them),
		cmocka_unit_test(
		    test_a_journal_without_any_event_is_a_place_to_be_at),
		cmocka_unit_test(test_a_gap_ends_before_what_follows_it),
		cmocka_unit_test(
		    test_it_has_arrived_at_the_tip_of_the_first_heartbeat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
