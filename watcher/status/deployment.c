/*
 * deployment (k8s-watch.md C.4): paused is suspended; none wanted and none
 * there is healthy; a passed progress deadline or a ReplicaFailure is degraded;
 * then kstatus's order; none ready for longer than the deadline is degraded.
 * That time runs from the last sign of life: creation, Progressing's or
 * Available's last change (an old deployment scaled up from zero begins anew:
 * the controller turns Available to False then, and leaves Progressing alone).
 */
#include <inttypes.h>
#include <limits.h>

#include "common/macros.h"
#include "watcher/json_scan.h"
#include "watcher/status/rules.h"
#include "watcher/status/workload.h"

#define DEADLINE_DEFAULT_S 600   /* of the API */

/* kstatus's comparisons, in its order. True when one of them decided. */
static bool
rule_counts(const struct workload *w, struct kube_status *s)
{
	return kube_status_less(s, "LessReplicas", "replicas", w->total,
	    w->desired) ||
	    kube_status_less(s, "LessUpdated", "updated", w->updated,
	    w->desired) ||
	    workload_extra(w, s) ||
	    kube_status_less(s, "LessAvailable", "available", w->available,
	    w->updated) ||
	    kube_status_less(s, "LessReady", "ready", w->ready, w->desired);
}

/* With a deadline the controller itself says when a rollout is through. */
static bool
rule_conditions(const struct workload *w, struct kube_status *s)
{
	struct slice conditions = w->status[WORKLOAD_CONDITIONS];
	struct slice deadline = w->spec[WORKLOAD_DEADLINE];
	struct kube_condition c;

	if (!json_scan_is_int(deadline) ||
	    json_scan_int(deadline, 0) == INT_MAX)
		return false;
	if (!kube_status_is_true(conditions, "Progressing", &c) ||
	    !json_scan_is(c.reason, "NewReplicaSetAvailable")) {
		kube_status_set(s, HEALTH_PROGRESSING,
		    "ReplicaSetNotAvailable", "the new replica set is not "
		    "available yet");
		return true;
	}
	if (!kube_status_is_true(conditions, "Available", &c)) {
		kube_status_set(s, HEALTH_PROGRESSING,
		    "DeploymentNotAvailable", "not available yet");
		return true;
	}
	return false;
}

static bool
rule_deadline_exceeded(struct slice conditions, struct kube_status *s)
{
	struct kube_condition c;

	if (!kube_status_condition(conditions, "Progressing", &c) ||
	    !json_scan_is(c.reason, "ProgressDeadlineExceeded"))
		return false;
	kube_status_set_raw(s, HEALTH_DEGRADED, c.reason, "", c.message,
	    "progress deadline exceeded");
	return true;
}

static int64_t
last_sign(const struct kube_object *object, struct slice conditions)
{
	static const char *const types[] = { "Progressing", "Available" };
	int64_t at = object->created_unix_ms, changed;
	struct kube_condition c;
	size_t i;

	for (i = 0; i < NELEM(types); i++) {
		if (kube_status_condition(conditions, types[i], &c)) {
			changed = kube_status_changed(&c);
			at = MAX(at, changed);
		}
	}
	return at;
}

/* Nothing ready since long ago: no rollout, a failure. */
static void
rule_overdue(const struct kube_object *object, const struct workload *w,
    int64_t now, struct kube_status *s)
{
	int64_t seconds = json_scan_int(w->spec[WORKLOAD_DEADLINE],
	    DEADLINE_DEFAULT_S);
	int64_t due;

	if (w->ready > 0 || w->desired == 0 || object->created_unix_ms == 0 ||
	    seconds < 0 || seconds >= INT_MAX)
		return;
	due = last_sign(object, w->status[WORKLOAD_CONDITIONS]) +
	    seconds * 1000;
	if (now <= due) {
		kube_status_again(s, due + 1);
		return;
	}
	kube_status_set(s, HEALTH_DEGRADED, "NoReplicaReady",
	    "none of %" PRId64 " replicas is ready", w->desired);
}

static void
decide(const struct kube_object *object, const struct workload *w,
    int64_t now, struct kube_status *s)
{
	if (workload_common(object, w, s))
		return;
	if (json_scan_true(w->spec[WORKLOAD_PAUSED])) {
		kube_status_set(s, HEALTH_SUSPENDED, "DeploymentPaused",
		    "paused, ready: %" PRId64 "/%" PRId64, w->ready,
		    w->desired);
		return;
	}
	if (workload_scaled_to_zero(w, s) ||
	    rule_deadline_exceeded(w->status[WORKLOAD_CONDITIONS], s) ||
	    workload_replica_failure(w, s))
		return;
	if (rule_counts(w, s) || rule_conditions(w, s)) {
		rule_overdue(object, w, now, s);
		return;
	}
	workload_healthy(w, "Available", s);
}

void
deployment_status(const struct kube_object *object, int64_t now_unix_ms,
    struct kube_status *ret)
{
	struct workload w;

	workload_read(object, &w);
	decide(object, &w, now_unix_ms, ret);
	workload_fields(&w, ret);
}
