/* A state file written in slices, and the journal behind it, rebuild the live
 * state: a long life of random batches, asked for all it knows. */
#include "tests/unit/restart_fixture.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
	    test_a_state_written_in_slices_and_the_journal_equal_the_live_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
