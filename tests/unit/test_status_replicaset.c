/* The rule of replicasets (k8s-watch.md C.4) against a table. */
#include "tests/unit/status_fixture.h"

static const struct status_kind kind = {
	replicaset_status,
	{ "healthy", "partial", "error", NULL },
	{ { "replicas", 'i' }, { "readyReplicas", 'i' }, { NULL, 0 } },
};

/* Total, labelled, available, ready. */
#define COUNTS(r, l, a, y) "\"replicas\":" #r ",\"fullyLabeledReplicas\":" #l \
	",\"availableReplicas\":" #a ",\"readyReplicas\":" #y

static const struct status_case cases[] = {
	{ "all ready is healthy", ",\"generation\":2", "\"replicas\":3",
	    "\"observedGeneration\":2," COUNTS(3, 3, 3, 3), DAY,
	    "healthy", HEALTH_HEALTHY, "Ready", "ready: 3/3", 0,
	    "\"replicas\":3,\"readyReplicas\":3" },
	{ "an old revision, with 0 wanted and 0 there, is healthy", "",
	    "\"replicas\":0", "\"replicas\":0", DAY, "healthy",
	    HEALTH_HEALTHY, "ScaledToZero", NULL, 0,
	    "\"replicas\":0,\"readyReplicas\":0" },
	{ "an old revision that still has pods is progressing", "",
	    "\"replicas\":0", COUNTS(2, 2, 2, 2), DAY, "partial",
	    HEALTH_PROGRESSING, "ExtraPods", "pending termination: 2", 0,
	    NULL },
	{ "C.3 a replica failure is degraded", "", "\"replicas\":2",
	    COUNTS(1, 1, 1, 1) "," CONDITIONS(CONDITION("ReplicaFailure",
	    "True", "FailedCreate")), DAY, "error", HEALTH_DEGRADED,
	    "FailedCreate", "m", 0, NULL },
	{ "a replica failure that is over is none", "", "\"replicas\":1",
	    COUNTS(1, 1, 1, 1) "," CONDITIONS(CONDITION("ReplicaFailure",
	    "False", "FailedCreate")), DAY, "healthy", HEALTH_HEALTHY,
	    "Ready", NULL, 0, NULL },
	{ "a replica failure without a reason has our word", "",
	    "\"replicas\":2", "\"conditions\":[{\"type\":"
	    "\"ReplicaFailure\",\"status\":\"True\"}]", DAY, "error",
	    HEALTH_DEGRADED, "ReplicaFailure", NULL, 0, NULL },
	{ "C.3 unset replicas count as 1", "", "", "\"replicas\":0", DAY,
	    "partial", HEALTH_PROGRESSING, "LessLabelled",
	    "labelled: 0/1", 0, NULL },
	{ "fewer labelled than wanted is progressing", "",
	    "\"replicas\":3", COUNTS(3, 2, 3, 3), DAY, "partial",
	    HEALTH_PROGRESSING, "LessLabelled", "labelled: 2/3", 0, NULL },
	{ "fewer available than wanted is progressing", "",
	    "\"replicas\":3", COUNTS(3, 3, 2, 3), DAY, "partial",
	    HEALTH_PROGRESSING, "LessAvailable", "available: 2/3", 0,
	    NULL },
	{ "fewer ready than wanted is progressing", "", "\"replicas\":3",
	    COUNTS(3, 3, 3, 2), DAY, "partial", HEALTH_PROGRESSING,
	    "LessReady", "ready: 2/3", 0,
	    "\"replicas\":3,\"readyReplicas\":2" },
	{ "more pods than wanted is progressing", "", "\"replicas\":1",
	    COUNTS(2, 2, 2, 2), DAY, "partial", HEALTH_PROGRESSING,
	    "ExtraPods", "pending termination: 1", 0, NULL },
	{ "C.3 a generation that is not observed is progressing",
	    ",\"generation\":3", "\"replicas\":0",
	    "\"observedGeneration\":2,\"replicas\":0", DAY, "partial",
	    HEALTH_PROGRESSING, "LatestGenerationNotObserved", NULL, 0,
	    NULL },
	{ "C.3 deleting stands above all", DELETING, "\"replicas\":1",
	    COUNTS(1, 1, 1, 1), DAY, "partial", HEALTH_TERMINATING,
	    "Terminating", NULL, 0, NULL },
	{ "Stalled is failed", "", "\"replicas\":1", COUNTS(1, 1, 1, 1)
	    "," CONDITIONS(CONDITION("Stalled", "True", "Stuck")), DAY,
	    "error", HEALTH_FAILED, "Stuck", "m", 0, NULL },
	{ "wrong types count as missing", "", "\"replicas\":[2]",
	    "\"replicas\":1,\"fullyLabeledReplicas\":1,"
	    "\"availableReplicas\":\"1\",\"readyReplicas\":1.0", DAY,
	    "partial", HEALTH_PROGRESSING, "LessAvailable",
	    "available: 0/1", 0, "\"replicas\":1,\"readyReplicas\":0" },
};

#define FULL "{" STATUS_META ",\"spec\":{\"replicas\":2},\"status\":{" \
	"\"observedGeneration\":2," COUNTS(2, 2, 2, 2) "," \
	CONDITIONS(CONDITION("ReplicaFailure", "False", "R")) "}}"

static void
test_replicasets_are_judged_by_the_table(void **state)
{
	(void)state;
	status_check_table(&kind, cases, NELEM(cases));
}

static void
test_wrong_values_do_no_harm(void **state)
{
	(void)state;
	status_check_wrong_values(&kind, FULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_replicasets_are_judged_by_the_table),
		cmocka_unit_test(test_wrong_values_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
