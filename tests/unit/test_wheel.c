/* wheel: deadlines are kept within a tick, whatever its callbacks and the clock
 * do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "gateway/wheel.h"

#define IDS     8u
#define SPAN_MS ((int64_t)WHEEL_SLOTS * WHEEL_TICK_MS)

static const int64_t start = INT64_C(1234567);

/* A wheel, what it called, and what its callback does then. */
struct bed {
	struct wheel	*wheel;
	unsigned int	 calls[IDS];
	void		(*act)(struct bed *b, uint32_t id);
	int64_t		 now;
	int64_t		 due;
};

static void
wheel_cb(uint32_t id, void *arg)
{
	struct bed *b = arg;

	assert_true(id < IDS);
	b->calls[id]++;
	if (b->act != NULL)
		b->act(b, id);
}

static void
advance(struct bed *b, int64_t now)
{
	b->now = now;
	wheel_advance(b->wheel, now, wheel_cb, b);
}

static struct bed
bed_new(void)
{
	return (struct bed){ .wheel = wheel_new(IDS, start), .now = start };
}

static unsigned int
calls(const struct bed *b)
{
	unsigned int n = 0;

	for (size_t i = 0; i < IDS; i++)
		n += b->calls[i];
	return n;
}

/* --- when ----------------------------------------------------------------- */

static void
test_a_deadline_is_kept_within_a_tick_and_never_before_it(void **state UNUSED)
{
	/* Every place in a tick, over all of the span but its last tick. */
	for (int64_t after = 1; after < SPAN_MS - 2 * WHEEL_TICK_MS;
	    after += 37) {
		struct bed b = bed_new();

		wheel_set(b.wheel, 3, start + after);
		advance(&b, start + after - 1);
		assert_int_equal(calls(&b), 0);
		advance(&b, start + after + WHEEL_TICK_MS);
		assert_int_equal(b.calls[3], 1);
		advance(&b, start + 3 * SPAN_MS);
		assert_int_equal(calls(&b), 1);
		wheel_free(b.wheel);
	}
}

static void
test_a_deadline_that_has_passed_comes_with_the_next_tick(void **state UNUSED)
{
	struct bed b = bed_new();

	wheel_set(b.wheel, 0, 0);
	wheel_set(b.wheel, 1, start);
	advance(&b, start + WHEEL_TICK_MS);
	assert_int_equal(b.calls[0], 1);
	assert_int_equal(b.calls[1], 1);
	wheel_free(b.wheel);
}

/* A connection sets its deadline again when it is looked at too early. */
static void
until_due(struct bed *b, uint32_t id)
{
	if (b->now < b->due)
		wheel_set(b->wheel, id, b->due);
}

static void
test_beyond_its_span_a_wheel_looks_early_and_then_in_time(void **state UNUSED)
{
	struct bed b = bed_new();
	int64_t now = start;

	b.due = start + 5 * SPAN_MS + 17;
	b.act = until_due;
	wheel_set(b.wheel, 7, b.due);
	while (now < b.due - WHEEL_TICK_MS)
		advance(&b, now += WHEEL_TICK_MS);
	/* Once a turn, not with every tick. */
	assert_in_range(b.calls[7], 5, 6);
	b.calls[7] = 0;
	advance(&b, b.due + WHEEL_TICK_MS);
	assert_int_equal(b.calls[7], 1);
	advance(&b, b.due + 2 * SPAN_MS);
	assert_int_equal(b.calls[7], 1);
	wheel_free(b.wheel);
}

/* --- replaced, removed ---------------------------------------------------- */

static void
test_the_latest_deadline_counts_whether_earlier_or_later(void **state UNUSED)
{
	struct bed b = bed_new();

	wheel_set(b.wheel, 1, start + 100);
	wheel_set(b.wheel, 1, start + 1000);
	wheel_set(b.wheel, 2, start + 1000);
	wheel_set(b.wheel, 2, start + 100);
	advance(&b, start + 999);
	assert_int_equal(b.calls[1], 0);
	assert_int_equal(b.calls[2], 1);
	advance(&b, start + 1000 + WHEEL_TICK_MS);
	assert_int_equal(b.calls[1], 1);
	assert_int_equal(b.calls[2], 1);
	wheel_free(b.wheel);
}

static void
test_who_is_removed_is_not_called_and_its_neighbours_are(void **state UNUSED)
{
	/* The first, one in the middle, the last of a slot; one of no slot. */
	for (uint32_t gone = 0; gone < 5; gone++) {
		struct bed b = bed_new();

		for (uint32_t id = 0; id < 4; id++)
			wheel_set(b.wheel, id, start + 500);
		wheel_remove(b.wheel, gone);
		wheel_remove(b.wheel, gone);
		advance(&b, start + 500 + WHEEL_TICK_MS);
		for (uint32_t id = 0; id < 4; id++)
			assert_int_equal(b.calls[id], id != gone);
		assert_int_equal(b.calls[4], 0);
		/* The place can be used again. */
		wheel_set(b.wheel, gone, start + 1000);
		advance(&b, start + 1000 + WHEEL_TICK_MS);
		assert_int_equal(b.calls[gone], 1);
		wheel_free(b.wheel);
	}
}

/* --- in the callback ------------------------------------------------------ */

/* 0 wants to be called at once, again and again; and ends 1, which is in its
 * slot, while 2 is set. */
static void
meddle(struct bed *b, uint32_t id)
{
	if (id != 0)
		return;
	wheel_set(b->wheel, 0, b->now);
	wheel_remove(b->wheel, 1);
	wheel_set(b->wheel, 2, b->now + 200);
}

static void
test_a_callback_sets_and_removes_whom_it_likes(void **state UNUSED)
{
	struct bed b = bed_new();
	int64_t now = start + 500 + WHEEL_TICK_MS;

	b.act = meddle;
	/* Who was set last is called first. */
	wheel_set(b.wheel, 1, start + 500);
	wheel_set(b.wheel, 0, start + 500);
	advance(&b, now);
	/* What is due at once waits for the next tick: a turn ends. */
	assert_in_range(b.calls[0], 1, 2);
	assert_int_equal(b.calls[1], 0);
	b.calls[0] = 0;
	advance(&b, now + WHEEL_TICK_MS);
	assert_int_equal(b.calls[0], 1);
	b.act = NULL;
	advance(&b, now + 2 * SPAN_MS);
	assert_int_equal(b.calls[0], 2);
	assert_int_equal(b.calls[1], 0);
	assert_int_equal(b.calls[2], 1);
	wheel_free(b.wheel);
}

/* --- the clock ------------------------------------------------------------ */

static void
test_after_a_jump_everybody_is_called_once_and_it_goes_on(void **state UNUSED)
{
	static const int64_t jumps[] = { SPAN_MS, SPAN_MS + WHEEL_TICK_MS,
	    1000 * SPAN_MS + 3 };

	for (size_t i = 0; i < NELEM(jumps); i++) {
		struct bed b = bed_new();

		for (uint32_t id = 0; id < IDS; id++)
			wheel_set(b.wheel, id, start + 1 + id * 6000);
		advance(&b, start + jumps[i]);
		for (uint32_t id = 0; id < IDS; id++)
			assert_int_equal(b.calls[id], 1);
		wheel_set(b.wheel, 5, b.now + 300);
		advance(&b, b.now + 299);
		assert_int_equal(b.calls[5], 1);
		advance(&b, b.now + 1 + WHEEL_TICK_MS);
		assert_int_equal(b.calls[5], 2);
		wheel_free(b.wheel);
	}
}

/* Set in the middle of a jump's round: early at most, never lost. */
static void
test_a_deadline_set_in_a_jump_s_round_is_kept(void **state UNUSED)
{
	struct bed b = bed_new();

	b.act = until_due;
	b.due = start + 7 * SPAN_MS + 400;
	for (uint32_t id = 0; id < IDS; id++)
		wheel_set(b.wheel, id, start + 1 + id * 6000);
	advance(&b, start + 7 * SPAN_MS);
	for (uint32_t id = 0; id < IDS; id++)
		assert_in_range(b.calls[id], 1, 2);
	memset(b.calls, 0, sizeof(b.calls));
	advance(&b, b.due - 1);
	memset(b.calls, 0, sizeof(b.calls));
	advance(&b, b.due + WHEEL_TICK_MS);
	for (uint32_t id = 0; id < IDS; id++)
		assert_int_equal(b.calls[id], 1);
	wheel_free(b.wheel);
}

static void
test_a_clock_that_goes_back_calls_nobody_and_loses_nobody(void **state UNUSED)
{
	struct bed b = bed_new();

	wheel_set(b.wheel, 0, start + 500);
	advance(&b, start - 10 * SPAN_MS);
	assert_int_equal(calls(&b), 0);
	advance(&b, start + 499);
	assert_int_equal(calls(&b), 0);
	advance(&b, start + 500 + WHEEL_TICK_MS);
	assert_int_equal(b.calls[0], 1);
	wheel_free(b.wheel);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_deadline_is_kept_within_a_tick_and_never_before_it),
		cmocka_unit_test(
		    test_a_deadline_that_has_passed_comes_with_the_next_tick),
		cmocka_unit_test(
		    test_beyond_its_span_a_wheel_looks_early_and_then_in_time),
		cmocka_unit_test(
		    test_the_latest_deadline_counts_whether_earlier_or_later),
		cmocka_unit_test(
		    test_who_is_removed_is_not_called_and_its_neighbours_are),
		cmocka_unit_test(
		    test_a_callback_sets_and_removes_whom_it_likes),
		cmocka_unit_test(
		    test_after_a_jump_everybody_is_called_once_and_it_goes_on),
		cmocka_unit_test(
		    test_a_deadline_set_in_a_jump_s_round_is_kept),
		cmocka_unit_test(
		    test_a_clock_that_goes_back_calls_nobody_and_loses_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
