/*
 * sim_workload: what the controllers do for every kind but Deployment and
 * ReplicaSet, one small step per call: StatefulSets in order, a DaemonSet's
 * pod per node, Jobs that end well or fail, CronJobs that start them, and the
 * objects that only wait for an address, metrics or a volume.
 */
#ifndef SIM_WORKLOAD_H
#define SIM_WORKLOAD_H

#include "tests/kubesim/sim_store.h"

/* One step for an object without owner, or for what a deleted one left
 * behind. True: settled. */
bool	sim_workload_step(struct sim_store *s, struct sim_object *o,
	    int64_t now);
/* Deleting one of this kind takes its children with it, later. */
bool	sim_workload_owns(enum sim_kind kind);
/* A CronJob's next Job, unless one runs; failing: its pods will fail. */
void	sim_workload_schedule(struct sim_store *s, struct sim_object *o,
	    bool failing);

#endif
