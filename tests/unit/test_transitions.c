/* transitions: what of a group may be appended, on where its machines stand. */
#include "gateway/transitions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"

#define FRAME "\"data\":{\"previous_state\":null}}"

static struct item items[4];
static struct event_state states[4];

static void
job(size_t i, const char *key, enum lifecycle_state state, uint32_t attempt)
{
	items[i] = (struct item){ .flags = ITEM_LIFECYCLE,
		.state = (uint8_t)state, .attempt = attempt,
		.tenant = slice_str("-"), .key = slice_str(key),
		.event_type = slice_str("job.state_changed"),
		.frame = slice_str(FRAME), .data_off = 7 };
	if (lifecycle_final(LIFECYCLE_OF_JOB, state))
		items[i].flags |= ITEM_TERMINAL;
	memset(items[i].body, (int)(state + 20 * attempt), EVENT_HASH_SIZE);
	states[i] = (struct event_state){ .machine = LIFECYCLE_OF_JOB,
		.hole = (uint32_t)(strstr(FRAME, "null") - FRAME) };
}

static void
line(size_t i, const char *key, uint16_t flags)
{
	job(i, key, LIFECYCLE_NONE, 0);
	items[i].flags = flags;
	states[i] = (struct event_state){ .machine = LIFECYCLE_OF_NOTHING };
}

static struct transitions_now
at(uint64_t number, enum lifecycle_state state, uint32_t attempt)
{
	struct transitions_now now = { .position = { 5, number },
		.point = { .state = state, .attempt = attempt } };

	memset(now.point.body, (int)(state + 20 * attempt), EVENT_HASH_SIZE);
	return now;
}

static void
test_a_batch_is_judged_in_its_order_under_one_guard(void **state UNUSED)
{
	struct transitions_now now = at(9, LIFECYCLE_QUEUED, 1);
	const struct item *group;
	struct transitions *t;

	job(0, "job:a", LIFECYCLE_LEASED, 1);
	line(1, "job:a", 0);
	job(2, "job:a", LIFECYCLE_RUNNING, 1);
	job(3, "job:b", LIFECYCLE_RUNNING, 7);
	assert_true(transitions_in(items, 4));
	assert_false(transitions_in(&items[1], 1));
	t = transitions_new(items, states, 4);
	assert_int_equal(transitions_machines(t), 2);
	transitions_know(t, 0, &now);
	assert_int_equal(transitions_judge(t), TRANSITIONS_GO);
	assert_int_equal(transitions_group(t, &group), 4);
	assert_int_equal(group[0].guard.number, 9);
	assert_int_equal(group[2].guard.number, 9);
	assert_int_equal(group[1].flags, 0);
	assert_int_equal(group[3].guard.number, 0);
	assert_int_equal(group[3].flags, ITEM_LIFECYCLE | ITEM_GUARDED);
	assert_true(slice_is(group[0].frame,
	    "\"data\":{\"previous_state\":\"queued\"}}"));
	assert_true(slice_is(group[2].frame,
	    "\"data\":{\"previous_state\":\"leased\"}}"));
	assert_true(slice_is(group[3].frame, FRAME));
	assert_int_equal(transitions_machine_of(t, 3), 1);
	assert_int_equal(transitions_machine_of(t, 1), SIZE_MAX);
	transitions_appended(t, (struct position){ 5, 20 });
	assert_int_equal(transitions_now(t, 0)->position.number, 22);
	assert_int_equal(transitions_now(t, 0)->point.state,
	    LIFECYCLE_RUNNING);
	transitions_free(t);
}

static void
test_repeats_are_left_out_and_what_is_illegal_refuses_all(
    void **state UNUSED)
{
	struct transitions_now a = at(9, LIFECYCLE_LEASED, 1);
	struct transitions_now found;
	struct position first, last;
	enum lifecycle_verdict verdict;
	const struct item *group;
	struct transitions *t;

	job(0, "job:a", LIFECYCLE_LEASED, 1);
	job(1, "job:b", LIFECYCLE_QUEUED, 1);
	t = transitions_new(items, states, 2);
	transitions_know(t, 0, &a);
	assert_int_equal(transitions_judge(t), TRANSITIONS_GO);
	assert_int_equal(transitions_group(t, &group), 1);
	assert_true(slice_is(group[0].key, "job:b"));
	assert_int_equal(transitions_index(t, 0), 1);
	assert_int_equal(transitions_repeats(t, &first, &last), 1);
	assert_int_equal(first.number, 9);
	a = at(11, LIFECYCLE_RUNNING, 2);
	transitions_know(t, 1, &a);
	assert_int_equal(transitions_judge(t), TRANSITIONS_REFUSED);
	assert_int_equal(transitions_refused(t, &verdict, &found), 1);
	assert_int_equal(verdict, LIFECYCLE_BAD_ATTEMPT);
	assert_int_equal(found.point.attempt, 2);
	/* Only their keys could answer: no guard of it ever holds. */
	assert_int_equal(transitions_group(t, &group), 2);
	for (size_t i = 0; i < 2; i++)
		assert_true(position_eq(group[i].guard, ITEM_GUARD_NEVER));
	transitions_free(t);
	t = transitions_new(items, states, 1);
	a = at(9, LIFECYCLE_LEASED, 1);
	transitions_know(t, 0, &a);
	assert_int_equal(transitions_judge(t), TRANSITIONS_REPEATED);
	transitions_free(t);
}

static void
test_an_end_inside_a_batch_ends_the_rest_of_it(void **state UNUSED)
{
	static const struct {
		uint8_t				open;
		uint16_t			flags;
		enum transitions_verdict	verdict;
	} cases[] = {
		{ 0, 0, TRANSITIONS_REFUSED },
		{ LIFECYCLE_LOGS_OPEN, 0, TRANSITIONS_GO },
		{ LIFECYCLE_LOGS_OPEN, ITEM_LAST, TRANSITIONS_REFUSED },
		{ LIFECYCLE_LOGS_OPEN, ITEM_PART, TRANSITIONS_REFUSED },
	};

	for (size_t i = 0; i < NELEM(cases); i++) {
		enum lifecycle_verdict verdict;
		struct transitions_now now;
		struct transitions *t;

		job(0, "job:a", LIFECYCLE_FAILED, 1);
		items[0].state |= cases[i].open;
		line(1, "job:a", (uint16_t)(cases[i].flags & ~ITEM_PART));
		line(2, "job:a", cases[i].flags & ITEM_PART);
		if (cases[i].flags == ITEM_PART) {
			items[2].state = LIFECYCLE_PENDING;
			states[2].machine = LIFECYCLE_OF_STEP;
		}
		line(3, "job:b", 0);
		t = transitions_new(items, states, 4);
		assert_int_equal(transitions_judge(t), cases[i].verdict);
		if (cases[i].verdict == TRANSITIONS_REFUSED) {
			assert_int_equal(transitions_refused(t, &verdict,
			    &now), i == 0 ? 1 : 2);
			assert_int_equal(verdict, LIFECYCLE_ENDED);
		}
		transitions_free(t);
	}
}

static void
test_steps_end_with_their_stream_but_for_the_latest_again(
    void **state UNUSED)
{
	struct transitions_now now = at(4, LIFECYCLE_PENDING, 1);
	struct item question;
	struct transitions *t;

	job(0, "pack-run:a", LIFECYCLE_PENDING, 1);
	items[0].flags = ITEM_PART;
	memset(items[0].part, 3, EVENT_HASH_SIZE);
	states[0].machine = LIFECYCLE_OF_STEP;
	now.stream_over = true;
	t = transitions_new(items, states, 1);
	question = transitions_question(t, 0);
	assert_int_equal(question.flags, ITEM_PART | ITEM_GUARDED);
	assert_memory_equal(question.part, items[0].part, EVENT_HASH_SIZE);
	assert_true(position_eq(question.guard, ITEM_GUARD_NEVER));
	transitions_know(t, 0, &now);
	assert_int_equal(transitions_judge(t), TRANSITIONS_REPEATED);
	now.point.body[0]++;
	transitions_know(t, 0, &now);
	assert_int_equal(transitions_judge(t), TRANSITIONS_REFUSED);
	transitions_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_batch_is_judged_in_its_order_under_one_guard),
		cmocka_unit_test(
		    test_repeats_are_left_out_and_what_is_illegal_refuses_all),
		cmocka_unit_test(
		    test_an_end_inside_a_batch_ends_the_rest_of_it),
		cmocka_unit_test(
		    test_steps_end_with_their_stream_but_for_the_latest_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
