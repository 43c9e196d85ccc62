/*
 * pod (k8s-watch.md C.4): the reason is what kubectl shows in its STATUS
 * column, severity is Argo's (init containers included, whatever the restart
 * policy); Failed is failed, Succeeded completed; unschedulable for more than
 * 15 s is degraded; running but not ready is progressing, degraded when a
 * container ended within the last ten minutes; a finite pod that runs is
 * progressing, ready or not.
 */
#include <stdio.h>
#include <string.h>

#include "common/macros.h"
#include "common/mono.h"
#include "watcher/json_scan.h"
#include "watcher/json_text.h"
#include "watcher/status/rules.h"

#define UNSCHEDULABLE_MS (15 * 1000)
#define RESTARTED_MS     (10 * 60 * 1000)
#define SIDECARS_MAX     64u   /* of one pod; those behind are no sidecars */

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

/* One entry of containerStatuses. */
enum container_slot {
	C_NAME, C_READY, C_STARTED, C_RUNNING, C_WAITING, C_W_REASON,
	C_W_MESSAGE, C_TERMINATED, C_T_REASON, C_T_MESSAGE, C_T_EXIT,
	C_T_SIGNAL, C_LAST, C_LAST_FINISHED, C_MAX
};

static const struct json_want want_waiting[] = {
	{ "reason", C_W_REASON, NULL, 0 },
	{ "message", C_W_MESSAGE, NULL, 0 },
};

static const struct json_want want_terminated[] = {
	{ "reason", C_T_REASON, NULL, 0 },
	{ "message", C_T_MESSAGE, NULL, 0 },
	{ "exitCode", C_T_EXIT, NULL, 0 },
	{ "signal", C_T_SIGNAL, NULL, 0 },
};

static const struct json_want want_state[] = {
	{ "running", C_RUNNING, NULL, 0 },
	{ "waiting", C_WAITING, want_waiting, NELEM(want_waiting) },
	{ "terminated", C_TERMINATED, want_terminated,
	    NELEM(want_terminated) },
};

static const struct json_want want_last_terminated[] = {
	{ "finishedAt", C_LAST_FINISHED, NULL, 0 },
};

static const struct json_want want_last[] = {
	{ "terminated", C_LAST, want_last_terminated,
	    NELEM(want_last_terminated) },
};

static const struct json_want want_container[] = {
	{ "name", C_NAME, NULL, 0 },
	{ "ready", C_READY, NULL, 0 },
	{ "started", C_STARTED, NULL, 0 },
	{ "state", -1, want_state, NELEM(want_state) },
	{ "lastState", -1, want_last, NELEM(want_last) },
};

/* Walks an array of container statuses. */
static bool
next_container(struct slice array, const char **cursor, struct slice *v)
{
	struct slice one;

	if (!json_scan_next(array, cursor, &one))
		return false;
	(void)json_scan(one, want_container, NELEM(want_container), v, C_MAX);
	return true;
}

/* --- kubectl's STATUS column ---------------------------------------------- */

struct column {
	char	text[KUBE_STATUS_REASON_MAX + 1];
};

static void
column_raw(struct column *c, const char *prefix, struct slice raw)
{
	char text[KUBE_STATUS_REASON_MAX + 1];
	size_t n = json_text_unescape(raw, text, sizeof(text) - 1);

	text[n] = '\0';
	(void)snprintf(c->text, sizeof(c->text), "%s%.80s", prefix, text);
}

static void
column_exit(struct column *c, const char *prefix, const struct slice *v)
{
	int64_t signal = json_scan_int(v[C_T_SIGNAL], 0);

	if (signal != 0)
		(void)snprintf(c->text, sizeof(c->text), "%sSignal:%lld",
		    prefix, (long long)signal);
	else
		(void)snprintf(c->text, sizeof(c->text), "%sExitCode:%lld",
		    prefix, (long long)json_scan_int(v[C_T_EXIT], 0));
}

/* The sidecars: init containers of spec with restartPolicy Always. */
struct sidecars {
	struct slice	names[SIDECARS_MAX];   /* raw JSON strings */
	size_t		n;
};

/* Once per pod: looked up in spec each, a hostile pod's list of many
 * thousands would be walked many thousand times. */
static void
sidecars_read(struct slice spec_init, struct sidecars *ret)
{
	static const struct json_want wants[] = {
		{ "name", 0, NULL, 0 },
		{ "restartPolicy", 1, NULL, 0 },
	};
	const char *cursor = NULL;
	struct slice one, v[2];

	ret->n = 0;
	while (ret->n < SIDECARS_MAX &&
	    json_scan_next(spec_init, &cursor, &one)) {
		(void)json_scan(one, wants, NELEM(wants), v, 2);
		if (json_scan_is(v[1], "Always") &&
		    kube_status_has_text(v[0]))
			ret->names[ret->n++] = v[0];
	}
}

static bool
sidecars_have(const struct sidecars *s, struct slice name)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (slice_eq(s->names[i], name))
			return true;
	return false;
}

/* The first init container that is not through; false: all are. */
static bool
column_init(const struct slice *p, struct column *c)
{
	const char *cursor = NULL;
	struct slice v[C_MAX];
	struct sidecars sidecars;
	size_t i;

	if (json_scan_null(p[P_INIT]))
		return false;
	sidecars_read(p[P_SPEC_INIT], &sidecars);
	for (i = 0; next_container(p[P_INIT], &cursor, v); i++) {
		if (!json_scan_null(v[C_TERMINATED]) &&
		    json_scan_int(v[C_T_EXIT], 0) == 0)
			continue;
		if (json_scan_true(v[C_STARTED]) &&
		    sidecars_have(&sidecars, v[C_NAME]))
			continue;
		if (!json_scan_null(v[C_TERMINATED])) {
			if (kube_status_has_text(v[C_T_REASON]))
				column_raw(c, "Init:", v[C_T_REASON]);
			else
				column_exit(c, "Init:", v);
		} else if (kube_status_has_text(v[C_W_REASON]) &&
		    !json_scan_is(v[C_W_REASON], "PodInitializing")) {
			column_raw(c, "Init:", v[C_W_REASON]);
		} else {
			(void)snprintf(c->text, sizeof(c->text),
			    "Init:%zu/%zu", i, kube_status_length(p[P_SPEC_INIT]));
		}
		return true;
	}
	return false;
}

static bool
condition_true(const struct slice *p, const char *type)
{
	struct kube_condition c;

	return kube_status_is_true(p[P_CONDITIONS], type, &c);
}

/* --- containers, in one pass ---------------------------------------------- */

/* What an array of container statuses says. */
struct containers {
	long long	total;
	long long	ready;
	bool		running;      /* one is ready and runs */
	bool		spoke;
	struct column	said;         /* by the first that says something */
	bool		stuck;        /* one waits for a reason of error */
	struct slice	stuck_message;
	int64_t		restarted_until;   /* the latest of its ends is of late */
};

/* ErrImagePull, CreateContainerConfigError, CrashLoopBackOff ... */
static bool
is_error_reason(struct slice raw)
{
	struct slice t = json_scan_text(raw);

	if (t.p == NULL)
		return false;
	return (t.n >= 3 && memcmp(t.p, "Err", 3) == 0) ||
	    (t.n >= 5 && memcmp(t.p + t.n - 5, "Error", 5) == 0) ||
	    (t.n >= 7 && memcmp(t.p + t.n - 7, "BackOff", 7) == 0);
}

/* What one container has to say; false: nothing. */
static bool
column_container(struct column *c, const struct slice *v)
{
	if (kube_status_has_text(v[C_W_REASON]))
		column_raw(c, "", v[C_W_REASON]);
	else if (kube_status_has_text(v[C_T_REASON]))
		column_raw(c, "", v[C_T_REASON]);
	else if (!json_scan_null(v[C_TERMINATED]))
		column_exit(c, "", v);
	else
		return false;
	return true;
}

/* Until when its last end is of late (0: it never ended); for ever when that
 * has no time. */
static int64_t
container_until(const struct slice *v)
{
	struct slice text;
	int64_t at;

	if (json_scan_null(v[C_LAST]))
		return 0;
	text = json_scan_text(v[C_LAST_FINISHED]);
	if (text.p == NULL || !wall_parse(text.p, text.n, &at))
		return INT64_MAX;
	return at + RESTARTED_MS;
}

/* kubectl goes from the last container to the first and lets each overwrite
 * what stood there: the first one that says something decides. */
static void
containers_read(struct slice array, struct containers *ret)
{
	const char *cursor = NULL;
	struct slice v[C_MAX];
	struct column said;
	int64_t until;

	*ret = (struct containers){ 0 };
	while (next_container(array, &cursor, v)) {
		ret->total++;
		ret->ready += json_scan_true(v[C_READY]) ? 1 : 0;
		if (column_container(&said, v)) {
			if (!ret->spoke)
				ret->said = said;
			ret->spoke = true;
		} else if (json_scan_true(v[C_READY]) &&
		    !json_scan_null(v[C_RUNNING])) {
			ret->running = true;
		}
		if (!ret->stuck && is_error_reason(v[C_W_REASON])) {
			ret->stuck = true;
			ret->stuck_message = v[C_W_MESSAGE];
		}
		until = container_until(v);
		ret->restarted_until = MAX(ret->restarted_until, until);
	}
}

struct pod {
	struct slice		p[P_MAX];
	struct containers	init;
	struct containers	main;
	struct column		column;
};

static void
column_make(struct pod *pod)
{
	const struct slice *p = pod->p;
	struct column *c = &pod->column;
	struct kube_condition scheduled;

	column_raw(c, "", kube_status_has_text(p[P_REASON]) ? p[P_REASON] :
	    p[P_PHASE]);
	if (kube_status_mentions(p[P_CONDITIONS], "SchedulingGated") &&
	    kube_status_condition(p[P_CONDITIONS], "PodScheduled",
	    &scheduled) && json_scan_is(scheduled.reason, "SchedulingGated"))
		column_raw(c, "", scheduled.reason);
	if (column_init(p, c) && !condition_true(p, "Initialized"))
		return;
	if (pod->main.spoke)
		*c = pod->main.said;
	if (pod->main.running && strcmp(c->text, "Completed") == 0)
		(void)snprintf(c->text, sizeof(c->text), "%s",
		    condition_true(p, "Ready") ? "Running" : "NotReady");
}

/* --- severity ------------------------------------------------------------- */

static bool
rule_stuck(const struct containers *of, const struct column *c,
    struct kube_status *s)
{
	if (!of->stuck)
		return false;
	kube_status_set_raw(s, HEALTH_DEGRADED, SLICE_NONE, c->text,
	    of->stuck_message, "a container cannot start");
	return true;
}

/* Why a Failed pod failed, when the pod itself does not say. */
static bool
failed_container(struct slice array, const struct column *c,
    struct kube_status *s)
{
	const char *cursor = NULL;
	struct slice v[C_MAX];
	char name[80];

	while (next_container(array, &cursor, v)) {
		if (json_scan_null(v[C_TERMINATED]))
			continue;
		if (kube_status_has_text(v[C_T_MESSAGE])) {
			kube_status_set_raw(s, HEALTH_FAILED, SLICE_NONE,
			    c->text, v[C_T_MESSAGE], "");
			return true;
		}
		name[json_text_unescape(v[C_NAME], name, sizeof(name) - 1)] =
		    '\0';
		if (json_scan_is(v[C_T_REASON], "OOMKilled")) {
			kube_status_set(s, HEALTH_FAILED, c->text,
			    "container %s was killed: out of memory", name);
			return true;
		}
		if (json_scan_int(v[C_T_EXIT], 0) != 0) {
			kube_status_set(s, HEALTH_FAILED, c->text,
			    "container %s ended with exit code %lld", name,
			    (long long)json_scan_int(v[C_T_EXIT], 0));
			return true;
		}
	}
	return false;
}

static void
rule_failed(const struct slice *p, const struct column *c,
    struct kube_status *s)
{
	if (!kube_status_has_text(p[P_MESSAGE]) &&
	    (failed_container(p[P_INIT], c, s) ||
	    failed_container(p[P_CONTAINERS], c, s)))
		return;
	kube_status_set_raw(s, HEALTH_FAILED, SLICE_NONE, c->text,
	    p[P_MESSAGE], "the pod has failed");
}

static void
rule_pending(const struct kube_object *object, const struct slice *p,
    const struct column *c, int64_t now, struct kube_status *s)
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
	const struct column *c = &pod->column;

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
	const struct column *c = &pod->column;

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
	struct pod pod;

	(void)json_scan(object->spec, want_spec, NELEM(want_spec), spec,
	    P_MAX);
	(void)json_scan(object->status, want_status, NELEM(want_status),
	    pod.p, P_MAX);
	pod.p[P_POLICY] = spec[P_POLICY];
	pod.p[P_SPEC_INIT] = spec[P_SPEC_INIT];
	containers_read(pod.p[P_INIT], &pod.init);
	containers_read(pod.p[P_CONTAINERS], &pod.main);
	column_make(&pod);
	decide(object, &pod, now_unix_ms, ret);
	kube_status_field_text(ret, "phase", pod.p[P_PHASE]);
}
