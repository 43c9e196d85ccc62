#include "tests/unit/store_fixture.h"

#include "store/backlog.h"

/* Room for two records of ten bytes. */
#define ROOM (2 * (sizeof(struct work) + 10))

static struct backlog backlog;

static int
setup(void **state UNUSED)
{
	backlog_init(&backlog, ROOM);
	return 0;
}

static int
teardown(void **state UNUSED)
{
	backlog_clear(&backlog);
	return backlog.bytes == 0 && backlog.runs == 0 ? 0 : -1;
}

static struct position
at(uint64_t number)
{
	return (struct position){ FIXTURE_EPOCH, number };
}

static void
record(uint64_t number)
{
	backlog_push(&backlog, WORK_RECORD, "0123456789", 10, at(number));
}

static void
gap(uint32_t epoch, uint64_t number)
{
	backlog_push(&backlog, WORK_GAP, NULL, 0,
	    (struct position){ epoch, number });
}

/* What waits, as a line: R1 is a record, J3 a run of the journal. */
static void
check(const char *want)
{
	static const char letters[] = "RAGJ";
	const struct work *work;
	char text[256] = "";
	size_t n;

	for (work = TAILQ_FIRST(&backlog.queue); work != NULL;
	    work = TAILQ_NEXT(work, link)) {
		n = strlen(text);
		(void)snprintf(text + n, sizeof(text) - n, "%s%c%llu",
		    n > 0 ? " " : "", letters[work->kind],
		    (unsigned long long)work->through.number);
	}
	assert_string_equal(text, want);
}

static void
take_and_settle(size_t most, size_t done)
{
	struct works batch = TAILQ_HEAD_INITIALIZER(batch);

	backlog_take(&backlog, &batch, most);
	backlog_settle(&backlog, &batch, done);
}

static void
test_what_is_pushed_comes_out_in_order(void **state UNUSED)
{
	record(1);
	backlog_push(&backlog, WORK_AT, NULL, 0, at(5));
	check("R1 A5");
	take_and_settle(9, 0);
	check("R1 A5");
	take_and_settle(9, 1);
	check("A5");
	take_and_settle(9, 1);
	assert_true(backlog_empty(&backlog));
}

static void
test_what_does_not_fit_becomes_one_run_of_the_journal(void **state UNUSED)
{
	record(1);
	record(2);
	record(3);
	record(4);
	check("R1 R2 J4");
	assert_int_equal(backlog.runs, 1);
	assert_true(backlog.bytes <= ROOM + sizeof(struct work));
}

static void
test_a_run_goes_on_while_there_is_room_again_in_front(void **state UNUSED)
{
	record(1);
	record(2);
	record(3);
	take_and_settle(9, 2);
	record(4);
	check("J4");
}

static void
test_works_that_are_taken_out_still_count(void **state UNUSED)
{
	struct works batch = TAILQ_HEAD_INITIALIZER(batch);

	record(1);
	record(2);
	backlog_take(&backlog, &batch, 9);
	record(3);
	check("J3");
	backlog_settle(&backlog, &batch, 1);
	check("R2 J3");
}

static void
test_a_batch_ends_where_the_journal_is_to_be_read(void **state UNUSED)
{
	record(1);
	record(2);
	record(3);
	gap(FIXTURE_EPOCH, 7);
	assert_null(backlog_journal(&backlog));
	take_and_settle(9, 2);
	check("J3 G7");
	assert_int_equal(backlog_journal(&backlog)->through.number, 3);
	take_and_settle(9, 0);
	check("J3 G7");
}

static void
test_a_run_that_was_moved_further_is_not_ended(void **state UNUSED)
{
	record(1);
	record(2);
	record(3);
	take_and_settle(9, 2);
	record(4);
	backlog_journal_end(&backlog, at(3));
	check("J4");
	backlog_journal_end(&backlog, (struct position){ 7, 4 });
	check("J4");
	backlog_journal_end(&backlog, at(4));
	assert_true(backlog_empty(&backlog));
	record(5);
	check("R5");
}

static void
test_a_gap_keeps_its_place_between_two_runs(void **state UNUSED)
{
	record(8);
	record(9);
	record(10);
	gap(7, 0);
	record(1);
	record(2);
	check("R8 R9 J10 G0 J2");
	take_and_settle(9, 2);
	assert_true(backlog_journal_final(&backlog));
	backlog_journal_end(&backlog, at(10));
	assert_null(backlog_journal(&backlog));
	take_and_settle(1, 1);
	assert_false(backlog_journal_final(&backlog));
	check("J2");
}

static void
test_boundaries_that_follow_each_other_become_one(void **state UNUSED)
{
	backlog_push(&backlog, WORK_AT, NULL, 0, at(1));
	gap(FIXTURE_EPOCH, 2);
	check("G2");
	backlog_push(&backlog, WORK_AT, NULL, 0, at(3));
	gap(FIXTURE_EPOCH, 4);
	check("G4");
}

static void
test_gaps_without_end_take_bounded_room(void **state UNUSED)
{
	size_t bytes;
	uint64_t i;

	record(1);
	record(2);
	for (i = 3; i < 3 + 2 * BACKLOG_RUNS_MAX; i++) {
		record(i);
		gap(FIXTURE_EPOCH, i);
	}
	bytes = backlog.bytes;
	for (; i < 10000; i++) {
		record(i);
		gap(FIXTURE_EPOCH, i);
	}
	assert_int_equal(backlog.bytes, bytes);
	assert_int_equal(backlog.runs, BACKLOG_RUNS_MAX);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_pushed_comes_out_in_order),
		TEST(test_what_does_not_fit_becomes_one_run_of_the_journal),
		TEST(test_a_run_goes_on_while_there_is_room_again_in_front),
		TEST(test_works_that_are_taken_out_still_count),
		TEST(test_a_batch_ends_where_the_journal_is_to_be_read),
		TEST(test_a_run_that_was_moved_further_is_not_ended),
		TEST(test_a_gap_keeps_its_place_between_two_runs),
		TEST(test_boundaries_that_follow_each_other_become_one),
		TEST(test_gaps_without_end_take_bounded_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
