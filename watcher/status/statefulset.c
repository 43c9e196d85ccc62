/*
 * statefulset (k8s-watch.md C.4): Argo's rule that the controller must have
 * seen it at all, then kstatus's order of counters, then Helm's check of the
 * revisions where no partition holds pods back: the API server writes
 * partition 0 into every object, so that without it no update would ever be
 * seen to be under way. OnDelete: whoever deletes the pods drives the update,
 * so only their number and readiness count.
 */
#include "watcher/json_scan.h"
#include "watcher/status/rules.h"
#include "watcher/status/workload.h"

/* Is the update through as far as it is meant to go? */
static bool
rule_rollout(const struct workload *w, struct kube_status *s)
{
	int64_t held = kube_status_counter(w->spec[WORKLOAD_PARTITION], -1);

	if (held < 0 && kube_status_less(s, "LessCurrent", "current",
	    w->current, w->desired))
		return true;
	if (held >= 0 && kube_status_less(s, "PartitionRollout", "updated",
	    w->updated, w->desired - held))
		return true;
	if (held > 0 || slice_eq(
	    json_scan_text(w->status[WORKLOAD_CURRENT_REVISION]),
	    json_scan_text(w->status[WORKLOAD_UPDATE_REVISION])))
		return false;
	kube_status_set(s, HEALTH_PROGRESSING, "RevisionMismatch",
	    "the new revision is not the current one yet");
	return true;
}

static void
decide(const struct kube_object *object, const struct workload *w,
    struct kube_status *s)
{
	if (workload_common(object, w, s))
		return;
	if (json_scan_int(w->status[WORKLOAD_OBSERVED], 0) <= 0) {
		kube_status_set(s, HEALTH_PROGRESSING,
		    "NoObservedGeneration", "not seen by its controller yet");
		return;
	}
	if (workload_scaled_to_zero(w, s) ||
	    kube_status_less(s, "LessReplicas", "replicas", w->total,
	    w->desired) ||
	    kube_status_less(s, "LessReady", "ready", w->ready, w->desired) ||
	    workload_extra(w, s))
		return;
	if (!json_scan_is(w->spec[WORKLOAD_STRATEGY], "OnDelete") &&
	    rule_rollout(w, s))
		return;
	workload_healthy(w, "Ready", s);
}

void
statefulset_status(const struct kube_object *object, int64_t now_unix_ms,
    struct kube_status *ret)
{
	(void)now_unix_ms;
	workload_status(object, decide, ret);
}
