/* watch_fsm: when a kind lists, watches, waits. */
#include "tests/unit/watch_fsm_fixture.h"

static void
test_a_clean_end_watches_again_at_once(void **state)
{
	(void)state;
	begin_watching();
	assert_int_equal(step(WATCH_IN_ENDED).action, WATCH_DO_WATCH);
	assert_int_equal(f.state, WATCH_WATCHING);
}

static void
test_a_watch_that_ends_at_once_counts_as_a_failure(void **state)
{
	struct watch_facts quick = { .quick = true, .random = 200 };
	struct watch_step s;

	(void)state;
	begin_watching();
	s = watch_fsm_step(&f, WATCH_IN_ENDED, &quick);
	assert_int_equal(s.action, WATCH_DO_WAIT);
	assert_int_equal(s.delay_ms, 5000);
	assert_int_equal(step(WATCH_IN_TIMER).action, WATCH_DO_LIST);
	assert_int_equal(f.version, WATCH_VERSION_LAST);
}

static void
test_410_lists_at_once_and_does_not_spin(void **state)
{
	(void)state;
	begin_watching();
	(void)step(WATCH_IN_ALIVE);
	assert_int_equal(step(WATCH_IN_EXPIRED).action, WATCH_DO_LIST);
	assert_int_equal(f.version, WATCH_VERSION_LAST);
	/* The list itself is too old: by quorum, at once. */
	assert_int_equal(step(WATCH_IN_EXPIRED).action, WATCH_DO_LIST);
	assert_int_equal(f.version, WATCH_VERSION_EMPTY);
	assert_int_equal(step(WATCH_IN_LISTED).action, WATCH_DO_WATCH);
	/* And again without any event: back off. */
	assert_int_equal(step(WATCH_IN_EXPIRED).action, WATCH_DO_WAIT);
	assert_int_equal(step(WATCH_IN_TIMER).action, WATCH_DO_LIST);
	assert_int_equal(f.version, WATCH_VERSION_EMPTY);
	assert_int_equal(step(WATCH_IN_EXPIRED).action, WATCH_DO_WAIT);
}

/* k8s-watch.md A 2: more pages would expire again. */
static void
test_an_expired_token_is_one_list_without_pages(void **state)
{
	struct watch_facts paged = { .paged = true, .random = 200 };

	(void)state;
	watch_fsm_init(&f, 5000, 60000, 300000);
	(void)step(WATCH_IN_START);
	(void)step(WATCH_IN_PAGE);
	assert_int_equal(watch_fsm_step(&f, WATCH_IN_EXPIRED, &paged).action,
	    WATCH_DO_LIST);
	assert_true(f.whole);
	assert_int_equal(f.version, WATCH_VERSION_ZERO);
	(void)step(WATCH_IN_LISTED);
	assert_false(f.whole);
	/* Only once, also of a server that pages what it was told not to. */
	(void)step(WATCH_IN_FAILED);
	f.state = WATCH_LISTING;
	(void)watch_fsm_step(&f, WATCH_IN_EXPIRED, &paged);
	assert_int_equal(watch_fsm_step(&f, WATCH_IN_EXPIRED, &paged).action,
	    WATCH_DO_LIST);
	assert_false(f.whole);
	assert_int_equal(f.version, WATCH_VERSION_EMPTY);
	assert_int_equal(watch_fsm_step(&f, WATCH_IN_EXPIRED, &paged).action,
	    WATCH_DO_LIST);
	assert_true(f.whole);
	assert_int_equal(watch_fsm_step(&f, WATCH_IN_EXPIRED, &paged).action,
	    WATCH_DO_WAIT);
	assert_false(f.whole);
}

/* It may have been a deletion. */
static void
test_a_watch_that_missed_an_event_is_listed(void **state)
{
	(void)state;
	begin_watching();
	assert_int_equal(step(WATCH_IN_MISSED).action, WATCH_DO_LIST);
	assert_int_equal(f.version, WATCH_VERSION_LAST);
	assert_int_equal(f.attempt, 0);
}

static void
test_a_version_in_the_future_lists_by_quorum(void **state)
{
	(void)state;
	begin_watching();
	assert_int_equal(step(WATCH_IN_TOO_LARGE).action, WATCH_DO_LIST);
	assert_int_equal(f.version, WATCH_VERSION_EMPTY);
	assert_int_equal(step(WATCH_IN_TOO_LARGE).action, WATCH_DO_WAIT);
}

static void
test_a_watch_refused_at_the_newest_version_does_not_spin(void **state)
{
	(void)state;
	begin_watching();
	assert_int_equal(step(WATCH_IN_TOO_LARGE).action, WATCH_DO_LIST);
	assert_int_equal(step(WATCH_IN_LISTED).action, WATCH_DO_WATCH);
	/* That list was by quorum: another will not help at once. */
	assert_int_equal(step(WATCH_IN_TOO_LARGE).action, WATCH_DO_WAIT);
	assert_int_equal(step(WATCH_IN_TIMER).action, WATCH_DO_LIST);
	assert_int_equal(f.version, WATCH_VERSION_EMPTY);
	assert_int_equal(step(WATCH_IN_LISTED).action, WATCH_DO_WATCH);
	(void)step(WATCH_IN_ALIVE);
	assert_int_equal(step(WATCH_IN_TOO_LARGE).action, WATCH_DO_WAIT);
	assert_int_equal(step(WATCH_IN_TIMER).action, WATCH_DO_LIST);
	assert_int_equal(step(WATCH_IN_LISTED).action, WATCH_DO_WATCH);
	(void)calm(WATCH_IN_ALIVE);
	assert_int_equal(step(WATCH_IN_TOO_LARGE).action, WATCH_DO_LIST);
}

/* One event is no proof that a server is well. */
static void
test_one_event_and_then_410_does_not_loop_lists(void **state)
{
	static const int64_t want[] = { 5000, 10000, 20000, 40000, 60000 };
	struct watch_step s;
	size_t i;

	(void)state;
	begin_watching();
	(void)step(WATCH_IN_ALIVE);
	assert_int_equal(step(WATCH_IN_EXPIRED).action, WATCH_DO_LIST);
	for (i = 0; i < 5; i++) {
		assert_int_equal(step(WATCH_IN_LISTED).action, WATCH_DO_WATCH);
		(void)step(WATCH_IN_ALIVE);
		s = step(WATCH_IN_EXPIRED);
		assert_int_equal(s.action, WATCH_DO_WAIT);
		assert_int_equal(s.delay_ms, want[i]);
		assert_int_equal(step(WATCH_IN_TIMER).action, WATCH_DO_LIST);
		assert_int_equal(f.version, WATCH_VERSION_LAST);
	}
	/* After two minutes' calm it is as new. */
	assert_int_equal(step(WATCH_IN_LISTED).action, WATCH_DO_WATCH);
	(void)calm(WATCH_IN_ALIVE);
	assert_int_equal(step(WATCH_IN_EXPIRED).action, WATCH_DO_LIST);
}

static void
test_a_long_quiet_watch_ends_the_back_off(void **state)
{
	(void)state;
	begin_watching();
	(void)step(WATCH_IN_FAILED);
	(void)step(WATCH_IN_TIMER);
	assert_int_equal(step(WATCH_IN_FAILED).delay_ms, 10000);
	(void)step(WATCH_IN_TIMER);
	/* No event came; a failure after two minutes is a first one. */
	assert_int_equal(calm(WATCH_IN_FAILED).delay_ms, 5000);
	(void)step(WATCH_IN_TIMER);
	assert_int_equal(calm(WATCH_IN_ENDED).action, WATCH_DO_WATCH);
	assert_int_equal(f.attempt, 0);
}

static void
test_failures_wait_5_s_doubling_to_60_s_and_keep_the_version(void **state)
{
	static const int64_t want[] = { 5000, 10000, 20000, 40000, 60000,
		60000 };
	size_t i;

	(void)state;
	begin_watching();
	for (i = 0; i < 6; i++) {
		struct watch_step s = step(WATCH_IN_FAILED);

		assert_int_equal(s.action, WATCH_DO_WAIT);
		assert_int_equal(s.delay_ms, want[i]);
		assert_false(s.fresh_connection);
		assert_int_equal(f.state, WATCH_WAIT_WATCH);
		assert_int_equal(step(WATCH_IN_TIMER).action, WATCH_DO_WATCH);
	}
	/* An event between two failures is no end of the trouble. */
	(void)step(WATCH_IN_ALIVE);
	assert_int_equal(step(WATCH_IN_FAILED).delay_ms, 60000);
	assert_int_equal(step(WATCH_IN_TIMER).action, WATCH_DO_WATCH);
	(void)calm(WATCH_IN_ALIVE);
	assert_int_equal(step(WATCH_IN_FAILED).delay_ms, 5000);
}

static void
test_a_watch_that_keeps_failing_in_its_body_lists_anew(void **state)
{
	struct watch_facts bad = { .answered = true, .random = 200 };
	unsigned i;

	(void)state;
	begin_watching();
	for (i = 1; i < WATCH_FSM_SAME_MAX; i++) {
		(void)watch_fsm_step(&f, WATCH_IN_FAILED, &bad);
		assert_int_equal(step(WATCH_IN_TIMER).action, WATCH_DO_WATCH);
	}
	assert_int_equal(watch_fsm_step(&f, WATCH_IN_FAILED, &bad).action,
	    WATCH_DO_WAIT);
	assert_int_equal(step(WATCH_IN_TIMER).action, WATCH_DO_LIST);
	assert_int_equal(f.version, WATCH_VERSION_LAST);
}

static void
test_jitter_is_20_percent_and_never_above_the_maximum(void **state)
{
	uint32_t r;

	(void)state;
	for (r = 0; r < 1000; r++) {
		int64_t ms = watch_fsm_delay(2, 5000, 60000, r);

		assert_in_range(ms, 8000, 12000);
		ms = watch_fsm_delay(1000000, 5000, 60000, r);
		assert_in_range(ms, 48000, 60000);
	}
}

/* After a long outage all watchers of a server are there. */
static void
test_the_longest_pause_is_spread_as_the_others_are(void **state)
{
	unsigned at_it = 0, early = 0;
	uint32_t r;

	(void)state;
	for (r = 0; r < 1000; r++) {
		int64_t ms = watch_fsm_delay(9, 5000, 60000, r * 2654435761u);

		assert_in_range(ms, 48000, 60000);
		at_it += ms > 59900;
		early += ms < 54000;
	}
	assert_in_range(at_it, 0, 30);
	assert_in_range(early, 400, 600);
}

static void
test_retry_after_is_honoured(void **state)
{
	struct watch_facts facts = { .retry_after_ms = 7000, .random = 1 };
	struct watch_step s;

	(void)state;
	begin_watching();
	s = watch_fsm_step(&f, WATCH_IN_FAILED, &facts);
	assert_in_range(s.delay_ms, 7000, 8000);
	assert_false(s.fresh_connection);
}

static void
test_a_kind_without_room_stops_for_minutes(void **state)
{
	struct watch_step s;

	(void)state;
	begin_watching();
	s = step(WATCH_IN_FULL);
	assert_int_equal(s.action, WATCH_DO_WAIT);
	assert_in_range(s.delay_ms, 300000, 600000);
	assert_string_equal(watch_words_shown(f.state), "stopped");
	assert_int_equal(step(WATCH_IN_TIMER).action, WATCH_DO_LIST);
	assert_int_equal(step(WATCH_IN_FULL).action, WATCH_DO_WAIT);
}

/* Watches of its namespaces may have been ahead of the server's cache. */
static void
test_a_watch_that_takes_over_begins_with_the_newest(void **state)
{
	(void)state;
	begin_watching();
	assert_int_equal(step(WATCH_IN_ALONE).action, WATCH_DO_LIST);
	assert_int_equal(f.version, WATCH_VERSION_EMPTY);
	assert_int_equal(step(WATCH_IN_LISTED).action, WATCH_DO_WATCH);
}

static void
test_stop_ends_every_state(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < WATCH_STOPPED; i++) {
		watch_fsm_init(&f, 5000, 60000, 300000);
		f.state = (enum watch_state)i;
		assert_int_equal(step(WATCH_IN_STOP).action, WATCH_DO_END);
		assert_int_equal(f.state, WATCH_STOPPED);
	}
	for (i = 0; i < WATCH_INPUT_MAX; i++)
		assert_int_equal(step((enum watch_input)i).action,
		    WATCH_DO_NOTHING);
}

static void
test_every_state_has_a_word_of_the_contract(void **state)
{
	unsigned i;

	(void)state;
	for (i = 0; i < WATCH_STATE_MAX; i++)
		assert_non_null(watch_words_shown((enum watch_state)i));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_clean_end_watches_again_at_once),
		cmocka_unit_test(
		    test_a_watch_that_ends_at_once_counts_as_a_failure),
		cmocka_unit_test(test_410_lists_at_once_and_does_not_spin),
		cmocka_unit_test(
		    test_an_expired_token_is_one_list_without_pages),
		cmocka_unit_test(test_a_watch_that_missed_an_event_is_listed),
		cmocka_unit_test(
		    test_one_event_and_then_410_does_not_loop_lists),
		cmocka_unit_test(test_a_long_quiet_watch_ends_the_back_off),
		cmocka_unit_test(
		    test_a_watch_refused_at_the_newest_version_does_not_spin),
		cmocka_unit_test(
		    test_a_watch_that_keeps_failing_in_its_body_lists_anew),
		cmocka_unit_test(test_a_version_in_the_future_lists_by_quorum),
		cmocka_unit_test(
		    test_failures_wait_5_s_doubling_to_60_s_and_keep_the_version),
		cmocka_unit_test(
		    test_jitter_is_20_percent_and_never_above_the_maximum),
		cmocka_unit_test(
		    test_the_longest_pause_is_spread_as_the_others_are),
		cmocka_unit_test(test_retry_after_is_honoured),
		cmocka_unit_test(test_a_kind_without_room_stops_for_minutes),
		cmocka_unit_test(
		    test_a_watch_that_takes_over_begins_with_the_newest),
		cmocka_unit_test(test_stop_ends_every_state),
		cmocka_unit_test(test_every_state_has_a_word_of_the_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
