/* ring: what is kept, what is whole, what was forgotten. */
#include "gateway/stream_kind.h"

#include "tests/unit/ring_fixture.h"

static void
test_the_ring_keeps_the_newest_and_says_what_is_whole(void **state)
{
	struct err err = { 0 };
	struct ring *r = ring_new(RING_BYTES_MIN, &err);
	struct ring_frame f;
	uint64_t i, first;
	char key[32];

	(void)state;
	assert_non_null(r);
	for (i = 1; i <= 20000; i++) {
		(void)snprintf(key, sizeof(key), "job:%" PRIu64, i % 7);
		put(r, NULL, EPOCH, i, key, "job.log");
		first = ring_oldest(r);
		assert_true(first >= 1 && first <= i);
		assert_true(ring_get(r, first, &f));
		assert_true(ring_get(r, i, &f));
	}
	assert_int_equal(ring_tip(r).number, 20000);
	assert_true(ring_oldest(r) > 18000 && ring_oldest(r) < 19900);
	assert_int_equal(ring_stats(r).frames, 20000 - ring_oldest(r) + 1);
	assert_int_equal(ring_stats(r).evicted, ring_oldest(r) - 1);
	assert_false(ring_get(r, ring_oldest(r) - 1, &f));
	assert_false(ring_get(r, 20001, &f));
	/* The chain of one stream: every seventh, to the newest. */
	first = ring_stream_first(r, slice_str("-"), slice_str("job:3"));
	assert_int_equal(first % 7, 3);
	assert_true(first < ring_oldest(r) + 7);
	for (i = first; ; i = f.next) {
		assert_true(ring_get(r, i, &f));
		assert_true(slice_is(f.key, "job:3"));
		assert_true(slice_is(f.event_type, "job.log"));
		if (f.next == 0)
			break;
		assert_int_equal(f.next, i + 7);
	}
	assert_true(i > 20000 - 7);
	assert_int_equal(ring_stream_first(r, slice_str("-"),
	    slice_str("job:9")), 0);
	ring_free(r);
}

static void
test_a_repeated_record_changes_nothing_and_a_hole_clears(void **state)
{
	struct err err = { 0 };
	struct ring *r = ring_new(RING_BYTES_MIN, &err);

	(void)state;
	put(r, NULL, EPOCH, 7, "job:a", "job.log");
	put(r, NULL, EPOCH, 8, "job:a", "job.log");
	put(r, NULL, EPOCH, 8, "job:a", "job.log");
	assert_int_equal(ring_oldest(r), 7);
	assert_int_equal(ring_stats(r).frames, 2);
	put(r, NULL, EPOCH, 20, "job:a", "job.log");
	assert_int_equal(ring_oldest(r), 20);
	assert_int_equal(ring_stats(r).frames, 1);
	put(r, NULL, EPOCH + 1, 21, "job:a", "job.log");
	assert_int_equal(ring_oldest(r), 21);
	assert_int_equal(ring_tip(r).epoch, EPOCH + 1);
	assert_int_equal(ring_input(r, "garbage!", 8, dispatch_cb, NULL,
	    &err), -1);
	ring_free(r);
}

static void
test_streams_that_left_the_ring_are_forgotten(void **state)
{
	struct err err = { 0 };
	struct ring *r = ring_new(RING_BYTES_MIN, &err);
	uint64_t i;
	char key[32];

	(void)state;
	for (i = 1; i <= 10000; i++) {
		(void)snprintf(key, sizeof(key), "job:%" PRIu64, i);
		put(r, NULL, EPOCH, i, key, "job.log");
	}
	assert_int_equal(ring_stats(r).streams, ring_stats(r).frames);
	ring_free(r);
}

#define TERMINAL (ITEM_LIFECYCLE | ITEM_TERMINAL)
#define OPEN     (LIFECYCLE_FAILED | LIFECYCLE_LOGS_OPEN)

static bool
ends(const struct ring *r, uint64_t position)
{
	struct ring_frame f;

	assert_true(ring_get(r, position, &f));
	return f.ends;
}

static void
test_a_stream_ends_with_its_terminal_event_or_the_last_line_of_an_open_log(
    void **state UNUSED)
{
	struct err err = { 0 };
	struct ring *r = ring_new(RING_BYTES_MIN, &err);
	struct slice tenant = slice_str("-"), other = slice_str("job:b");

	put_flagged(r, NULL, EPOCH, 1, "job:a", "job.log", ITEM_LAST, 0);
	put_flagged(r, NULL, EPOCH, 2, "job:a", "job.state_changed", TERMINAL,
	    LIFECYCLE_FAILED);
	put(r, NULL, EPOCH, 3, "job:a", "x.n");
	assert_false(ends(r, 1));
	assert_true(ends(r, 2));
	assert_false(ends(r, 3));
	/* Its log is open. */
	put_flagged(r, NULL, EPOCH, 4, "job:b", "job.state_changed", TERMINAL,
	    OPEN);
	put(r, NULL, EPOCH, 5, "job:b", "job.log");
	assert_false(ends(r, 4) || ends(r, 5));
	put_flagged(r, NULL, EPOCH, 6, "job:b", "job.log", ITEM_LAST, 0);
	put_flagged(r, NULL, EPOCH, 7, "job:b", "job.log", ITEM_LAST, 0);
	assert_true(ends(r, 6));
	assert_false(ends(r, 4) || ends(r, 5) || ends(r, 7));
	assert_int_equal(ring_end_stream(r, tenant, other, OPEN), 6);
	assert_int_equal(ring_stream_last(r, tenant, other), 7);
	/* It goes on, against the contract, and is no longer over. */
	put_flagged(r, NULL, EPOCH, 8, "job:b", "job.state_changed",
	    ITEM_LIFECYCLE, 0);
	assert_false(ends(r, 6));
	assert_int_equal(ring_end_stream(r, tenant, other, OPEN), 0);
	ring_free(r);
}

static void
test_an_open_log_is_closed_behind_the_newest_frame(void **state UNUSED)
{
	struct err err = { 0 };
	struct ring *r = ring_new(RING_BYTES_MIN, &err);
	struct slice tenant = slice_str("-"), key = slice_str("job:a");
	struct ring_frame f;

	assert_int_equal(ring_end_stream(r, tenant, key, OPEN), 0);
	put_flagged(r, NULL, EPOCH, 1, "job:a", "job.state_changed", TERMINAL,
	    OPEN);
	put(r, NULL, EPOCH, 2, "job:a", "job.log");
	assert_int_equal(ring_end_stream(r, tenant, key, OPEN), 2);
	assert_false(ends(r, 1));
	assert_true(ring_get(r, 2, &f));
	assert_true(f.ends);
	assert_int_equal(f.state, OPEN);
	assert_int_equal(ring_stream_last(r, tenant, slice_str("job:b")), 0);
	ring_free(r);
}

static void
test_a_log_whose_terminal_event_left_the_ring_is_closed_all_the_same(
    void **state UNUSED)
{
	struct err err = { 0 };
	struct ring *r = ring_new(RING_BYTES_MIN, &err);
	struct slice tenant = slice_str("-"), key = slice_str("job:a");
	struct ring_frame f;
	uint64_t n = 1;

	put_flagged(r, NULL, EPOCH, n++, "job:a", "job.state_changed",
	    TERMINAL, OPEN);
	while (ring_stream_last(r, tenant, key) != 0)
		put(r, NULL, EPOCH, n++, "job:b", "x.n");
	put_flagged(r, NULL, EPOCH, n, "job:a", "job.log", ITEM_LAST, 0);
	assert_true(ring_get(r, n, &f));
	assert_false(f.ends || f.goes_on);
	assert_int_equal(ring_end_stream(r, tenant, key, OPEN), n);
	assert_true(ring_get(r, n, &f));
	assert_true(f.ends);
	assert_int_equal(f.state, OPEN);
	/* What goes on does so whatever is said of it. */
	put_flagged(r, NULL, EPOCH, ++n, "job:b", "job.state_changed",
	    ITEM_LIFECYCLE, 0);
	assert_true(ring_get(r, n, &f));
	assert_true(f.goes_on);
	assert_int_equal(ring_end_stream(r, tenant, slice_str("job:b"), OPEN),
	    0);
	ring_free(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
    test_a_log_whose_terminal_event_left_the_ring_is_closed_all_the_same),
		cmocka_unit_test(
		    test_the_ring_keeps_the_newest_and_says_what_is_whole),
		cmocka_unit_test(
		    test_a_repeated_record_changes_nothing_and_a_hole_clears),
		cmocka_unit_test(test_streams_that_left_the_ring_are_forgotten),
		cmocka_unit_test(
    test_a_stream_ends_with_its_terminal_event_or_the_last_line_of_an_open_log),
		cmocka_unit_test(
		    test_an_open_log_is_closed_behind_the_newest_frame),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
