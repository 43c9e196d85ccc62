/*
 * job (k8s-watch.md C.4): only conditions whose status is True count, unlike
 * Argo's, which asks for their type alone and calls a resumed job healthy:
 * Complete is completed, Failed or FailureTarget failed, Suspended suspended
 * while spec.suspend says so too. Pods that failed are tries, not the end.
 * KubeOrch's words: running once it was started, else pending.
 */
#include <inttypes.h>

#include "common/macros.h"
#include "watcher/json_scan.h"
#include "watcher/status/rules.h"

enum slot {
	J_OBSERVED, J_CONDITIONS, J_ACTIVE, J_SUCCEEDED, J_FAILED, J_START,
	J_MAX
};

enum spec_slot { J_SUSPEND, J_COMPLETIONS, J_SPEC_MAX };

static const struct json_want want_status[] = {
	{ "observedGeneration", J_OBSERVED, NULL, 0 },
	{ "conditions", J_CONDITIONS, NULL, 0 },
	{ "active", J_ACTIVE, NULL, 0 },
	{ "succeeded", J_SUCCEEDED, NULL, 0 },
	{ "failed", J_FAILED, NULL, 0 },
	{ "startTime", J_START, NULL, 0 },
};

static const struct json_want want_spec[] = {
	{ "suspend", J_SUSPEND, NULL, 0 },
	{ "completions", J_COMPLETIONS, NULL, 0 },
};

struct job {
	struct slice	conditions;
	struct slice	observed;
	int64_t		active;
	int64_t		succeeded;
	int64_t		failed;
	int64_t		completions;
	bool		suspend;
	bool		started;
};

static void
job_read(const struct kube_object *object, struct job *ret)
{
	struct slice v[J_MAX], spec[J_SPEC_MAX];

	json_scan_again(object->spec, want_spec, NELEM(want_spec), spec,
	    J_SPEC_MAX);
	json_scan_again(object->status, want_status, NELEM(want_status), v,
	    J_MAX);
	*ret = (struct job){
		.conditions = v[J_CONDITIONS],
		.observed = v[J_OBSERVED],
		.active = kube_status_counter(v[J_ACTIVE], 0),
		.succeeded = kube_status_counter(v[J_SUCCEEDED], 0),
		.failed = kube_status_counter(v[J_FAILED], 0),
		/* A work queue gives none: one success is enough for it. */
		.completions = kube_status_counter(spec[J_COMPLETIONS], 1),
		.suspend = json_scan_true(spec[J_SUSPEND]),
	};
	ret->started = ret->active > 0 || kube_status_has_text(v[J_START]);
}

static bool
rule_ended(const struct job *j, struct kube_status *s)
{
	struct kube_condition c;

	if (kube_status_is_true(j->conditions, "Complete", &c)) {
		kube_status_set_raw(s, HEALTH_COMPLETED, c.reason,
		    "Complete", c.message, "the job is complete");
		return true;
	}
	if (kube_status_is_true(j->conditions, "Failed", &c) ||
	    kube_status_is_true(j->conditions, "FailureTarget", &c)) {
		kube_status_set_raw(s, HEALTH_FAILED, c.reason, "JobFailed",
		    c.message, "the job has failed");
		return true;
	}
	return false;
}

static void
decide(const struct kube_object *object, const struct job *j,
    struct kube_status *s)
{
	struct kube_condition c;

	if (kube_status_common(object, j->observed, j->conditions, s) ||
	    rule_ended(j, s))
		return;
	if (j->suspend && kube_status_is_true(j->conditions, "Suspended", &c))
		kube_status_set_raw(s, HEALTH_SUSPENDED, c.reason,
		    "JobSuspended", c.message, "the job is suspended");
	else if (!j->started)
		kube_status_set(s, HEALTH_PROGRESSING, "JobNotStarted",
		    "not started yet");
	else
		kube_status_set(s, HEALTH_PROGRESSING, "JobRunning",
		    "succeeded: %" PRId64 "/%" PRId64 ", active: %" PRId64
		    ", failed tries: %" PRId64, j->succeeded,
		    j->completions, j->active, j->failed);
}

void
job_status(const struct kube_object *object, int64_t now_unix_ms,
    struct kube_status *ret)
{
	struct job j;

	(void)now_unix_ms;
	job_read(object, &j);
	decide(object, &j, ret);
	kube_status_words(ret, "completed",
	    j.started && ret->health != HEALTH_SUSPENDED ? "running" :
	    "pending", "failed");
	kube_status_field_int(ret, "active", j.active);
	kube_status_field_int(ret, "succeeded", j.succeeded);
	kube_status_field_int(ret, "failed", j.failed);
	kube_status_field_int(ret, "completions", j.completions);
}
