/* The rule of network policies (k8s-watch.md C.4) against a table. */
#include "tests/unit/status_fixture.h"

static const struct status_kind kind = {
	networkpolicy_status,
	{ "active", "pending", NULL },
	{ { NULL, 0 } },
};

static const struct status_case cases[] = {
	{ "one that exists is healthy and active", "",
	    "\"podSelector\":{}", NULL, SECOND, "active", HEALTH_HEALTHY,
	    "Exists", "exists", 0, "" },
	{ "C.3 one that is deleted is terminating", DELETING, "", NULL,
	    DAY, "pending", HEALTH_TERMINATING, "Terminating", NULL, 0,
	    "" },
	{ "its generation is observed by nobody", ",\"generation\":7", "",
	    NULL, DAY, "active", HEALTH_HEALTHY, "Exists", NULL, 0, "" },
	{ "a status of before 1.28 is not looked at", "", "",
	    CONDITIONS(CONDITION("Stalled", "True", "R")), DAY, "active",
	    HEALTH_HEALTHY, "Exists", NULL, 0, "" },
};

#define FULL "{" STATUS_META ",\"spec\":{\"podSelector\":{}}," \
	"\"status\":{\"conditions\":[]}}"

static void
test_network_policies_are_judged_by_the_table(void **state)
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
		cmocka_unit_test(test_network_policies_are_judged_by_the_table),
		cmocka_unit_test(test_wrong_values_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
