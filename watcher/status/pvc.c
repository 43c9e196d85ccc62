/*
 * pvc (k8s-watch.md C.4): Argo's rule by phase: Bound is healthy, Pending
 * progressing (NotBound), Lost degraded, any other unknown; no phase yet is
 * progressing; a volume that is being resized is progressing. KubeOrch's word
 * is the phase itself, which a claim keeps while it is deleted or resized.
 */
#include "common/macros.h"
#include "watcher/json_scan.h"
#include "watcher/status/rules.h"

enum slot { P_OBSERVED, P_CONDITIONS, P_PHASE, P_CAPACITY, P_MAX };

static const struct json_want want_capacity[] = {
	{ "storage", P_CAPACITY, NULL, 0 },
};

static const struct json_want want_status[] = {
	{ "observedGeneration", P_OBSERVED, NULL, 0 },
	{ "conditions", P_CONDITIONS, NULL, 0 },
	{ "phase", P_PHASE, NULL, 0 },
	{ "capacity", -1, want_capacity, NELEM(want_capacity) },
};

static const struct json_want want_spec[] = {
	{ "volumeName", 0, NULL, 0 },
};

static bool
rule_resizing(struct slice conditions, struct kube_status *s)
{
	static const char *const types[] = { "FileSystemResizePending",
		"Resizing" };
	struct kube_condition c;
	size_t i;

	for (i = 0; i < NELEM(types); i++) {
		if (!kube_status_is_true(conditions, types[i], &c))
			continue;
		kube_status_set_raw(s, HEALTH_PROGRESSING, SLICE_NONE,
		    types[i], c.message, "the volume is being resized");
		return true;
	}
	return false;
}

static void
rule_phase(const struct slice *v, struct kube_status *s)
{
	if (json_scan_is(v[P_PHASE], "Lost"))
		kube_status_set(s, HEALTH_DEGRADED, "ClaimLost",
		    "the volume it was bound to is gone");
	else if (json_scan_is(v[P_PHASE], "Pending") ||
	    !kube_status_has_text(v[P_PHASE]))
		kube_status_set(s, HEALTH_PROGRESSING, "NotBound",
		    "not bound to a volume yet");
	else if (!json_scan_is(v[P_PHASE], "Bound"))
		kube_status_set_raw(s, HEALTH_UNKNOWN, v[P_PHASE], "Unknown",
		    SLICE_NONE, "the claim's phase is not known");
	else if (!rule_resizing(v[P_CONDITIONS], s))
		kube_status_set(s, HEALTH_HEALTHY, "Bound", "bound");
}

static const char *
word(struct slice phase, enum kube_health health)
{
	if (json_scan_is(phase, "Lost"))
		return "Lost";
	if (health == HEALTH_FAILED)
		return "error";
	if (json_scan_is(phase, "Bound"))
		return "Bound";
	if (json_scan_is(phase, "Pending") || !kube_status_has_text(phase))
		return "Pending";
	return "error";
}

void
pvc_status(const struct kube_object *object, int64_t now_unix_ms,
    struct kube_status *ret)
{
	struct slice v[P_MAX], volume;

	(void)now_unix_ms;
	json_scan_again(object->spec, want_spec, NELEM(want_spec), &volume,
	    1);
	json_scan_again(object->status, want_status, NELEM(want_status), v,
	    P_MAX);
	if (!kube_status_common(object, v[P_OBSERVED], v[P_CONDITIONS], ret))
		rule_phase(v, ret);
	ret->state = word(v[P_PHASE], ret->health);
	kube_status_field_text(ret, "capacity", v[P_CAPACITY]);
	kube_status_field_text(ret, "volumeName", volume);
}
