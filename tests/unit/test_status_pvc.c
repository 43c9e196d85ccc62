/* The rule of volume claims (k8s-watch.md C.4) against a table. */
#include "tests/unit/status_fixture.h"

static const struct status_kind kind = {
	pvc_status,
	{ "Bound", "Pending", "Lost", "error", NULL },
	{ { "capacity", 't' }, { "volumeName", 't' }, { NULL, 0 } },
};

#define PHASE(p) "\"phase\":\"" p "\""

static const struct status_case cases[] = {
	{ "a bound one is healthy", "", "\"volumeName\":\"pv-1\"",
	    PHASE("Bound") ",\"capacity\":{\"storage\":\"10Gi\"}", DAY,
	    "Bound", HEALTH_HEALTHY, "Bound", NULL, 0,
	    "\"capacity\":\"10Gi\",\"volumeName\":\"pv-1\"" },
	{ "a pending one is not bound", "", "", PHASE("Pending"), DAY,
	    "Pending", HEALTH_PROGRESSING, "NotBound", NULL, 0,
	    "\"capacity\":\"\",\"volumeName\":\"\"" },
	{ "C.3 a lost one is degraded", "", "\"volumeName\":\"pv-1\"",
	    PHASE("Lost"), DAY, "Lost", HEALTH_DEGRADED, "ClaimLost", NULL,
	    0, "\"capacity\":\"\",\"volumeName\":\"pv-1\"" },
	{ "no phase yet is progressing", "", "", "", SECOND, "Pending",
	    HEALTH_PROGRESSING, "NotBound", NULL, 0, NULL },
	{ "no status yet is progressing", "", "", NULL, SECOND, "Pending",
	    HEALTH_PROGRESSING, "NotBound", NULL, 0, NULL },
	{ "a phase nobody knows is unknown", "", "", PHASE("Borrowed"),
	    DAY, "error", HEALTH_UNKNOWN, "Borrowed", NULL, 0, NULL },
	{ "one being resized is progressing, and still bound", "", "",
	    PHASE("Bound") "," CONDITIONS(CONDITION("Resizing", "True",
	    "")), DAY, "Bound", HEALTH_PROGRESSING, "Resizing", "m", 0,
	    NULL },
	{ "one whose file system waits to grow is progressing", "", "",
	    PHASE("Bound") ",\"conditions\":[{\"type\":"
	    "\"FileSystemResizePending\",\"status\":\"True\"}]", DAY,
	    "Bound", HEALTH_PROGRESSING, "FileSystemResizePending",
	    "the volume is being resized", 0, NULL },
	{ "one that was resized is healthy", "", "", PHASE("Bound") ","
	    CONDITIONS(CONDITION("Resizing", "False", "R")), DAY, "Bound",
	    HEALTH_HEALTHY, "Bound", NULL, 0, NULL },
	{ "a lost one that was to be resized is lost", "", "",
	    PHASE("Lost") "," CONDITIONS(CONDITION("Resizing", "True",
	    "R")), DAY, "Lost", HEALTH_DEGRADED, "ClaimLost", NULL, 0,
	    NULL },
	{ "C.3 one that is deleted while in use is terminating, and bound",
	    DELETING, "", PHASE("Bound"), DAY, "Bound",
	    HEALTH_TERMINATING, "Terminating", NULL, 0, NULL },
	{ "Stalled is failed", "", "", PHASE("Bound") ","
	    CONDITIONS(CONDITION("Stalled", "True", "Stuck")), DAY,
	    "error", HEALTH_FAILED, "Stuck", "m", 0, NULL },
	{ "a generation that is not observed is progressing",
	    ",\"generation\":2", "", "\"observedGeneration\":1,"
	    PHASE("Bound"), DAY, "Bound", HEALTH_PROGRESSING,
	    "LatestGenerationNotObserved", NULL, 0, NULL },
	{ "wrong types count as missing", "", "\"volumeName\":[]",
	    "\"phase\":1,\"capacity\":{\"storage\":10}", DAY, "Pending",
	    HEALTH_PROGRESSING, "NotBound", NULL, 0,
	    "\"capacity\":\"\",\"volumeName\":\"\"" },
	{ "a capacity that is no object is none", "", "",
	    PHASE("Bound") ",\"capacity\":\"10Gi\"", DAY, "Bound",
	    HEALTH_HEALTHY, "Bound", NULL, 0,
	    "\"capacity\":\"\",\"volumeName\":\"\"" },
};

#define FULL "{" STATUS_META ",\"spec\":{\"volumeName\":\"pv\"}," \
	"\"status\":{\"observedGeneration\":2," PHASE("Bound") \
	",\"capacity\":{\"storage\":\"1Gi\"}," \
	CONDITIONS(CONDITION("Resizing", "True", "R")) "}}"

static void
test_volume_claims_are_judged_by_the_table(void **state)
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
		cmocka_unit_test(test_volume_claims_are_judged_by_the_table),
		cmocka_unit_test(test_wrong_values_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
