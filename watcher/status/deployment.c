/*
 * deployment: C.4: paused is suspended; none wanted and none there is healthy;
 * a passed progress deadline or a ReplicaFailure is degraded; then kstatus's
 * order; none ready for longer than the deadline is degraded. That time runs
 * from the last sign of life: creation, Progressing's or Available's last
 * change (an old deployment scaled up from zero begins anew: the controller
 * turns Available to False then, and leaves Progressing alone).
 */
#include <limits.h>

#include "common/macros.h"
#include "watcher/json_scan.h"
#include "watcher/status/rules.h"

#define DEADLINE_DEFAULT_S 600   /* of the API */

enum slot {
	D_REPLICAS, D_PAUSED, D_DEADLINE,
	D_OBSERVED, D_TOTAL, D_UPDATED, D_READY, D_AVAILABLE, D_CONDITIONS,
	D_MAX
};

static const struct json_want want_spec[] = {
	{ "replicas", D_REPLICAS, NULL, 0 },
	{ "paused", D_PAUSED, NULL, 0 },
	{ "progressDeadlineSeconds", D_DEADLINE, NULL, 0 },
};

static const struct json_want want_status[] = {
	{ "observedGeneration", D_OBSERVED, NULL, 0 },
	{ "replicas", D_TOTAL, NULL, 0 },
	{ "updatedReplicas", D_UPDATED, NULL, 0 },
	{ "readyReplicas", D_READY, NULL, 0 },
	{ "availableReplicas", D_AVAILABLE, NULL, 0 },
	{ "conditions", D_CONDITIONS, NULL, 0 },
};

struct counts {
	int64_t	desired, total, updated, ready, available;
};

static void
progressing(struct kube_status *s, const char *reason, const char *what,
    int64_t have, int64_t of)
{
	kube_status_set(s, HEALTH_PROGRESSING, reason, "%s: %lld/%lld", what,
	    (long long)have, (long long)of);
}

/* kstatus's comparisons, in its order. True when one of them decided. */
static bool
rule_counts(const struct counts *c, struct kube_status *s)
{
	if (c->desired > c->total)
		progressing(s, "LessReplicas", "replicas", c->total,
		    c->desired);
	else if (c->desired > c->updated)
		progressing(s, "LessUpdated", "updated", c->updated,
		    c->desired);
	else if (c->total > c->desired)
		kube_status_set(s, HEALTH_PROGRESSING, "ExtraPods",
		    "pending termination: %lld",
		    (long long)(c->total - c->desired));
	else if (c->updated > c->available)
		progressing(s, "LessAvailable", "available", c->available,
		    c->updated);
	else if (c->desired > c->ready)
		progressing(s, "LessReady", "ready", c->ready, c->desired);
	else
		return false;
	return true;
}

/* With a deadline the controller itself says when a rollout is through. */
static bool
rule_conditions(struct slice conditions, struct slice deadline,
    struct kube_status *s)
{
	struct kube_condition c;

	if (!json_scan_is_int(deadline) ||
	    json_scan_int(deadline, 0) == INT_MAX)
		return false;
	if (!kube_status_condition(conditions, "Progressing", &c) ||
	    !json_scan_is(c.status, "True") ||
	    !json_scan_is(c.reason, "NewReplicaSetAvailable")) {
		kube_status_set(s, HEALTH_PROGRESSING,
		    "ReplicaSetNotAvailable", "the new replica set is not "
		    "available yet");
		return true;
	}
	if (!kube_status_condition(conditions, "Available", &c) ||
	    !json_scan_is(c.status, "True")) {
		kube_status_set(s, HEALTH_PROGRESSING,
		    "DeploymentNotAvailable", "not available yet");
		return true;
	}
	return false;
}

static bool
rule_failed(struct slice conditions, struct kube_status *s)
{
	struct kube_condition c;

	if (kube_status_condition(conditions, "Progressing", &c) &&
	    json_scan_is(c.reason, "ProgressDeadlineExceeded")) {
		kube_status_set_raw(s, HEALTH_DEGRADED, c.reason, "",
		    c.message, "progress deadline exceeded");
		return true;
	}
	if (kube_status_condition(conditions, "ReplicaFailure", &c) &&
	    json_scan_is(c.status, "True")) {
		kube_status_set_raw(s, HEALTH_DEGRADED, c.reason,
		    "ReplicaFailure", c.message, "pods cannot be created");
		return true;
	}
	return false;
}

static int64_t
last_sign(const struct kube_object *object, struct slice conditions)
{
	static const char *const types[] = { "Progressing", "Available" };
	int64_t at = object->created_unix_ms;
	struct kube_condition c;
	size_t i;

	for (i = 0; i < NELEM(types); i++)
		if (kube_status_condition(conditions, types[i], &c))
			at = MAX(at, c.changed_unix_ms);
	return at;
}

/* Nothing ready since long ago: no rollout, a failure. */
static void
rule_overdue(const struct kube_object *object, const struct slice *v,
    const struct counts *c, int64_t now, struct kube_status *s)
{
	int64_t seconds = json_scan_int(v[D_DEADLINE], DEADLINE_DEFAULT_S);
	int64_t due;

	if (c->ready > 0 || c->desired == 0 || object->created_unix_ms == 0 ||
	    seconds < 0 || seconds >= INT_MAX)
		return;
	due = last_sign(object, v[D_CONDITIONS]) + seconds * 1000;
	if (now <= due) {
		kube_status_again(s, due + 1);
		return;
	}
	kube_status_set(s, HEALTH_DEGRADED, "NoReplicaReady",
	    "none of %lld replicas is ready", (long long)c->desired);
}

static void
decide(const struct kube_object *object, const struct slice *v,
    const struct counts *c, int64_t now, struct kube_status *s)
{
	if (kube_status_common(object, v[D_OBSERVED], v[D_CONDITIONS], s))
		return;
	if (json_scan_true(v[D_PAUSED])) {
		kube_status_set(s, HEALTH_SUSPENDED, "DeploymentPaused",
		    "paused, ready: %lld/%lld", (long long)c->ready,
		    (long long)c->desired);
		return;
	}
	if (c->desired == 0 && c->total == 0) {
		kube_status_set(s, HEALTH_HEALTHY, "ScaledToZero",
		    "scaled to zero");
		return;
	}
	if (rule_failed(v[D_CONDITIONS], s))
		return;
	if (rule_counts(c, s) ||
	    rule_conditions(v[D_CONDITIONS], v[D_DEADLINE], s)) {
		rule_overdue(object, v, c, now, s);
		return;
	}
	kube_status_set(s, HEALTH_HEALTHY, "Available", "ready: %lld/%lld",
	    (long long)c->ready, (long long)c->desired);
}

void
deployment_status(const struct kube_object *object, int64_t now_unix_ms,
    struct kube_status *ret)
{
	struct slice v[D_MAX], spec[D_MAX];
	struct counts c;

	(void)json_scan(object->spec, want_spec, NELEM(want_spec), spec,
	    D_MAX);
	(void)json_scan(object->status, want_status, NELEM(want_status), v,
	    D_MAX);
	v[D_REPLICAS] = spec[D_REPLICAS];
	v[D_PAUSED] = spec[D_PAUSED];
	v[D_DEADLINE] = spec[D_DEADLINE];
	c = (struct counts){
		.desired = json_scan_int(v[D_REPLICAS], 1),
		.total = json_scan_int(v[D_TOTAL], 0),
		.updated = json_scan_int(v[D_UPDATED], 0),
		.ready = json_scan_int(v[D_READY], 0),
		.available = json_scan_int(v[D_AVAILABLE], 0),
	};
	decide(object, v, &c, now_unix_ms, ret);
	kube_status_field_int(ret, "replicas", c.desired);
	kube_status_field_int(ret, "readyReplicas", c.ready);
}
