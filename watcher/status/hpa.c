/*
 * hpa (k8s-watch.md C.4, autoscaling/v2): Argo's rule by conditions, but a
 * failing one must be False: a target that cannot be read or scaled, and a
 * ScalingActive that is False for whatever reason, are degraded (Argo's list
 * of reasons lacks those of container metrics; an autoscaler that is not
 * active does nothing, whyever). False because the target has no replicas is
 * suspended. Limited by its bounds is healthy, and the reason says so.
 * KubeOrch's words: error, scaling (on the way to another number), limited,
 * stable. currentCPU and currentMemory are per cent of the requests, left out
 * while nobody has measured them.
 */
#include "common/macros.h"
#include "watcher/json_scan.h"
#include "watcher/status/rules.h"

enum slot {
	H_OBSERVED, H_CONDITIONS, H_CURRENT, H_DESIRED, H_METRICS, H_MAX
};

static const struct json_want want_status[] = {
	{ "observedGeneration", H_OBSERVED, NULL, 0 },
	{ "conditions", H_CONDITIONS, NULL, 0 },
	{ "currentReplicas", H_CURRENT, NULL, 0 },
	{ "desiredReplicas", H_DESIRED, NULL, 0 },
	{ "currentMetrics", H_METRICS, NULL, 0 },
};

/* --- metrics -------------------------------------------------------------- */

enum metric_slot { M_NAME, M_PERCENT, M_MAX };

static const struct json_want want_current[] = {
	{ "averageUtilization", M_PERCENT, NULL, 0 },
};

static const struct json_want want_source[] = {
	{ "name", M_NAME, NULL, 0 },
	{ "current", -1, want_current, NELEM(want_current) },
};

static const struct json_want want_pod_metric[] = {
	{ "resource", -1, want_source, NELEM(want_source) },
};

static const struct json_want want_container_metric[] = {
	{ "containerResource", -1, want_source, NELEM(want_source) },
};

/* Per cent of what the first metric of that form and name says, or -1. */
static int64_t
utilization(struct slice metrics, const struct json_want *form,
    const char *name)
{
	const char *cursor = NULL;
	struct slice one, v[M_MAX];
	int64_t percent;

	while (json_scan_next(metrics, &cursor, &one)) {
		json_scan_again(one, form, 1, v, M_MAX);
		percent = kube_status_counter(v[M_PERCENT], -1);
		if (json_scan_is(v[M_NAME], name) && percent >= 0)
			return percent;
	}
	return -1;
}

static void
field_utilization(struct kube_status *s, const char *field,
    struct slice metrics, const char *name)
{
	int64_t percent = utilization(metrics, want_pod_metric, name);

	if (percent < 0)
		percent = utilization(metrics, want_container_metric, name);
	if (percent >= 0)
		kube_status_field_int(s, field, percent);
}

/* --- conditions ----------------------------------------------------------- */

static bool
is_false(struct slice conditions, const char *type, struct kube_condition *c)
{
	return kube_status_condition(conditions, type, c) &&
	    json_scan_is(c->status, "False");
}

static bool
rule_inactive(struct slice conditions, struct kube_status *s)
{
	struct kube_condition c;

	if (is_false(conditions, "AbleToScale", &c) &&
	    (json_scan_is(c.reason, "FailedGetScale") ||
	    json_scan_is(c.reason, "FailedUpdateScale"))) {
		kube_status_set_raw(s, HEALTH_DEGRADED, c.reason, "",
		    c.message, "the target cannot be scaled");
		return true;
	}
	if (!is_false(conditions, "ScalingActive", &c))
		return false;
	if (json_scan_is(c.reason, "ScalingDisabled"))
		kube_status_set_raw(s, HEALTH_SUSPENDED, c.reason, "",
		    c.message, "the target has no replicas");
	else
		kube_status_set_raw(s, HEALTH_DEGRADED, c.reason,
		    "ScalingInactive", c.message, "the autoscaler is not "
		    "active");
	return true;
}

static void
rule_active(struct slice conditions, struct kube_status *s)
{
	struct kube_condition c;

	if (kube_status_is_true(conditions, "ScalingLimited", &c))
		kube_status_set_raw(s, HEALTH_HEALTHY, c.reason,
		    "ScalingLimited", c.message, "limited by its bounds");
	else if (kube_status_is_true(conditions, "AbleToScale", &c))
		kube_status_set_raw(s, HEALTH_HEALTHY, c.reason,
		    "AbleToScale", c.message, "able to scale");
	else if (kube_status_condition(conditions, "AbleToScale", &c))
		kube_status_set_raw(s, HEALTH_PROGRESSING, c.reason,
		    "NotAbleToScale", c.message, "not able to scale yet");
	else
		kube_status_set(s, HEALTH_PROGRESSING, "HPANotObserved",
		    "not seen by its controller yet");
}

static const char *
word(const struct kube_status *s, const struct slice *v)
{
	struct kube_condition c;

	if (s->health == HEALTH_DEGRADED || s->health == HEALTH_FAILED)
		return "error";
	if (kube_status_counter(v[H_CURRENT], 0) !=
	    kube_status_counter(v[H_DESIRED], 0))
		return "scaling";
	if (s->health == HEALTH_PROGRESSING)
		return "scaling";
	if (s->health == HEALTH_HEALTHY &&
	    kube_status_is_true(v[H_CONDITIONS], "ScalingLimited", &c))
		return "limited";
	return "stable";
}

void
hpa_status(const struct kube_object *object, int64_t now_unix_ms,
    struct kube_status *ret)
{
	struct slice v[H_MAX];

	(void)now_unix_ms;
	json_scan_again(object->status, want_status, NELEM(want_status), v,
	    H_MAX);
	if (!kube_status_common(object, v[H_OBSERVED], v[H_CONDITIONS],
	    ret) && !rule_inactive(v[H_CONDITIONS], ret))
		rule_active(v[H_CONDITIONS], ret);
	ret->state = word(ret, v);
	kube_status_field_int(ret, "currentReplicas",
	    kube_status_counter(v[H_CURRENT], 0));
	kube_status_field_int(ret, "desiredReplicas",
	    kube_status_counter(v[H_DESIRED], 0));
	field_utilization(ret, "currentCPU", v[H_METRICS], "cpu");
	field_utilization(ret, "currentMemory", v[H_METRICS], "memory");
}
