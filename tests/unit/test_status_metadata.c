/* The rules of what is watched as metadata only, configmaps and secrets
 * (k8s-watch.md C.4), against one table: they may not differ. */
#include "tests/unit/status_fixture.h"

static const struct status_kind configmap = {
	configmap_status,
	{ "created", "pending", NULL },
	{ { NULL, 0 } },
};

static const struct status_kind secret = {
	secret_status,
	{ "created", "pending", NULL },
	{ { NULL, 0 } },
};

static const struct status_case cases[] = {
	{ "one that exists is healthy and created", "", NULL, NULL, SECOND,
	    "created", HEALTH_HEALTHY, "Exists", "exists", 0, "" },
	{ "C.3 one that is deleted is terminating", DELETING, NULL, NULL,
	    DAY, "pending", HEALTH_TERMINATING, "Terminating", NULL, 0,
	    "" },
	{ "a generation without a status is no matter",
	    ",\"generation\":7", NULL, NULL, DAY, "created",
	    HEALTH_HEALTHY, "Exists", NULL, 0, "" },
	{ "what a server should not have sent is not looked at", "",
	    "\"data\":\"x\"", CONDITIONS(CONDITION("Stalled", "True",
	    "Leak")), DAY, "created", HEALTH_HEALTHY, "Exists", NULL, 0,
	    "" },
	{ "one of unknown age is healthy", ",\"creationTimestamp\":7",
	    NULL, NULL, DAY, "created", HEALTH_HEALTHY, "Exists", NULL, 0,
	    "" },
};

#define FULL "{" STATUS_META ",\"type\":\"Opaque\",\"data\":{\"k\":\"dg==\"}}"

static void
test_configmaps_are_judged_by_the_table(void **state)
{
	(void)state;
	status_check_table(&configmap, cases, NELEM(cases));
}

static void
test_secrets_are_judged_by_the_table(void **state)
{
	(void)state;
	status_check_table(&secret, cases, NELEM(cases));
}

static void
test_wrong_values_of_configmaps_do_no_harm(void **state)
{
	(void)state;
	status_check_wrong_values(&configmap, FULL);
}

static void
test_wrong_values_of_secrets_do_no_harm(void **state)
{
	(void)state;
	status_check_wrong_values(&secret, FULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_configmaps_are_judged_by_the_table),
		cmocka_unit_test(test_secrets_are_judged_by_the_table),
		cmocka_unit_test(test_wrong_values_of_configmaps_do_no_harm),
		cmocka_unit_test(test_wrong_values_of_secrets_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
