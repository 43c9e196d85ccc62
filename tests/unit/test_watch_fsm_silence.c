/* watch_fsm: lists by watch, and servers that fall silent. */
#include "tests/unit/watch_fsm_fixture.h"

static void
begin_streaming(void)
{
	watch_fsm_init(&f, 5000, 60000, 300000);
	f.streams = true;
	assert_int_equal(step(WATCH_IN_START).action, WATCH_DO_STREAM);
	assert_string_equal(watch_words_shown(f.state), "syncing");
}

static void
test_a_list_by_watch_goes_on_as_the_watch(void **state)
{
	(void)state;
	begin_streaming();
	assert_int_equal(step(WATCH_IN_LISTED).action, WATCH_DO_FOLLOW);
	assert_int_equal(f.state, WATCH_WATCHING);
	(void)step(WATCH_IN_ALIVE);
	/* What it was at is gone: the newest, again by watch. */
	assert_int_equal(step(WATCH_IN_EXPIRED).action, WATCH_DO_STREAM);
	assert_int_equal(step(WATCH_IN_FAILED).action, WATCH_DO_WAIT);
	assert_int_equal(step(WATCH_IN_TIMER).action, WATCH_DO_STREAM);
}

static void
test_a_server_that_cannot_list_by_watch_is_listed_at_once(void **state)
{
	static const enum watch_input inputs[] = { WATCH_IN_UNSUPPORTED,
		WATCH_IN_ENDED, WATCH_IN_EXPIRED, WATCH_IN_TOO_LARGE };
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		begin_streaming();
		assert_int_equal(step(inputs[i]).action, WATCH_DO_LIST);
		assert_false(f.streams);
		assert_int_equal(f.state, WATCH_LISTING);
	}
}

/* The decision holds for the whole cluster, and for good. */
static void
test_a_mere_disconnect_does_not_end_lists_by_watch(void **state)
{
	struct watch_facts cut = { .cut = true, .random = 200 };
	unsigned i;

	(void)state;
	begin_streaming();
	for (i = 1; i < WATCH_FSM_SAME_MAX; i++) {
		assert_int_equal(watch_fsm_step(&f, WATCH_IN_FAILED,
		    &cut).action, WATCH_DO_WAIT);
		assert_true(f.streams);
		assert_int_equal(step(WATCH_IN_TIMER).action,
		    WATCH_DO_STREAM);
	}
	/* A proxy that always cuts it leaves no other way. */
	assert_int_equal(watch_fsm_step(&f, WATCH_IN_FAILED, &cut).action,
	    WATCH_DO_WAIT);
	assert_false(f.streams);
	assert_int_equal(step(WATCH_IN_TIMER).action, WATCH_DO_LIST);
}

static void
test_a_silent_list_is_asked_again_on_a_new_connection(void **state)
{
	struct watch_step s;

	(void)state;
	watch_fsm_init(&f, 5000, 60000, 300000);
	(void)step(WATCH_IN_START);
	s = step(WATCH_IN_STALE);
	assert_int_equal(s.action, WATCH_DO_WAIT);
	assert_true(s.fresh_connection);
}

static void
test_a_stale_watch_is_probed_on_a_new_connection(void **state)
{
	struct watch_step s;

	(void)state;
	begin_watching();
	s = step(WATCH_IN_STALE);
	assert_int_equal(s.action, WATCH_DO_PROBE);
	assert_true(s.fresh_connection);
	assert_string_equal(watch_words_shown(f.state), "watching");
	/* The version is still one: the same watch again. */
	assert_int_equal(step(WATCH_IN_CURRENT).action, WATCH_DO_WATCH);
	/* It lies in the future: everything anew. */
	(void)step(WATCH_IN_STALE);
	assert_int_equal(step(WATCH_IN_TOO_LARGE).action, WATCH_DO_LIST);
	assert_int_equal(f.version, WATCH_VERSION_EMPTY);
}

static void
test_a_probe_without_answer_waits_and_watches_anew(void **state)
{
	struct watch_step s;

	(void)state;
	begin_watching();
	(void)step(WATCH_IN_STALE);
	s = step(WATCH_IN_STALE);
	assert_int_equal(s.action, WATCH_DO_WAIT);
	assert_true(s.fresh_connection);
	assert_int_equal(step(WATCH_IN_TIMER).action, WATCH_DO_WATCH);
	(void)step(WATCH_IN_STALE);
	assert_int_equal(step(WATCH_IN_FAILED).action, WATCH_DO_WAIT);
	assert_int_equal(step(WATCH_IN_TIMER).action, WATCH_DO_WATCH);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_list_by_watch_goes_on_as_the_watch),
		cmocka_unit_test(
		    test_a_server_that_cannot_list_by_watch_is_listed_at_once),
		cmocka_unit_test(
		    test_a_mere_disconnect_does_not_end_lists_by_watch),
		cmocka_unit_test(
		    test_a_silent_list_is_asked_again_on_a_new_connection),
		cmocka_unit_test(
		    test_a_stale_watch_is_probed_on_a_new_connection),
		cmocka_unit_test(
		    test_a_probe_without_answer_waits_and_watches_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
