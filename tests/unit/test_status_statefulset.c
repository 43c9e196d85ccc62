/* The rule of statefulsets (k8s-watch.md C.4) against a table. */
#include "tests/unit/status_fixture.h"

static const struct status_kind kind = {
	statefulset_status,
	{ "healthy", "partial", "error", NULL },
	{ { "replicas", 'i' }, { "readyReplicas", 'i' }, { NULL, 0 } },
};

/* Total, ready, updated, current. */
#define SEEN "\"observedGeneration\":2,"
#define COUNTS(r, y, u, c) SEEN "\"replicas\":" #r ",\"readyReplicas\":" #y \
	",\"updatedReplicas\":" #u ",\"currentReplicas\":" #c
#define REVISIONS(current, update) ",\"currentRevision\":\"" current \
	"\",\"updateRevision\":\"" update "\""
#define PARTITION(n) "\"updateStrategy\":{\"type\":\"RollingUpdate\"," \
	"\"rollingUpdate\":{\"partition\":" n "}}"
#define ON_DELETE "\"updateStrategy\":{\"type\":\"OnDelete\"}"
#define GENERATION ",\"generation\":2"

static const struct status_case cases[] = {
	{ "all ready at one revision is healthy", GENERATION,
	    "\"replicas\":3," PARTITION("0"), COUNTS(3, 3, 3, 3)
	    REVISIONS("a", "a"), DAY, "healthy", HEALTH_HEALTHY, "Ready",
	    "ready: 3/3", 0, "\"replicas\":3,\"readyReplicas\":3" },
	{ "one that its controller has not seen is progressing",
	    GENERATION, "\"replicas\":0", "", DAY, "partial",
	    HEALTH_PROGRESSING, "NoObservedGeneration", NULL, 0, NULL },
	{ "C.3 an observed generation of 0 without another is not seen", "",
	    "\"replicas\":1," PARTITION("0"), "\"observedGeneration\":0,"
	    "\"replicas\":1,\"readyReplicas\":1,\"updatedReplicas\":1",
	    DAY, "partial", HEALTH_PROGRESSING, "NoObservedGeneration",
	    NULL, 0, NULL },
	{ "C.3 an older generation is progressing", ",\"generation\":3",
	    "\"replicas\":1", COUNTS(1, 1, 1, 1), DAY, "partial",
	    HEALTH_PROGRESSING, "LatestGenerationNotObserved", NULL, 0,
	    NULL },
	{ "C.3 deleting stands above all", ",\"generation\":3" DELETING,
	    "\"replicas\":1", COUNTS(1, 0, 1, 1), DAY, "partial",
	    HEALTH_TERMINATING, "Terminating", NULL, 0, NULL },
	{ "KubeOrch's defect: 0 wanted and 0 there is healthy", GENERATION,
	    "\"replicas\":0," PARTITION("0"), COUNTS(0, 0, 0, 0)
	    REVISIONS("a", "b"), DAY, "healthy", HEALTH_HEALTHY,
	    "ScaledToZero", NULL, 0, "\"replicas\":0,\"readyReplicas\":0" },
	{ "C.3 unset replicas count as 1", GENERATION, "",
	    COUNTS(0, 0, 0, 0), DAY, "partial", HEALTH_PROGRESSING,
	    "LessReplicas", "replicas: 0/1", 0, NULL },
	{ "fewer pods than wanted is progressing", GENERATION,
	    "\"replicas\":3", COUNTS(2, 2, 2, 2), DAY, "partial",
	    HEALTH_PROGRESSING, "LessReplicas", "replicas: 2/3", 0, NULL },
	{ "fewer ready than wanted is progressing", GENERATION,
	    "\"replicas\":3", COUNTS(3, 2, 3, 3), DAY, "partial",
	    HEALTH_PROGRESSING, "LessReady", "ready: 2/3", 0,
	    "\"replicas\":3,\"readyReplicas\":2" },
	{ "none ready is progressing, however long", GENERATION,
	    "\"replicas\":3", COUNTS(3, 0, 3, 3), 365 * DAY, "partial",
	    HEALTH_PROGRESSING, "LessReady", "ready: 0/3", 0, NULL },
	{ "more pods than wanted is progressing", GENERATION,
	    "\"replicas\":1", COUNTS(3, 3, 3, 3), DAY, "partial",
	    HEALTH_PROGRESSING, "ExtraPods", "pending termination: 2", 0,
	    NULL },
	{ "C.3 OnDelete with none ready is progressing", GENERATION,
	    "\"replicas\":2," ON_DELETE, COUNTS(2, 0, 2, 2), DAY,
	    "partial", HEALTH_PROGRESSING, "LessReady", "ready: 0/2", 0,
	    NULL },
	{ "C.3 OnDelete with all ready is healthy at two revisions",
	    GENERATION, "\"replicas\":2," ON_DELETE, COUNTS(2, 2, 0, 2)
	    REVISIONS("a", "b"), DAY, "healthy", HEALTH_HEALTHY, "Ready",
	    NULL, 0, NULL },
	{ "a partition waits for the pods above it", GENERATION,
	    "\"replicas\":5," PARTITION("3"), COUNTS(5, 5, 1, 4)
	    REVISIONS("a", "b"), DAY, "partial", HEALTH_PROGRESSING,
	    "PartitionRollout", "updated: 1/2", 0, NULL },
	{ "a partition that is through is healthy at two revisions",
	    GENERATION, "\"replicas\":5," PARTITION("3"),
	    COUNTS(5, 5, 2, 3) REVISIONS("a", "b"), DAY, "healthy",
	    HEALTH_HEALTHY, "Ready", NULL, 0, NULL },
	{ "a partition above all pods waits for nothing", GENERATION,
	    "\"replicas\":2," PARTITION("9"), COUNTS(2, 2, 0, 2)
	    REVISIONS("a", "b"), DAY, "healthy", HEALTH_HEALTHY, "Ready",
	    NULL, 0, NULL },
	{ "partition 0 of the API server still compares the revisions",
	    GENERATION, "\"replicas\":2," PARTITION("0"),
	    COUNTS(2, 2, 2, 0) REVISIONS("a", "b"), DAY, "partial",
	    HEALTH_PROGRESSING, "RevisionMismatch", NULL, 0, NULL },
	{ "partition 0 waits for all to be updated", GENERATION,
	    "\"replicas\":2," PARTITION("0"), COUNTS(2, 2, 1, 1)
	    REVISIONS("a", "b"), DAY, "partial", HEALTH_PROGRESSING,
	    "PartitionRollout", "updated: 1/2", 0, NULL },
	{ "without a partition the current ones are counted", GENERATION,
	    "\"replicas\":2", COUNTS(2, 2, 2, 1) REVISIONS("a", "a"), DAY,
	    "partial", HEALTH_PROGRESSING, "LessCurrent", "current: 1/2",
	    0, NULL },
	{ "and the revisions compared", GENERATION, "\"replicas\":2",
	    COUNTS(2, 2, 2, 2) REVISIONS("a", "b"), DAY, "partial",
	    HEALTH_PROGRESSING, "RevisionMismatch", NULL, 0, NULL },
	{ "Stalled is failed", GENERATION, "\"replicas\":1",
	    COUNTS(1, 1, 1, 1) "," CONDITIONS(CONDITION("Stalled", "True",
	    "Stuck")), DAY, "error", HEALTH_FAILED, "Stuck", "m", 0,
	    NULL },
	{ "wrong types count as missing", GENERATION,
	    "\"replicas\":\"3\",\"updateStrategy\":[]",
	    SEEN "\"replicas\":\"3\",\"readyReplicas\":null", DAY,
	    "partial", HEALTH_PROGRESSING, "LessReplicas",
	    "replicas: 0/1", 0, "\"replicas\":1,\"readyReplicas\":0" },
	{ "revisions that are no texts are none", GENERATION,
	    "\"replicas\":1," PARTITION("0"), COUNTS(1, 1, 1, 1)
	    ",\"currentRevision\":1,\"updateRevision\":{}", DAY,
	    "healthy", HEALTH_HEALTHY, "Ready", NULL, 0, NULL },
};

#define FULL "{" STATUS_META ",\"spec\":{\"replicas\":2," PARTITION("0") "}," \
	"\"status\":{" COUNTS(2, 2, 2, 2) REVISIONS("a", "a") "," \
	CONDITIONS(CONDITION("Reconciling", "False", "R")) "}}"

static void
test_statefulsets_are_judged_by_the_table(void **state)
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
		cmocka_unit_test(test_statefulsets_are_judged_by_the_table),
		cmocka_unit_test(test_wrong_values_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
