/* The rule of ingresses (k8s-watch.md C.4) against a table. */
#include "tests/unit/status_fixture.h"
#include "watcher/kinds.h"

static const struct status_kind kind = {
	ingress_status,
	{ "healthy", "pending", "error", NULL },
	{ { "loadBalancerIP", 't' }, { "loadBalancerHostname", 't' },
	    { "rulesCount", 'i' }, { NULL, 0 } },
};

#define INGRESS(list) "\"loadBalancer\":{\"ingress\":[" list "]}"

static const struct status_case cases[] = {
	{ "C.3 a new one without an address is progressing", "",
	    "\"rules\":[{},{}]", "\"loadBalancer\":{}", SECOND, "pending",
	    HEALTH_PROGRESSING, "NoAddressAssigned", NULL, 10 * MINUTE + 1,
	    "\"loadBalancerIP\":\"\",\"loadBalancerHostname\":\"\","
	    "\"rulesCount\":2" },
	{ "it is so for ten minutes", "", "", "", 10 * MINUTE, "pending",
	    HEALTH_PROGRESSING, "NoAddressAssigned", NULL, 10 * MINUTE + 1,
	    NULL },
	{ "a ms later its controller does not publish addresses", "", "",
	    "", 10 * MINUTE + 1, "healthy", HEALTH_HEALTHY,
	    "NoAddressPublished", NULL, 0, NULL },
	{ "and so it remains", "", "", "", 365 * DAY, "healthy",
	    HEALTH_HEALTHY, "NoAddressPublished", NULL, 0, NULL },
	{ "an ip is healthy at once", "", "\"rules\":[{}]",
	    INGRESS("{\"ip\":\"192.0.2.1\"}"), SECOND, "healthy",
	    HEALTH_HEALTHY, "AddressAssigned", NULL, 0,
	    "\"loadBalancerIP\":\"192.0.2.1\","
	    "\"loadBalancerHostname\":\"\",\"rulesCount\":1" },
	{ "so is a hostname", "", "", INGRESS("{\"hostname\":\"h\"}"),
	    SECOND, "healthy", HEALTH_HEALTHY, "AddressAssigned", NULL, 0,
	    "\"loadBalancerIP\":\"\",\"loadBalancerHostname\":\"h\","
	    "\"rulesCount\":0" },
	{ "entries without ip and hostname do not count", "", "",
	    INGRESS("{},{\"ip\":\"\"},{\"hostname\":null}"), SECOND,
	    "pending", HEALTH_PROGRESSING, "NoAddressAssigned", NULL,
	    10 * MINUTE + 1, NULL },
	{ "an empty entry does not hide the one behind it", "", "",
	    INGRESS("{},{\"hostname\":\"h\"}"), SECOND, "healthy",
	    HEALTH_HEALTHY, "AddressAssigned", NULL, 0, NULL },
	{ "an old one with an address has one", "", "",
	    INGRESS("{\"ip\":\"192.0.2.1\"}"), DAY, "healthy",
	    HEALTH_HEALTHY, "AddressAssigned", NULL, 0, NULL },
	{ "one from the future of a wrong clock waits", "", "", "",
	    -DAY, "pending", HEALTH_PROGRESSING, "NoAddressAssigned",
	    NULL, 10 * MINUTE + 1, NULL },
	{ "one of unknown age waits without an end",
	    ",\"creationTimestamp\":null", "", "", DAY, "pending",
	    HEALTH_PROGRESSING, "NoAddressAssigned", NULL, 0, NULL },
	{ "C.3 deleting stands above all", DELETING, "",
	    INGRESS("{\"ip\":\"192.0.2.1\"}"), SECOND, "pending",
	    HEALTH_TERMINATING, "Terminating", NULL, 0, NULL },
	{ "Stalled is failed", "", "", CONDITIONS(CONDITION("Stalled",
	    "True", "Stuck")), SECOND, "error", HEALTH_FAILED, "Stuck",
	    "m", 0, NULL },
	{ "a generation that is not observed is progressing",
	    ",\"generation\":2", "", "\"observedGeneration\":1", DAY,
	    "pending", HEALTH_PROGRESSING, "LatestGenerationNotObserved",
	    NULL, 0, NULL },
	{ "addresses and rules of a wrong type do not count", "",
	    "\"rules\":{\"a\":1}", INGRESS("7,{\"ip\":{}}"), SECOND,
	    "pending", HEALTH_PROGRESSING, "NoAddressAssigned", NULL,
	    10 * MINUTE + 1, "\"loadBalancerIP\":\"\","
	    "\"loadBalancerHostname\":\"\",\"rulesCount\":0" },
};

#define FULL "{" STATUS_META ",\"spec\":{\"rules\":[{\"host\":\"a\"}]}," \
	"\"status\":{\"observedGeneration\":2," \
	INGRESS("{\"ip\":\"192.0.2.1\",\"hostname\":\"h\"}") "," \
	CONDITIONS(CONDITION("Reconciling", "False", "R")) "}}"

static void
test_ingresses_are_judged_by_the_table(void **state)
{
	(void)state;
	status_check_table(&kind, cases, NELEM(cases));
}

static void
test_the_operator_says_how_long_an_address_may_take(void **state)
{
	static const char text[] = "watch: {no_address: 1m}";
	const struct kube_object o = { .generation = -1,
		.created_unix_ms = SECOND };
	struct kube_status s = { 0 };
	struct conf conf;

	(void)state;
	assert_int_equal(conf_parse(&conf, text, strlen(text), "f.yaml",
	    stderr), 0);
	kinds_configure(&conf);
	ingress_status(&o, SECOND + MINUTE, &s);
	assert_string_equal(s.reason, "NoAddressAssigned");
	assert_true(s.again_unix_ms == SECOND + MINUTE + 1);
	s = (struct kube_status){ 0 };
	ingress_status(&o, SECOND + MINUTE + 1, &s);
	assert_string_equal(s.reason, "NoAddressPublished");
	conf_free(&conf);
	conf_init(&conf);
	kinds_configure(&conf);
	s = (struct kube_status){ 0 };
	ingress_status(&o, SECOND + 10 * MINUTE, &s);
	assert_string_equal(s.reason, "NoAddressAssigned");
	conf_free(&conf);
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
		cmocka_unit_test(test_ingresses_are_judged_by_the_table),
		cmocka_unit_test(
		    test_the_operator_says_how_long_an_address_may_take),
		cmocka_unit_test(test_wrong_values_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
