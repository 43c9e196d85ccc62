/*
 * pod (k8s-watch.md C.4): the reason is what kubectl shows in its STATUS
 * column, severity is Argo's (init containers included, whatever the restart
 * policy); Failed is failed, Succeeded completed; unschedulable for more than
 * 15 s is degraded; running but not ready is progressing, degraded when a
 * container ended within the last ten minutes; a finite pod that runs is
 * progressing, ready or not.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/macros.h"
#include "watcher/json_scan.h"
#include "watcher/status/containers.h"
#include "watcher/status/rules.h"

#define UNSCHEDULABLE_MS (15 * 1000)

enum slot {
	P_PHASE, P_REASON, P_MESSAGE, P_CONDITIONS, P_CONTAINERS, P_INIT,
	P_OBSERVED, P_POLICY, P_SPEC_INIT, P_MAX
};

static const struct json_want want_status[] = {
	{ "phase", P_PHASE, NULL, 0 },
	{ "reason", P_REASON, NULL, 0 },
	{ "message", P_MESSAGE, NULL, 0 },
	{ "conditions", P_CONDITIONS, NULL, 0 },
	{ "containerStatuses", P_CONTAINERS, NULL, 0 },
	{ "initContainerStatuses", P_INIT, NULL, 0 },
	{ "observedGeneration", P_OBSERVED, NULL, 0 },
};

static const struct json_want want_spec[] = {
	{ "restartPolicy", P_POLICY, NULL, 0 },
	{ "initContainers", P_SPEC_INIT, NULL, 0 },
};

struct pod {
	struct slice		p[P_MAX];
	struct containers	init;
	struct containers	main;
	struct containers_word	column;
};

/* --- kubectl's STATUS column ---------------------------------------------- */

static bool
condition_true(const struct slice *p, const char *type)
{
	struct kube_condition c;

	return kube_status_is_true(p[P_CONDITIONS], type, &c);
}

static void
column_make(struct pod *pod)
{
	const struct slice *p = pod->p;
	struct containers_word *c = &pod->column;
	struct kube_condition scheduled;

	containers_word_set(c, "", kube_status_has_text(p[P_REASON]) ?
	    p[P_REASON] : p[P_PHASE]);
	if (kube_status_mentions(p[P_CONDITIONS], "SchedulingGated") &&
	    kube_status_condition(p[P_CONDITIONS], "PodScheduled",
	    &scheduled) && json_scan_is(scheduled.reason, "SchedulingGated"))
		containers_word_set(c, "", scheduled.reason);
	if (containers_init_word(p[P_INIT], p[P_SPEC_INIT], c) &&
	    !condition_true(p, "Initialized"))
		return;
	if (pod->main.spoke)
		*c = pod->main.said;
	if (pod->main.running && strcmp(c->text, "Completed") == 0)
		(void)snprintf(c->text, sizeof(c->text), "%s",
		    condition_true(p, "Ready") ? "Running" : "NotReady");
}

/* --- severity ------------------------------------------------------------- */

static bool
rule_stuck(const struct containers *of, const struct containers_word *c,
    struct kube_status *s)
{
	if (!of->stuck)
		return false;
	kube_status_set_raw(s, HEALTH_DEGRADED, SLICE_NONE, c->text,
	    of->stuck_message, "a container cannot start");
	return true;
}

static void
rule_failed(const struct slice *p, const struct containers_word *c,
    struct kube_status *s)
{
	if (!kube_status_has_text(p[P_MESSAGE]) &&
	    (containers_failed(p[P_INIT], c->text, s) ||
	    containers_failed(p[P_CONTAINERS], c->text, s)))
		return;
	kube_status_set_raw(s, HEALTH_FAILED, SLICE_NONE, c->text,
	    p[P_MESSAGE], "the pod has failed");
}

static void
rule_pending(const struct kube_object *object, const struct slice *p,
    const struct containers_word *c, int64_t now, struct kube_status *s)
{
	struct kube_condition scheduled;
	int64_t due = object->created_unix_ms + UNSCHEDULABLE_MS;

	if (kube_status_condition(p[P_CONDITIONS], "PodScheduled",
	    &scheduled) && json_scan_is(scheduled.status, "False") &&
	    json_scan_is(scheduled.reason, "Unschedulable")) {
		kube_status_set_raw(s, object->created_unix_ms != 0 &&
		    now > due ? HEALTH_DEGRADED : HEALTH_PROGRESSING,
		    scheduled.reason, "", scheduled.message,
		    "no node can take the pod");
		if (object->created_unix_ms != 0 && now <= due)
			kube_status_again(s, due + 1);
		return;
	}
	kube_status_set(s, HEALTH_PROGRESSING, c->text, "pending");
}

static void
rule_running(const struct pod *pod, int64_t now, struct kube_status *s)
{
	const struct slice *p = pod->p;
	int64_t until = MAX(pod->main.restarted_until,
	    pod->init.restarted_until);
	enum kube_health health = HEALTH_PROGRESSING;
	bool finite = json_scan_is(p[P_POLICY], "Never") ||
	    json_scan_is(p[P_POLICY], "OnFailure");

	if (!finite && condition_true(p, "Ready"))
		health = HEALTH_HEALTHY;
	else if (!finite && until > now)
		health = HEALTH_DEGRADED;
	kube_status_set(s, health, pod->column.text,
	    "containers ready: %lld/%lld", pod->main.ready, pod->main.total);
	/* Later it will count as merely not ready. */
	if (health == HEALTH_DEGRADED && until != INT64_MAX)
		kube_status_again(s, until);
}

static void
rule_phase(const struct kube_object *object, const struct pod *pod,
    int64_t now, struct kube_status *s)
{
	const struct slice *p = pod->p;
	const struct containers_word *c = &pod->column;

	if (json_scan_is(p[P_PHASE], "Running"))
		rule_running(pod, now, s);
	else if (json_scan_is(p[P_PHASE], "Pending"))
		rule_pending(object, p, c, now, s);
	else if (kube_status_has_text(p[P_PHASE]))
		kube_status_set(s, HEALTH_UNKNOWN, c->text,
		    "the pod's phase is not known");
	else
		kube_status_set(s, HEALTH_PROGRESSING, "PodNotObserved",
		    "the pod has no phase yet");
}

static void
decide(const struct kube_object *object, const struct pod *pod, int64_t now,
    struct kube_status *s)
{
	const struct slice *p = pod->p;
	const struct containers_word *c = &pod->column;

	if (kube_status_common(object, p[P_OBSERVED], p[P_CONDITIONS], s)) {
		if (object->deleting && json_scan_is(p[P_REASON], "NodeLost"))
			kube_status_set(s, HEALTH_TERMINATING, "Unknown",
			    "the pod's node is lost");
		return;
	}
	if (json_scan_is(p[P_PHASE], "Succeeded"))
		kube_status_set(s, HEALTH_COMPLETED, c->text,
		    "the pod has completed");
	else if (json_scan_is(p[P_PHASE], "Failed"))
		rule_failed(p, c, s);
	else if (!rule_stuck(&pod->init, c, s) &&
	    !rule_stuck(&pod->main, c, s))
		rule_phase(object, pod, now, s);
}

void
pod_status(const struct kube_object *object, int64_t now_unix_ms,
    struct kube_status *ret)
{
	struct slice spec[P_MAX];
	struct pod pod = { 0 };

	json_scan_again(object->spec, want_spec, NELEM(want_spec), spec,
	    P_MAX);
	json_scan_again(object->status, want_status, NELEM(want_status),
	    pod.p, P_MAX);
	pod.p[P_POLICY] = spec[P_POLICY];
	pod.p[P_SPEC_INIT] = spec[P_SPEC_INIT];
	containers_read(pod.p[P_INIT], &pod.init);
	containers_read(pod.p[P_CONTAINERS], &pod.main);
	column_make(&pod);
	decide(object, &pod, now_unix_ms, ret);
	kube_status_field_text(ret, "phase", pod.p[P_PHASE]);
}
