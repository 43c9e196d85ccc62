/* What a new broker knows of what was forgotten, of keys, and of a full trail:
 * by a state file and the journal behind it. */
#include "broker/sequencer_state.h"
#include "broker/trail.h"
#include "tests/unit/restart_fixture.h"

#define CALLS 12   /* at least as many as write a small state */

static void
publish_one(struct bench *b, uint64_t batch, const char *key, uint16_t flags,
    struct buf *journal)
{
	struct item item = make(0, key, flags | ITEM_LOG);
	struct publish_outcome o;

	/* A stream that comes again has other lines than before. */
	item.attempt = 1;
	item.line_no = 10 - batch;
	o = hand_over(b, batch, &item, 1);

	assert_int_equal(o.first.number, batch);
	buf_add(journal, o.record->data, o.record->len);
}

/* Number 2 was job:x's and is gone; 4 is. */
static void
assert_a_loss_is_known(struct bench *b)
{
	struct sequencer_stream found;

	settle(b->s, 3);
	assert_true(sequencer_find(b->s, slice_str("-"), slice_str("job:x"),
	    &found));
	assert_int_equal(found.last.number, 4);
	assert_int_equal(found.gone, 2);
	assert_false(found.ended);
	assert_int_equal(next_line(b, "job:x", 1), 7);
}

/* The stream is forgotten before the call `forget` of those that write the
 * state, and comes again before the call `again`. */
static void
check_one_that_came_again(int forget, int again, uint16_t end)
{
	struct bench live = bench_new(10, 10), back = bench_new(10, 10);
	struct buf journal = BUF_EMPTY, file = BUF_EMPTY;
	struct state_saver saver;
	bool begun = false, done = false;

	publish_one(&live, 1, "job:a", 0, &journal);
	publish_one(&live, 2, "job:x", end, &journal);
	publish_one(&live, 3, "job:a", 0, &journal);
	for (int call = 0; call <= CALLS; call++) {
		if (call == forget) {
			sequencer_set_oldest(live.s, 3);
			while (sequencer_sweep(live.s, 10))
				continue;
			assert_int_equal(sequencer_streams(live.s), 1);
		}
		if (call == again)
			publish_one(&live, 4, "job:x", 0, &journal);
		if (!begun)
			state_saver_begin(&saver, live.s, live.d);
		begun = true;
		if (!done)
			done = state_saver_next(&saver, &file);
	}
	assert_true(done);
	come_back(&back, &journal, &file);
	assert_a_loss_is_known(&live);
	assert_a_loss_is_known(&back);
	buf_free(&journal);
	buf_free(&file);
	bench_free(&live);
	bench_free(&back);
}

static void
test_a_stream_that_came_again_has_lost_what_was_forgotten_of_it(
    void **state UNUSED)
{
	for (int forget = 0; forget <= CALLS; forget++) {
		for (int again = forget; again <= CALLS; again++) {
			check_one_that_came_again(forget, again, ITEM_DELETED);
			check_one_that_came_again(forget, again,
			    ITEM_LIFECYCLE | ITEM_TERMINAL);
		}
	}
}

static void
publish_key(struct bench *b, uint64_t batch, uint8_t key, int64_t now_ms,
    struct buf *journal)
{
	struct item item = with_key(make(0, "job:k", 0), key, 1);
	struct publish_outcome o = hand_over_at(b, batch, &item, 1, now_ms);

	if (o.count != 0)
		buf_add(journal, o.record->data, o.record->len);
	else
		assert_int_equal(o.list[0].code, RECORD_DUPLICATE);
}

/* Neither a restart nor a repeat makes a key younger: one is known by the state
 * file, the other by the journal alone. */
static void
test_a_key_leaves_by_the_age_it_had_before_the_restart(void **state UNUSED)
{
	static const struct {
		int64_t	now_ms;
		size_t	known;
	} ages[] = { { 1099, 2 }, { 1100, 1 }, { 1699, 1 }, { 1700, 0 } };
	struct bench live = bench_new(10, 10), back = bench_new(10, 10);
	struct buf journal = BUF_EMPTY, file = BUF_EMPTY;
	struct state_saver saver;

	publish_key(&live, 1, 1, 100, &journal);
	state_saver_begin(&saver, live.s, live.d);
	while (!state_saver_next(&saver, &file))
		continue;
	publish_key(&live, 2, 2, 700, &journal);
	publish_key(&live, 3, 1, 900, &journal);
	come_back(&back, &journal, &file);
	for (size_t i = 0; i < NELEM(ages); i++) {
		dedup_expire(live.d, ages[i].now_ms, 10);
		dedup_expire(back.d, ages[i].now_ms, 10);
		assert_int_equal(dedup_keys(live.d), ages[i].known);
		assert_int_equal(dedup_keys(back.d), ages[i].known);
	}
	buf_free(&journal);
	buf_free(&file);
	bench_free(&live);
	bench_free(&back);
}

#define TRAIL_FIRST 100u

/* As many positions as there is room for, all job:b's. */
static void
fill_trail(struct bench *b)
{
	struct buf streams = BUF_EMPTY, trail = BUF_EMPTY;
	struct item item = make(0, "job:b", 0);
	size_t cursor = 0;
	struct rd r;

	item.seq = 1;
	item.position = (struct position){ 5, TRAIL_FIRST + TRAIL_MAX - 1 };
	sequencer_replay(b->s, &item);
	assert_int_equal(sequencer_state_save(b->s, &cursor, 1, &streams), 1);
	buf_u64(&trail, TRAIL_FIRST);
	buf_reserve(&trail, TRAIL_MAX * sizeof(uint32_t));
	for (uint32_t i = 0; i < TRAIL_MAX; i++)
		buf_u32(&trail, 0);
	sequencer_state_load_begin(b->s);
	r = rd_init(trail.data, trail.len);
	assert_int_equal(sequencer_state_load_trail(b->s, TRAIL_MAX, &r), 0);
	r = rd_init(streams.data, streams.len);
	assert_int_equal(sequencer_state_load(b->s, &r), 0);
	sequencer_state_load_end(b->s, true);
	buf_free(&streams);
	buf_free(&trail);
}

static void
test_what_a_replay_repeats_makes_nothing_gone_though_the_trail_is_full(
    void **state UNUSED)
{
	struct bench b = bench_new(10, 10);
	struct item item = make(0, "job:b", 0);
	struct sequencer_stream found;

	fill_trail(&b);
	/* The journal has more than the trail: of what is before the trail
	 * all may be job:b's, once anything of it has left the trail. */
	settle(b.s, TRAIL_FIRST / 2);
	item.seq = 1;
	item.position = sequencer_tip(b.s);
	sequencer_replay(b.s, &item);
	assert_true(sequencer_find(b.s, slice_str("-"), slice_str("job:b"),
	    &found));
	assert_int_equal(found.gone, 0);
	/* One that is new needs room. */
	item.position.number++;
	sequencer_replay(b.s, &item);
	assert_true(sequencer_find(b.s, slice_str("-"), slice_str("job:b"),
	    &found));
	assert_int_equal(found.gone, TRAIL_FIRST / 2 - 1);
	bench_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
	    test_a_stream_that_came_again_has_lost_what_was_forgotten_of_it),
		cmocka_unit_test(
		    test_a_key_leaves_by_the_age_it_had_before_the_restart),
		cmocka_unit_test(
    test_what_a_replay_repeats_makes_nothing_gone_though_the_trail_is_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
