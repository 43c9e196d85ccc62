/* The reader of the bus: what comes in a burst after its loop stood still. */
#include <dirent.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "broker/journal_writer.h"
#include "broker/segment_make.h"
#include "common/bus.h"
#include "common/journal.h"
#include "common/journal_file.h"
#include "common/mono.h"
#include "common/subscriber.h"
#include "common/xmalloc.h"

#define EPOCH  7u
#define EVENTS 100u
#define MEMORY_EPOCH 8u
#define MEMORY_FIRST UINT64_C(5000)
#define NOW    INT64_C(1700000000000)

#define PAUSE_MS   200
#define COARSE_MS  20     /* libevent's clock goes by the kernel's ticks */
#define WAIT_MS    20000
#define STRANGE_MS 2000   /* until what stays behind is believed */
#define LATE_TRIES 5

struct seen {
	char			 directory[32];
	struct event_base	*base;
	struct subscriber	*sub;
	int			 pub;
	uint64_t		 sent;      /* number of the latest beat */
	uint64_t		 events;
	uint64_t		 gaps;
	uint64_t		 beats;
	uint64_t		 over;      /* tip that memory was over at */
	uint64_t		 next;      /* position expected */
};

static void
seen_record(const void *bytes, size_t n, void *arg)
{
	struct seen *s = arg;
	struct record_header h;
	struct rd r;

	assert_int_equal(record_decode(bytes, n, &h, &r, NULL), 0);
	assert_int_equal(h.first, s->next);
	s->next = h.first + h.count;
	s->events += h.count;
}

static void
seen_gap(struct position from, struct position next, void *arg)
{
	struct seen *s = arg;

	(void)from;
	s->gaps++;
	s->next = next.number;
}

static void
seen_beat(const struct heartbeat *hb, void *arg)
{
	(void)hb;
	((struct seen *)arg)->beats++;
}

static void
seen_retract(uint64_t tip, void *arg)
{
	((struct seen *)arg)->over = tip;
}

/* A journal of EVENTS records of one event. */
static void
make_journal(const char *directory)
{
	const struct journal_writer_options options = { .size = 1 << 24,
		.segment = 1 << 20 };
	struct record_header h = { .epoch = EPOCH,
		.publisher = slice_str("w/a"), .incarnation = 1 };
	struct item item = { .tenant = slice_str("-"),
		.key = slice_str("job:a"), .event_type = slice_str("log"),
		.frame = slice_str("\"data\":{}}"), .data_off = 7 };
	struct recovered found = { .epoch = EPOCH, .next = 1,
		.new_epoch = true };
	struct journal_writer *w;
	struct writer_record r = { 0 };
	struct buf b = BUF_EMPTY;

	w = journal_writer_new(directory, &options, NULL);
	assert_non_null(w);
	assert_int_equal(journal_writer_start(w, &found, "boot", NOW, NULL),
	    0);
	for (uint64_t i = 1; i <= EVENTS; i++) {
		buf_reset(&b);
		h.first = h.batch = item.seq = i;
		record_begin(&b, &h, NULL);
		record_item(&b, &item);
		record_end(&b);
		r.length = b.len;
		r.first = r.last = i;
		assert_int_equal(journal_writer_append(w, b.data, &r, 1,
		    false, NOW, NULL), 0);
	}
	buf_free(&b);
	journal_writer_free(w);
}

/* Numbered by what the subscriber only passes on. */
static void
beat_of(struct seen *s, struct position tip, uint32_t flags)
{
	const struct heartbeat hb = { .tip = tip, .oldest = 1,
		.forgotten_through = ++s->sent, .flags = flags };
	struct buf b = BUF_EMPTY;

	heartbeat_encode(&b, &hb);
	assert_int_equal(bus_send(s->pub, b.data, b.len, NULL), 0);
	buf_free(&b);
}

static void
beat(struct seen *s, uint64_t tip)
{
	beat_of(s, (struct position){ EPOCH, tip }, 0);
}

/* The loop, for so long. */
static void
turn(struct seen *s, int64_t ms)
{
	struct timeval tv = mono_timeval_ms(ms);

	(void)event_base_loopexit(s->base, &tv);
	(void)event_base_dispatch(s->base);
}

/* Runs until a count of what was given is so high, or in vain. */
static void
await(struct seen *s, const uint64_t *count, uint64_t n)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MS);

	while (*count < n && mono_before(mono_now(), end))
		turn(s, 5);
}

static void
await_events(struct seen *s, uint64_t n)
{
	await(s, &s->events, n);
	assert_int_equal(s->events, n);
}

/* Runs until all that was sent is read, of which a beat is the last. */
static void
await_read(struct seen *s)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MS);

	while (subscriber_heartbeat(s->sub).forgotten_through < s->sent &&
	    mono_before(mono_now(), end))
		turn(s, 5);
	assert_int_equal(subscriber_heartbeat(s->sub).forgotten_through,
	    s->sent);
}

/* Beats of this tip, until a count of what was given is so high, or in vain. */
static void
beat_until(struct seen *s, uint64_t tip, const uint64_t *count, uint64_t n)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MS);

	while (*count < n && mono_before(mono_now(), end)) {
		beat(s, tip);
		turn(s, 20);
	}
}

static int
setup(void **state)
{
	static struct seen seen;
	static const struct subscriber_ops ops = { .record = seen_record,
		.gap = seen_gap, .caught_up = seen_beat,
		.retract = seen_retract };
	struct err err;

	seen = (struct seen){ .directory = "/tmp/sl-XXXXXX", .next = 1 };
	*state = &seen;
	if (mkdtemp(seen.directory) == NULL)
		return -1;
	make_journal(seen.directory);
	seen.base = event_base_new();
	seen.sub = subscriber_new(seen.base, seen.directory, seen.directory,
	    "store", 1, (struct position){ 0, 0 }, &ops, &seen, &err);
	seen.pub = bus_open(BUS_PUB, &err);
	return seen.sub != NULL && seen.pub >= 0 && bus_connect(seen.pub,
	    subscriber_path(seen.sub), &err) >= 0 ? 0 : -1;
}

static int
teardown(void **state)
{
	struct seen *s = *state;
	struct dirent *e;
	DIR *d;

	subscriber_free(s->sub);
	bus_close(s->pub);
	event_base_free(s->base);
	d = opendir(s->directory);
	if (d == NULL)
		return -1;
	while ((e = readdir(d)) != NULL)
		(void)unlinkat(dirfd(d), e->d_name, 0);
	(void)closedir(d);
	return rmdir(s->directory);
}

/* Beats until PUB's connection stands, and what arrives of them did. */
static void
connect_up(struct seen *s)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MS);

	while (subscriber_heartbeat(s->sub).tip.epoch == 0 &&
	    mono_before(mono_now(), end)) {
		beat(s, 0);
		turn(s, 10);
	}
	assert_int_equal(subscriber_heartbeat(s->sub).tip.epoch, EPOCH);
	await_read(s);
}

static void
read_all(struct seen *s)
{
	connect_up(s);
	beat(s, EVENTS);
	await_events(s, EVENTS);
}

/* After a start, so many beats that were late and all came at once. Where the
 * machine stood still meanwhile they rightly are believed: another start. */
static void
late_beats(void **state, void (*start)(struct seen *s), uint64_t tip,
    unsigned int n)
{
	struct seen *s = *state;
	struct mono first;

	for (unsigned int tries = 0; tries < LATE_TRIES; tries++) {
		start(s);
		first = mono_now();
		for (unsigned int i = 0; i < n; i++)
			beat(s, tip);
		await_read(s);
		if (mono_diff_ms(mono_now(), first) < STRANGE_MS)
			return;
		assert_int_equal(teardown(state), 0);
		assert_int_equal(setup(state), 0);
	}
	fail_msg("%u beats never came within %u ms", n, STRANGE_MS);
}

static void
test_a_burst_of_heartbeats_is_no_reason_to_skip(void **state)
{
	struct seen *s = *state;

	connect_up(s);
	for (int i = 0; i < 100; i++)
		beat(s, EVENTS);
	await_read(s);
	await_events(s, EVENTS);
	assert_int_equal(s->gaps, 0);
	assert_true(s->beats > 0);
}

static void
test_a_dead_brokers_last_heartbeats_do_not_lead_back(void **state)
{
	struct seen *s = *state;

	late_beats(state, read_all, EVENTS - 10, 60);
	beat(s, EVENTS);
	await_read(s);
	assert_int_equal(s->events, EVENTS);
	assert_int_equal(s->gaps, 0);
	assert_int_equal(s->next, EVENTS + 1);
}

static void
test_a_tip_that_stays_behind_is_believed_in_the_end(void **state)
{
	struct seen *s = *state;

	connect_up(s);
	beat_until(s, EVENTS, &s->events, EVENTS);
	beat_until(s, EVENTS - 10, &s->gaps, 1);
	assert_int_equal(s->gaps, 1);
	assert_int_equal(s->next, EVENTS - 10 + 1);
}

static void
test_what_comes_in_a_pause_is_read_at_its_end(void **state)
{
	struct seen *s = *state;
	struct mono first;

	read_all(s);
	subscriber_pause(s->sub, PAUSE_MS);
	s->beats = 0;
	first = mono_now();
	beat(s, EVENTS);
	await(s, &s->beats, 1);
	beat(s, EVENTS);
	beat(s, EVENTS);
	await(s, &s->beats, 3);
	assert_int_equal(s->beats, 3);
	/* It began with the first one, or later. */
	assert_true(mono_diff_ms(mono_now(), first) >= PAUSE_MS -
	    COARSE_MS);
	/* After one in which nothing came it is still heard. */
	turn(s, 3 * PAUSE_MS);
	beat(s, EVENTS);
	await(s, &s->beats, 4);
	assert_int_equal(s->beats, 4);
	assert_int_equal(s->gaps, 0);
}

/* Memory that the history could not be told of, and of which the files count to
 * the tenth position from their end. */
static void
memory_is_told(struct seen *s, uint64_t first)
{
	const struct journal_segment header = { MEMORY_EPOCH, first, NOW };
	int fd = segment_make_memory(&header, EVENTS - 9);

	assert_true(fd >= 0);
	subscriber_add_segment(s->sub, first, fd);
}

/* Where memory begins, with nothing in it. */
static const struct position memory_tip = { MEMORY_EPOCH, MEMORY_FIRST - 1 };

static void
hear_of_memory(struct seen *s)
{
	connect_up(s);
	memory_is_told(s, MEMORY_FIRST);
}

/* The broker goes on saying it, for longer than what is over is believed. */
static void
stays_in_memory(struct seen *s)
{
	struct mono end = mono_add_ms(mono_now(), STRANGE_MS + 1000);

	while (mono_before(mono_now(), end)) {
		beat_of(s, memory_tip, HEARTBEAT_MEMORY);
		turn(s, 100);
	}
	await_read(s);
	await(s, &s->gaps, 1);
	assert_int_equal(s->over, 0);
	assert_int_equal(s->events, EVENTS - 10);
	assert_int_equal(s->gaps, 1);
}

/* The journal's last ten were told to nobody: the disk failed there, and
 * memory has them again, in another epoch. */
static void
test_files_are_not_read_until_it_is_known_how_far_they_count(void **state)
{
	struct seen *s = *state;

	connect_up(s);
	for (int i = 0; i < 10; i++)
		beat_of(s, memory_tip, HEARTBEAT_MEMORY);
	await_read(s);
	turn(s, 100);
	assert_int_equal(s->events, 0);
	memory_is_told(s, MEMORY_FIRST);
	await(s, &s->gaps, 1);
	assert_int_equal(s->events, EVENTS - 10);
	assert_int_equal(s->gaps, 1);
	assert_int_equal(s->next, MEMORY_FIRST);
}

/* The broker was started again, on the disk, in the epoch before: the positions
 * that memory took from the files are given to others, in the files. */
static void
test_files_count_again_when_the_life_in_memory_is_over(void **state)
{
	struct seen *s = *state;

	hear_of_memory(s);
	beat_of(s, memory_tip, HEARTBEAT_MEMORY);
	await(s, &s->gaps, 1);
	assert_int_equal(s->events, EVENTS - 10);
	assert_int_equal(s->next, MEMORY_FIRST);
	beat_until(s, EVENTS - 5, &s->gaps, 2);
	assert_int_equal(s->gaps, 2);
	assert_int_equal(s->next, EVENTS - 4);
	assert_int_equal(s->over, EVENTS - 5);
	beat_until(s, EVENTS, &s->events, EVENTS - 5);
	assert_int_equal(s->events, EVENTS - 5);
	assert_int_equal(s->gaps, 2);
}

/* The same for who had not come to memory when it was over, though it had heard
 * of an event there: of the files it reads what is announced, and no more. */
static void
test_who_never_read_memory_misses_nothing_when_it_is_over(void **state)
{
	const struct position tip = { MEMORY_EPOCH, MEMORY_FIRST };
	struct seen *s = *state;

	hear_of_memory(s);
	beat_of(s, tip, HEARTBEAT_MEMORY);
	await(s, &s->events, EVENTS - 10);
	beat_until(s, EVENTS - 10, &s->over, 1);
	assert_int_equal(s->events, EVENTS - 10);
	assert_int_equal(s->over, EVENTS - 10);
	beat_until(s, EVENTS - 5, &s->events, EVENTS - 5);
	assert_int_equal(s->events, EVENTS - 5);
	beat_until(s, EVENTS, &s->events, EVENTS);
	assert_int_equal(s->events, EVENTS);
	assert_int_equal(s->gaps, 0);
}

/* What the broker said before its disk failed may come after the segment. */
static void
test_a_late_heartbeat_does_not_end_a_life_in_memory(void **state)
{
	struct seen *s = *state;

	late_beats(state, hear_of_memory, EVENTS - 20, 60);
	await_events(s, EVENTS - 20);
	stays_in_memory(s);
}

/* The supervisor tells of the next segment at once; the bus is read late. */
static void
test_who_is_behind_keeps_the_segments_that_memory_goes_on_in(void **state)
{
	struct seen *s = *state;

	hear_of_memory(s);
	memory_is_told(s, MEMORY_FIRST + 1000);
	stays_in_memory(s);
}

/* A record of an epoch that no heartbeat has told of says nothing about how far
 * the files count. */
static void
test_a_record_of_an_unknown_epoch_waits_for_its_heartbeat(void **state)
{
	struct record_header h = { .epoch = MEMORY_EPOCH,
		.first = MEMORY_FIRST, .publisher = slice_str("w/a"),
		.incarnation = 1, .batch = 1 };
	struct item item = { .tenant = slice_str("-"),
		.key = slice_str("job:a"), .event_type = slice_str("log"),
		.frame = slice_str("\"data\":{}}"), .data_off = 7, .seq = 1 };
	struct seen *s = *state;
	struct buf b = BUF_EMPTY;

	connect_up(s);
	record_begin(&b, &h, NULL);
	record_item(&b, &item);
	record_end(&b);
	assert_int_equal(bus_send(s->pub, b.data, b.len, NULL), 0);
	buf_free(&b);
	beat(s, 0);
	await_read(s);
	turn(s, 100);
	assert_int_equal(s->events, 0);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_a_burst_of_heartbeats_is_no_reason_to_skip),
		TEST(test_a_dead_brokers_last_heartbeats_do_not_lead_back),
		TEST(test_a_tip_that_stays_behind_is_believed_in_the_end),
		TEST(test_what_comes_in_a_pause_is_read_at_its_end),
		TEST(test_files_are_not_read_until_it_is_known_how_far_they_count),
		TEST(test_files_count_again_when_the_life_in_memory_is_over),
		TEST(test_who_never_read_memory_misses_nothing_when_it_is_over),
		TEST(test_a_late_heartbeat_does_not_end_a_life_in_memory),
		TEST(test_who_is_behind_keeps_the_segments_that_memory_goes_on_in),
		TEST(test_a_record_of_an_unknown_epoch_waits_for_its_heartbeat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
