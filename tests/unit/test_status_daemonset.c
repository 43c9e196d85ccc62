/* The rule of daemonsets (k8s-watch.md C.4) against a table. */
#include "tests/unit/status_fixture.h"

static const struct status_kind kind = {
	daemonset_status,
	{ "healthy", "partial", "error", NULL },
	{ { "desiredNumberScheduled", 'i' }, { "numberReady", 'i' },
	    { NULL, 0 } },
};

/* Desired, current, updated, available, ready. */
#define COUNTS(d, c, u, a, y) "\"observedGeneration\":2," \
	"\"desiredNumberScheduled\":" #d ",\"currentNumberScheduled\":" #c \
	",\"updatedNumberScheduled\":" #u ",\"numberAvailable\":" #a \
	",\"numberReady\":" #y
#define ON_DELETE "\"updateStrategy\":{\"type\":\"OnDelete\"}"
#define GENERATION ",\"generation\":2"

static const struct status_case cases[] = {
	{ "ready on every node is healthy", GENERATION, "",
	    COUNTS(3, 3, 3, 3, 3), DAY, "healthy", HEALTH_HEALTHY, "Ready",
	    "ready: 3/3", 0,
	    "\"desiredNumberScheduled\":3,\"numberReady\":3" },
	{ "KubeOrch's defect: 0 wanted is healthy", GENERATION, "",
	    COUNTS(0, 0, 0, 0, 0), DAY, "healthy", HEALTH_HEALTHY,
	    "NoNodeWanted", NULL, 0,
	    "\"desiredNumberScheduled\":0,\"numberReady\":0" },
	{ "one that its controller has not seen is progressing",
	    GENERATION, "", "\"currentNumberScheduled\":0,"
	    "\"numberMisscheduled\":0,\"desiredNumberScheduled\":0,"
	    "\"numberReady\":0", DAY, "partial", HEALTH_PROGRESSING,
	    "NoObservedGeneration", NULL, 0, NULL },
	{ "C.3 one without a generation is progressing", "", "",
	    COUNTS(1, 1, 1, 1, 1), DAY, "partial", HEALTH_PROGRESSING,
	    "NoGeneration", NULL, 0, NULL },
	{ "C.3 an older generation is progressing", ",\"generation\":3",
	    "", COUNTS(1, 1, 1, 1, 1), DAY, "partial", HEALTH_PROGRESSING,
	    "LatestGenerationNotObserved", NULL, 0, NULL },
	{ "generation 0 is one", ",\"generation\":0", "",
	    "\"observedGeneration\":0,\"desiredNumberScheduled\":0",
	    DAY, "healthy", HEALTH_HEALTHY, "NoNodeWanted", NULL, 0,
	    NULL },
	{ "a wanted number that is missing is not 0", GENERATION, "",
	    "\"observedGeneration\":2", DAY, "partial",
	    HEALTH_PROGRESSING, "NoDesiredNumber", NULL, 0, NULL },
	{ "C.3 deleting stands above all", DELETING, "", "", DAY,
	    "partial", HEALTH_TERMINATING, "Terminating", NULL, 0, NULL },
	{ "fewer scheduled than wanted is progressing", GENERATION, "",
	    COUNTS(3, 2, 2, 2, 2), DAY, "partial", HEALTH_PROGRESSING,
	    "LessCurrent", "scheduled: 2/3", 0, NULL },
	{ "fewer updated than wanted is progressing", GENERATION, "",
	    COUNTS(3, 3, 1, 3, 3), DAY, "partial", HEALTH_PROGRESSING,
	    "LessUpdated", "updated: 1/3", 0, NULL },
	{ "fewer available than wanted is progressing", GENERATION, "",
	    COUNTS(3, 3, 3, 2, 3), DAY, "partial", HEALTH_PROGRESSING,
	    "LessAvailable", "available: 2/3", 0, NULL },
	{ "fewer ready than wanted is progressing", GENERATION, "",
	    COUNTS(3, 3, 3, 3, 2), DAY, "partial", HEALTH_PROGRESSING,
	    "LessReady", "ready: 2/3", 0,
	    "\"desiredNumberScheduled\":3,\"numberReady\":2" },
	{ "a counter that is missing is 0", GENERATION, "",
	    "\"observedGeneration\":2,\"desiredNumberScheduled\":1,"
	    "\"currentNumberScheduled\":1,\"updatedNumberScheduled\":1",
	    DAY, "partial", HEALTH_PROGRESSING, "LessAvailable",
	    "available: 0/1", 0, NULL },
	{ "C.3 OnDelete with an old template is healthy", GENERATION,
	    ON_DELETE, COUNTS(3, 3, 0, 3, 3), DAY, "healthy",
	    HEALTH_HEALTHY, "Ready", NULL, 0, NULL },
	{ "C.3 OnDelete with none ready is progressing", GENERATION,
	    ON_DELETE, COUNTS(3, 3, 3, 0, 0), DAY, "partial",
	    HEALTH_PROGRESSING, "LessAvailable", "available: 0/3", 0,
	    NULL },
	{ "Stalled is failed", GENERATION, "", COUNTS(1, 1, 1, 1, 1) ","
	    CONDITIONS(CONDITION("Stalled", "True", "Stuck")), DAY,
	    "error", HEALTH_FAILED, "Stuck", "m", 0, NULL },
	{ "wrong types count as missing", GENERATION,
	    "\"updateStrategy\":\"OnDelete\"", "\"observedGeneration\":2,"
	    "\"desiredNumberScheduled\":1,\"currentNumberScheduled\":[1]",
	    DAY, "partial", HEALTH_PROGRESSING, "LessCurrent",
	    "scheduled: 0/1", 0, NULL },
};

#define FULL "{" STATUS_META ",\"spec\":{" ON_DELETE "},\"status\":{" \
	COUNTS(2, 2, 2, 2, 2) "," \
	CONDITIONS(CONDITION("Reconciling", "False", "R")) "}}"

static void
test_daemonsets_are_judged_by_the_table(void **state)
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
		cmocka_unit_test(test_daemonsets_are_judged_by_the_table),
		cmocka_unit_test(test_wrong_values_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
