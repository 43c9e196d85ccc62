/* The rule of deployments (k8s-watch.md C.4) against a table. */
#include "tests/unit/status_fixture.h"

static const struct status_kind kind = {
	deployment_status,
	{ "healthy", "partial", "error", NULL },
	{ { "replicas", 'i' }, { "readyReplicas", 'i' }, { NULL, 0 } },
};

#define COUNTS(r, u, a, y) "\"replicas\":" #r ",\"updatedReplicas\":" #u \
	",\"availableReplicas\":" #a ",\"readyReplicas\":" #y
#define THROUGH CONDITIONS(CONDITION("Available", "True", "R") "," \
	CONDITION("Progressing", "True", "NewReplicaSetAvailable"))
#define TURNED(at) "\"conditions\":[{\"type\":\"Available\"," \
	"\"status\":\"False\",\"lastTransitionTime\":\"2026-01-01T" at \
	"Z\"},{\"type\":\"Progressing\",\"status\":\"True\"," \
	"\"reason\":\"NewReplicaSetAvailable\"," \
	"\"lastUpdateTime\":\"2026-01-01T00:00:09Z\"}]"

static const struct status_case cases[] = {
	{ "a new one of which nothing was seen is progressing", "",
	    "\"replicas\":2", "", SECOND, "partial", HEALTH_PROGRESSING,
	    "LessReplicas", "replicas: 0/2", 600 * SECOND + 1,
	    "\"replicas\":2,\"readyReplicas\":0" },
	{ "C.3 unset replicas count as 1", "", "", COUNTS(1, 1, 1, 1),
	    DAY, "healthy", HEALTH_HEALTHY, "Available", "ready: 1/1", 0,
	    "\"replicas\":1,\"readyReplicas\":1" },
	{ "all there and the rollout through is healthy",
	    ",\"generation\":3",
	    "\"replicas\":3,\"progressDeadlineSeconds\":600",
	    "\"observedGeneration\":3," COUNTS(3, 3, 3, 3) "," THROUGH,
	    DAY, "healthy", HEALTH_HEALTHY, "Available", NULL, 0, NULL },
	{ "C.3 a generation that is not observed is progressing",
	    ",\"generation\":4", "\"replicas\":3",
	    "\"observedGeneration\":3," COUNTS(3, 3, 3, 3), DAY,
	    "partial", HEALTH_PROGRESSING, "LatestGenerationNotObserved",
	    NULL, 0, NULL },
	{ "C.3 an observed generation that is missing is no matter",
	    ",\"generation\":4", "\"replicas\":3", COUNTS(3, 3, 3, 3),
	    DAY, "healthy", HEALTH_HEALTHY, "Available", NULL, 0, NULL },
	{ "C.3 deleting stands above all", ",\"generation\":9" DELETING,
	    "\"replicas\":1,\"paused\":true",
	    "\"observedGeneration\":3," COUNTS(1, 1, 1, 1), DAY,
	    "partial", HEALTH_TERMINATING, "Terminating", NULL, 0, NULL },
	{ "C.3 paused is suspended", "", "\"paused\":true,\"replicas\":2",
	    COUNTS(2, 1, 1, 1), DAY, "partial", HEALTH_SUSPENDED,
	    "DeploymentPaused", "paused, ready: 1/2", 0, NULL },
	{ "KubeOrch's defect: 0 wanted and 0 there is healthy", "",
	    "\"replicas\":0", "", DAY, "healthy", HEALTH_HEALTHY,
	    "ScaledToZero", "scaled to zero", 0,
	    "\"replicas\":0,\"readyReplicas\":0" },
	{ "0 wanted and one left is progressing", "", "\"replicas\":0",
	    COUNTS(1, 1, 1, 1), DAY, "partial", HEALTH_PROGRESSING,
	    "ExtraPods", "pending termination: 1", 0, NULL },
	{ "a deadline that was exceeded is degraded", "", "\"replicas\":2",
	    COUNTS(2, 1, 1, 1) "," CONDITIONS(CONDITION("Progressing",
	    "False", "ProgressDeadlineExceeded")), DAY, "error",
	    HEALTH_DEGRADED, "ProgressDeadlineExceeded", "m", 0, NULL },
	{ "a replica failure is degraded", "", "\"replicas\":2",
	    COUNTS(1, 1, 1, 1) "," CONDITIONS(CONDITION("ReplicaFailure",
	    "True", "FailedCreate")), DAY, "error", HEALTH_DEGRADED,
	    "FailedCreate", "m", 0, NULL },
	{ "a replica failure that is over is none", "", "\"replicas\":1",
	    COUNTS(1, 1, 1, 1) "," CONDITIONS(CONDITION("ReplicaFailure",
	    "False", "R")), DAY, "healthy", HEALTH_HEALTHY, "Available",
	    NULL, 0, NULL },
	{ "less updated is progressing", "", "\"replicas\":3",
	    COUNTS(3, 1, 3, 3), DAY, "partial", HEALTH_PROGRESSING,
	    "LessUpdated", "updated: 1/3", 0, NULL },
	{ "extra pods are progressing", "", "\"replicas\":3",
	    COUNTS(4, 3, 3, 3), DAY, "partial", HEALTH_PROGRESSING,
	    "ExtraPods", NULL, 0, NULL },
	{ "less available is progressing", "", "\"replicas\":3",
	    COUNTS(3, 3, 2, 3), DAY, "partial", HEALTH_PROGRESSING,
	    "LessAvailable", "available: 2/3", 0, NULL },
	{ "less ready is progressing", "", "\"replicas\":3",
	    COUNTS(3, 3, 3, 2), DAY, "partial", HEALTH_PROGRESSING,
	    "LessReady", "ready: 2/3", 0, NULL },
	{ "with a deadline the controller's word is waited for", "",
	    "\"replicas\":1,\"progressDeadlineSeconds\":600",
	    COUNTS(1, 1, 1, 1), DAY, "partial", HEALTH_PROGRESSING,
	    "ReplicaSetNotAvailable", NULL, 0, NULL },
	{ "and its word that the rollout is available", "",
	    "\"replicas\":1,\"progressDeadlineSeconds\":600",
	    COUNTS(1, 1, 1, 1) "," CONDITIONS(CONDITION("Progressing",
	    "True", "NewReplicaSetAvailable")), DAY, "partial",
	    HEALTH_PROGRESSING, "DeploymentNotAvailable", NULL, 0, NULL },
	{ "a rollout under way is not available", "",
	    "\"replicas\":1,\"progressDeadlineSeconds\":600",
	    COUNTS(1, 1, 1, 1) "," CONDITIONS(CONDITION("Progressing",
	    "True", "ReplicaSetUpdated") "," CONDITION("Available", "True",
	    "R")), DAY, "partial", HEALTH_PROGRESSING,
	    "ReplicaSetNotAvailable", NULL, 0, NULL },
	{ "nor is one that does not progress", "",
	    "\"replicas\":1,\"progressDeadlineSeconds\":600",
	    COUNTS(1, 1, 1, 1) "," CONDITIONS(CONDITION("Progressing",
	    "Unknown", "NewReplicaSetAvailable") "," CONDITION("Available",
	    "True", "R")), DAY, "partial", HEALTH_PROGRESSING,
	    "ReplicaSetNotAvailable", NULL, 0, NULL },
	{ "nor one whose controller says it is not", "",
	    "\"replicas\":1,\"progressDeadlineSeconds\":600",
	    COUNTS(1, 1, 1, 1) "," CONDITIONS(CONDITION("Progressing",
	    "True", "NewReplicaSetAvailable") "," CONDITION("Available",
	    "False", "R")), DAY, "partial", HEALTH_PROGRESSING,
	    "DeploymentNotAvailable", NULL, 0, NULL },
	{ "without a deadline conditions are not asked", "",
	    "\"replicas\":1,\"progressDeadlineSeconds\":2147483647",
	    COUNTS(1, 1, 1, 1), DAY, "healthy", HEALTH_HEALTHY,
	    "Available", NULL, 0, NULL },
	{ "none ready is progressing until the deadline", "",
	    "\"replicas\":2,\"progressDeadlineSeconds\":60",
	    COUNTS(2, 2, 0, 0), MINUTE, "partial", HEALTH_PROGRESSING,
	    "LessAvailable", NULL, MINUTE + 1, NULL },
	{ "none ready a ms after the deadline is degraded", "",
	    "\"replicas\":2,\"progressDeadlineSeconds\":60",
	    COUNTS(2, 2, 0, 0), MINUTE + 1, "error", HEALTH_DEGRADED,
	    "NoReplicaReady", "none of 2 replicas is ready", 0, NULL },
	{ "a deadline without an end is never over", "",
	    "\"replicas\":2,\"progressDeadlineSeconds\":2147483647",
	    COUNTS(2, 2, 0, 0), 365 * DAY, "partial", HEALTH_PROGRESSING,
	    "LessAvailable", NULL, 0, NULL },
	{ "a deadline that is none is never over", "",
	    "\"replicas\":2,\"progressDeadlineSeconds\":-1",
	    COUNTS(2, 2, 0, 0), DAY, "partial", HEALTH_PROGRESSING,
	    "LessAvailable", NULL, 0, NULL },
	{ "none ready of unknown age is progressing",
	    ",\"creationTimestamp\":null", "\"replicas\":2",
	    COUNTS(2, 2, 0, 0), DAY, "partial", HEALTH_PROGRESSING,
	    "LessAvailable", NULL, 0, NULL },
	{ "0 wanted is never overdue", "", "\"replicas\":0",
	    COUNTS(1, 0, 0, 0), DAY, "partial", HEALTH_PROGRESSING,
	    "ExtraPods", NULL, 0, NULL },
	{ "an old one, scaled up from zero, has its time again", "",
	    "\"replicas\":3,\"progressDeadlineSeconds\":600",
	    COUNTS(3, 3, 0, 0) "," TURNED("02:40:00"), 9700 * SECOND,
	    "partial", HEALTH_PROGRESSING, "LessAvailable", NULL,
	    10200 * SECOND + 1, NULL },
	{ "and is degraded when that is over", "",
	    "\"replicas\":3,\"progressDeadlineSeconds\":600",
	    COUNTS(3, 3, 0, 0) "," TURNED("02:40:00"),
	    10200 * SECOND + 1, "error", HEALTH_DEGRADED,
	    "NoReplicaReady", NULL, 0, NULL },
	{ "a rollout that progressed lately is not overdue", "",
	    "\"replicas\":2", COUNTS(2, 1, 0, 0) ",\"conditions\":[{"
	    "\"type\":\"Progressing\",\"status\":\"True\","
	    "\"lastUpdateTime\":\"2026-01-01T01:00:00Z\","
	    "\"lastTransitionTime\":\"x\"}]", 3700 * SECOND, "partial",
	    HEALTH_PROGRESSING, "LessUpdated", NULL, 4200 * SECOND + 1,
	    NULL },
	{ "Reconciling is progressing", "", "", COUNTS(1, 1, 1, 1) ","
	    CONDITIONS(CONDITION("Reconciling", "True", "Busy")), DAY,
	    "partial", HEALTH_PROGRESSING, "Busy", "m", 0, NULL },
	{ "Stalled is failed", "", "", COUNTS(1, 1, 1, 1)
	    ",\"conditions\":[{\"type\":\"Stalled\",\"status\":\"True\"}]",
	    DAY, "error", HEALTH_FAILED, "Stalled", "", 0, NULL },
	{ "wrong types count as missing", "",
	    "\"replicas\":\"three\",\"paused\":1",
	    "\"replicas\":[],\"conditions\":{}", SECOND, "partial",
	    HEALTH_PROGRESSING, "LessReplicas", NULL, 600 * SECOND + 1,
	    "\"replicas\":1,\"readyReplicas\":0" },
	{ "negative and huge counts are no counts", "", "\"replicas\":-5",
	    "\"replicas\":9223372036854775807,\"readyReplicas\":-1", DAY,
	    "error", HEALTH_DEGRADED, "NoReplicaReady", NULL, 0,
	    "\"replicas\":1,\"readyReplicas\":0" },
	{ "no spec and no status is like an empty one", "", NULL, NULL,
	    SECOND, "partial", HEALTH_PROGRESSING, "LessReplicas", NULL,
	    600 * SECOND + 1, NULL },
};

static void
test_deployments_are_judged_by_the_table(void **state)
{
	(void)state;
	status_check_table(&kind, cases, NELEM(cases));
}

static void
test_wrong_values_do_no_harm(void **state)
{
	(void)state;
	status_check_wrong_values(&kind, "{" STATUS_META ",\"spec\":{"
	    "\"replicas\":3,\"paused\":false,"
	    "\"progressDeadlineSeconds\":600},\"status\":{"
	    "\"observedGeneration\":2," COUNTS(3, 3, 0, 0) ","
	    TURNED("00:02:00") "}}");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deployments_are_judged_by_the_table),
		cmocka_unit_test(test_wrong_values_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
