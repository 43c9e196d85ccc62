/*
 * sim_rollout: what kube-controller-manager and the kubelets do for one
 * object, one small step per call.
 */
#ifndef SIM_ROLLOUT_H
#define SIM_ROLLOUT_H

#include "tests/kubesim/sim_store.h"

/* One step for a Deployment, a ReplicaSet or pod without owner, or what a
 * deleted one left behind. True: settled, nothing more to do. */
bool	sim_rollout_step(struct sim_store *s, struct sim_object *o,
	    int64_t now_ms);
/* Begins a pod's termination (deletionTimestamp, then the deletion). */
void	sim_rollout_stop_pod(struct sim_store *s, struct sim_object *pod);

#endif
