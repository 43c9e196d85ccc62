/* publish_unit: what a group of events of state machines comes to, by what the
 * broker answers and when.
 */
#include "gateway/publish_unit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"

#define CALLS 256
#define FRAME "\"data\":{\"previous_state\":null}}"

static struct {
	size_t			 calls;
	bool			 full;
	struct position		 guard[CALLS];   /* of the first item */
	size_t			 count[CALLS];
	publisher_result_cb	 cb[CALLS];
	void			*arg[CALLS];
	size_t			 outcomes;
	struct publish_unit_result outcome[3];
} it;

int
publisher_submit(struct publisher *p UNUSED, const struct item *items,
    size_t count, publisher_result_cb cb, void *arg)
{
	assert_true(it.calls < CALLS);
	if (it.full)
		return -1;
	it.guard[it.calls] = items[0].guard;
	it.count[it.calls] = count;
	it.cb[it.calls] = cb;
	it.arg[it.calls++] = arg;
	return 0;
}

/* Answers the call; `at`: where the machine stands, or what was appended. A
 * guard that is lost, or a conflict of keys, is the last item's. */
static void
answer(size_t call, enum record_code code, uint64_t at,
    enum lifecycle_state state)
{
	static const uint8_t body[EVENT_HASH_SIZE];
	struct publish_result r = { .code = code, .body = body,
		.count = (uint32_t)it.count[call], .state = (uint8_t)state };

	assert_true(call < it.calls);
	if (code == RECORD_GUARD_LOST || code == RECORD_KEY_CONFLICT)
		r.item = r.count - 1;
	if (at != 0)
		r.position = r.last = (struct position){ 5, at };
	if (state != LIFECYCLE_NONE)
		r.attempt = 1;
	it.cb[call](&r, it.arg[call]);
}

static void
outcome_cb(const struct publish_unit_result *result, void *arg UNUSED)
{
	assert_true(it.outcomes < NELEM(it.outcome));
	it.outcome[it.outcomes++] = *result;
}

/* Of one job: 'q' and 'r' are its events, 'Q' and 'R' with a key of their
 * own, '.' is an event of no machine with a key. */
static int
submit(const char *key, const char *what)
{
	struct item items[8];
	struct event_state states[8];
	size_t n = strlen(what);

	assert_true(n <= NELEM(items));
	for (size_t i = 0; i < n; i++) {
		items[i] = (struct item){ .tenant = slice_str("-"),
			.key = slice_str(key),
			.event_type = slice_str("job.state_changed"),
			.frame = slice_str(FRAME), .data_off = 7 };
		states[i] = (struct event_state){
			.machine = LIFECYCLE_OF_JOB };
		if (strchr("QR.", what[i]) != NULL) {
			items[i].flags |= ITEM_IDEMPOTENT;
			memset(items[i].idem, what[i], EVENT_HASH_SIZE);
		}
		if (what[i] == '.')
			continue;
		items[i].flags |= ITEM_LIFECYCLE;
		items[i].attempt = 1;
		items[i].state = what[i] == 'q' || what[i] == 'Q' ?
		    LIFECYCLE_QUEUED : LIFECYCLE_RUNNING;
	}
	return publish_unit_submit(NULL, transitions_new(items, states, n),
	    outcome_cb, NULL);
}

static int
setup(void **state UNUSED)
{
	memset(&it, 0, sizeof(it));
	return 0;
}

static int
teardown(void **state UNUSED)
{
	publish_unit_finish();
	return 0;
}

static void
test_a_group_that_is_legal_is_appended_in_one_round(void **state UNUSED)
{
	assert_int_equal(submit("job:one", "q."), 0);
	answer(0, RECORD_APPENDED, 8, LIFECYCLE_NONE);
	assert_int_equal(it.calls, 1);
	assert_int_equal(it.outcomes, 1);
	assert_int_equal(it.outcome[0].accepted, 2);
	assert_int_equal(it.outcome[0].lost, 0);
}

static void
test_the_same_group_twice_at_once_is_a_repeat_and_no_conflict(
    void **state UNUSED)
{
	/* What this gateway knows of the job is not so any more: both ask, and
	 * both learn that there is nothing, before the first is appended. */
	assert_int_equal(submit("job:twice", "r"), 0);
	answer(0, RECORD_APPENDED, 3, LIFECYCLE_NONE);
	assert_int_equal(submit("job:twice", "q."), 0);
	assert_int_equal(submit("job:twice", "q."), 0);
	answer(1, RECORD_GUARD_LOST, 0, LIFECYCLE_NONE);
	answer(2, RECORD_GUARD_LOST, 0, LIFECYCLE_NONE);
	assert_int_equal(it.count[3], 2);
	answer(3, RECORD_APPENDED, 8, LIFECYCLE_NONE);
	/* Of the second the keyed event is known, the transition has none. */
	answer(4, RECORD_KEY_CONFLICT, 9, LIFECYCLE_NONE);
	assert_int_equal(it.outcomes, 2);
	answer(5, RECORD_GUARD_LOST, 8, LIFECYCLE_QUEUED);
	assert_int_equal(it.count[6], 1);
	answer(6, RECORD_DUPLICATE, 9, LIFECYCLE_NONE);
	assert_int_equal(it.outcomes, 3);
	assert_int_equal(it.outcome[2].code, RECORD_APPENDED);
	assert_int_equal(it.outcome[2].duplicates, 2);
}

static void
test_a_conflict_of_keys_that_stays_one_is_told(void **state UNUSED)
{
	assert_int_equal(submit("job:conflict", "q."), 0);
	answer(0, RECORD_KEY_CONFLICT, 4, LIFECYCLE_NONE);
	answer(1, RECORD_GUARD_LOST, 0, LIFECYCLE_NONE);
	answer(2, RECORD_KEY_CONFLICT, 4, LIFECYCLE_NONE);
	answer(3, RECORD_GUARD_LOST, 0, LIFECYCLE_NONE);
	answer(4, RECORD_KEY_CONFLICT, 4, LIFECYCLE_NONE);
	assert_int_equal(it.calls, 5);
	assert_int_equal(it.outcomes, 1);
	assert_int_equal(it.outcome[0].code, RECORD_KEY_CONFLICT);
	assert_int_equal(it.outcome[0].item, 1);
}

static void
test_an_illegal_event_without_a_key_is_refused_beside_a_known_one(
    void **state UNUSED)
{
	/* Running cannot follow queued. The keyed line is known. */
	assert_int_equal(submit("job:beside", ".r"), 0);
	answer(0, RECORD_GUARD_LOST, 6, LIFECYCLE_QUEUED);
	answer(1, RECORD_KEY_CONFLICT, 4, LIFECYCLE_NONE);
	assert_int_equal(it.calls, 2);
	assert_int_equal(it.outcomes, 1);
	assert_int_equal(it.outcome[0].code, RECORD_GUARD_LOST);
	assert_int_equal(it.outcome[0].verdict, LIFECYCLE_ILLEGAL);
	assert_int_equal(it.outcome[0].item, 1);
	assert_int_equal(it.outcome[0].now.point.state, LIFECYCLE_QUEUED);
}

static void
test_an_illegal_event_whose_key_is_known_stays_a_conflict(void **state UNUSED)
{
	assert_int_equal(submit("job:known", ".R"), 0);
	answer(0, RECORD_GUARD_LOST, 6, LIFECYCLE_QUEUED);
	answer(1, RECORD_KEY_CONFLICT, 4, LIFECYCLE_NONE);
	answer(2, RECORD_GUARD_LOST, 6, LIFECYCLE_QUEUED);
	answer(3, RECORD_KEY_CONFLICT, 4, LIFECYCLE_NONE);
	assert_int_equal(it.outcomes, 1);
	assert_int_equal(it.outcome[0].code, RECORD_KEY_CONFLICT);
}

static void
test_a_full_queue_is_not_told_as_contention(void **state UNUSED)
{
	it.full = true;
	assert_int_equal(submit("job:full", "q"), -1);
	it.full = false;
	assert_int_equal(submit("job:full", "q"), 0);
	it.full = true;
	answer(0, RECORD_GUARD_LOST, 6, LIFECYCLE_PENDING);
	assert_int_equal(it.outcomes, 1);
	assert_true(it.outcome[0].no_room);
	assert_int_equal(it.outcome[0].lost, 1);
}

static void
test_contention_is_told_as_such_with_the_guards_that_were_lost(
    void **state UNUSED)
{
	size_t call = 0;

	assert_int_equal(submit("job:busy", "q"), 0);
	while (it.outcomes == 0) {
		answer(call, RECORD_GUARD_LOST, 6 + call, LIFECYCLE_PENDING);
		call++;
	}
	assert_int_equal(call, PUBLISH_UNIT_TRIES_MAX + 1);
	assert_false(it.outcome[0].no_room);
	assert_int_equal(it.outcome[0].code, RECORD_GUARD_LOST);
	assert_int_equal(it.outcome[0].verdict, LIFECYCLE_ACCEPT);
	assert_int_equal(it.outcome[0].lost, PUBLISH_UNIT_TRIES_MAX + 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_group_that_is_legal_is_appended_in_one_round),
		TEST(
		    test_the_same_group_twice_at_once_is_a_repeat_and_no_conflict),
		TEST(test_a_conflict_of_keys_that_stays_one_is_told),
		TEST(
		    test_an_illegal_event_without_a_key_is_refused_beside_a_known_one),
		TEST(
		    test_an_illegal_event_whose_key_is_known_stays_a_conflict),
		TEST(test_a_full_queue_is_not_told_as_contention),
		TEST(
		    test_contention_is_told_as_such_with_the_guards_that_were_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
