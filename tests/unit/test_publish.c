/* sequencer, dedup and publish against a plain model. */
#include <time.h>

#include "tests/unit/publish_fixture.h"

#include "broker/machine_table.h"
#include "common/lifecycle.h"

static void
test_positions_and_seqs_have_no_hole(void **state)
{
	struct bench b = bench_new(100, 100);
	uint64_t seqs[KEYS] = { 0 }, next = 1;
	char names[KEYS][16];

	(void)state;
	srand(1);
	for (int k = 0; k < KEYS; k++)
		(void)snprintf(names[k], sizeof(names[k]), "job:%d", k);
	for (uint64_t batch = 1; batch < 300; batch++) {
		struct record_header h;
		struct publish_outcome o;
		struct item items[50], got;
		size_t n = 1 + (size_t)rand() % 50;
		int keys[50];
		struct rd r;

		for (size_t i = 0; i < n; i++) {
			keys[i] = rand() % KEYS;
			items[i] = make((uint32_t)i / 3, names[keys[i]], 0);
		}
		o = hand_over(&b, batch, items, n);
		assert_int_equal(o.count, n);
		assert_int_equal(o.first.number, next);
		assert_int_equal(record_decode(o.record->data, o.record->len,
		    &h, &r, NULL), 0);
		for (uint32_t i = 0; i < n; i++) {
			assert_int_equal(record_item_decode(&r, &h, i, &got),
			    0);
			assert_int_equal(got.position.number, next++);
			assert_int_equal(got.seq, ++seqs[keys[i]]);
		}
	}
	bench_free(&b);
}

static void
test_a_guard_lets_one_of_two_win(void **state)
{
	struct bench b = bench_new(100, 100);
	struct item item = make(0, "job:a", ITEM_LIFECYCLE | ITEM_GUARDED);
	struct publish_outcome o;

	(void)state;
	item.state = 1;
	o = hand_over(&b, 1, &item, 1);
	assert_int_equal(o.count, 1);
	item.state = 2;
	o = hand_over(&b, 2, &item, 1);   /* judged on "none yet" as well */
	assert_int_equal(o.count, 0);
	assert_int_equal(o.record->len, 0);
	assert_int_equal(o.list[0].code, RECORD_GUARD_LOST);
	assert_int_equal(o.list[0].position.number, 1);
	assert_int_equal(o.list[0].position.epoch, 5);
	assert_int_equal(o.list[0].state, 1);
	item.guard = (struct position){ 5, 1 };
	o = hand_over(&b, 3, &item, 1);
	assert_int_equal(o.count, 1);
	item.guard = (struct position){ 4, 2 };   /* right number, old epoch */
	o = hand_over(&b, 4, &item, 1);
	assert_int_equal(o.list[0].code, RECORD_GUARD_LOST);
	assert_int_equal(o.list[0].state, 2);
	bench_free(&b);
}

static struct item
step(const char *key, uint8_t name, struct position guard)
{
	struct item item = make(0, key, ITEM_PART | ITEM_GUARDED);

	memset(item.part, name, EVENT_HASH_SIZE);
	item.guard = guard;
	return item;
}

static void
test_each_step_has_a_guard_of_its_own(void **state)
{
	const struct position none = { 0, 0 };
	struct bench b = bench_new(100, 100);
	struct item item = make(0, "pack-run:a", ITEM_LIFECYCLE |
	    ITEM_GUARDED);
	struct publish_outcome o;

	(void)state;
	assert_int_equal(hand_over(&b, 1, &item, 1).count, 1);
	item = step("pack-run:a", 1, none);
	item.attempt = 4;
	item.state = 9;
	memset(item.body, 7, EVENT_HASH_SIZE);
	assert_int_equal(hand_over(&b, 2, &item, 1).count, 1);
	item = step("pack-run:a", 2, none);
	assert_int_equal(hand_over(&b, 3, &item, 1).count, 1);
	/* Lines of its log move no guard. */
	item = make(0, "pack-run:a", 0);
	assert_int_equal(hand_over(&b, 4, &item, 1).count, 1);
	item = step("pack-run:a", 1, none);
	o = hand_over(&b, 5, &item, 1);
	assert_int_equal(o.list[0].code, RECORD_GUARD_LOST);
	assert_int_equal(o.list[0].position.number, 2);
	assert_int_equal(o.list[0].attempt, 4);
	assert_int_equal(o.list[0].state, 9);
	assert_memory_equal(o.list[0].body, "\a\a\a\a\a\a\a\a\a\a\a\a\a\a\a\a",
	    EVENT_HASH_SIZE);
	item.guard = (struct position){ 5, 2 };
	assert_int_equal(hand_over(&b, 6, &item, 1).count, 1);
	item = make(0, "pack-run:a", ITEM_LIFECYCLE | ITEM_GUARDED);
	item.guard = (struct position){ 5, 1 };
	assert_int_equal(hand_over(&b, 7, &item, 1).count, 1);
	bench_free(&b);
}

static void
test_what_has_ended_takes_only_what_its_open_log_may(void **state)
{
	static const uint8_t ends[] = { 3, 3 | LIFECYCLE_LOGS_OPEN };
	struct bench b = bench_new(100, 100);
	struct publish_outcome o;
	uint64_t batch = 1;

	(void)state;
	for (int open = 0; open < 2; open++) {
		struct item items[2];

		items[0] = make(0, open ? "job:b" : "job:a", ITEM_LIFECYCLE |
		    ITEM_TERMINAL | ITEM_GUARDED);
		items[0].state = ends[open];
		assert_int_equal(hand_over(&b, batch++, items, 1).count, 1);
		items[0].flags = 0;
		o = hand_over(&b, batch++, items, 1);
		assert_int_equal(o.count, open);
		items[1] = items[0];
		items[0] = make(0, "job:c", 0);
		items[1].flags = ITEM_PART;
		memset(items[1].part, 1, EVENT_HASH_SIZE);
		o = hand_over(&b, batch++, items, 2);
		assert_int_equal(o.list[0].code, RECORD_ENDED);
		assert_int_equal(o.list[0].item, 1);
		items[1].flags = ITEM_LAST;
		o = hand_over(&b, batch++, &items[1], 1);
		assert_int_equal(o.count, open);
		o = hand_over(&b, batch++, &items[1], 1);
		assert_int_equal(o.list[0].code, RECORD_ENDED);
		assert_int_equal(o.list[0].state, ends[open]);
	}
	bench_free(&b);
}

static void
test_a_stream_has_a_limited_number_of_steps(void **state)
{
	struct bench b = bench_new(100, 100);
	struct publish_outcome o;
	uint64_t batch = 1;

	(void)state;
	for (uint32_t i = 0; i < MACHINE_PARTS_MAX + 2; i++) {
		struct item item = step("pack-run:a", 0, (struct position){
		    0, 0 });

		memcpy(item.part, &i, sizeof(i));
		item.part[8] = 1;
		o = hand_over(&b, batch++, &item, 1);
		assert_int_equal(o.count, i < MACHINE_PARTS_MAX);
	}
	assert_int_equal(o.list[0].code, RECORD_PARTS_LIMIT);
	/* One that is there goes on, and twice in a group. */
	for (uint32_t i = 0; i < 2; i++) {
		struct item items[2];

		items[0] = step("pack-run:a", 0, (struct position){ 0, 0 });
		items[0].part[8] = 1;
		items[0].flags = ITEM_PART;
		items[1] = items[0];
		assert_int_equal(hand_over(&b, batch++, items, 2).count, 2);
	}
	bench_free(&b);
}

static double
cpu_ms(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* What it takes to publish all steps of a pack run that has them already. */
static double
publish_all_steps(const char *key, bool atomic)
{
	struct bench b = bench_new(100, 100);
	struct item items[EVENT_BATCH_MAX];
	double took = 0;

	for (uint64_t batch = 1; batch <= 2; batch++) {
		double began = cpu_ms();

		for (uint32_t i = 0; i < EVENT_BATCH_MAX; i++) {
			items[i] = make(atomic ? 0 : i, key, ITEM_PART);
			memcpy(items[i].part, &i, sizeof(i));
			items[i].part[8] = 1;
		}
		assert_int_equal(hand_over(&b, batch, items,
		    EVENT_BATCH_MAX).count, EVENT_BATCH_MAX);
		took = cpu_ms() - began;
	}
	bench_free(&b);
	return took;
}

/* It was a thousand times as much, and the broker stood still. */
static void
test_a_thousand_steps_in_one_group_cost_about_what_they_cost_apart(
    void **state UNUSED)
{
	double apart = publish_all_steps("pack-run:a", false);
	double together = publish_all_steps("pack-run:a", true);

	if (together > 10 * apart + 10)
		fail_msg("together %.1f ms, apart %.1f ms", together, apart);
}

static void
test_when_there_is_no_room_for_steps_what_is_there_goes_on_and_ends(
    void **state)
{
	const struct position none = { 0, 0 };
	struct bench b = bench_new(100, 100);
	struct publish_outcome o;
	struct item items[3];

	(void)state;
	sequencer_limit_parts(b.s, 2);
	items[0] = make(0, "pack-run:a", ITEM_LIFECYCLE);
	items[1] = step("pack-run:a", 1, none);
	items[2] = step("pack-run:b", 1, none);
	assert_int_equal(hand_over(&b, 1, items, 3).count, 3);
	assert_int_equal(sequencer_parts(b.s), 2);
	items[0] = step("pack-run:a", 2, none);
	o = hand_over(&b, 2, items, 1);
	assert_int_equal(o.list[0].code, RECORD_ALL_PARTS_LIMIT);
	/* A step that is there, twice; a stream that is new; an end. */
	items[0] = step("pack-run:a", 1, (struct position){ 5, 2 });
	items[1] = items[0];
	assert_int_equal(hand_over(&b, 3, items, 2).count, 2);
	items[0] = make(0, "job:c", ITEM_LIFECYCLE | ITEM_TERMINAL);
	items[1] = make(0, "pack-run:a", ITEM_LIFECYCLE | ITEM_TERMINAL);
	assert_int_equal(hand_over(&b, 4, items, 2).count, 2);
	/* Which makes room once it has left. */
	sequencer_set_oldest(b.s, 8);
	while (sequencer_sweep(b.s, 10))
		continue;
	assert_int_equal(sequencer_parts(b.s), 1);
	items[0] = step("pack-run:d", 1, none);
	items[1] = items[0];
	assert_int_equal(hand_over(&b, 5, items, 2).count, 2);
	bench_free(&b);
}

static void
test_a_group_is_appended_whole_or_not_at_all(void **state)
{
	struct bench b = bench_new(100, 100);
	struct item items[4];
	struct publish_outcome o;

	(void)state;
	items[0] = with_key(make(0, "job:a", 0), 1, 1);
	items[1] = make(0, "job:b", ITEM_GUARDED | ITEM_LIFECYCLE);
	items[1].guard = (struct position){ 5, 99 };
	items[2] = make(1, "job:c", 0);
	items[3] = make(1, "job:a", 0);
	o = hand_over(&b, 1, items, 4);
	assert_int_equal(o.count, 2);
	assert_int_equal(o.exceptions, 1);
	assert_int_equal(o.list[0].group, 0);
	assert_int_equal(o.first.number, 1);
	/* The refused group's key was not kept. */
	o = hand_over(&b, 2, items, 1);
	assert_int_equal(o.count, 1);
	bench_free(&b);
}

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
test_max_streams_is_a_limit_and_ended_streams_make_room(void **state)
{
	struct bench b = bench_new(3, 8);
	struct sequencer_stream found;
	struct publish_outcome o;
	struct item items[3];

	(void)state;
	items[0] = make(0, "job:a", ITEM_LIFECYCLE | ITEM_TERMINAL);
	items[1] = make(1, "job:b", ITEM_DELETED);
	items[2] = make(2, "job:b", 0);      /* recreated */
	o = hand_over(&b, 1, items, 3);
	assert_int_equal(o.count, 3);
	items[0] = make(0, "job:c", 0);
	items[1] = make(0, "job:c", 0);
	o = hand_over(&b, 2, items, 2);      /* one new stream, two items */
	assert_int_equal(o.count, 2);
	items[0] = make(0, "job:d", 0);
	o = hand_over(&b, 3, items, 1);
	assert_int_equal(o.list[0].code, RECORD_LIMIT);
	sequencer_set_oldest(b.s, 1);
	while (sequencer_sweep(b.s, 1))
		;
	assert_int_equal(sequencer_streams(b.s), 3);
	sequencer_set_oldest(b.s, 4);
	while (sequencer_sweep(b.s, 1))
		;
	assert_int_equal(sequencer_streams(b.s), 2);
	assert_int_equal(sequencer_forgotten_through(b.s), 1);
	assert_false(sequencer_find(b.s, slice_str("-"), slice_str("job:a"),
	    &found));
	assert_true(sequencer_find(b.s, slice_str("-"), slice_str("job:b"),
	    &found));
	o = hand_over(&b, 4, items, 1);
	assert_int_equal(o.count, 1);
	bench_free(&b);
}

static void
test_streams_are_forgotten_while_the_journal_turns_over(void **state)
{
	struct bench b = bench_new(100, 8);

	(void)state;
	for (uint64_t i = 1; i <= 50; i++) {
		char key[16];
		struct item item;

		(void)snprintf(key, sizeof(key), "job:%" PRIu64, i);
		item = make(0, key, ITEM_LIFECYCLE | ITEM_TERMINAL);
		(void)hand_over(&b, i, &item, 1);
	}
	sequencer_set_oldest(b.s, 51);
	while (sequencer_settle(b.s, 20))
		;
	/* A segment leaves before a round is complete, always. */
	for (uint64_t i = 0; i < 50; i++) {
		sequencer_set_oldest(b.s, 52 + i);
		assert_true(sequencer_sweep(b.s, 1));
	}
	assert_int_equal(sequencer_streams(b.s), 0);
	bench_free(&b);
}

static void
test_malformed_requests_change_nothing(void **state)
{
	struct bench b = bench_new(3, 8);
	struct item items[2] = { make(1, "job:a", 0), make(0, "job:b", 0) };
	struct buf bytes = BUF_EMPTY;
	struct publish_request q;
	struct publish_outcome o;

	(void)state;
	buf_u8(&bytes, PUBLISH_OP_EVENTS);
	buf_str16(&bytes, "w/a", 3);
	buf_u64(&bytes, 1);
	buf_u64(&bytes, 1);
	buf_u32(&bytes, 2);
	item_encode(&bytes, &items[0], false);
	item_encode(&bytes, &items[1], false);   /* groups go backwards */
	assert_int_equal(publish_request_decode(bytes.data, bytes.len, &q),
	    0);
	assert_int_equal(publish_batch(b.core, &q, 1, &o), -1);
	for (size_t n = 0; n < bytes.len; n++) {
		if (publish_request_decode(bytes.data, n, &q) == 0)
			assert_int_equal(publish_batch(b.core, &q, 1, &o),
			    -1);
	}
	assert_int_equal(sequencer_tip(b.s).number, 0);
	assert_int_equal(sequencer_streams(b.s), 0);
	buf_free(&bytes);
	bench_free(&b);
}

/* A request of exactly n bytes, most of it one event after another. */
static void
large_request(struct buf *b, size_t n)
{
	static char frame[EVENT_DATA_LINE_MAX];
	struct item item = make(0, "job:a", 0);
	uint32_t count = (uint32_t)(n / EVENT_DATA_LINE_MAX) + 1;
	size_t rest, own;

	memset(frame, 'x', sizeof(frame));
	buf_reset(b);
	item.frame = (struct slice){ frame, 9 };
	item_encode(b, &item, false);
	own = b->len - 9;
	buf_reset(b);
	buf_u8(b, PUBLISH_OP_EVENTS);
	buf_str16(b, "w/a", 3);
	buf_u64(b, 1);
	buf_u64(b, 1);
	buf_u32(b, count);
	for (; count > 0; count--) {
		rest = n - b->len - count * own;
		item.frame.n = rest / count;
		item_encode(b, &item, false);
	}
	assert_int_equal(b->len, n);
}

static void
test_the_largest_request_still_makes_a_record(void **state)
{
	struct bench b = bench_new(3, 8);
	struct buf bytes = BUF_EMPTY;
	struct publish_request q;
	struct publish_outcome o;
	size_t n;

	(void)state;
	for (n = RECORD_MAX; n > RECORD_MAX - 8192; n -= 64) {
		large_request(&bytes, n);
		if (publish_request_decode(bytes.data, bytes.len, &q) < 0)
			continue;
		assert_int_equal(publish_batch(b.core, &q, 1, &o), 0);
		assert_in_range(o.record->len, 1, RECORD_MAX);
		break;
	}
	assert_true(n > RECORD_MAX - 8192);
	buf_free(&bytes);
	bench_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_positions_and_seqs_have_no_hole),
		cmocka_unit_test(test_a_guard_lets_one_of_two_win),
		cmocka_unit_test(test_each_step_has_a_guard_of_its_own),
		cmocka_unit_test(
		    test_what_has_ended_takes_only_what_its_open_log_may),
		cmocka_unit_test(test_a_stream_has_a_limited_number_of_steps),
		cmocka_unit_test(
	    test_a_thousand_steps_in_one_group_cost_about_what_they_cost_apart),
		cmocka_unit_test(
	    test_when_there_is_no_room_for_steps_what_is_there_goes_on_and_ends),
		cmocka_unit_test(test_a_group_is_appended_whole_or_not_at_all),
		cmocka_unit_test(
		    test_idempotency_answers_with_the_first_position),
		cmocka_unit_test(
	    test_a_repeat_of_events_published_apart_names_the_first_and_the_last),
		cmocka_unit_test(test_the_key_window_is_bounded),
		cmocka_unit_test(
		    test_a_resent_batch_is_known_and_an_old_incarnation_fenced),
		cmocka_unit_test(
		    test_max_streams_is_a_limit_and_ended_streams_make_room),
		cmocka_unit_test(
		    test_streams_are_forgotten_while_the_journal_turns_over),
		cmocka_unit_test(test_malformed_requests_change_nothing),
		cmocka_unit_test(test_the_largest_request_still_makes_a_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
