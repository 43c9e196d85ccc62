/*
 * sim_story: the seeded script of what happens to a cluster that nobody
 * touches: rollouts, scaling, pods that crash, addresses and metrics that are
 * lost, claims that are lost and made anew, secrets that are rotated.
 *
 * A story only begins something; sim_rollout and sim_workload bring it to its
 * end, which is always that all is well again.
 */
#ifndef SIM_STORY_H
#define SIM_STORY_H

#include "tests/kubesim/sim_store.h"

/* Begins one story; returns the object its controller must look at, or NULL
 * when the dice fell on one that is busy or belongs to a test. told: how many
 * stories there have been. */
struct sim_object *sim_story_begin(struct sim_store *s, uint64_t told);

#endif
