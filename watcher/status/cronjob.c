/*
 * cronjob (k8s-watch.md C.4): suspend is suspended (Argo: healthy); otherwise
 * Argo's rule: no status is progressing; jobs at work, or none that ever
 * completed, are healthy; a last success before the last schedule, with no job
 * at work any more, is degraded: that run failed.
 */
#include "common/macros.h"
#include "watcher/json_scan.h"
#include "watcher/status/rules.h"

enum slot {
	C_OBSERVED, C_CONDITIONS, C_ACTIVE, C_SCHEDULED, C_SUCCESSFUL, C_MAX
};

static const struct json_want want_status[] = {
	{ "observedGeneration", C_OBSERVED, NULL, 0 },
	{ "conditions", C_CONDITIONS, NULL, 0 },
	{ "active", C_ACTIVE, NULL, 0 },
	{ "lastScheduleTime", C_SCHEDULED, NULL, 0 },
	{ "lastSuccessfulTime", C_SUCCESSFUL, NULL, 0 },
};

static const struct json_want want_spec[] = {
	{ "suspend", 0, NULL, 0 },
};

static void
rule_runs(const struct slice *v, struct kube_status *s)
{
	int64_t scheduled = kube_object_time(v[C_SCHEDULED]);
	int64_t successful = kube_object_time(v[C_SUCCESSFUL]);
	size_t active = kube_status_length(v[C_ACTIVE]);

	if (active > 0)
		kube_status_set(s, HEALTH_HEALTHY, "JobsActive",
		    "active jobs: %zu", active);
	else if (scheduled == 0)
		kube_status_set(s, HEALTH_HEALTHY, "NeverScheduled",
		    "not scheduled yet");
	else if (successful == 0)
		kube_status_set(s, HEALTH_HEALTHY, "NeverCompleted",
		    "scheduled, but no job has completed yet");
	else if (successful < scheduled)
		kube_status_set(s, HEALTH_DEGRADED, "LastRunFailed",
		    "the last job that was scheduled did not succeed");
	else
		kube_status_set(s, HEALTH_HEALTHY, "LastRunSucceeded",
		    "the last job succeeded");
}

static void
decide(const struct kube_object *object, const struct slice *v, bool suspend,
    struct kube_status *s)
{
	if (kube_status_common(object, v[C_OBSERVED], v[C_CONDITIONS], s))
		return;
	if (suspend)
		kube_status_set(s, HEALTH_SUSPENDED, "CronJobSuspended",
		    "suspended");
	else if (object->status.n == 0 || object->status.p[0] != '{')
		kube_status_set(s, HEALTH_PROGRESSING, "CronJobNotObserved",
		    "not seen by its controller yet");
	else
		rule_runs(v, s);
}

void
cronjob_status(const struct kube_object *object, int64_t now_unix_ms,
    struct kube_status *ret)
{
	struct slice v[C_MAX], suspend;

	(void)now_unix_ms;
	json_scan_again(object->spec, want_spec, NELEM(want_spec), &suspend,
	    1);
	json_scan_again(object->status, want_status, NELEM(want_status), v,
	    C_MAX);
	decide(object, v, json_scan_true(suspend), ret);
	ret->state = json_scan_true(suspend) ? "suspended" : "active";
	kube_status_field_text(ret, "lastScheduleTime", v[C_SCHEDULED]);
	kube_status_field_text(ret, "lastSuccessfulTime", v[C_SUCCESSFUL]);
	kube_status_field_int(ret, "activeJobs",
	    (int64_t)kube_status_length(v[C_ACTIVE]));
}
