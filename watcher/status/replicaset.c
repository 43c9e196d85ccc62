/*
 * replicaset (k8s-watch.md C.4): none wanted and none there is healthy (the
 * old revision of a deployment); a ReplicaFailure is degraded, as Argo has it
 * (kstatus: in progress); then kstatus's order of counters.
 */
#include "watcher/status/rules.h"
#include "watcher/status/workload.h"

static void
decide(const struct kube_object *object, const struct workload *w,
    struct kube_status *s)
{
	if (workload_common(object, w, s) ||
	    workload_scaled_to_zero(w, s) ||
	    workload_replica_failure(w, s) ||
	    kube_status_less(s, "LessLabelled", "labelled", w->labelled,
	    w->desired) ||
	    kube_status_less(s, "LessAvailable", "available", w->available,
	    w->desired) ||
	    kube_status_less(s, "LessReady", "ready", w->ready, w->desired) ||
	    workload_extra(w, s))
		return;
	workload_healthy(w, "Ready", s);
}

void
replicaset_status(const struct kube_object *object, int64_t now_unix_ms,
    struct kube_status *ret)
{
	(void)now_unix_ms;
	workload_status(object, decide, ret);
}
