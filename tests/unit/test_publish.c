/* sequencer and publish against a plain model: positions, groups, streams; and
 * records stamped anew, which move what hangs on them. */
#include "tests/unit/publish_fixture.h"

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
	items[1] = make(0, "job:b", 0);
	items[2] = make(0, "job:d", 0);
	o = hand_over(&b, 3, items, 3);
	assert_int_equal(o.list[0].code, RECORD_LIMIT);
	assert_int_equal(o.list[0].item, 0);
	/* It is named behind others that there is room for. */
	items[0] = make(0, "job:c", 0);
	o = hand_over(&b, 3, items, 3);
	assert_int_equal(o.list[0].code, RECORD_LIMIT);
	assert_int_equal(o.list[0].item, 2);
	items[0] = items[2];
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

static void
test_restamped_records_move_guards_keys_and_answers(void **state)
{
	const struct publish_shift shift = { { 5, 2 }, { 9, 1000 } };
	struct bench b = bench_new(100, 100);
	struct item item = with_key(make(0, "job:a", ITEM_LIFECYCLE), 1, 1);
	struct item other = make(0, "job:b", 0);
	struct sequencer_stream found;
	struct buf record = BUF_EMPTY, copy = BUF_EMPTY;
	struct publish_outcome o;
	struct dedup_answer a;
	struct err err;

	(void)state;
	(void)hand_over(&b, 1, &other, 1);
	o = hand_over(&b, 2, &item, 1);
	buf_add(&copy, o.record->data, o.record->len);
	sequencer_begin_epoch(b.s, 9, 1000);
	assert_int_equal(publish_restamp(b.core, &shift, copy.data, copy.len,
	    &record, &err), 0);
	assert_true(sequencer_find(b.s, slice_str("-"), slice_str("job:a"),
	    &found));
	assert_int_equal(found.seq, 1);
	assert_true(position_eq(found.last, (struct position){ 9, 1000 }));
	assert_int_equal(found.lifecycle.epoch, 9);
	assert_int_equal(found.lifecycle.number, 1000);
	/* What stands before it is of the epoch before. */
	assert_true(sequencer_find(b.s, slice_str("-"), other.key, &found));
	assert_true(position_eq(found.last, (struct position){ 5, 1 }));
	assert_int_equal(sequencer_tip(b.s).number, 1000);
	assert_int_equal(dedup_batch(b.d, slice_str("w/a"), 1, 2, &a),
	    DEDUP_REPEAT);
	assert_int_equal(a.first.number, 1000);
	o = hand_over(&b, 3, &item, 1);
	assert_int_equal(o.list[0].code, RECORD_DUPLICATE);
	assert_int_equal(o.list[0].position.number, 1000);
	assert_int_equal(o.list[0].position.epoch, 9);
	assert_int_equal(o.list[0].last.number, 1000);
	buf_free(&record);
	buf_free(&copy);
	bench_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_positions_and_seqs_have_no_hole),
		cmocka_unit_test(test_a_group_is_appended_whole_or_not_at_all),
		cmocka_unit_test(
		    test_max_streams_is_a_limit_and_ended_streams_make_room),
		cmocka_unit_test(
		    test_streams_are_forgotten_while_the_journal_turns_over),
		cmocka_unit_test(test_malformed_requests_change_nothing),
		cmocka_unit_test(
		    test_the_largest_request_still_makes_a_record),
		cmocka_unit_test(
		    test_restamped_records_move_guards_keys_and_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
