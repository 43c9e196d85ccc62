/*
 * daemonset (k8s-watch.md C.4): kstatus's order: generations and the wanted
 * number must be there, then the counters. No node wanted is healthy.
 * OnDelete: whoever deletes the pods drives the update, so `updated` is not
 * asked for (kstatus would be in progress for ever, Argo healthy with none
 * ready). Its wanted number stands in the status: it alone is not 0 when it
 * is missing, since then nobody has counted the nodes yet.
 */
#include <inttypes.h>

#include "common/macros.h"
#include "watcher/json_scan.h"
#include "watcher/status/rules.h"

enum slot {
	D_OBSERVED, D_CONDITIONS, D_DESIRED, D_CURRENT, D_UPDATED,
	D_AVAILABLE, D_READY, D_MAX
};

static const struct json_want want_strategy[] = {
	{ "type", 0, NULL, 0 },
};

static const struct json_want want_spec[] = {
	{ "updateStrategy", -1, want_strategy, NELEM(want_strategy) },
};

static const struct json_want want_status[] = {
	{ "observedGeneration", D_OBSERVED, NULL, 0 },
	{ "conditions", D_CONDITIONS, NULL, 0 },
	{ "desiredNumberScheduled", D_DESIRED, NULL, 0 },
	{ "currentNumberScheduled", D_CURRENT, NULL, 0 },
	{ "updatedNumberScheduled", D_UPDATED, NULL, 0 },
	{ "numberAvailable", D_AVAILABLE, NULL, 0 },
	{ "numberReady", D_READY, NULL, 0 },
};

static int64_t
counter(const struct slice *v, enum slot slot)
{
	return kube_status_counter(v[slot], 0);
}

/* What must be there before the counters mean anything. */
static bool
rule_observed(const struct kube_object *object, const struct slice *v,
    struct kube_status *s)
{
	const char *reason;

	if (object->generation < 0)
		reason = "NoGeneration";
	else if (json_scan_int(v[D_OBSERVED], -1) < 0)
		reason = "NoObservedGeneration";
	else if (kube_status_counter(v[D_DESIRED], -1) < 0)
		reason = "NoDesiredNumber";
	else
		return false;
	kube_status_set(s, HEALTH_PROGRESSING, reason,
	    "not counted by its controller yet");
	return true;
}

static bool
rule_counts(const struct slice *v, bool by_hand, struct kube_status *s)
{
	int64_t desired = counter(v, D_DESIRED);

	return kube_status_less(s, "LessCurrent", "scheduled",
	    counter(v, D_CURRENT), desired) ||
	    (!by_hand && kube_status_less(s, "LessUpdated", "updated",
	    counter(v, D_UPDATED), desired)) ||
	    kube_status_less(s, "LessAvailable", "available",
	    counter(v, D_AVAILABLE), desired) ||
	    kube_status_less(s, "LessReady", "ready", counter(v, D_READY),
	    desired);
}

static void
decide(const struct kube_object *object, const struct slice *v, bool by_hand,
    struct kube_status *s)
{
	int64_t desired = counter(v, D_DESIRED);

	if (kube_status_common(object, v[D_OBSERVED], v[D_CONDITIONS], s) ||
	    rule_observed(object, v, s))
		return;
	if (desired == 0)
		kube_status_set(s, HEALTH_HEALTHY, "NoNodeWanted",
		    "no node is to run it");
	else if (!rule_counts(v, by_hand, s))
		kube_status_set(s, HEALTH_HEALTHY, "Ready",
		    "ready: %" PRId64 "/%" PRId64, counter(v, D_READY),
		    desired);
}

void
daemonset_status(const struct kube_object *object, int64_t now_unix_ms,
    struct kube_status *ret)
{
	struct slice v[D_MAX], strategy;

	(void)now_unix_ms;
	json_scan_again(object->spec, want_spec, NELEM(want_spec), &strategy,
	    1);
	json_scan_again(object->status, want_status, NELEM(want_status), v,
	    D_MAX);
	decide(object, v, json_scan_is(strategy, "OnDelete"), ret);
	kube_status_field_int(ret, "desiredNumberScheduled",
	    counter(v, D_DESIRED));
	kube_status_field_int(ret, "numberReady", counter(v, D_READY));
}
