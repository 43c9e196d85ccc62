/*
 * group_limits: whether there is room for what a group of events would begin:
 * streams, and parts of streams (machine_table.h). Pure. Owned by sequencer.
 *
 * Only what is new is counted, each once, and only near a limit: what exists
 * goes on whatever the tables hold, or it could not end and make room.
 */
#ifndef SLUICE_GROUP_LIMITS_H
#define SLUICE_GROUP_LIMITS_H

#include "broker/machine_table.h"
#include "broker/stream_table.h"
#include "common/record.h"

struct group_limits {
	const struct stream_table	*streams;
	const struct machine_table	*machines;
	uint32_t			 max_streams;
	uint32_t			 max_parts;   /* of all streams */
};

/* RECORD_APPENDED: there is room; else which limit, and *ret_item, the item of
 * the group that meets it (of RECORD_ALL_PARTS_LIMIT the first that is a new
 * part). At most EVENT_BATCH_MAX items. */
enum record_code group_limits_judge(const struct group_limits *l,
		    const struct item *items, size_t n, uint32_t *ret_item);

#endif
