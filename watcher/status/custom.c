/*
 * custom: the rule of kinds that have none of their own (k8s-watch.md C.1,
 * kstatus): after the rules common to all, the condition Ready decides: True
 * is healthy, all else progressing; an object without one is healthy.
 */
#include "common/macros.h"
#include "watcher/json_scan.h"
#include "watcher/status/rules.h"

enum slot { C_OBSERVED, C_CONDITIONS, C_MAX };

static const struct json_want want_status[] = {
	{ "observedGeneration", C_OBSERVED, NULL, 0 },
	{ "conditions", C_CONDITIONS, NULL, 0 },
};

void
custom_status(const struct kube_object *object, int64_t now_unix_ms,
    struct kube_status *ret)
{
	struct slice v[C_MAX];
	struct kube_condition c;

	(void)now_unix_ms;
	json_scan_again(object->status, want_status, NELEM(want_status), v,
	    C_MAX);
	if (kube_status_common(object, v[C_OBSERVED], v[C_CONDITIONS], ret))
		return;
	if (!kube_status_condition(v[C_CONDITIONS], "Ready", &c))
		kube_status_set(ret, HEALTH_HEALTHY, "Exists", "exists");
	else if (json_scan_is(c.status, "True"))
		kube_status_set_raw(ret, HEALTH_HEALTHY, c.reason, "Ready",
		    c.message, "ready");
	else
		kube_status_set_raw(ret, HEALTH_PROGRESSING, c.reason,
		    "NotReady", c.message, "not ready yet");
}
