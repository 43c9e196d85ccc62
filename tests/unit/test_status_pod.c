/* The rule of pods (k8s-watch.md C.4) against a table. */
#include "tests/unit/status_fixture.h"

static const struct status_kind kind = {
	pod_status,
	{ "healthy", "partial", "error", NULL },
	{ { "phase", 't' }, { NULL, 0 } },
};

#define ALWAYS "\"restartPolicy\":\"Always\""
#define NEVER "\"restartPolicy\":\"Never\""
#define ON_FAILURE "\"restartPolicy\":\"OnFailure\""
#define PHASE(p) "\"phase\":\"" p "\""
#define READY(s) CONDITIONS(CONDITION("Ready", s, "R"))
#define UNSCHEDULABLE CONDITIONS(CONDITION("PodScheduled", "False", \
	"Unschedulable"))
#define STATUSES(list) "\"containerStatuses\":[" list "]"
#define INIT(list) "\"initContainerStatuses\":[" list "]"
#define WAITING(r) "{\"name\":\"c\",\"ready\":false,\"state\":{\"waiting\":{" \
	"\"reason\":\"" r "\",\"message\":\"w\"}}}"
#define RUNNING "{\"name\":\"c\",\"ready\":true,\"state\":{\"running\":{}}}"
#define UNREADY "{\"name\":\"c\",\"ready\":false,\"state\":{\"running\":{}}}"
#define ENDED(code, more) "{\"name\":\"c\",\"ready\":false,\"state\":{" \
	"\"terminated\":{\"exitCode\":" #code more "}}}"
#define RESTARTED(at) "{\"name\":\"c\",\"ready\":false,\"state\":{" \
	"\"running\":{}},\"lastState\":{\"terminated\":{\"exitCode\":1," \
	"\"finishedAt\":\"2026-01-01T" at "Z\"}}}"

/* --- by phase ------------------------------------------------------------- */

static const struct status_case phase_cases[] = {
	{ "no phase is progressing", "", ALWAYS, "", SECOND, "partial",
	    HEALTH_PROGRESSING, "PodNotObserved", NULL, 0,
	    "\"phase\":\"\"" },
	{ "running and ready is healthy", "", ALWAYS,
	    PHASE("Running") "," READY("True") "," STATUSES(RUNNING), DAY,
	    "healthy", HEALTH_HEALTHY, "Running", "containers ready: 1/1",
	    0, "\"phase\":\"Running\"" },
	{ "KubeOrch's defect: running and not ready is not healthy", "",
	    ALWAYS, PHASE("Running") "," READY("False") ","
	    STATUSES(RUNNING "," UNREADY), DAY, "partial",
	    HEALTH_PROGRESSING, "Running", "containers ready: 1/2", 0,
	    NULL },
	{ "C.3 a finite one that runs is progressing, though ready", "",
	    NEVER, PHASE("Running") "," READY("True") ","
	    STATUSES(RUNNING), DAY, "partial", HEALTH_PROGRESSING,
	    "Running", NULL, 0, NULL },
	{ "so is one that is restarted on failure", "", ON_FAILURE,
	    PHASE("Running") "," READY("True") "," STATUSES(RUNNING), DAY,
	    "partial", HEALTH_PROGRESSING, "Running", NULL, 0, NULL },
	{ "a finite one that was restarted lately is progressing", "",
	    ON_FAILURE, PHASE("Running") "," READY("False") ","
	    STATUSES(RESTARTED("00:01:00")), 2 * MINUTE, "partial",
	    HEALTH_PROGRESSING, "Running", NULL, 0, NULL },
	{ "succeeded is completed", "", NEVER, PHASE("Succeeded") ","
	    STATUSES(ENDED(0, ",\"reason\":\"Completed\"")), DAY,
	    "healthy", HEALTH_COMPLETED, "Completed", NULL, 0,
	    "\"phase\":\"Succeeded\"" },
	{ "C.3 failed is failed, by its exit code", "", NEVER,
	    PHASE("Failed") "," STATUSES(ENDED(3, "")), DAY, "error",
	    HEALTH_FAILED, "ExitCode:3",
	    "container c ended with exit code 3", 0, NULL },
	{ "failed with the words of its container", "", NEVER,
	    PHASE("Failed") "," STATUSES(ENDED(1, ",\"reason\":\"Error\","
	    "\"message\":\"no such file\"")), DAY, "error",
	    HEALTH_FAILED, "Error", "no such file", 0, NULL },
	{ "failed for want of memory", "", NEVER, PHASE("Failed") ","
	    STATUSES(ENDED(137, ",\"reason\":\"OOMKilled\"")), DAY,
	    "error", HEALTH_FAILED, "OOMKilled",
	    "container c was killed: out of memory", 0, NULL },
	{ "failed by a signal", "", NEVER, PHASE("Failed") ","
	    STATUSES(ENDED(137, ",\"signal\":9")), DAY, "error",
	    HEALTH_FAILED, "Signal:9", NULL, 0, NULL },
	{ "failed in an init container", "", NEVER
	    ",\"initContainers\":[{}]", PHASE("Failed") ","
	    INIT(ENDED(2, "")), DAY, "error", HEALTH_FAILED,
	    "Init:ExitCode:2", "container c ended with exit code 2", 0,
	    NULL },
	{ "failed by the second of two containers", "", NEVER,
	    PHASE("Failed") "," STATUSES(ENDED(0, "") "," ENDED(4, "")),
	    DAY, "error", HEALTH_FAILED, "ExitCode:0",
	    "container c ended with exit code 4", 0, NULL },
	{ "failed behind a container that has not ended", "", NEVER,
	    PHASE("Failed") "," STATUSES(UNREADY "," ENDED(4, "")), DAY,
	    "error", HEALTH_FAILED, "ExitCode:4",
	    "container c ended with exit code 4", 0, NULL },
	{ "an end without a code is one with 0", "", NEVER,
	    PHASE("Failed") "," STATUSES("{\"state\":{\"terminated\":{}}}"),
	    DAY, "error", HEALTH_FAILED, "ExitCode:0",
	    "the pod has failed", 0, NULL },
	{ "evicted says so, and why", "", ALWAYS, PHASE("Failed")
	    ",\"reason\":\"Evicted\",\"message\":\"low on memory\"", DAY,
	    "error", HEALTH_FAILED, "Evicted", "low on memory", 0, NULL },
	{ "failed without any word is failed", "", ALWAYS,
	    PHASE("Failed"), DAY, "error", HEALTH_FAILED, "Failed",
	    "the pod has failed", 0, NULL },
	{ "phase Unknown is unknown", "", ALWAYS, PHASE("Unknown"), DAY,
	    "partial", HEALTH_UNKNOWN, "Unknown", NULL, 0, NULL },
	{ "pending is progressing", "", ALWAYS, PHASE("Pending"), DAY,
	    "partial", HEALTH_PROGRESSING, "Pending", "pending", 0, NULL },
	{ "C.3 deleting stands above all", DELETING, ALWAYS,
	    PHASE("Running") "," READY("True"), DAY, "partial",
	    HEALTH_TERMINATING, "Terminating", NULL, 0, NULL },
	{ "deleting on a node that is lost is Unknown", DELETING, ALWAYS,
	    PHASE("Running") ",\"reason\":\"NodeLost\"", DAY, "partial",
	    HEALTH_TERMINATING, "Unknown", NULL, 0, NULL },
	{ "a generation that is not observed is progressing",
	    ",\"generation\":2", ALWAYS, "\"observedGeneration\":1,"
	    PHASE("Running") "," READY("True"), DAY, "partial",
	    HEALTH_PROGRESSING, "LatestGenerationNotObserved", NULL, 0,
	    NULL },
	{ "wrong types count as missing", "", "\"restartPolicy\":7",
	    "\"phase\":[1],\"containerStatuses\":\"x\","
	    "\"conditions\":[1,{\"type\":2}]", DAY, "partial",
	    HEALTH_PROGRESSING, "PodNotObserved", NULL, 0,
	    "\"phase\":\"\"" },
};

static void
test_pods_are_judged_by_their_phase(void **state)
{
	(void)state;
	status_check_table(&kind, phase_cases, NELEM(phase_cases));
}

/* --- waiting containers --------------------------------------------------- */

static const struct status_case waiting_cases[] = {
	{ "KubeOrch's defect: a crash loop is degraded while it runs", "",
	    ALWAYS, PHASE("Running") "," READY("False") ","
	    STATUSES(WAITING("CrashLoopBackOff")), DAY, "error",
	    HEALTH_DEGRADED, "CrashLoopBackOff", "w", 0, NULL },
	{ "C.3 an image that cannot be pulled is degraded while pending",
	    "", ALWAYS, PHASE("Pending") ","
	    STATUSES(WAITING("ImagePullBackOff")), DAY, "error",
	    HEALTH_DEGRADED, "ImagePullBackOff", "w", 0, NULL },
	{ "so it is in a finite pod", "", NEVER, PHASE("Pending") ","
	    STATUSES(WAITING("ErrImagePull")), DAY, "error",
	    HEALTH_DEGRADED, "ErrImagePull", "w", 0, NULL },
	{ "a crash loop in a finite pod is degraded", "", ON_FAILURE,
	    PHASE("Running") "," STATUSES(WAITING("CrashLoopBackOff")),
	    DAY, "error", HEALTH_DEGRADED, "CrashLoopBackOff", NULL, 0,
	    NULL },
	{ "a configuration that is wrong is degraded", "", ALWAYS,
	    PHASE("Pending") "," STATUSES(
	    WAITING("CreateContainerConfigError")), DAY, "error",
	    HEALTH_DEGRADED, "CreateContainerConfigError", NULL, 0, NULL },
	{ "the shortest reasons of error are such", "", ALWAYS,
	    PHASE("Pending") "," STATUSES(WAITING("Err")), DAY, "error",
	    HEALTH_DEGRADED, "Err", NULL, 0, NULL },
	{ "so is any that backs off", "", ALWAYS, PHASE("Pending") ","
	    STATUSES(WAITING("BackOff")), DAY, "error", HEALTH_DEGRADED,
	    "BackOff", NULL, 0, NULL },
	{ "an error in the middle of a reason is none", "", ALWAYS,
	    PHASE("Pending") "," STATUSES(WAITING("NoErrorHere")), DAY,
	    "partial", HEALTH_PROGRESSING, "NoErrorHere", NULL, 0, NULL },
	{ "an image that waits behind one that runs is degraded", "",
	    ALWAYS, PHASE("Running") "," READY("False") ","
	    STATUSES(RUNNING "," WAITING("ImagePullBackOff")), DAY,
	    "error", HEALTH_DEGRADED, "ImagePullBackOff", "w", 0, NULL },
	{ "creating containers is progressing", "", ALWAYS,
	    PHASE("Pending") "," STATUSES(WAITING("ContainerCreating")),
	    DAY, "partial", HEALTH_PROGRESSING, "ContainerCreating", NULL,
	    0, NULL },
	{ "an init container that crashes is degraded", "", ALWAYS
	    ",\"initContainers\":[{}]", PHASE("Pending") ","
	    INIT(WAITING("CrashLoopBackOff")), DAY, "error",
	    HEALTH_DEGRADED, "Init:CrashLoopBackOff", "w", 0, NULL },
	{ "the second of three init containers is under way", "", ALWAYS
	    ",\"initContainers\":[{},{},{}]", PHASE("Pending") ","
	    INIT(ENDED(0, "") ",{\"name\":\"d\",\"state\":{"
	    "\"running\":{}}}"), DAY, "partial", HEALTH_PROGRESSING,
	    "Init:1/3", NULL, 0, NULL },
	{ "an init container that ended without a code is through", "",
	    ALWAYS ",\"initContainers\":[{},{}]", PHASE("Pending") ","
	    INIT("{\"state\":{\"terminated\":{}}},{}"), DAY, "partial",
	    HEALTH_PROGRESSING, "Init:1/2", NULL, 0, NULL },
	{ "what waits behind an init container does not show yet", "",
	    ALWAYS ",\"initContainers\":[{}]", PHASE("Pending") ","
	    INIT(WAITING("PodInitializing")) "," STATUSES(
	    WAITING("ContainerCreating")), DAY, "partial",
	    HEALTH_PROGRESSING, "Init:0/1", NULL, 0, NULL },
	{ "unless the pod says that it is initialized", "",
	    ALWAYS ",\"initContainers\":[{}]", PHASE("Pending") ","
	    INIT("{}") "," CONDITIONS(CONDITION("Initialized", "True",
	    "R")) "," STATUSES(WAITING("ContainerCreating")), DAY,
	    "partial", HEALTH_PROGRESSING, "ContainerCreating", NULL, 0,
	    NULL },
	{ "a sidecar that has not started is waited for", "", ALWAYS
	    ",\"initContainers\":[{\"name\":\"c\",\"restartPolicy\":"
	    "\"Always\"}]", PHASE("Pending") "," INIT("{\"name\":\"c\","
	    "\"started\":false,\"state\":{\"running\":{}}}"), DAY,
	    "partial", HEALTH_PROGRESSING, "Init:0/1", NULL, 0, NULL },
	{ "behind init containers that are through the others show", "",
	    ALWAYS ",\"initContainers\":[{}]", PHASE("Pending") ","
	    INIT(ENDED(0, "")) "," STATUSES(WAITING("ContainerCreating")),
	    DAY, "partial", HEALTH_PROGRESSING, "ContainerCreating", NULL,
	    0, NULL },
	{ "a sidecar that has started is skipped", "", ALWAYS
	    ",\"initContainers\":[{\"name\":\"c\",\"restartPolicy\":"
	    "\"Always\"}]", PHASE("Running") "," READY("True") ","
	    INIT("{\"name\":\"c\",\"started\":true,\"state\":{"
	    "\"running\":{}}}"), DAY, "healthy", HEALTH_HEALTHY,
	    "Running", NULL, 0, NULL },
	{ "an init container that is no sidecar is waited for", "", ALWAYS
	    ",\"initContainers\":[{\"name\":\"c\"}]", PHASE("Pending") ","
	    INIT("{\"name\":\"c\",\"started\":true,\"state\":{"
	    "\"running\":{}}}"), DAY, "partial", HEALTH_PROGRESSING,
	    "Init:0/1", NULL, 0, NULL },
	{ "of several containers the first that says something decides",
	    "", ALWAYS, PHASE("Pending") "," STATUSES(RUNNING ","
	    WAITING("ContainerCreating") "," WAITING("PodInitializing")),
	    DAY, "partial", HEALTH_PROGRESSING, "ContainerCreating", NULL,
	    0, NULL },
	{ "one container through while another runs is not Completed", "",
	    ALWAYS, PHASE("Running") "," READY("False") ","
	    STATUSES(ENDED(0, ",\"reason\":\"Completed\"") "," RUNNING),
	    DAY, "partial", HEALTH_PROGRESSING, "NotReady", NULL, 0,
	    NULL },
	{ "one through while another is not ready is Completed", "",
	    ALWAYS, PHASE("Running") "," READY("False") ","
	    STATUSES(ENDED(0, ",\"reason\":\"Completed\"") "," UNREADY
	    ",{\"ready\":true,\"state\":{}}"), DAY, "partial",
	    HEALTH_PROGRESSING, "Completed", "containers ready: 1/3", 0,
	    NULL },
	{ "a reason and a message of wrong types say nothing", "", ALWAYS,
	    PHASE("Pending") "," STATUSES("{\"state\":{\"waiting\":{"
	    "\"reason\":7,\"message\":[]}}},null,7"), DAY, "partial",
	    HEALTH_PROGRESSING, "Pending", NULL, 0, NULL },
};

static void
test_waiting_containers_show_in_the_pod(void **state)
{
	(void)state;
	status_check_table(&kind, waiting_cases, NELEM(waiting_cases));
}

/* A pod with n sidecars, all of them started. */
static void
check_sidecars(unsigned n, const char *reason)
{
	struct buf spec = BUF_EMPTY, status = BUF_EMPTY;
	struct status_case c = { "many sidecars", "", NULL, NULL, DAY,
		"partial", HEALTH_PROGRESSING, reason, NULL, 0, NULL };
	unsigned i;

	buf_adds(&spec, ALWAYS ",\"initContainers\":[{}");
	buf_adds(&status, PHASE("Pending") "," READY("False") ","
	    "\"initContainerStatuses\":[" ENDED(0, ""));
	for (i = 0; i < n; i++) {
		buf_addf(&spec, ",{\"name\":\"s%u\",\"restartPolicy\":"
		    "\"Always\"}", i);
		buf_addf(&status, ",{\"name\":\"s%u\",\"started\":true}", i);
	}
	buf_addc(&spec, ']');
	buf_addc(&status, ']');
	c.spec = buf_cstr(&spec);
	c.status = buf_cstr(&status);
	status_check_table(&kind, &c, 1);
	buf_free(&spec);
	buf_free(&status);
}

static void
test_a_pod_has_64_sidecars_at_most(void **state)
{
	(void)state;
	check_sidecars(64, "Pending");
	check_sidecars(65, "Init:65/66");
	check_sidecars(5000, "Init:65/5001");
}

/* --- by time -------------------------------------------------------------- */

static const struct status_case time_cases[] = {
	{ "C.3 unschedulable is progressing for 15 s", "", ALWAYS,
	    PHASE("Pending") "," UNSCHEDULABLE, 15 * SECOND, "partial",
	    HEALTH_PROGRESSING, "Unschedulable", "m", 15 * SECOND + 1,
	    NULL },
	{ "C.3 and degraded a ms later", "", ALWAYS,
	    PHASE("Pending") "," UNSCHEDULABLE, 15 * SECOND + 1, "error",
	    HEALTH_DEGRADED, "Unschedulable", "m", 0, NULL },
	{ "unschedulable of unknown age is progressing",
	    ",\"creationTimestamp\":\"\"", ALWAYS, PHASE("Pending") ","
	    UNSCHEDULABLE, DAY, "partial", HEALTH_PROGRESSING,
	    "Unschedulable", NULL, 0, NULL },
	{ "held back by a gate is progressing, however long", "", ALWAYS,
	    PHASE("Pending") "," CONDITIONS(CONDITION("PodScheduled",
	    "False", "SchedulingGated")), DAY, "partial",
	    HEALTH_PROGRESSING, "SchedulingGated", NULL, 0, NULL },
	{ "a gate that is not the scheduler's holds nothing back", "",
	    ALWAYS, PHASE("Pending") "," CONDITIONS(CONDITION(
	    "PodScheduled", "True", "R") "," CONDITION("Mine", "False",
	    "SchedulingGated")), DAY, "partial", HEALTH_PROGRESSING,
	    "Pending", NULL, 0, NULL },
	{ "restarted not ten minutes ago is degraded", "", ALWAYS,
	    PHASE("Running") "," READY("False") ","
	    STATUSES(RESTARTED("00:01:00")), 11 * MINUTE - 1, "error",
	    HEALTH_DEGRADED, "Running", NULL, 11 * MINUTE, NULL },
	{ "restarted ten minutes ago is merely not ready", "", ALWAYS,
	    PHASE("Running") "," READY("False") ","
	    STATUSES(RESTARTED("00:01:00")), 11 * MINUTE, "partial",
	    HEALTH_PROGRESSING, "Running", NULL, 0, NULL },
	{ "of two restarts the later counts", "", ALWAYS,
	    PHASE("Running") "," READY("False") ","
	    STATUSES(RESTARTED("00:05:00") "," RESTARTED("00:01:00")),
	    6 * MINUTE, "error", HEALTH_DEGRADED, "Running", NULL,
	    15 * MINUTE, NULL },
	{ "and of a sidecar's the later too", "", ALWAYS
	    ",\"initContainers\":[]", PHASE("Running") ","
	    READY("False") "," INIT(RESTARTED("00:05:00")) ","
	    STATUSES(RESTARTED("00:01:00")), 6 * MINUTE, "error",
	    HEALTH_DEGRADED, "Init:0/0", NULL, 15 * MINUTE, NULL },
	{ "restarted and ready again is healthy", "", ALWAYS,
	    PHASE("Running") "," READY("True") ","
	    STATUSES(RESTARTED("00:01:00")), 2 * MINUTE, "healthy",
	    HEALTH_HEALTHY, "Running", NULL, 0, NULL },
	{ "a restart at no known time is one", "", ALWAYS,
	    PHASE("Running") "," READY("False") ",\"containerStatuses\":[{"
	    "\"lastState\":{\"terminated\":{}}}]", DAY, "error",
	    HEALTH_DEGRADED, "Running", NULL, 0, NULL },
};

static void
test_time_alone_changes_a_verdict_at_its_boundary(void **state)
{
	(void)state;
	status_check_table(&kind, time_cases, NELEM(time_cases));
}

/* --- wrong values --------------------------------------------------------- */

#define SPEC "\"spec\":{" ALWAYS ",\"initContainers\":[{\"name\":\"c\"," \
	"\"restartPolicy\":\"Always\"}]}"
#define SIDECAR "{\"name\":\"c\",\"ready\":true,\"started\":true," \
	"\"state\":{\"running\":{}}}"

static void
test_wrong_values_do_no_harm(void **state)
{
	(void)state;
	status_check_wrong_values(&kind, "{" STATUS_META "," SPEC ","
	    "\"status\":{\"observedGeneration\":2," PHASE("Running") ","
	    READY("False") "," INIT(SIDECAR) "," STATUSES(
	    RESTARTED("00:01:00") "," WAITING("ContainerCreating")) "}}");
	status_check_wrong_values(&kind, "{" STATUS_META "," SPEC ","
	    "\"status\":{" PHASE("Pending") ",\"reason\":\"R\","
	    "\"message\":\"m\"," UNSCHEDULABLE "," INIT(ENDED(1, "")) "}}");
	status_check_wrong_values(&kind, "{" STATUS_META "," SPEC ","
	    "\"status\":{" PHASE("Failed") "," STATUSES(ENDED(1,
	    ",\"signal\":9,\"reason\":\"OOMKilled\",\"message\":\"m\""))
	    "}}");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pods_are_judged_by_their_phase),
		cmocka_unit_test(test_waiting_containers_show_in_the_pod),
		cmocka_unit_test(test_a_pod_has_64_sidecars_at_most),
		cmocka_unit_test(
		    test_time_alone_changes_a_verdict_at_its_boundary),
		cmocka_unit_test(test_wrong_values_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
