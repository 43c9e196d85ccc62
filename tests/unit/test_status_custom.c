/* The rule of kinds that have none (k8s-watch.md C.1) against a table. */
#include "tests/unit/status_fixture.h"

static const struct status_kind kind = {
	custom_status,
	{ "healthy", "partial", "error", NULL },
	{ { NULL, 0 } },
};

static const struct status_case cases[] = {
	{ "one without a status is healthy", "", "", NULL, SECOND,
	    "healthy", HEALTH_HEALTHY, "Exists", NULL, 0, "" },
	{ "one without conditions is healthy", "", "", "\"phase\":\"Odd\"",
	    SECOND, "healthy", HEALTH_HEALTHY, "Exists", NULL, 0, "" },
	{ "Ready True is healthy", "", "", CONDITIONS(CONDITION("Ready",
	    "True", "AllGood")), DAY, "healthy", HEALTH_HEALTHY,
	    "AllGood", "m", 0, "" },
	{ "Ready False is progressing", "", "", CONDITIONS(CONDITION(
	    "Ready", "False", "Waiting")), DAY, "partial",
	    HEALTH_PROGRESSING, "Waiting", "m", 0, "" },
	{ "Ready Unknown is progressing", "", "", CONDITIONS(CONDITION(
	    "Ready", "Unknown", "Asking")), DAY, "partial",
	    HEALTH_PROGRESSING, "Asking", "m", 0, "" },
	{ "a Ready without words has ours", "", "",
	    "\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\"}]",
	    DAY, "partial", HEALTH_PROGRESSING, "NotReady",
	    "not ready yet", 0, "" },
	{ "the first of two Readys decides", "", "",
	    CONDITIONS(CONDITION("Ready", "True", "A") "," CONDITION(
	    "Ready", "False", "B")), DAY, "healthy", HEALTH_HEALTHY, "A",
	    "m", 0, "" },
	{ "other conditions say nothing", "", "",
	    CONDITIONS(CONDITION("Available", "False", "A")), DAY,
	    "healthy", HEALTH_HEALTHY, "Exists", NULL, 0, "" },
	{ "C.3 a generation that is not observed is progressing",
	    ",\"generation\":3", "", "\"observedGeneration\":2,"
	    CONDITIONS(CONDITION("Ready", "True", "A")), DAY, "partial",
	    HEALTH_PROGRESSING, "LatestGenerationNotObserved",
	    "generation is 3, but the controller has observed 2", 0, "" },
	{ "C.3 a generation without an observed one is no matter",
	    ",\"generation\":3", "", CONDITIONS(CONDITION("Ready", "True",
	    "A")), DAY, "healthy", HEALTH_HEALTHY, "A", NULL, 0, "" },
	{ "Reconciling stands above Ready", "", "", CONDITIONS(CONDITION(
	    "Ready", "True", "A") "," CONDITION("Reconciling", "True",
	    "Busy")), DAY, "partial", HEALTH_PROGRESSING, "Busy", "m", 0,
	    "" },
	{ "Stalled is failed", "", "", CONDITIONS(CONDITION("Ready",
	    "False", "A") "," CONDITION("Stalled", "True", "Stuck")), DAY,
	    "error", HEALTH_FAILED, "Stuck", "m", 0, "" },
	{ "of Reconciling and Stalled the first decides", "", "",
	    CONDITIONS(CONDITION("Reconciling", "True", "Busy") ","
	    CONDITION("Stalled", "True", "Stuck")), DAY, "partial",
	    HEALTH_PROGRESSING, "Busy", NULL, 0, "" },
	{ "Stalled False is not stalled", "", "", CONDITIONS(CONDITION(
	    "Stalled", "False", "Fine")), DAY, "healthy", HEALTH_HEALTHY,
	    "Exists", NULL, 0, "" },
	{ "C.3 deleting stands above all", DELETING, "",
	    CONDITIONS(CONDITION("Stalled", "True", "Stuck")), DAY,
	    "partial", HEALTH_TERMINATING, "Terminating", NULL, 0, "" },
	{ "a reason and a message of wrong types are ours", "", "",
	    "\"conditions\":[7,null,{\"type\":\"Ready\","
	    "\"status\":true,\"reason\":7,\"message\":[]}]", DAY,
	    "partial", HEALTH_PROGRESSING, "NotReady", "not ready yet", 0,
	    "" },
	{ "conditions that are no array are none", "", "",
	    "\"conditions\":{\"type\":\"Ready\",\"status\":\"False\"}",
	    DAY, "healthy", HEALTH_HEALTHY, "Exists", NULL, 0, "" },
};

#define FULL "{" STATUS_META ",\"spec\":{},\"status\":{" \
	"\"observedGeneration\":2," CONDITIONS(CONDITION("Ready", "False", \
	"R") "," CONDITION("Stalled", "False", "R")) "}}"

static void
test_custom_kinds_are_judged_by_the_table(void **state)
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
		cmocka_unit_test(test_custom_kinds_are_judged_by_the_table),
		cmocka_unit_test(test_wrong_values_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
