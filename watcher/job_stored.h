/*
 * job_stored: what the last event of a job stream says, as the store has it:
 * which Job it is of, and where its stream stands. Pure.
 */
#ifndef SLUICE_JOB_STORED_H
#define SLUICE_JOB_STORED_H

#include "common/event.h"
#include "watcher/job_facts.h"
#include "watcher/job_name.h"

/* False: it is no change of a state that a watcher may have published. */
bool	job_stored_read(const struct item *item, struct job_step *ret,
	    uint8_t ret_uid[JOB_UID_SIZE]);

#endif
