/* compare_turn: when a kind is next compared with a list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/macros.h"
#include "watcher/compare_turn.h"

#define S       INT64_C(1000)
#define EACH_MS (1800 * S)   /* a sixtieth: 30 s, a tenth: 180 s */

static const struct mono begin = { 5 };

static struct mono
at(int64_t s)
{
	return mono_add_ms(begin, s * S);
}

/* At least; chance 0. */
static int64_t
next(struct compare_turn *t, int64_t s)
{
	return compare_turn_next(t, EACH_MS, true, at(s), 0);
}

static struct compare_turn
listed(void)
{
	struct compare_turn t = { 0 };

	compare_turn_listed(&t);
	return t;
}

/* An outage, and the watch that is open after it. */
static struct compare_turn
owed(void)
{
	struct compare_turn t = listed();

	compare_turn_outage(&t, 10);
	assert_true(compare_turn_open(&t));
	assert_int_equal(next(&t, 0), 30 * S);
	return t;
}

static void
test_turns_are_spread_over_their_double(void **state)
{
	struct compare_turn t = listed();

	(void)state;
	assert_false(compare_turn_open(&t));
	assert_int_equal(next(&t, 0), EACH_MS);
	assert_int_equal(compare_turn_next(&t, EACH_MS, true, begin,
	    (uint32_t)EACH_MS), 2 * EACH_MS);
	compare_turn_outage(&t, 10);
	assert_int_equal(compare_turn_next(&t, EACH_MS, true, begin, 30000),
	    60 * S);
}

static void
test_an_outage_of_a_large_kind_or_before_a_list_owes_nothing(void **state)
{
	struct compare_turn t = { 0 };

	(void)state;
	compare_turn_outage(&t, 10);
	assert_false(compare_turn_open(&t));
	compare_turn_listed(&t);
	assert_false(compare_turn_open(&t));
	compare_turn_outage(&t, COMPARE_TURN_SOON_MAX + 1);
	assert_false(compare_turn_open(&t));
	compare_turn_outage(&t, COMPARE_TURN_SOON_MAX);
	assert_true(compare_turn_open(&t));
	compare_turn_off(&t);
	assert_false(compare_turn_open(&t));
}

static void
test_a_turn_that_is_soon_is_not_put_off_by_another_outage(void **state)
{
	struct compare_turn t = owed();

	(void)state;
	compare_turn_outage(&t, 10);
	assert_false(compare_turn_open(&t));
}

/* Probing, asked anew, away once more: the next open watch brings it. */
static void
test_what_is_owed_waits_for_a_watch_that_is_shut(void **state)
{
	struct compare_turn t = owed();

	(void)state;
	compare_turn_shut(&t);
	assert_int_equal(compare_turn_next(&t, EACH_MS, false, at(40), 0),
	    EACH_MS);
	assert_true(compare_turn_open(&t));
	assert_int_equal(next(&t, 300), 30 * S);
	assert_false(compare_turn_open(&t));
}

static void
test_a_list_that_is_refused_is_asked_for_again_less_and_less(void **state)
{
	static const int64_t waits[] = { 60, 120, 180, 180, 180 };
	struct compare_turn t = owed();
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(waits); i++) {
		compare_turn_begin(&t);
		compare_turn_failed(&t);
		assert_int_equal(next(&t, 0), waits[i] * S);
		assert_false(compare_turn_open(&t));
	}
	compare_turn_begin(&t);
	compare_turn_whole(&t, at(10));
	assert_int_equal(next(&t, 10), EACH_MS);
}

/* Also at the shortest `watch.compare`. */
static void
test_no_turn_spins(void **state)
{
	struct compare_turn t = owed();
	unsigned i;

	(void)state;
	for (i = 0; i < 100; i++)
		compare_turn_failed(&t);
	assert_int_equal(compare_turn_next(&t, 100, true, begin, 0), 100);
	assert_int_equal(compare_turn_next(&t, 20 * S, true, begin, 0), 2 * S);
	t = owed();
	assert_int_equal(compare_turn_next(&t, 20 * S, true, begin, 0), 1 * S);
	compare_turn_shut(&t);
	assert_int_equal(compare_turn_next(&t, 100, false, begin, 0), 100);
}

static void
test_a_turn_that_owes_nothing_fails_until_the_next(void **state)
{
	struct compare_turn t = listed();

	(void)state;
	compare_turn_begin(&t);
	compare_turn_failed(&t);
	assert_int_equal(next(&t, 0), EACH_MS);
	/* Nor does it count when one is owed. */
	compare_turn_outage(&t, 10);
	assert_int_equal(next(&t, 0), 30 * S);
}

static void
test_the_second_within_a_tenth_comes_behind_it(void **state)
{
	struct compare_turn t = owed();

	(void)state;
	compare_turn_begin(&t);
	compare_turn_whole(&t, at(40));
	compare_turn_outage(&t, 10);
	assert_true(compare_turn_open(&t));
	assert_int_equal(next(&t, 100), (180 - 60 + 30) * S);
	compare_turn_begin(&t);
	compare_turn_whole(&t, at(250));
	compare_turn_outage(&t, 10);
	assert_int_equal(next(&t, 500), 30 * S);
}

/* Its list may be older than what was lost. */
static void
test_an_outage_during_a_comparison_owes_another(void **state)
{
	struct compare_turn t = listed();

	(void)state;
	compare_turn_begin(&t);
	compare_turn_outage(&t, 10);
	compare_turn_whole(&t, at(5));
	assert_true(compare_turn_open(&t));
	assert_int_equal(next(&t, 5), 30 * S);
	compare_turn_begin(&t);
	compare_turn_outage(&t, 10);
	compare_turn_whole(&t, at(40));
	assert_int_equal(next(&t, 40), (180 + 30) * S);
	compare_turn_begin(&t);
	compare_turn_whole(&t, at(300));
	assert_false(compare_turn_open(&t));
}

static void
test_a_whole_list_settles_what_is_owed(void **state)
{
	struct compare_turn t = owed();

	(void)state;
	compare_turn_failed(&t);
	compare_turn_off(&t);
	compare_turn_listed(&t);
	assert_false(compare_turn_open(&t));
	assert_int_equal(next(&t, 0), EACH_MS);
	compare_turn_outage(&t, 10);
	assert_int_equal(next(&t, 0), 30 * S);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_turns_are_spread_over_their_double),
		cmocka_unit_test(
		    test_an_outage_of_a_large_kind_or_before_a_list_owes_nothing),
		cmocka_unit_test(
		    test_a_turn_that_is_soon_is_not_put_off_by_another_outage),
		cmocka_unit_test(
		    test_what_is_owed_waits_for_a_watch_that_is_shut),
		cmocka_unit_test(
		    test_a_list_that_is_refused_is_asked_for_again_less_and_less),
		cmocka_unit_test(test_no_turn_spins),
		cmocka_unit_test(
		    test_a_turn_that_owes_nothing_fails_until_the_next),
		cmocka_unit_test(
		    test_the_second_within_a_tenth_comes_behind_it),
		cmocka_unit_test(
		    test_an_outage_during_a_comparison_owes_another),
		cmocka_unit_test(test_a_whole_list_settles_what_is_owed),
	};

	return cmocka_run_group_tests_name("compare_turn", tests, NULL, NULL);
}
