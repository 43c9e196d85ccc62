/*
 * sim_rollout: what kube-controller-manager and the kubelets do for one
 * object, one small step per call.
 */
#ifndef SIM_ROLLOUT_H
#define SIM_ROLLOUT_H

#include "tests/kubesim/sim_store.h"

/* One step for an object without owner, or for what a deleted one left
 * behind; other kinds than Deployment, ReplicaSet and pod are handed to
 * sim_workload. True: settled, nothing more to do. */
bool	sim_rollout_step(struct sim_store *s, struct sim_object *o,
	    int64_t now_ms);
/* Begins a pod's termination (deletionTimestamp, then the deletion). */
void	sim_rollout_stop_pod(struct sim_store *s, struct sim_object *pod);
/* A pod's next step; broken: its image is missing. True: ready, or ended. */
bool	sim_rollout_pod_step(struct sim_store *s, struct sim_object *pod,
	    bool broken, int64_t now);
/* Children that are not terminating, and those of them that are ready. */
uint32_t sim_rollout_living(const struct sim_object *set);
uint32_t sim_rollout_ready(const struct sim_object *set);
/* A duration from half of ms to one and a half. */
int64_t	sim_rollout_around(struct sim_store *s, int64_t ms);

#endif
