/* The rule of cronjobs (k8s-watch.md C.4) against a table. */
#include "tests/unit/status_fixture.h"

static const struct status_kind kind = {
	cronjob_status,
	{ "active", "suspended", NULL },
	{ { "lastScheduleTime", 't' }, { "lastSuccessfulTime", 't' },
	    { "activeJobs", 'i' }, { NULL, 0 } },
};

#define SCHEDULED(at) "\"lastScheduleTime\":\"2026-01-01T" at "Z\""
#define SUCCESSFUL(at) "\"lastSuccessfulTime\":\"2026-01-01T" at "Z\""
#define ACTIVE ",\"active\":[{\"kind\":\"Job\",\"name\":\"a\"},{}]"

static const struct status_case cases[] = {
	{ "one without a status is progressing", "",
	    "\"schedule\":\"* * * * *\"", NULL, SECOND, "active",
	    HEALTH_PROGRESSING, "CronJobNotObserved", NULL, 0,
	    "\"lastScheduleTime\":\"\",\"lastSuccessfulTime\":\"\","
	    "\"activeJobs\":0" },
	{ "one that was never scheduled is healthy", "", "", "", DAY,
	    "active", HEALTH_HEALTHY, "NeverScheduled", NULL, 0,
	    "\"lastScheduleTime\":\"\",\"lastSuccessfulTime\":\"\","
	    "\"activeJobs\":0" },
	{ "one whose first job has not completed is healthy", "", "",
	    SCHEDULED("00:01:00"), DAY, "active", HEALTH_HEALTHY,
	    "NeverCompleted", NULL, 0,
	    SCHEDULED("00:01:00") ",\"lastSuccessfulTime\":\"\","
	    "\"activeJobs\":0" },
	{ "one with jobs at work is healthy", "", "",
	    SCHEDULED("00:02:00") "," SUCCESSFUL("00:01:10") ACTIVE, DAY,
	    "active", HEALTH_HEALTHY, "JobsActive", "active jobs: 2", 0,
	    SCHEDULED("00:02:00") "," SUCCESSFUL("00:01:10")
	    ",\"activeJobs\":2" },
	{ "C.3 one whose last run failed is degraded", "", "",
	    SCHEDULED("00:02:00") "," SUCCESSFUL("00:01:10"), DAY,
	    "active", HEALTH_DEGRADED, "LastRunFailed", NULL, 0, NULL },
	{ "one whose last run succeeded is healthy", "", "",
	    SCHEDULED("00:02:00") "," SUCCESSFUL("00:02:01"), DAY,
	    "active", HEALTH_HEALTHY, "LastRunSucceeded", NULL, 0, NULL },
	{ "a success within the second of the schedule is one", "", "",
	    SCHEDULED("00:02:00") "," SUCCESSFUL("00:02:00"), DAY,
	    "active", HEALTH_HEALTHY, "LastRunSucceeded", NULL, 0, NULL },
	{ "times are compared as times, not as texts", "", "",
	    "\"lastScheduleTime\":\"2026-01-01T12:00:00+02:00\","
	    "\"lastSuccessfulTime\":\"2026-01-01T10:30:00Z\"", DAY,
	    "active", HEALTH_HEALTHY, "LastRunSucceeded", NULL, 0, NULL },
	{ "a suspended one is suspended, whatever its last run", "",
	    "\"suspend\":true", SCHEDULED("00:02:00") ","
	    SUCCESSFUL("00:01:10"), DAY, "suspended", HEALTH_SUSPENDED,
	    "CronJobSuspended", NULL, 0, SCHEDULED("00:02:00") ","
	    SUCCESSFUL("00:01:10") ",\"activeJobs\":0" },
	{ "a suspended one without a status is suspended", "",
	    "\"suspend\":true", NULL, DAY, "suspended", HEALTH_SUSPENDED,
	    "CronJobSuspended", NULL, 0, NULL },
	{ "suspend false is active", "", "\"suspend\":false", "", DAY,
	    "active", HEALTH_HEALTHY, "NeverScheduled", NULL, 0, NULL },
	{ "C.3 deleting stands above all", DELETING, "\"suspend\":true",
	    "", DAY, "suspended", HEALTH_TERMINATING, "Terminating", NULL,
	    0, NULL },
	{ "a generation that is not observed is progressing",
	    ",\"generation\":2", "", "\"observedGeneration\":1", DAY,
	    "active", HEALTH_PROGRESSING, "LatestGenerationNotObserved",
	    NULL, 0, NULL },
	{ "times that are none count as missing", "", "\"suspend\":1",
	    "\"lastScheduleTime\":\"yesterday\","
	    "\"lastSuccessfulTime\":7,\"active\":{}", DAY, "active",
	    HEALTH_HEALTHY, "NeverScheduled", NULL, 0,
	    "\"lastScheduleTime\":\"yesterday\","
	    "\"lastSuccessfulTime\":\"\",\"activeJobs\":0" },
	{ "a null status is none", "", "",
	    "\"lastScheduleTime\":null,\"lastSuccessfulTime\":null,"
	    "\"active\":null", DAY, "active", HEALTH_HEALTHY,
	    "NeverScheduled", NULL, 0, "\"lastScheduleTime\":\"\","
	    "\"lastSuccessfulTime\":\"\",\"activeJobs\":0" },
};

#define FULL "{" STATUS_META ",\"spec\":{\"suspend\":false},\"status\":{" \
	"\"observedGeneration\":2," SCHEDULED("00:02:00") "," \
	SUCCESSFUL("00:01:10") ACTIVE ",\"conditions\":[]}}"

static void
test_cronjobs_are_judged_by_the_table(void **state)
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
		cmocka_unit_test(test_cronjobs_are_judged_by_the_table),
		cmocka_unit_test(test_wrong_values_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
