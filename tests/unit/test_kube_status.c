/* The status rules of deployment and pod: tables of objects and verdicts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "common/mono.h"
#include "watcher/json_scan.h"
#include "watcher/status/rules.h"

struct verdict {
	const char	*name;
	const char	*meta;     /* members of metadata, begins with a comma */
	const char	*spec;
	const char	*status;
	int64_t		 age_s;    /* now - creation */
	const char	*state;
	enum kube_health health;
	const char	*reason;
	int64_t		 again_s;  /* from creation, 0: never */
};

#define CREATED "2026-01-01T00:00:00Z"
#define AVAIL "\"conditions\":[{\"type\":\"Available\",\"status\":\"True\"}," \
	"{\"type\":\"Progressing\",\"status\":\"True\"," \
	"\"reason\":\"NewReplicaSetAvailable\"}]"
#define COUNTS(r, u, a, y) "\"replicas\":" #r ",\"updatedReplicas\":" #u \
	",\"availableReplicas\":" #a ",\"readyReplicas\":" #y

#define TURNED(at) "\"conditions\":[{\"type\":\"Available\"," \
	"\"status\":\"False\",\"lastTransitionTime\":\"2026-01-01T" at \
	"Z\"},{\"type\":\"Progressing\",\"status\":\"True\"," \
	"\"reason\":\"NewReplicaSetAvailable\"," \
	"\"lastUpdateTime\":\"2026-01-01T00:00:09Z\"}]"

static void
check(const struct verdict *c, kube_status_rule rule)
{
	struct buf b = BUF_EMPTY, out = BUF_EMPTY;
	struct kube_status s = { 0 };
	struct kube_object o;
	struct err err = { 0 };
	int64_t created;

	assert_true(wall_parse(CREATED, strlen(CREATED), &created));
	buf_addf(&b, "{\"metadata\":{\"name\":\"x\",\"namespace\":\"n\","
	    "\"uid\":\"u\",\"creationTimestamp\":\"%s\"%s},\"spec\":{%s},"
	    "\"status\":{%s}}", CREATED, c->meta, c->spec, c->status);
	if (kube_object_parse((struct slice){ (const char *)b.data, b.len },
	    &o, &err) < 0)
		fail_msg("%s: %s", c->name, err.text);
	rule(&o, created + c->age_s * 1000, &s);
	if (strcmp(s.state, c->state) != 0 || s.health != c->health ||
	    strcmp(s.reason, c->reason) != 0)
		fail_msg("%s: %s %s %s (%s)", c->name, s.state,
		    kube_status_health_name(s.health), s.reason, s.message);
	if (c->again_s != 0)
		assert_int_equal((s.again_unix_ms - created) / 1000,
		    c->again_s);
	else
		assert_int_equal(s.again_unix_ms, 0);
	kube_status_json(&out, &s);
	assert_true(json_scan((struct slice){ (const char *)out.data,
	    out.len }, NULL, 0, NULL, 0));
	buf_free(&b);
	buf_free(&out);
}

static const struct verdict deployment_cases[] = {
	{ "new, nothing seen", "", "\"replicas\":2", "", 1, "partial",
	    HEALTH_PROGRESSING, "LessReplicas", 600 },
	{ "replicas not given count as 1", "", "",
	    COUNTS(1, 1, 1, 1), 9999, "healthy", HEALTH_HEALTHY,
	    "Available", 0 },
	{ "all there", ",\"generation\":3",
	    "\"replicas\":3,\"progressDeadlineSeconds\":600",
	    "\"observedGeneration\":3," COUNTS(3, 3, 3, 3) ","
	    AVAIL, 9999, "healthy", HEALTH_HEALTHY, "Available", 0 },
	{ "generation not observed", ",\"generation\":4",
	    "\"replicas\":3", "\"observedGeneration\":3,"
	    COUNTS(3, 3, 3, 3), 9, "partial", HEALTH_PROGRESSING,
	    "LatestGenerationNotObserved", 0 },
	{ "deleting stands above all",
	    ",\"deletionTimestamp\":\"2026-01-02T00:00:00Z\"",
	    "\"replicas\":1", COUNTS(1, 1, 1, 1), 9, "partial",
	    HEALTH_TERMINATING, "Terminating", 0 },
	{ "paused is suspended", "",
	    "\"paused\":true,\"replicas\":2", COUNTS(2, 1, 1, 1), 9,
	    "partial", HEALTH_SUSPENDED, "DeploymentPaused", 0 },
	{ "0 wanted and 0 there is healthy", "", "\"replicas\":0",
	    "", 9999, "healthy", HEALTH_HEALTHY, "ScaledToZero", 0 },
	{ "0 wanted, one left", "", "\"replicas\":0",
	    COUNTS(1, 1, 1, 1), 9999, "partial", HEALTH_PROGRESSING,
	    "ExtraPods", 0 },
	{ "deadline exceeded", "", "\"replicas\":2",
	    COUNTS(2, 1, 1, 1) ",\"conditions\":[{\"type\":"
	    "\"Progressing\",\"status\":\"False\",\"reason\":"
	    "\"ProgressDeadlineExceeded\",\"message\":\"m\"}]", 9,
	    "error", HEALTH_DEGRADED, "ProgressDeadlineExceeded", 0 },
	{ "replica failure", "", "\"replicas\":2",
	    COUNTS(1, 1, 1, 1) ",\"conditions\":[{\"type\":"
	    "\"ReplicaFailure\",\"status\":\"True\",\"reason\":"
	    "\"FailedCreate\"}]", 9, "error", HEALTH_DEGRADED,
	    "FailedCreate", 0 },
	{ "a replica failure that is over", "", "\"replicas\":1",
	    COUNTS(1, 1, 1, 1) ",\"conditions\":[{\"type\":"
	    "\"ReplicaFailure\",\"status\":\"False\"}]", 9, "healthy",
	    HEALTH_HEALTHY, "Available", 0 },
	{ "less updated", "", "\"replicas\":3", COUNTS(3, 1, 3, 3), 9,
	    "partial", HEALTH_PROGRESSING, "LessUpdated", 0 },
	{ "extra pods", "", "\"replicas\":3", COUNTS(4, 3, 3, 3), 9,
	    "partial", HEALTH_PROGRESSING, "ExtraPods", 0 },
	{ "less available", "", "\"replicas\":3", COUNTS(3, 3, 2, 3),
	    9, "partial", HEALTH_PROGRESSING, "LessAvailable", 0 },
	{ "less ready", "", "\"replicas\":3", COUNTS(3, 3, 3, 2), 9,
	    "partial", HEALTH_PROGRESSING, "LessReady", 0 },
	{ "the controller is not through", "",
	    "\"replicas\":1,\"progressDeadlineSeconds\":600",
	    COUNTS(1, 1, 1, 1), 9, "partial", HEALTH_PROGRESSING,
	    "ReplicaSetNotAvailable", 0 },
	{ "an old one, scaled up from zero, has its time again", "",
	    "\"replicas\":3,\"progressDeadlineSeconds\":600",
	    COUNTS(3, 3, 0, 0) "," TURNED("02:40:00"), 9700, "partial",
	    HEALTH_PROGRESSING, "LessAvailable", 10200 },
	{ "and is degraded when that is over", "",
	    "\"replicas\":3,\"progressDeadlineSeconds\":600",
	    COUNTS(3, 3, 0, 0) "," TURNED("02:40:00"), 10201, "error",
	    HEALTH_DEGRADED, "NoReplicaReady", 0 },
	{ "a rollout that progressed lately", "", "\"replicas\":2",
	    COUNTS(2, 1, 0, 0) ",\"conditions\":[{\"type\":"
	    "\"Progressing\",\"status\":\"True\",\"lastUpdateTime\":"
	    "\"2026-01-01T01:00:00Z\",\"lastTransitionTime\":\"x\"}]",
	    3700, "partial", HEALTH_PROGRESSING, "LessUpdated", 4200 },
	{ "no deadline: conditions are not asked", "",
	    "\"replicas\":1,\"progressDeadlineSeconds\":2147483647",
	    COUNTS(1, 1, 1, 1), 9, "healthy", HEALTH_HEALTHY,
	    "Available", 0 },
	{ "none ready for longer than the deadline", "",
	    "\"replicas\":2,\"progressDeadlineSeconds\":60",
	    COUNTS(2, 2, 0, 0), 61, "error", HEALTH_DEGRADED,
	    "NoReplicaReady", 0 },
	{ "none ready, within the deadline", "",
	    "\"replicas\":2,\"progressDeadlineSeconds\":60",
	    COUNTS(2, 2, 0, 0), 59, "partial", HEALTH_PROGRESSING,
	    "LessAvailable", 60 },
	{ "Stalled", "", "", COUNTS(1, 1, 1, 1) ",\"conditions\":[{"
	    "\"type\":\"Stalled\",\"status\":\"True\"}]", 9, "error",
	    HEALTH_FAILED, "Stalled", 0 },
	{ "wrong types count as missing", "",
	    "\"replicas\":\"three\",\"paused\":1",
	    "\"replicas\":[],\"conditions\":{}", 9, "partial",
	    HEALTH_PROGRESSING, "LessReplicas", 600 },
};

static void
test_deployments_are_judged_by_the_table(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(deployment_cases); i++)
		check(&deployment_cases[i], deployment_status);
}

#define ALWAYS "\"restartPolicy\":\"Always\""
#define READY(s) "\"conditions\":[{\"type\":\"Ready\",\"status\":\"" s "\"}]"
#define WAITING(r) "{\"name\":\"c\",\"ready\":false,\"state\":{\"waiting\":{" \
	"\"reason\":\"" r "\",\"message\":\"m\"}}}"
#define RUNNING "{\"name\":\"c\",\"ready\":true,\"state\":{\"running\":{}}}"
#define ENDED(code, reason) "{\"name\":\"c\",\"ready\":false,\"state\":{" \
	"\"terminated\":{\"exitCode\":" #code reason "}}}"

static const struct verdict pod_cases[] = {
	{ "no phase", "", ALWAYS, "", 1, "partial",
	    HEALTH_PROGRESSING, "PodNotObserved", 0 },
	{ "running and ready", "", ALWAYS, "\"phase\":\"Running\","
	    READY("True") ",\"containerStatuses\":[" RUNNING "]", 9,
	    "healthy", HEALTH_HEALTHY, "Running", 0 },
	{ "running, not ready", "", ALWAYS, "\"phase\":\"Running\","
	    READY("False") ",\"containerStatuses\":[{\"name\":\"c\","
	    "\"ready\":false,\"state\":{\"running\":{}}}]", 9,
	    "partial", HEALTH_PROGRESSING, "Running", 0 },
	{ "crash loop", "", ALWAYS, "\"phase\":\"Running\","
	    READY("False") ",\"containerStatuses\":["
	    WAITING("CrashLoopBackOff") "]", 9, "error",
	    HEALTH_DEGRADED, "CrashLoopBackOff", 0 },
	{ "image cannot be pulled while pending", "", ALWAYS,
	    "\"phase\":\"Pending\",\"containerStatuses\":["
	    WAITING("ImagePullBackOff") "]", 9, "error",
	    HEALTH_DEGRADED, "ImagePullBackOff", 0 },
	{ "the same of a finite pod", "",
	    "\"restartPolicy\":\"Never\"",
	    "\"phase\":\"Pending\",\"containerStatuses\":["
	    WAITING("ErrImagePull") "]", 9, "error",
	    HEALTH_DEGRADED, "ErrImagePull", 0 },
	{ "creating", "", ALWAYS, "\"phase\":\"Pending\","
	    "\"containerStatuses\":[" WAITING("ContainerCreating")
	    "]", 9, "partial", HEALTH_PROGRESSING,
	    "ContainerCreating", 0 },
	{ "unschedulable for 14 s", "", ALWAYS,
	    "\"phase\":\"Pending\",\"conditions\":[{\"type\":"
	    "\"PodScheduled\",\"status\":\"False\",\"reason\":"
	    "\"Unschedulable\",\"message\":\"0/3\"}]", 14, "partial",
	    HEALTH_PROGRESSING, "Unschedulable", 15 },
	{ "unschedulable for 16 s", "", ALWAYS,
	    "\"phase\":\"Pending\",\"conditions\":[{\"type\":"
	    "\"PodScheduled\",\"status\":\"False\",\"reason\":"
	    "\"Unschedulable\",\"message\":\"0/3\"}]", 16, "error",
	    HEALTH_DEGRADED, "Unschedulable", 0 },
	{ "scheduling gated", "", ALWAYS, "\"phase\":\"Pending\","
	    "\"conditions\":[{\"type\":\"PodScheduled\",\"status\":"
	    "\"False\",\"reason\":\"SchedulingGated\"}]", 99,
	    "partial", HEALTH_PROGRESSING, "SchedulingGated", 0 },
	{ "succeeded", "", "\"restartPolicy\":\"Never\"",
	    "\"phase\":\"Succeeded\",\"containerStatuses\":["
	    ENDED(0, ",\"reason\":\"Completed\"") "]", 9, "healthy",
	    HEALTH_COMPLETED, "Completed", 0 },
	{ "failed by exit code", "", "\"restartPolicy\":\"Never\"",
	    "\"phase\":\"Failed\",\"containerStatuses\":["
	    ENDED(3, "") "]", 9, "error", HEALTH_FAILED,
	    "ExitCode:3", 0 },
	{ "evicted", "", ALWAYS, "\"phase\":\"Failed\",\"reason\":"
	    "\"Evicted\",\"message\":\"low on memory\"", 9, "error",
	    HEALTH_FAILED, "Evicted", 0 },
	{ "finite and running", "", "\"restartPolicy\":\"OnFailure\"",
	    "\"phase\":\"Running\"," READY("True")
	    ",\"containerStatuses\":[" RUNNING "]", 9, "partial",
	    HEALTH_PROGRESSING, "Running", 0 },
	{ "ended lately", "", ALWAYS, "\"phase\":\"Running\","
	    READY("False") ",\"containerStatuses\":[{\"name\":\"c\","
	    "\"ready\":false,\"state\":{\"running\":{}},\"lastState\":"
	    "{\"terminated\":{\"finishedAt\":\"2026-01-01T00:01:00Z\"}"
	    "}}]", 120, "error", HEALTH_DEGRADED, "Running", 660 },
	{ "ended long ago", "", ALWAYS, "\"phase\":\"Running\","
	    READY("False") ",\"containerStatuses\":[{\"name\":\"c\","
	    "\"ready\":false,\"state\":{\"running\":{}},\"lastState\":"
	    "{\"terminated\":{\"finishedAt\":\"2026-01-01T00:01:00Z\"}"
	    "}}]", 700, "partial", HEALTH_PROGRESSING, "Running", 0 },
	{ "second init container under way", "", ALWAYS
	    ",\"initContainers\":[{},{},{}]", "\"phase\":\"Pending\","
	    "\"initContainerStatuses\":[" ENDED(0, "") ",{\"name\":"
	    "\"d\",\"state\":{\"running\":{}}}]", 9, "partial",
	    HEALTH_PROGRESSING, "Init:1/3", 0 },
	{ "init container crashes", "", ALWAYS
	    ",\"initContainers\":[{}]", "\"phase\":\"Pending\","
	    "\"initContainerStatuses\":[" WAITING("CrashLoopBackOff")
	    "]", 9, "error", HEALTH_DEGRADED,
	    "Init:CrashLoopBackOff", 0 },
	{ "a started sidecar is skipped", "", ALWAYS
	    ",\"initContainers\":[{\"name\":\"c\",\"restartPolicy\":"
	    "\"Always\"}]", "\"phase\":\"Running\"," READY("True")
	    ",\"initContainerStatuses\":[{\"name\":\"c\",\"started\":"
	    "true,\"state\":{\"running\":{}}}]", 9, "healthy",
	    HEALTH_HEALTHY, "Running", 0 },
	{ "killed by a signal", "", "\"restartPolicy\":\"Never\"",
	    "\"phase\":\"Failed\",\"containerStatuses\":["
	    ENDED(137, ",\"signal\":9") "]", 9, "error",
	    HEALTH_FAILED, "Signal:9", 0 },
	{ "deleting", ",\"deletionTimestamp\":\"x\"", ALWAYS,
	    "\"phase\":\"Running\"," READY("True"), 9, "partial",
	    HEALTH_TERMINATING, "Terminating", 0 },
	{ "node lost", ",\"deletionTimestamp\":\"x\"", ALWAYS,
	    "\"phase\":\"Running\",\"reason\":\"NodeLost\"", 9,
	    "partial", HEALTH_TERMINATING, "Unknown", 0 },
	{ "phase Unknown", "", ALWAYS, "\"phase\":\"Unknown\"", 9,
	    "partial", HEALTH_UNKNOWN, "Unknown", 0 },
	{ "wrong types", "", "\"restartPolicy\":7", "\"phase\":[1],"
	    "\"containerStatuses\":\"x\",\"conditions\":[1,{\"type\":"
	    "2}]", 9, "partial", HEALTH_PROGRESSING,
	    "PodNotObserved", 0 },
};

static void
test_pods_are_judged_by_the_table(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(pod_cases); i++)
		check(&pod_cases[i], pod_status);
}

static void
test_a_long_message_is_cut_between_characters(void **state)
{
	struct kube_status s = { 0 };
	char text[2 * KUBE_STATUS_MESSAGE_MAX + 4];
	size_t i;

	(void)state;
	text[0] = 'x';
	for (i = 1; i + 1 < sizeof(text) - 1; i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	text[i] = '\0';
	kube_status_set(&s, HEALTH_FAILED, "R", "%s", text);
	assert_int_equal(strlen(s.message), KUBE_STATUS_MESSAGE_MAX - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deployments_are_judged_by_the_table),
		cmocka_unit_test(test_pods_are_judged_by_the_table),
		cmocka_unit_test(
		    test_a_long_message_is_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
