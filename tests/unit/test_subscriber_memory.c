/* The reader of the bus while the journal is in memory, and after it. */
#include "tests/unit/subscriber_fixture.h"

/* Memory that the history could not be told of, and of which the files count to
 * the tenth position from their end. */
static void
memory_is_told(struct seen *s, uint64_t first)
{
	const struct journal_segment header = { MEMORY_EPOCH, first, NOW };
	int fd = segment_make_memory(&header, EVENTS - 9);

	assert_true(fd >= 0);
	subscriber_add_segment(s->sub, first, fd);
}

/* Where memory begins, with nothing in it. */
static const struct position memory_tip = { MEMORY_EPOCH, MEMORY_FIRST - 1 };

static void
hear_of_memory(struct seen *s)
{
	connect_up(s);
	memory_is_told(s, MEMORY_FIRST);
}

/* The broker goes on saying it, for longer than what is over is believed. */
static void
stays_in_memory(struct seen *s)
{
	struct mono end = mono_add_ms(mono_now(), STRANGE_MS + 1000);

	while (mono_before(mono_now(), end)) {
		beat_of(s, memory_tip, HEARTBEAT_MEMORY);
		turn(s, 100);
	}
	await_read(s);
	await(s, &s->gaps, 1);
	assert_int_equal(s->over, 0);
	assert_int_equal(s->events, EVENTS - 10);
	assert_int_equal(s->gaps, 1);
}

/* The journal's last ten were told to nobody: the disk failed there, and
 * memory has them again, in another epoch. */
static void
test_files_are_not_read_until_it_is_known_how_far_they_count(void **state)
{
	struct seen *s = *state;

	connect_up(s);
	for (int i = 0; i < 10; i++)
		beat_of(s, memory_tip, HEARTBEAT_MEMORY);
	await_read(s);
	turn(s, 100);
	assert_int_equal(s->events, 0);
	memory_is_told(s, MEMORY_FIRST);
	await(s, &s->gaps, 1);
	assert_int_equal(s->events, EVENTS - 10);
	assert_int_equal(s->gaps, 1);
	assert_int_equal(s->next, MEMORY_FIRST);
}

/* The broker was started again, on the disk, in the epoch before: the positions
 * that memory took from the files are given to others, in the files. */
static void
test_files_count_again_when_the_life_in_memory_is_over(void **state)
{
	struct seen *s = *state;

	hear_of_memory(s);
	beat_of(s, memory_tip, HEARTBEAT_MEMORY);
	await(s, &s->gaps, 1);
	assert_int_equal(s->events, EVENTS - 10);
	assert_int_equal(s->next, MEMORY_FIRST);
	beat_until(s, EVENTS - 5, &s->gaps, 2);
	/* What it is told and what it lets go of have a clock each. */
	beat_until(s, EVENTS - 5, &s->over, 1);
	await_read(s);
	assert_int_equal(s->gaps, 2);
	assert_int_equal(s->next, EVENTS - 4);
	assert_int_equal(s->over, EVENTS - 5);
	beat_until(s, EVENTS, &s->events, EVENTS - 5);
	assert_int_equal(s->events, EVENTS - 5);
	assert_int_equal(s->gaps, 2);
}

/* The same for who had not come to memory when it was over, though it had heard
 * of an event there: of the files it reads what is announced, and no more. */
static void
test_who_never_read_memory_misses_nothing_when_it_is_over(void **state)
{
	const struct position tip = { MEMORY_EPOCH, MEMORY_FIRST };
	struct seen *s = *state;

	hear_of_memory(s);
	beat_of(s, tip, HEARTBEAT_MEMORY);
	await(s, &s->events, EVENTS - 10);
	beat_until(s, EVENTS - 10, &s->over, 1);
	assert_int_equal(s->events, EVENTS - 10);
	assert_int_equal(s->over, EVENTS - 10);
	beat_until(s, EVENTS - 5, &s->events, EVENTS - 5);
	assert_int_equal(s->events, EVENTS - 5);
	beat_until(s, EVENTS, &s->events, EVENTS);
	assert_int_equal(s->events, EVENTS);
	assert_int_equal(s->gaps, 0);
}

/* What the broker said before its disk failed may come after the segment. */
static void
test_a_late_heartbeat_does_not_end_a_life_in_memory(void **state)
{
	struct seen *s = *state;

	late_beats(state, hear_of_memory, EVENTS - 20, 60);
	await_events(s, EVENTS - 20);
	stays_in_memory(s);
}

/* The supervisor tells of the next segment at once; the bus is read late. */
static void
test_who_is_behind_keeps_the_segments_that_memory_goes_on_in(void **state)
{
	struct seen *s = *state;

	hear_of_memory(s);
	memory_is_told(s, MEMORY_FIRST + 1000);
	stays_in_memory(s);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_files_are_not_read_until_it_is_known_how_far_they_count),
		TEST(test_files_count_again_when_the_life_in_memory_is_over),
		TEST(test_who_never_read_memory_misses_nothing_when_it_is_over),
		TEST(test_a_late_heartbeat_does_not_end_a_life_in_memory),
		TEST(test_who_is_behind_keeps_the_segments_that_memory_goes_on_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
