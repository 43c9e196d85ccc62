/* ring: what is kept, what is whole, what was forgotten. */
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_the_ring_keeps_the_newest_and_says_what_is_whole),
		cmocka_unit_test(
		    test_a_repeated_record_changes_nothing_and_a_hole_clears),
		cmocka_unit_test(test_streams_that_left_the_ring_are_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
