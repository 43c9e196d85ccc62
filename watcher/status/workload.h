/*
 * workload: what the rules of deployments, statefulsets and replicasets have
 * in common: their counters, read once, and the verdicts they share. Pure; the
 * slices are those of the object. Counters: spec.replicas that is missing or
 * no count is 1 (kstatus), any other is 0 (k8s-watch.md C.4, further rulings).
 */
#ifndef SLUICE_WORKLOAD_H
#define SLUICE_WORKLOAD_H

#include "watcher/kube_status.h"

enum workload_spec {
	WORKLOAD_REPLICAS, WORKLOAD_PAUSED, WORKLOAD_DEADLINE,
	WORKLOAD_STRATEGY, WORKLOAD_PARTITION, WORKLOAD_SPEC_MAX
};

enum workload_status {
	WORKLOAD_OBSERVED, WORKLOAD_CONDITIONS, WORKLOAD_TOTAL,
	WORKLOAD_UPDATED, WORKLOAD_READY, WORKLOAD_AVAILABLE,
	WORKLOAD_CURRENT, WORKLOAD_LABELLED, WORKLOAD_CURRENT_REVISION,
	WORKLOAD_UPDATE_REVISION, WORKLOAD_STATUS_MAX
};

struct workload {
	struct slice	spec[WORKLOAD_SPEC_MAX];       /* raw JSON */
	struct slice	status[WORKLOAD_STATUS_MAX];
	int64_t		desired;
	int64_t		total;
	int64_t		updated;
	int64_t		ready;
	int64_t		available;
	int64_t		current;
	int64_t		labelled;
};

void	workload_read(const struct kube_object *object, struct workload *ret);

/* Each is true when it decided. */
bool	workload_common(const struct kube_object *object,
	    const struct workload *w, struct kube_status *s);
bool	workload_scaled_to_zero(const struct workload *w,
	    struct kube_status *s);
bool	workload_replica_failure(const struct workload *w,
	    struct kube_status *s);
bool	workload_extra(const struct workload *w, struct kube_status *s);

/* Healthy: all that is wanted is ready. */
void	workload_healthy(const struct workload *w, const char *reason,
	    struct kube_status *s);
/* The kind fields replicas (the wanted ones) and readyReplicas. */
void	workload_fields(const struct workload *w, struct kube_status *s);

/* A rule that asks for nothing but the counters, from the object to the
 * finished status. */
typedef void (*workload_rule)(const struct kube_object *object,
    const struct workload *w, struct kube_status *s);
void	workload_status(const struct kube_object *object,
	    workload_rule decide, struct kube_status *ret);

#endif
