/*
 * What the unit tests of publishing share: a broker's pure half, and requests
 * handed over to it.
 */
#ifndef SLUICE_PUBLISH_FIXTURE_H
#define SLUICE_PUBLISH_FIXTURE_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "broker/publish.h"
#include "common/xmalloc.h"

#define KEYS 40

struct bench {
	struct sequencer	*s;
	struct dedup		*d;
	struct publish_core	*core;
};

static UNUSED struct bench
bench_new(uint32_t max_streams, uint32_t max_keys)
{
	struct bench b;

	b.s = sequencer_new(max_streams, 11);
	b.d = dedup_new(1000, max_keys, 12);
	b.core = publish_core_new(b.s, b.d);
	sequencer_begin_epoch(b.s, 5, 1);
	return b;
}

static UNUSED void
bench_free(struct bench *b)
{
	publish_core_free(b->core);
	sequencer_free(b->s);
	dedup_free(b->d);
}

static UNUSED struct item
make(uint32_t group, const char *key, uint16_t flags)
{
	static const char frame[] = "\"data\":{}}";
	struct item item = { .group = group, .flags = flags,
		.tenant = slice_str("-"), .key = slice_str(key),
		.event_type = slice_str("log"), .frame = slice_str(frame),
		.data_off = 7 };

	return item;
}

static UNUSED struct item
with_key(struct item item, uint8_t key, uint8_t body)
{
	item.flags |= ITEM_IDEMPOTENT;
	memset(item.idem, key, EVENT_HASH_SIZE);
	memset(item.body, body, EVENT_HASH_SIZE);
	return item;
}

/* Hands the items over as a request would come; the outcome's record is the
 * core's own until the next call. */
static UNUSED struct publish_outcome
hand_over_at(struct bench *b, uint64_t batch, const struct item *items,
    size_t n, int64_t now_ms)
{
	struct buf bytes = BUF_EMPTY;
	struct publish_request q;
	struct publish_outcome o;

	buf_u8(&bytes, PUBLISH_OP_EVENTS);
	buf_str16(&bytes, "w/a", 3);
	buf_u64(&bytes, 1);
	buf_u64(&bytes, batch);
	buf_u32(&bytes, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		item_encode(&bytes, &items[i], false);
	assert_int_equal(publish_request_decode(bytes.data, bytes.len, &q),
	    0);
	assert_int_equal(publish_batch(b->core, &q, now_ms, &o), 0);
	buf_free(&bytes);
	return o;
}

static UNUSED struct publish_outcome
hand_over(struct bench *b, uint64_t batch, const struct item *items, size_t n)
{
	return hand_over_at(b, batch, items, n, 100);
}

#endif
