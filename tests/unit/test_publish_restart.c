/* What a new broker knows: a state file and the journal rebuild the live state;
 * records stamped anew move what hangs on them. */
#include <sys/mman.h>
#include <unistd.h>

#include "broker/sequencer_state.h"
#include "broker/state_file.h"
#include "broker/trail.h"
#include "tests/unit/publish_fixture.h"

/* The line_no that the broker would take next; 0: it knows none; UINT64_MAX:
 * the log is closed. */
static uint64_t
next_line(struct bench *b, const char *key, uint32_t attempt)
{
	struct item item = make(0, key, ITEM_LOG | ITEM_LOG_NEXT);
	struct record_exception e = { 0 };

	item.attempt = attempt;
	item.line_no = UINT64_MAX;
	assert_int_equal(sequencer_judge(b->s, &item, 1, &e), -1);
	if (e.code == RECORD_ENDED)
		return UINT64_MAX;
	assert_int_equal(e.code, RECORD_LOG_OFFSET);
	return e.position.number;
}

#define PARTS 3

static struct item
of_part(const char *key, int part, uint16_t flags)
{
	struct item item = make(0, key, flags | (part == 0 ? ITEM_LIFECYCLE :
	    ITEM_PART));

	if (part != 0)
		memset(item.part, part, EVENT_HASH_SIZE);
	return item;
}

/* By asking with a guard that no machine has. */
static void
equal_part(struct bench *a, struct bench *b, const char *key, int part)
{
	struct item item = of_part(key, part, ITEM_GUARDED);
	struct record_exception x = { 0 }, y = { 0 };

	item.guard = ITEM_GUARD_NEVER;
	assert_int_equal(sequencer_judge(a->s, &item, 1, &x), -1);
	assert_int_equal(sequencer_judge(b->s, &item, 1, &y), -1);
	assert_int_equal(x.code, y.code);
	assert_true(position_eq(x.position, y.position));
	assert_int_equal(x.state, y.state);
	assert_int_equal(x.attempt, y.attempt);
	assert_memory_equal(x.body, y.body, EVENT_HASH_SIZE);
}

#define POSITIONS_MAX 8192

/* Whose each position is, as the records say. */
static unsigned long owners[POSITIONS_MAX];

static void
note_owners(const struct buf *record)
{
	struct record_header h;
	struct item item;
	struct rd r;

	assert_int_equal(record_decode(record->data, record->len, &h, &r,
	    NULL), 0);
	for (uint32_t i = 0; i < h.exceptions; i++) {
		struct record_exception e;

		assert_int_equal(record_exception_decode(&r, &e), 0);
	}
	for (uint32_t i = 0; i < h.count; i++) {
		assert_int_equal(record_item_decode(&r, &h, i, &item), 0);
		assert_true(item.position.number < POSITIONS_MAX);
		owners[item.position.number] = strtoul(item.key.p + 4, NULL,
		    10);
	}
}

/* Exact, but for a stream that may have been forgotten. */
static void
check_gone(const struct bench *b, unsigned long key, uint64_t gone)
{
	uint64_t lost = sequencer_oldest(b->s);

	while (lost > 0 && (--lost == 0 || owners[lost] != key))
		continue;
	assert_in_range(gone, lost, lost > sequencer_forgotten_through(b->s) ?
	    lost : sequencer_forgotten_through(b->s));
}

static void
equal(struct bench *a, struct bench *b, char names[KEYS][16], int keys)
{
	for (int k = 0; k < keys; k++) {
		struct sequencer_stream x = { 0 }, y = { 0 };

		assert_int_equal(sequencer_find(a->s, slice_str("-"),
		    slice_str(names[k]), &x), sequencer_find(b->s,
		    slice_str("-"), slice_str(names[k]), &y));
		assert_int_equal(x.seq, y.seq);
		assert_true(position_eq(x.last, y.last));
		if (x.seq != 0) {
			check_gone(a, (unsigned long)k, x.gone);
			check_gone(b, (unsigned long)k, y.gone);
		}
		assert_true(position_eq(x.lifecycle, y.lifecycle));
		assert_int_equal(x.state, y.state);
		assert_int_equal(x.ended, y.ended);
		for (uint32_t attempt = 1; attempt <= 20; attempt++)
			assert_int_equal(next_line(a, names[k], attempt),
			    next_line(b, names[k], attempt));
		for (int part = 0; part < PARTS; part++)
			equal_part(a, b, names[k], part);
	}
	assert_int_equal(sequencer_tip(a->s).number,
	    sequencer_tip(b->s).number);
	assert_int_equal(sequencer_streams(a->s), sequencer_streams(b->s));
	assert_int_equal(dedup_keys(a->d), dedup_keys(b->d));
}

static void
settle(struct sequencer *s, uint64_t oldest)
{
	sequencer_set_oldest(s, oldest);
	while (sequencer_settle(s, 100))
		continue;
}

static int
file_of(const struct buf *b, size_t n)
{
	int fd = memfd_create("state", MFD_CLOEXEC);

	assert_int_equal(write(fd, b->data, n), n);
	return fd;
}

/* All keys all the time; or some for a while, and again much later, when those
 * that ended are forgotten. */
static const char *
some_key(char names[KEYS][16], uint64_t batch, bool ends)
{
	return ends ? names[(batch / 25 * 5 + (uint64_t)rand() % 10) % KEYS] :
	    names[rand() % KEYS];
}

static struct item
any_item(char names[KEYS][16], uint64_t batch, size_t i, bool ends)
{
	const char *key = some_key(names, batch, ends);
	struct item item = rand() % 3 == 0 ? of_part(key, rand() % PARTS, 0) :
	    make(0, key, 0);
	uint64_t hash[2] = { 0, 0 };

	item.group = (uint32_t)i;
	item.state = (uint8_t)rand();
	if (ends && (item.flags & ITEM_LIFECYCLE) != 0 && rand() % 2 == 0)
		item.flags |= ITEM_TERMINAL;
	item.flags |= ITEM_LOG;
	item.attempt = 1 + (uint32_t)rand() % 20;
	item.line_no = 1 + (uint64_t)rand() % 1000;
	item.body[5] = (uint8_t)rand();
	if (rand() % 2 == 0) {
		hash[0] = (uint64_t)rand() % 900;
		item = with_key(item, 0, 1);
		memcpy(item.idem, hash, sizeof(hash));
	}
	return item;
}

/* A life of 400 batches: its journal, and a state file of which slices are
 * taken from the 200th on, while batches go on. */
static void
live_on(struct bench *live, char names[KEYS][16], bool ends,
    struct buf *journal, struct buf *file)
{
	struct state_saver saver;
	bool done = false;

	for (uint64_t batch = 1; batch < 400; batch++) {
		struct item items[20];
		struct publish_outcome o;
		size_t n = 1 + (size_t)rand() % 20;

		for (size_t i = 0; i < n; i++)
			items[i] = any_item(names, batch, i, ends);
		o = hand_over(live, batch, items, n);
		if (o.count != 0) {
			buf_add(journal, o.record->data, o.record->len);
			note_owners(o.record);
		}
		/* Old ones leave the journal all the time. */
		sequencer_set_oldest(live->s, o.first.number / 2);
		(void)sequencer_sweep(live->s, (size_t)rand() % 20);
		if (batch == 200)
			state_saver_begin(&saver, live->s, live->d);
		if (batch >= 200 && !done)
			done = state_saver_next(&saver, file);
	}
	assert_true(done);
	assert_int_equal(sequencer_forgotten_through(live->s) > 0, ends);
}

/* A start: the state file, and the journal after the state's position. */
static void
come_back(struct bench *back, const struct buf *journal,
    const struct buf *file)
{
	struct state_info info;
	struct err err;
	size_t at = 0;
	int fd = file_of(file, file->len);

	assert_int_equal(state_file_load(fd, back->s, back->d, &info, &err),
	    0);
	assert_true(info.through >= info.position.number);
	(void)close(fd);
	while (at < journal->len) {
		struct record_header h;
		struct rd r;

		assert_int_equal(record_decode(journal->data + at,
		    journal->len - at, &h, &r, &err), 0);
		if (h.first + h.count - 1 > info.position.number)
			assert_int_equal(publish_replay(back->core,
			    journal->data + at, h.length, &err), 0);
		at += h.length;
	}
}

static void
equal_answers(const struct bench *live, const struct bench *back)
{
	struct dedup_answer x, y;

	assert_int_equal(dedup_batch(live->d, slice_str("w/a"), 1, 399, &x),
	    dedup_batch(back->d, slice_str("w/a"), 1, 399, &y));
	assert_int_equal(x.first.number, y.first.number);
	assert_int_equal(x.exceptions, y.exceptions);
}

static void
torn_is_refused(const struct buf *file)
{
	struct state_info info;

	for (size_t n = 0; n < file->len; n += 1 + n / 50) {
		int fd = file_of(file, n);

		assert_int_equal(state_file_load(fd, NULL, NULL, &info, NULL),
		    -1);
		(void)close(fd);
	}
}

static void
check_slices_and_journal(bool ends)
{
	struct bench live = bench_new(1000, 500), back = bench_new(1000, 500);
	struct buf journal = BUF_EMPTY, file = BUF_EMPTY;
	char names[KEYS][16];

	srand(2);
	for (int k = 0; k < KEYS; k++)
		(void)snprintf(names[k], sizeof(names[k]), "job:%d", k);
	live_on(&live, names, ends, &journal, &file);
	come_back(&back, &journal, &file);
	/* More has left it by the time of the start. */
	for (uint64_t oldest = sequencer_oldest(live.s);
	    oldest < sequencer_tip(live.s).number; oldest += 177) {
		settle(live.s, oldest);
		settle(back.s, oldest);
		equal(&live, &back, names, KEYS);
	}
	equal_answers(&live, &back);
	torn_is_refused(&file);
	buf_free(&journal);
	buf_free(&file);
	bench_free(&live);
	bench_free(&back);
}

static void
test_a_state_written_in_slices_and_the_journal_equal_the_live_state(
    void **state UNUSED)
{
	check_slices_and_journal(false);
	check_slices_and_journal(true);
}

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
		cmocka_unit_test(
	    test_a_state_written_in_slices_and_the_journal_equal_the_live_state),
		cmocka_unit_test(
	    test_a_stream_that_came_again_has_lost_what_was_forgotten_of_it),
		cmocka_unit_test(
		    test_a_key_leaves_by_the_age_it_had_before_the_restart),
		cmocka_unit_test(
    test_what_a_replay_repeats_makes_nothing_gone_though_the_trail_is_full),
		cmocka_unit_test(
		    test_restamped_records_move_guards_keys_and_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
