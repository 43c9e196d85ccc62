/* log_lines and what sequencer does with it: which line of a log is the next,
 * and that no two publishers get the same one. */
#include "broker/log_lines.h"
#include "tests/unit/publish_fixture.h"

static struct item
line(uint32_t group, const char *key, uint32_t attempt, uint64_t line_no)
{
	struct item item = make(group, key, ITEM_LOG | ITEM_LOG_NEXT);

	item.attempt = attempt;
	item.line_no = line_no;
	return item;
}

static void
expect_next(struct bench *b, uint64_t batch, struct item item, uint64_t next)
{
	struct publish_outcome o = hand_over(b, batch, &item, 1);

	if (item.line_no == next && next != 0) {
		assert_int_equal(o.count, 1);
		return;
	}
	assert_int_equal(o.count, 0);
	assert_int_equal(o.list[0].code, RECORD_LOG_OFFSET);
	assert_int_equal(o.list[0].position.epoch, 0);
	assert_int_equal(o.list[0].position.number, next);
}

static void
test_a_line_is_taken_only_behind_the_last(void **state)
{
	struct bench b = bench_new(100, 100);

	(void)state;
	expect_next(&b, 1, line(0, "job:a", 1, 2), 1);
	expect_next(&b, 2, line(0, "job:a", 1, 1), 1);
	expect_next(&b, 3, line(0, "job:a", 1, 1), 2);
	expect_next(&b, 4, line(0, "job:a", 1, 2), 2);
	expect_next(&b, 5, line(0, "job:b", 1, 2), 1);
	bench_free(&b);
}

static void
test_of_two_with_the_same_line_one_is_told_the_next(void **state)
{
	struct bench b = bench_new(100, 100);
	struct publish_outcome o;
	struct item items[4];

	(void)state;
	/* Two gateways' requests in one batch; the pieces of a long line have
	 * one number, and only a request's first line is compared. */
	items[0] = line(0, "job:a", 1, 1);
	items[1] = line(0, "job:a", 1, 1);
	items[1].flags = ITEM_LOG;
	items[2] = line(0, "job:a", 1, 2);
	items[2].flags = ITEM_LOG;
	items[3] = line(1, "job:a", 1, 1);
	o = hand_over(&b, 1, items, 4);
	assert_int_equal(o.count, 3);
	assert_int_equal(o.exceptions, 1);
	assert_int_equal(o.list[0].group, 1);
	assert_int_equal(o.list[0].code, RECORD_LOG_OFFSET);
	assert_int_equal(o.list[0].position.number, 3);
	bench_free(&b);
}

static void
test_each_attempt_counts_for_itself(void **state)
{
	struct bench b = bench_new(100, 100);

	(void)state;
	expect_next(&b, 1, line(0, "job:a", 2, 1), 1);
	expect_next(&b, 2, line(0, "job:a", 2, 2), 2);
	expect_next(&b, 3, line(0, "job:a", 1, 2), 1);
	expect_next(&b, 4, line(0, "job:a", 1, 1), 1);
	expect_next(&b, 5, line(0, "job:a", 3, 1), 1);
	expect_next(&b, 6, line(0, "job:a", 2, 1), 3);
	bench_free(&b);
}

static void
test_lines_that_say_their_number_themselves_count_too(void **state)
{
	struct bench b = bench_new(100, 100);
	struct item item = line(0, "job:a", 1, 41);

	(void)state;
	item.flags = ITEM_LOG;
	assert_int_equal(hand_over(&b, 1, &item, 1).count, 1);
	item.line_no = 7;
	assert_int_equal(hand_over(&b, 2, &item, 1).count, 1);
	expect_next(&b, 3, line(0, "job:a", 1, 8), 42);
	bench_free(&b);
}

static void
test_attempts_too_long_ago_are_not_known(void **state)
{
	struct log_lines l = { .counts = NULL };
	uint32_t head = 0, other = 0, cursor = 0, n = 0;
	uint64_t last;

	(void)state;
	log_lines_note(&l, &other, 9, 1, 5);
	for (uint32_t i = 1; i <= 3 * LOG_LINES_ATTEMPTS_MAX; i++)
		log_lines_note(&l, &head, 4, i, 100 + i);
	for (uint32_t i = 1; i <= 3 * LOG_LINES_ATTEMPTS_MAX; i++) {
		bool known = log_lines_last(&l, head, i, &last);

		assert_int_equal(known, i > 2 * LOG_LINES_ATTEMPTS_MAX);
		if (known)
			assert_int_equal(last, 100 + i);
	}
	/* One that is lower still does not push out one that is known. */
	log_lines_note(&l, &head, 4, 3, 1);
	assert_false(log_lines_last(&l, head, 3, &last));
	assert_true(log_lines_last(&l, head, 2 * LOG_LINES_ATTEMPTS_MAX + 1,
	    &last));
	while (log_lines_next(&l, &cursor) != NULL)
		n++;
	assert_int_equal(n, LOG_LINES_ATTEMPTS_MAX + 1);
	log_lines_forget(&l, &head);
	assert_int_equal(head, 0);
	assert_true(log_lines_last(&l, head, 3, &last));
	assert_int_equal(last, 0);
	assert_true(log_lines_last(&l, other, 1, &last));
	assert_int_equal(last, 5);
	/* Places are used again. */
	n = l.used;
	log_lines_note(&l, &head, 4, 1, 1);
	assert_int_equal(l.used, n);
	log_lines_clear(&l);
}

static void
test_a_stream_that_is_forgotten_begins_again_at_one(void **state)
{
	struct bench b = bench_new(100, 100);
	struct item end = make(0, "job:a", ITEM_LIFECYCLE | ITEM_TERMINAL);

	(void)state;
	expect_next(&b, 1, line(0, "job:a", 1, 1), 1);
	assert_int_equal(hand_over(&b, 2, &end, 1).count, 1);
	expect_next(&b, 3, line(0, "job:b", 1, 1), 1);
	sequencer_set_oldest(b.s, 3);
	while (sequencer_sweep(b.s, 100))
		continue;
	assert_int_equal(sequencer_streams(b.s), 1);
	expect_next(&b, 4, line(0, "job:a", 1, 1), 1);
	expect_next(&b, 5, line(0, "job:b", 1, 1), 2);
	bench_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_line_is_taken_only_behind_the_last),
		cmocka_unit_test(
		    test_of_two_with_the_same_line_one_is_told_the_next),
		cmocka_unit_test(test_each_attempt_counts_for_itself),
		cmocka_unit_test(
		    test_lines_that_say_their_number_themselves_count_too),
		cmocka_unit_test(test_attempts_too_long_ago_are_not_known),
		cmocka_unit_test(
		    test_a_stream_that_is_forgotten_begins_again_at_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
