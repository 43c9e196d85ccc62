/* watch_fsm: what a server refuses, and whether it was the server. */
#include "tests/unit/watch_fsm_fixture.h"

static void
test_one_event_and_then_401_does_not_loop_watches(void **state)
{
	(void)state;
	begin_watching();
	assert_int_equal(step(WATCH_IN_UNAUTHORIZED).action, WATCH_DO_WATCH);
	(void)step(WATCH_IN_ALIVE);
	assert_int_equal(step(WATCH_IN_UNAUTHORIZED).action, WATCH_DO_WAIT);
	assert_int_equal(step(WATCH_IN_TIMER).action, WATCH_DO_WATCH);
	assert_int_equal(calm(WATCH_IN_UNAUTHORIZED).action, WATCH_DO_WATCH);
}

static void
test_401_is_tried_again_once_at_once(void **state)
{
	(void)state;
	begin_watching();
	assert_int_equal(step(WATCH_IN_UNAUTHORIZED).action, WATCH_DO_WATCH);
	assert_int_equal(step(WATCH_IN_UNAUTHORIZED).action, WATCH_DO_WAIT);
	assert_int_equal(f.state, WATCH_WAIT_WATCH);
}

/* 403, and the server's own rules say so. */
static struct watch_step
forbidden(void)
{
	assert_int_equal(step(WATCH_IN_FORBIDDEN).action, WATCH_DO_REVIEW);
	return step(WATCH_IN_DENIED);
}

/* k8s-watch.md A 22: what no rule forbids, something on the way does. */
static void
test_403_that_no_rule_gave_is_a_failure_and_lists_less_and_less(void **state)
{
	int64_t least = 5000;
	unsigned i;

	(void)state;
	begin_watching();
	for (i = 0; i < 10; i++) {
		assert_int_equal(step(WATCH_IN_FORBIDDEN).action,
		    WATCH_DO_REVIEW);
		assert_in_range(step(WATCH_IN_ALLOWED).delay_ms, least,
		    2 * least);
		assert_string_equal(watch_words_shown(f.state), "backoff");
		least = least * 2 < 300000 ? least * 2 : 300000;
		assert_int_equal(step(WATCH_IN_TIMER).action, WATCH_DO_LIST);
	}
}

static void
test_a_review_without_answer_leaves_it_forbidden(void **state)
{
	static const enum watch_input inputs[] = { WATCH_IN_FAILED,
		WATCH_IN_STALE };
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		begin_watching();
		(void)step(WATCH_IN_FORBIDDEN);
		(void)step(inputs[i]);
		assert_int_equal(f.state, WATCH_FORBIDDEN);
	}
}

static void
test_403_and_404_are_said_and_asked_again(void **state)
{
	struct watch_step s;

	(void)state;
	begin_watching();
	s = forbidden();
	assert_int_equal(s.action, WATCH_DO_WAIT);
	assert_in_range(s.delay_ms, 5000, 10000);
	assert_string_equal(watch_words_shown(f.state), "forbidden");
	assert_int_equal(step(WATCH_IN_TIMER).action, WATCH_DO_LIST);
	/* Anything on the way may say 404: the server's discovery decides. */
	assert_int_equal(step(WATCH_IN_NOT_FOUND).action, WATCH_DO_DISCOVER);
	s = step(WATCH_IN_SERVED);
	assert_int_equal(s.action, WATCH_DO_WAIT);
	assert_string_equal(watch_words_shown(f.state), "backoff");
	assert_int_equal(step(WATCH_IN_TIMER).action, WATCH_DO_LIST);
	(void)step(WATCH_IN_NOT_FOUND);
	s = step(WATCH_IN_UNSERVED);
	assert_in_range(s.delay_ms, 10000, 20000);
	assert_string_equal(watch_words_shown(f.state), "stopped");
	assert_int_equal(step(WATCH_IN_TIMER).action, WATCH_DO_LIST);
}

/* A server that begins denies everything at first; a list that is allowed and
 * a watch that is not must not become a list every few seconds. */
static void
test_403_soon_waits_minutes_until_it_has_been_calm(void **state)
{
	int64_t least = 5000;
	unsigned i;

	(void)state;
	begin_watching();
	for (i = 0; i < 10; i++) {
		assert_in_range(forbidden().delay_ms, least,
		    2 * least);
		least = least * 2 < 300000 ? least * 2 : 300000;
		(void)step(WATCH_IN_TIMER);
		(void)step(WATCH_IN_LISTED);
	}
	assert_int_equal(least, 300000);
	(void)calm(WATCH_IN_ALIVE);
	assert_in_range(forbidden().delay_ms, 5000, 10000);
}

/* What was seen before must not be seen older. */
static void
test_a_list_after_403_is_not_older_than_what_was_seen(void **state)
{
	(void)state;
	begin_watching();
	(void)forbidden();
	assert_int_equal(step(WATCH_IN_TIMER).action, WATCH_DO_LIST);
	assert_int_equal(f.version, WATCH_VERSION_LAST);
	/* Nor the last one that was asked for, if that lay in the future. */
	(void)step(WATCH_IN_TOO_LARGE);
	(void)forbidden();
	(void)step(WATCH_IN_TIMER);
	assert_int_equal(f.version, WATCH_VERSION_EMPTY);
	/* Nothing was seen yet: the server's cache will do. */
	watch_fsm_init(&f, 5000, 60000, 300000);
	(void)step(WATCH_IN_START);
	(void)forbidden();
	(void)step(WATCH_IN_TIMER);
	assert_int_equal(f.version, WATCH_VERSION_ZERO);
}

static void
test_a_discovery_that_fails_is_no_proof(void **state)
{
	static const enum watch_input inputs[] = { WATCH_IN_FAILED,
		WATCH_IN_STALE, WATCH_IN_FORBIDDEN, WATCH_IN_NOT_FOUND,
		WATCH_IN_UNAUTHORIZED };
	size_t i;

	(void)state;
	for (i = 0; i < 5; i++) {
		begin_watching();
		(void)step(WATCH_IN_NOT_FOUND);
		assert_int_equal(step(inputs[i]).action, WATCH_DO_WAIT);
		assert_int_equal(f.state, WATCH_WAIT_LIST);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_one_event_and_then_401_does_not_loop_watches),
		cmocka_unit_test(test_401_is_tried_again_once_at_once),
		cmocka_unit_test(test_403_and_404_are_said_and_asked_again),
		cmocka_unit_test(
		    test_403_that_no_rule_gave_is_a_failure_and_lists_less_and_less),
		cmocka_unit_test(
		    test_a_review_without_answer_leaves_it_forbidden),
		cmocka_unit_test(
		    test_403_soon_waits_minutes_until_it_has_been_calm),
		cmocka_unit_test(test_a_discovery_that_fails_is_no_proof),
		cmocka_unit_test(
		    test_a_list_after_403_is_not_older_than_what_was_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
