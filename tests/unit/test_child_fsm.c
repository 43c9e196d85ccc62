/* The table of a child's life: every cell, and the properties that hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "supervisor/child_fsm.h"

#define STEP(s, e) child_fsm_step(CHILD_##s, CHILD_EV_##e)

static void
test_every_cell_is_filled_and_named(void **unused UNUSED)
{
	for (int s = 0; s < CHILD_STATE_MAX; s++)
		for (int e = 0; e < CHILD_EVENT_MAX; e++) {
			struct child_step step = child_fsm_step(
			    (enum child_state)s, (enum child_event)e);

			assert_true(step.next < CHILD_STATE_MAX);
			assert_true(step.action < CHILD_ACTION_MAX);
			/* An empty cell would read "to stopped, nothing". */
			if (s != CHILD_STOPPED)
				assert_false(step.next == CHILD_STOPPED &&
				    step.action == CHILD_DO_NOTHING);
			/* Whoever changes, does something. */
			if ((int)step.next != s)
				assert_int_not_equal(step.action,
				    CHILD_DO_NOTHING);
		}
	for (int s = 0; s < CHILD_STATE_MAX; s++)
		assert_non_null(child_state_name((enum child_state)s));
	for (int e = 0; e < CHILD_EVENT_MAX; e++)
		assert_non_null(child_event_name((enum child_event)e));
	for (int a = 0; a < CHILD_ACTION_MAX; a++)
		assert_non_null(child_action_name((enum child_action)a));
}

/* A process may run in these only: nothing may be spawned beside it. */
static int
runs(int s)
{
	return s == CHILD_STARTING || s == CHILD_READY ||
	    s == CHILD_STOPPING || s == CHILD_HUNG || s == CHILD_KILLED;
}

static void
test_a_second_process_is_never_spawned_beside_a_running_one(void **u UNUSED)
{
	for (int s = 0; s < CHILD_STATE_MAX; s++)
		for (int e = 0; e < CHILD_EVENT_MAX; e++) {
			struct child_step step = child_fsm_step(
			    (enum child_state)s, (enum child_event)e);

			if (step.action == CHILD_DO_SPAWN) {
				assert_false(runs(s));
				assert_int_equal(step.next, CHILD_STARTING);
			}
			/* Only an exit leads from running to not running. */
			if (runs(s) && !runs((int)step.next))
				assert_true(e == CHILD_EV_EXIT ||
				    e == CHILD_EV_DEATH ||
				    e == CHILD_EV_CIRCUIT);
		}
}

static void
test_every_exit_leaves_the_running_states(void **unused UNUSED)
{
	static const enum child_event exits[] = { CHILD_EV_EXIT,
		CHILD_EV_DEATH, CHILD_EV_CIRCUIT };

	for (int s = 0; s < CHILD_STATE_MAX; s++)
		for (size_t i = 0; i < NELEM(exits); i++)
			assert_false(runs((int)child_fsm_step(
			    (enum child_state)s, exits[i]).next));
}

static void
test_a_silent_child_is_aborted_then_killed(void **unused UNUSED)
{
	assert_int_equal(STEP(READY, HUNG).next, CHILD_HUNG);
	assert_int_equal(STEP(READY, HUNG).action, CHILD_DO_ABORT);
	assert_int_equal(STEP(HUNG, TIMEOUT).action, CHILD_DO_KILL);
	assert_int_equal(STEP(KILLED, TIMEOUT).action, CHILD_DO_KILL);
	assert_int_equal(STEP(KILLED, DEATH).action, CHILD_DO_DELAY);
	assert_int_equal(STEP(STARTING, TIMEOUT).action, CHILD_DO_ABORT);
}

static void
test_a_failed_child_is_tried_again_by_time_or_by_command(void **u UNUSED)
{
	assert_int_equal(STEP(READY, CIRCUIT).next, CHILD_FAILED);
	assert_int_equal(STEP(FAILED, TIMEOUT).action, CHILD_DO_SPAWN);
	assert_int_equal(STEP(FAILED, RESTART).action, CHILD_DO_SPAWN);
	assert_int_equal(STEP(FAILED, UP).next, CHILD_FAILED);
	assert_int_equal(STEP(BACKOFF, UP).next, CHILD_BACKOFF);
}

static void
test_whoever_is_not_wanted_comes_to_rest(void **unused UNUSED)
{
	assert_int_equal(STEP(READY, DOWN).action, CHILD_DO_STOP);
	assert_int_equal(STEP(STARTING, DOWN).action, CHILD_DO_STOP);
	assert_int_equal(STEP(BACKOFF, DOWN).next, CHILD_STOPPED);
	assert_int_equal(STEP(FAILED, DOWN).next, CHILD_STOPPED);
	assert_int_equal(STEP(STOPPING, TIMEOUT).action, CHILD_DO_KILL);
	assert_int_equal(STEP(STOPPING, DEATH).next, CHILD_STOPPED);
}

static void
test_the_drawing_holds_every_state(void **unused UNUSED)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	child_fsm_dot(f);
	(void)fclose(f);
	for (int s = 0; s < CHILD_STATE_MAX; s++)
		assert_non_null(strstr(text,
		    child_state_name((enum child_state)s)));
	assert_non_null(strstr(text, "digraph"));
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_cell_is_filled_and_named),
		cmocka_unit_test(
		    test_a_second_process_is_never_spawned_beside_a_running_one),
		cmocka_unit_test(test_every_exit_leaves_the_running_states),
		cmocka_unit_test(test_a_silent_child_is_aborted_then_killed),
		cmocka_unit_test(
		    test_a_failed_child_is_tried_again_by_time_or_by_command),
		cmocka_unit_test(test_whoever_is_not_wanted_comes_to_rest),
		cmocka_unit_test(test_the_drawing_holds_every_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
