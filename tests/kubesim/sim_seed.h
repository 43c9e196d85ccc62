/*
 * sim_seed: the cluster at the start, and the making of a Deployment's
 * ReplicaSets and pods, which the life needs as well.
 */
#ifndef SIM_SEED_H
#define SIM_SEED_H

#include "tests/kubesim/sim_store.h"

/* Nodes, namespaces, a storage class, and about `objects` Deployments,
 * ReplicaSets and pods that are all well. */
void	sim_seed_fill(struct sim_store *s, unsigned objects);
/* Not yet in the store: the caller adds it. */
struct sim_object *sim_seed_set(struct sim_store *s,
    struct sim_object *deployment);
struct sim_object *sim_seed_pod(struct sim_store *s, struct sim_object *set);

#endif
