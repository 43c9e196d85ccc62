/*
 * run_losses: what the derived progress of runs had to leave out since the
 * store started, for the log and the status. Plain data. Process: store.
 */
#ifndef SLUICE_RUN_LOSSES_H
#define SLUICE_RUN_LOSSES_H

#include <stdint.h>

#include "common/event.h"

#define RUN_LOSS_NAME_MAX (EVENT_TENANT_MAX + 1 + EVENT_KEY_MAX + 1)

struct run_loss {
	uint64_t	count;
	char		last[RUN_LOSS_NAME_MAX];   /* "<tenant> run:<id>" */
};

struct run_losses {
	struct run_loss	pushed_out;   /* runs, for others of their tenant */
	struct run_loss	uncounted;    /* changes of jobs of a full run */
	uint64_t	gone;         /* runs of which events may be lost */
};

#endif
