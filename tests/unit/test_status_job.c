/* The rule of jobs (k8s-watch.md C.4) against a table. */
#include "tests/unit/status_fixture.h"

static const struct status_kind kind = {
	job_status,
	{ "running", "completed", "failed", "pending", NULL },
	{ { "active", 'i' }, { "succeeded", 'i' }, { "failed", 'i' },
	    { "completions", 'i' }, { NULL, 0 } },
};

#define STARTED "\"startTime\":\"2026-01-01T00:00:01Z\""

static const struct status_case cases[] = {
	{ "a new one is pending", "", "\"completions\":1", "", SECOND,
	    "pending", HEALTH_PROGRESSING, "JobNotStarted", NULL, 0,
	    "\"active\":0,\"succeeded\":0,\"failed\":0,"
	    "\"completions\":1" },
	{ "C.3 one with active pods is running", "", "\"completions\":3",
	    STARTED ",\"active\":2,\"succeeded\":1", DAY, "running",
	    HEALTH_PROGRESSING, "JobRunning",
	    "succeeded: 1/3, active: 2, failed tries: 0", 0,
	    "\"active\":2,\"succeeded\":1,\"failed\":0,"
	    "\"completions\":3" },
	{ "KubeOrch's defect: a failed try is no failed job", "",
	    "\"completions\":1,\"backoffLimit\":6",
	    STARTED ",\"active\":1,\"failed\":1", DAY, "running",
	    HEALTH_PROGRESSING, "JobRunning",
	    "succeeded: 0/1, active: 1, failed tries: 1", 0, NULL },
	{ "between two tries nothing is active, and it still runs", "",
	    "\"completions\":1", STARTED ",\"failed\":1", DAY, "running",
	    HEALTH_PROGRESSING, "JobRunning", NULL, 0, NULL },
	{ "KubeOrch's defect: one success of three is not the end", "",
	    "\"completions\":3", STARTED ",\"succeeded\":1", DAY,
	    "running", HEALTH_PROGRESSING, "JobRunning", NULL, 0, NULL },
	{ "Complete is completed, though tries failed", "",
	    "\"completions\":1", STARTED ",\"succeeded\":1,\"failed\":2,"
	    CONDITIONS(CONDITION("Complete", "True",
	    "CompletionsReached")), DAY, "completed", HEALTH_COMPLETED,
	    "CompletionsReached", "m", 0,
	    "\"active\":0,\"succeeded\":1,\"failed\":2,"
	    "\"completions\":1" },
	{ "Complete of an older server has our words", "",
	    "\"completions\":1", "\"succeeded\":1,\"conditions\":[{"
	    "\"type\":\"Complete\",\"status\":\"True\"}]", DAY,
	    "completed", HEALTH_COMPLETED, "Complete",
	    "the job is complete", 0, NULL },
	{ "a success criterion that is met is not the end yet", "", "",
	    STARTED ",\"active\":1," CONDITIONS(CONDITION(
	    "SuccessCriteriaMet", "True", "R")), DAY, "running",
	    HEALTH_PROGRESSING, "JobRunning", NULL, 0, NULL },
	{ "Failed is failed, with its reason", "", "",
	    STARTED ",\"failed\":7," CONDITIONS(CONDITION("Failed",
	    "True", "BackoffLimitExceeded")), DAY, "failed",
	    HEALTH_FAILED, "BackoffLimitExceeded", "m", 0, NULL },
	{ "a deadline that is exceeded is failed", "", "",
	    CONDITIONS(CONDITION("Failed", "True", "DeadlineExceeded")),
	    DAY, "failed", HEALTH_FAILED, "DeadlineExceeded", "m", 0,
	    NULL },
	{ "FailureTarget is failed before its pods are gone", "", "",
	    STARTED ",\"active\":1," CONDITIONS(CONDITION("FailureTarget",
	    "True", "PodFailurePolicy")), DAY, "failed", HEALTH_FAILED,
	    "PodFailurePolicy", "m", 0, NULL },
	{ "Argo's defect: a condition that is False is none", "", "",
	    STARTED ",\"active\":1," CONDITIONS(CONDITION("Complete",
	    "False", "R") "," CONDITION("Failed", "False", "R")), DAY,
	    "running", HEALTH_PROGRESSING, "JobRunning", NULL, 0, NULL },
	{ "C.3 a suspended one is suspended", "", "\"suspend\":true",
	    CONDITIONS(CONDITION("Suspended", "True", "JobSuspended")),
	    DAY, "pending", HEALTH_SUSPENDED, "JobSuspended", "m", 0,
	    NULL },
	{ "one to be suspended is not until its controller says so", "",
	    "\"suspend\":true", STARTED ",\"active\":1", DAY, "running",
	    HEALTH_PROGRESSING, "JobRunning", NULL, 0, NULL },
	{ "one told to go on while still Suspended is progressing", "",
	    "\"suspend\":false", CONDITIONS(CONDITION("Suspended", "True",
	    "JobSuspended")), DAY, "pending", HEALTH_PROGRESSING,
	    "JobNotStarted", NULL, 0, NULL },
	{ "Argo's defect: a resumed one is running", "",
	    "\"suspend\":false", STARTED ",\"active\":1,"
	    CONDITIONS(CONDITION("Suspended", "False", "JobResumed")), DAY,
	    "running", HEALTH_PROGRESSING, "JobRunning", NULL, 0, NULL },
	{ "one to be suspended again is not yet", "", "\"suspend\":true",
	    STARTED ",\"active\":1," CONDITIONS(CONDITION("Suspended",
	    "False", "JobResumed") "," CONDITION("FailureTarget", "False",
	    "R")), DAY, "running", HEALTH_PROGRESSING, "JobRunning", NULL,
	    0, NULL },
	{ "a suspended one that failed has failed", "",
	    "\"suspend\":true", CONDITIONS(CONDITION("Suspended", "True",
	    "R") "," CONDITION("Failed", "True", "DeadlineExceeded")), DAY,
	    "failed", HEALTH_FAILED, "DeadlineExceeded", NULL, 0, NULL },
	{ "a work queue wants one success", "", "\"parallelism\":4",
	    STARTED ",\"active\":4", DAY, "running", HEALTH_PROGRESSING,
	    "JobRunning", "succeeded: 0/1, active: 4, failed tries: 0", 0,
	    "\"active\":4,\"succeeded\":0,\"failed\":0,"
	    "\"completions\":1" },
	{ "C.3 deleting stands above all", DELETING, "",
	    STARTED ",\"active\":1," CONDITIONS(CONDITION("Complete",
	    "True", "R")), DAY, "running", HEALTH_TERMINATING,
	    "Terminating", NULL, 0, NULL },
	{ "wrong types count as missing", "",
	    "\"suspend\":\"true\",\"completions\":\"3\"",
	    "\"startTime\":1,\"active\":\"1\",\"conditions\":[null,{"
	    "\"type\":\"Complete\",\"status\":true}]", DAY, "pending",
	    HEALTH_PROGRESSING, "JobNotStarted", NULL, 0,
	    "\"active\":0,\"succeeded\":0,\"failed\":0,"
	    "\"completions\":1" },
};

#define FULL "{" STATUS_META ",\"spec\":{\"suspend\":true," \
	"\"completions\":3},\"status\":{\"observedGeneration\":2," STARTED \
	",\"active\":1,\"succeeded\":1,\"failed\":1," \
	CONDITIONS(CONDITION("Suspended", "True", "R") "," \
	CONDITION("Failed", "False", "R")) "}}"

static void
test_jobs_are_judged_by_the_table(void **state)
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
		cmocka_unit_test(test_jobs_are_judged_by_the_table),
		cmocka_unit_test(test_wrong_values_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
