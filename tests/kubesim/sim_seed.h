/*
 * sim_seed: the cluster at the start, and the making of a Deployment's
 * ReplicaSets and pods, which the life needs as well.
 */
#ifndef SIM_SEED_H
#define SIM_SEED_H

#include "tests/kubesim/sim_store.h"

/* Nodes, namespaces, a storage class, and about `objects` objects of the kinds
 * in the set (SIM_BIT), all well. Deployment, ReplicaSet and pod come
 * together; the pods of other workloads come with those. */
void	sim_seed_fill(struct sim_store *s, uint32_t kinds, unsigned objects);
/* Beside that, so many pods of about so many bytes, evenly in namespaces of
 * their own, one Deployment in each. */
void	sim_seed_crowd(struct sim_store *s, unsigned pods,
	    unsigned namespaces_, unsigned bytes);
/* Not yet in the store: the caller adds it. */
struct sim_object *sim_seed_set(struct sim_store *s,
    struct sim_object *deployment);
struct sim_object *sim_seed_numbered_pod(struct sim_store *s,
    struct sim_object *set, unsigned index);
struct sim_object *sim_seed_pod(struct sim_store *s, struct sim_object *set);

#endif
