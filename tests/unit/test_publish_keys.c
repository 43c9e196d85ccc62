/* dedup: idempotency keys and batches that come again. */
#include "tests/unit/publish_fixture.h"

static void
test_idempotency_answers_with_the_first_position(void **state)
{
	struct bench b = bench_new(100, 100);
	struct item items[2];
	struct publish_outcome o;

	(void)state;
	items[0] = with_key(make(0, "job:a", 0), 1, 1);
	(void)hand_over(&b, 1, items, 1);
	o = hand_over(&b, 2, items, 1);
	assert_int_equal(o.count, 0);
	assert_int_equal(o.list[0].code, RECORD_DUPLICATE);
	assert_int_equal(o.list[0].position.number, 1);
	items[0].body[0] ^= 1;
	o = hand_over(&b, 3, items, 1);
	assert_int_equal(o.list[0].code, RECORD_KEY_CONFLICT);
	assert_int_equal(o.list[0].position.number, 1);
	/* A key twice in one atomic group, and a group known in part. */
	items[0] = with_key(make(0, "job:a", 0), 2, 1);
	items[1] = items[0];
	o = hand_over(&b, 4, items, 2);
	assert_int_equal(o.list[0].code, RECORD_KEY_CONFLICT);
	items[1] = with_key(make(0, "job:a", 0), 1, 1);
	o = hand_over(&b, 5, items, 2);
	assert_int_equal(o.list[0].code, RECORD_KEY_CONFLICT);
	/* Twice in one batch, in groups of their own. */
	items[0] = with_key(make(0, "job:a", 0), 3, 1);
	items[1] = with_key(make(1, "job:a", 0), 3, 1);
	o = hand_over(&b, 6, items, 2);
	assert_int_equal(o.count, 1);
	assert_int_equal(o.list[0].code, RECORD_DUPLICATE);
	assert_int_equal(o.list[0].position.number, o.first.number);
	assert_int_equal(o.list[0].last.number, o.first.number);
	/* The window ends. */
	dedup_expire(b.d, 100 + 1000, 100);
	assert_int_equal(dedup_keys(b.d), 0);
	bench_free(&b);
}

/* Or whoever sent a thousand would not know which to look at. */
static void
test_a_conflict_names_the_item_whose_key_it_is(void **state)
{
	struct bench b = bench_new(100, 100);
	struct item items[4];
	struct publish_outcome o;

	(void)state;
	items[0] = with_key(make(0, "job:a", 0), 1, 1);
	(void)hand_over(&b, 1, items, 1);
	/* Another body, behind an item without a key and a new one. */
	items[0] = make(0, "job:a", 0);
	items[1] = with_key(make(0, "job:a", 0), 2, 1);
	items[2] = with_key(make(0, "job:a", 0), 1, 7);
	items[3] = make(0, "job:a", 0);
	o = hand_over(&b, 2, items, 4);
	assert_int_equal(o.list[0].code, RECORD_KEY_CONFLICT);
	assert_int_equal(o.list[0].item, 2);
	/* Known in part: the first that is known. */
	items[2] = with_key(make(0, "job:a", 0), 1, 1);
	o = hand_over(&b, 3, items, 4);
	assert_int_equal(o.list[0].code, RECORD_KEY_CONFLICT);
	assert_int_equal(o.list[0].item, 2);
	/* Twice in the group: the second. */
	items[2] = items[0];
	items[3] = items[1];
	o = hand_over(&b, 4, items, 4);
	assert_int_equal(o.list[0].code, RECORD_KEY_CONFLICT);
	assert_int_equal(o.list[0].item, 3);
	bench_free(&b);
}

static void
test_a_repeat_of_events_published_apart_names_the_first_and_the_last(
    void **state)
{
	struct bench b = bench_new(100, 100);
	struct item items[3];
	struct publish_outcome o;

	(void)state;
	items[0] = with_key(make(0, "job:a", 0), 3, 1);
	(void)hand_over(&b, 1, items, 1);
	items[0] = make(0, "job:b", 0);
	(void)hand_over(&b, 2, items, 1);
	items[0] = with_key(make(0, "job:a", 0), 1, 1);
	items[1] = with_key(make(0, "job:a", 0), 2, 1);
	(void)hand_over(&b, 3, items, 2);
	/* All three in one request. */
	items[0] = with_key(make(0, "job:a", 0), 3, 1);
	items[1] = with_key(make(0, "job:a", 0), 1, 1);
	items[2] = with_key(make(0, "job:a", 0), 2, 1);
	o = hand_over(&b, 4, items, 3);
	assert_int_equal(o.count, 0);
	assert_int_equal(o.list[0].code, RECORD_DUPLICATE);
	assert_int_equal(o.list[0].position.number, 1);
	assert_int_equal(o.list[0].last.number, 4);
	assert_int_equal(o.list[0].last.epoch, 5);
	/* What is no repeat names none. */
	items[2].body[0] ^= 1;
	o = hand_over(&b, 5, items, 3);
	assert_int_equal(o.list[0].code, RECORD_KEY_CONFLICT);
	assert_int_equal(o.list[0].last.number, 0);
	bench_free(&b);
}

static void
test_the_key_window_is_bounded(void **state)
{
	struct bench b = bench_new(100, 8);
	struct publish_outcome o;
	struct item item;

	(void)state;
	for (uint64_t i = 1; i <= 5000; i++) {
		uint64_t hash[2] = { i * 7, i };

		item = with_key(make(0, "job:a", 0), 1, 1);
		memcpy(item.idem, hash, sizeof(hash));
		o = hand_over(&b, i, &item, 1);
		assert_int_equal(o.count, 1);
	}
	assert_int_equal(dedup_keys(b.d), 8);
	o = hand_over(&b, 5001, &item, 1);
	assert_int_equal(o.list[0].code, RECORD_DUPLICATE);
	bench_free(&b);
}

static void
test_a_resent_batch_is_known_and_an_old_incarnation_fenced(void **state)
{
	struct bench b = bench_new(100, 8);
	struct item item = make(0, "job:a", 0);
	struct slice name = slice_str("w/a");
	struct dedup_answer a;

	(void)state;
	(void)hand_over(&b, 7, &item, 1);
	assert_int_equal(dedup_batch(b.d, name, 1, 7, &a), DEDUP_REPEAT);
	assert_int_equal(a.first.number, 1);
	assert_int_equal(a.count, 1);
	assert_int_equal(dedup_batch(b.d, name, 1, 6, &a), DEDUP_OLD);
	assert_int_equal(dedup_batch(b.d, name, 1, 8, &a), DEDUP_NEW);
	assert_int_equal(dedup_register(b.d, name, 2), DEDUP_NEW);
	assert_int_equal(dedup_batch(b.d, name, 1, 8, &a), DEDUP_FENCED);
	assert_int_equal(dedup_batch(b.d, name, 2, 1, &a), DEDUP_NEW);
	bench_free(&b);
}

static void
test_what_is_refused_makes_no_other_key_be_forgotten(void **state)
{
	struct bench b = bench_new(100, 8);
	struct item items[9], never[9];
	struct publish_outcome o;

	(void)state;
	for (uint32_t i = 0; i < 9; i++) {
		items[i] = with_key(make(i, "job:a", 0), (uint8_t)(i + 1), 1);
		never[i] = with_key(make(0, "job:b", ITEM_LIFECYCLE |
		    ITEM_GUARDED), (uint8_t)(i + 101), 1);
		never[i].guard = ITEM_GUARD_NEVER;
	}
	o = hand_over(&b, 1, items, 8);
	assert_int_equal(o.count, 8);
	/* A group of more than the window, refused by its keys or guards. */
	never[8] = never[7];
	o = hand_over(&b, 2, never, 9);
	assert_int_equal(o.list[0].code, RECORD_KEY_CONFLICT);
	o = hand_over(&b, 3, never, 8);
	assert_int_equal(o.list[0].code, RECORD_GUARD_LOST);
	assert_int_equal(dedup_keys(b.d), 8);
	o = hand_over(&b, 4, items, 8);
	assert_int_equal(o.count, 0);
	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(o.list[i].code, RECORD_DUPLICATE);
	/* The oldest of them is still the first to go. */
	o = hand_over(&b, 5, &items[8], 1);
	assert_int_equal(o.count, 1);
	o = hand_over(&b, 6, &items[1], 1);
	assert_int_equal(o.list[0].code, RECORD_DUPLICATE);
	o = hand_over(&b, 7, items, 1);
	assert_int_equal(o.count, 1);
	bench_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_idempotency_answers_with_the_first_position),
		cmocka_unit_test(
		    test_a_conflict_names_the_item_whose_key_it_is),
		cmocka_unit_test(
		    test_a_repeat_of_events_published_apart_names_the_first_and_the_last),
		cmocka_unit_test(test_the_key_window_is_bounded),
		cmocka_unit_test(
		    test_a_resent_batch_is_known_and_an_old_incarnation_fenced),
		cmocka_unit_test(
		    test_what_is_refused_makes_no_other_key_be_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
