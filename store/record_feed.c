#include "store/record_feed.h"

#include <assert.h>

#include "common/log.h"
#include "common/record.h"

#define FEED_MAGIC 0x44454546u   /* "FEED" */

static void
record_feed_record_cb(const void *bytes, size_t n, void *arg)
{
	struct record_feed *f = arg;
	struct record_header header;
	struct position through;
	struct err err;
	struct rd rd;

	assert(f->magic == FEED_MAGIC);
	if (record_decode(bytes, n, &header, &rd, &err) == -1)
		fatalx("a record from the subscriber: %s", err.text);
	if (header.count == 0)
		return;
	if (catch_up_record(&f->way, (struct position){ header.epoch,
	    header.first }, &through) == CATCH_UP_LOST)
		db_writer_gap(f->writer, through);
	db_writer_record(f->writer, bytes, n, (struct position){ header.epoch,
	    header.first + header.count - 1 });
}

static void
record_feed_gap_cb(struct position from, struct position next, void *arg)
{
	char before[EVENT_ID_MAX], after[EVENT_ID_MAX];
	struct record_feed *f = arg;

	assert(f->magic == FEED_MAGIC);
	log_warn("events between %s and %s are lost to the projection",
	    position_format(from, before), position_format(next, after));
	db_writer_gap(f->writer, catch_up_gap(&f->way, next));
}

static void
record_feed_caught_up_cb(const struct heartbeat *hb, void *arg)
{
	struct record_feed *f = arg;
	bool first = !f->way.heard;
	struct position through;

	assert(f->magic == FEED_MAGIC);
	switch (catch_up_tip(&f->way, hb->tip, &through)) {
	case CATCH_UP_AT:
		db_writer_at(f->writer, through);
		break;
	case CATCH_UP_LOST:
		db_writer_gap(f->writer, through);
		break;
	case CATCH_UP_NOTHING:
	default:
		break;
	}
	db_writer_oldest(f->writer, hb->oldest);
	/* The end of the way may have been reached before it was known. */
	if (first)
		db_writer_call(f->writer);
}

static void
record_feed_retract_cb(uint64_t tip, void *arg)
{
	const struct record_feed *f = arg;

	assert(f->magic == FEED_MAGIC);
	db_writer_retract(f->writer, tip);
}

const struct subscriber_ops record_feed_ops = {
	.record = record_feed_record_cb,
	.gap = record_feed_gap_cb,
	.caught_up = record_feed_caught_up_cb,
	.retract = record_feed_retract_cb,
};

void
record_feed_init(struct record_feed *f, struct db_writer *writer,
    struct position start)
{
	f->magic = FEED_MAGIC;
	f->writer = writer;
	catch_up_init(&f->way, start);
}
