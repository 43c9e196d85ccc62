/*
 * state_slices: when a state file is written, slice by slice with the journal's
 * jobs (state_file has its bytes): everything a slice knows is in its job's
 * records or before them. After one that failed the next is not begun before
 * STATE_SLICES_RETRY_MS.
 */
#ifndef SLUICE_STATE_SLICES_H
#define SLUICE_STATE_SLICES_H

#include "broker/journal_thread.h"
#include "broker/state_file.h"
#include "common/mono.h"

#define STATE_SLICES_RETRY_MS 10000

struct state_slices {
	struct state_saver	saver;
	bool			saving;      /* wanted, or under way */
	bool			begun;
	struct mono		not_before;
};

/* A file is wanted; nothing if one is, or if it is too early. */
void	state_slices_want(struct state_slices *s);
/* The next slice, if one is under way, goes with the job. */
void	state_slices_add(struct state_slices *s,
	    struct sequencer *sequencer, struct dedup *dedup,
	    struct journal_job *job);
/* The job was done; the log is told of a failure. */
void	state_slices_done(struct state_slices *s,
	    const struct journal_job *job);

#endif
