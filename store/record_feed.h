/*
 * record_feed: what the subscriber brings, on its way to the writer thread:
 * records as they stand, and what is lost to the projection. It knows how far
 * the way to the tip has come (catch_up). Process: store, loop only.
 */
#ifndef SLUICE_RECORD_FEED_H
#define SLUICE_RECORD_FEED_H

#include "common/subscriber.h"
#include "store/catch_up.h"
#include "store/db_writer.h"

struct record_feed {
	uint32_t		 magic;
	struct db_writer	*writer;
	struct catch_up		 way;
};

/* For subscriber_new; its argument is the record_feed. */
extern const struct subscriber_ops record_feed_ops;

/* `writer` must outlive the subscriber; the projection stands at `start`. */
void	record_feed_init(struct record_feed *f, struct db_writer *writer,
	    struct position start);

#endif
