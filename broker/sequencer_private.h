/*
 * sequencer_private: what the files of sequencer (sequencer, sequencer_log,
 * sequencer_state) share and nobody else uses.
 */
#ifndef SLUICE_SEQUENCER_PRIVATE_H
#define SLUICE_SEQUENCER_PRIVATE_H

#include "broker/epoch_list.h"
#include "broker/group_limits.h"
#include "broker/log_lines.h"
#include "broker/machine_table.h"
#include "broker/stream_table.h"
#include "broker/trail.h"
#include "common/event.h"

#define SEQUENCER_MAGIC 0x53455155u

enum stream_flag {
	STREAM_ENDED     = 1 << 0, /* its last lifecycle event is terminal */
	STREAM_DELETED   = 1 << 1, /* until its next event */
	STREAM_LOGS_OPEN = 1 << 2, /* ended, but for its log */
	/* In a state file: ended_ms follows, and with GRACED grace_ms. */
	STREAM_TIMED     = 1 << 3,
	STREAM_GRACED    = 1 << 4,
};

struct sequencer {
	uint32_t		 magic;
	struct group_limits	 limits;
	struct stream_table	 table;
	struct machine_table	 machines;
	struct trail		 trail;
	struct log_lines	 logs;
	uint32_t		 epoch;
	struct epoch_list	 epochs;
	int64_t			 now_ms;
	uint32_t		 log_grace_ms[STREAM_TYPE_MAX];
	uint64_t		 next;
	uint64_t		 oldest;
	uint64_t		 forgotten_through;
	uint32_t		 sweep_at;
	uint32_t		 sweep_left; /* still to be looked at */
	uint32_t		*numbers;    /* loading: old to new */
	size_t			 n_numbers;
};

/* The item's machine stands where the item left it. */
void	sequencer_apply_machine(struct sequencer *s, struct table_stream *st,
	    const struct item *item);
/* Its own machine is at its end, and from now on its log may be open. */
void	sequencer_log_ended(const struct sequencer *s,
	    struct table_stream *st, const struct item *item);
/* It has ended, and lines of its log may follow. */
bool	sequencer_log_open(const struct sequencer *s,
	    const struct table_stream *st);

#endif
