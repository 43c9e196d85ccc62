#include "watcher/status/workload.h"

#include <inttypes.h>

#include "common/macros.h"
#include "watcher/json_scan.h"

static const struct json_want want_rolling[] = {
	{ "partition", WORKLOAD_PARTITION, NULL, 0 },
};

static const struct json_want want_strategy[] = {
	{ "type", WORKLOAD_STRATEGY, NULL, 0 },
	{ "rollingUpdate", -1, want_rolling, NELEM(want_rolling) },
};

static const struct json_want want_spec[] = {
	{ "replicas", WORKLOAD_REPLICAS, NULL, 0 },
	{ "paused", WORKLOAD_PAUSED, NULL, 0 },
	{ "progressDeadlineSeconds", WORKLOAD_DEADLINE, NULL, 0 },
	{ "updateStrategy", -1, want_strategy, NELEM(want_strategy) },
};

static const struct json_want want_status[] = {
	{ "observedGeneration", WORKLOAD_OBSERVED, NULL, 0 },
	{ "conditions", WORKLOAD_CONDITIONS, NULL, 0 },
	{ "replicas", WORKLOAD_TOTAL, NULL, 0 },
	{ "updatedReplicas", WORKLOAD_UPDATED, NULL, 0 },
	{ "readyReplicas", WORKLOAD_READY, NULL, 0 },
	{ "availableReplicas", WORKLOAD_AVAILABLE, NULL, 0 },
	{ "currentReplicas", WORKLOAD_CURRENT, NULL, 0 },
	{ "fullyLabeledReplicas", WORKLOAD_LABELLED, NULL, 0 },
	{ "currentRevision", WORKLOAD_CURRENT_REVISION, NULL, 0 },
	{ "updateRevision", WORKLOAD_UPDATE_REVISION, NULL, 0 },
};

static int64_t
counter(const struct workload *w, enum workload_status member)
{
	return kube_status_counter(w->status[member], 0);
}

void
workload_read(const struct kube_object *object, struct workload *ret)
{
	json_scan_again(object->spec, want_spec, NELEM(want_spec), ret->spec,
	    WORKLOAD_SPEC_MAX);
	json_scan_again(object->status, want_status, NELEM(want_status),
	    ret->status, WORKLOAD_STATUS_MAX);
	ret->desired = kube_status_counter(ret->spec[WORKLOAD_REPLICAS], 1);
	ret->total = counter(ret, WORKLOAD_TOTAL);
	ret->updated = counter(ret, WORKLOAD_UPDATED);
	ret->ready = counter(ret, WORKLOAD_READY);
	ret->available = counter(ret, WORKLOAD_AVAILABLE);
	ret->current = counter(ret, WORKLOAD_CURRENT);
	ret->labelled = counter(ret, WORKLOAD_LABELLED);
}

bool
workload_common(const struct kube_object *object, const struct workload *w,
    struct kube_status *s)
{
	return kube_status_common(object, w->status[WORKLOAD_OBSERVED],
	    w->status[WORKLOAD_CONDITIONS], s);
}

bool
workload_scaled_to_zero(const struct workload *w, struct kube_status *s)
{
	if (w->desired != 0 || w->total != 0)
		return false;
	kube_status_set(s, HEALTH_HEALTHY, "ScaledToZero", "scaled to zero");
	return true;
}

bool
workload_replica_failure(const struct workload *w, struct kube_status *s)
{
	struct kube_condition c;

	if (!kube_status_is_true(w->status[WORKLOAD_CONDITIONS],
	    "ReplicaFailure", &c))
		return false;
	kube_status_set_raw(s, HEALTH_DEGRADED, c.reason, "ReplicaFailure",
	    c.message, "pods cannot be created or deleted");
	return true;
}

bool
workload_extra(const struct workload *w, struct kube_status *s)
{
	if (w->total <= w->desired)
		return false;
	kube_status_set(s, HEALTH_PROGRESSING, "ExtraPods",
	    "pending termination: %" PRId64, w->total - w->desired);
	return true;
}

void
workload_healthy(const struct workload *w, const char *reason,
    struct kube_status *s)
{
	kube_status_set(s, HEALTH_HEALTHY, reason,
	    "ready: %" PRId64 "/%" PRId64, w->ready, w->desired);
}

void
workload_status(const struct kube_object *object, workload_rule decide,
    struct kube_status *ret)
{
	struct workload w;

	workload_read(object, &w);
	decide(object, &w, ret);
	workload_fields(&w, ret);
}

void
workload_fields(const struct workload *w, struct kube_status *s)
{
	kube_status_field_int(s, "replicas", w->desired);
	kube_status_field_int(s, "readyReplicas", w->ready);
}
