/*
 * What the unit tests of frames, ring and hub share: events, as items and as
 * records put into a ring.
 */
#ifndef SLUICE_RING_FIXTURE_H
#define SLUICE_RING_FIXTURE_H

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/xmalloc.h"
#include "gateway/hub.h"
#include "gateway/ring.h"

#define EPOCH 0x65f1a2b3u

static UNUSED struct item
make_item(const char *key, const char *type, const char *frame, uint64_t seq,
    uint64_t position)
{
	struct item item = {
		.seq = seq,
		.position = { EPOCH, position },
		.tenant = slice_str("-"),
		.key = slice_str(key),
		.event_type = slice_str(type),
		.subject = slice_str("s"),
		.frame = slice_str(frame),
		.data_off = (uint32_t)(strstr(frame, "{") - frame),
	};

	return item;
}

static UNUSED void
dispatch_cb(const struct item *item, void *arg)
{
	if (arg != NULL)
		hub_dispatch(arg, item->tenant, item->key, item->event_type,
		    (item->flags & RING_ENDING) != 0, item->position.number);
}

/* One record with one event of `key` at `position`. */
static UNUSED void
put_flagged(struct ring *r, struct hub *h, uint32_t epoch, uint64_t position,
    const char *key, const char *type, uint8_t flags, uint8_t state)
{
	struct buf b = BUF_EMPTY;
	struct err err = { 0 };
	char frame[200];
	struct record_header header = { .epoch = epoch, .first = position,
	    .count = 1, .publisher = slice_str("test/1"), .incarnation = 1,
	    .batch = position };
	struct item item;

	(void)snprintf(frame, sizeof(frame), "\"stream_key\":\"%s\",\"data\":"
	    "{\"p\":%" PRIu64 "}}", key, position);
	item = make_item(key, type, frame, position, position);
	item.flags = flags;
	item.state = state;
	record_begin(&b, &header, NULL);
	record_item(&b, &item);
	record_end(&b);
	if (ring_input(r, b.data, b.len, dispatch_cb, h, &err) == -1)
		fail_msg("%s", err.text);
	buf_free(&b);
}

static UNUSED void
put(struct ring *r, struct hub *h, uint32_t epoch, uint64_t position,
    const char *key, const char *type)
{
	put_flagged(r, h, epoch, position, key, type, 0, 0);
}

#endif
