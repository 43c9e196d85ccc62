/*
 * What the unit tests of the subscriber share: a journal of EVENTS events, a
 * broker's heartbeats over a real bus, and what was given of them.
 */
#ifndef SLUICE_SUBSCRIBER_FIXTURE_H
#define SLUICE_SUBSCRIBER_FIXTURE_H

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

static UNUSED void
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

static UNUSED void
seen_gap(struct position from, struct position next, void *arg)
{
	struct seen *s = arg;

	(void)from;
	s->gaps++;
	s->next = next.number;
}

static UNUSED void
seen_beat(const struct heartbeat *hb, void *arg)
{
	(void)hb;
	((struct seen *)arg)->beats++;
}

static UNUSED void
seen_retract(uint64_t tip, void *arg)
{
	((struct seen *)arg)->over = tip;
}

/* A journal of EVENTS records of one event. */
static UNUSED void
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
static UNUSED void
beat_of(struct seen *s, struct position tip, uint32_t flags)
{
	const struct heartbeat hb = { .tip = tip, .oldest = 1,
		.forgotten_through = ++s->sent, .flags = flags };
	struct buf b = BUF_EMPTY;

	heartbeat_encode(&b, &hb);
	assert_int_equal(bus_send(s->pub, b.data, b.len, NULL), 0);
	buf_free(&b);
}

static UNUSED void
beat(struct seen *s, uint64_t tip)
{
	beat_of(s, (struct position){ EPOCH, tip }, 0);
}

/* The loop, for so long. */
static UNUSED void
turn(struct seen *s, int64_t ms)
{
	struct timeval tv = mono_timeval_ms(ms);

	(void)event_base_loopexit(s->base, &tv);
	(void)event_base_dispatch(s->base);
}

/* Runs until a count of what was given is so high, or in vain. */
static UNUSED void
await(struct seen *s, const uint64_t *count, uint64_t n)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MS);

	while (*count < n && mono_before(mono_now(), end))
		turn(s, 5);
}

static UNUSED void
await_events(struct seen *s, uint64_t n)
{
	await(s, &s->events, n);
	assert_int_equal(s->events, n);
}

/* Runs until all that was sent is read, of which a beat is the last. */
static UNUSED void
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
static UNUSED void
beat_until(struct seen *s, uint64_t tip, const uint64_t *count, uint64_t n)
{
	struct mono end = mono_add_ms(mono_now(), WAIT_MS);

	while (*count < n && mono_before(mono_now(), end)) {
		beat(s, tip);
		turn(s, 20);
	}
}

static UNUSED int
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

static UNUSED int
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
static UNUSED void
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

static UNUSED void
read_all(struct seen *s)
{
	connect_up(s);
	beat(s, EVENTS);
	await_events(s, EVENTS);
}

/* After a start, so many beats that were late and all came at once. Where the
 * machine stood still meanwhile they rightly are believed: another start. */
static UNUSED void
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

#endif
