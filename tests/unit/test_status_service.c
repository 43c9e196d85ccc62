/* The rule of services (k8s-watch.md C.4) against a table. */
#include "tests/unit/status_fixture.h"

static const struct status_kind kind = {
	service_status,
	{ "healthy", "partial", "error", NULL },
	{ { "clusterIP", 't' }, { "externalIP", 't' }, { "nodePort", 'i' },
	    { NULL, 0 } },
};

#define LB "\"type\":\"LoadBalancer\",\"clusterIP\":\"10.0.0.1\""
#define INGRESS(list) "\"loadBalancer\":{\"ingress\":[" list "]}"

static const struct status_case cases[] = {
	{ "a cluster-internal one is healthy", "",
	    "\"type\":\"ClusterIP\",\"clusterIP\":\"10.0.0.1\"",
	    "\"loadBalancer\":{}", SECOND, "healthy", HEALTH_HEALTHY,
	    "Exists", NULL, 0, "\"clusterIP\":\"10.0.0.1\","
	    "\"externalIP\":\"\",\"nodePort\":0" },
	{ "one without a type is cluster-internal", "", "", "", SECOND,
	    "healthy", HEALTH_HEALTHY, "Exists", NULL, 0,
	    "\"clusterIP\":\"\",\"externalIP\":\"\",\"nodePort\":0" },
	{ "a headless one is healthy", "", "\"clusterIP\":\"None\"", "",
	    SECOND, "healthy", HEALTH_HEALTHY, "Exists", NULL, 0,
	    "\"clusterIP\":\"None\",\"externalIP\":\"\","
	    "\"nodePort\":0" },
	{ "an external name is healthy without any address", "",
	    "\"type\":\"ExternalName\",\"externalName\":\"a.example\"",
	    "", SECOND, "healthy", HEALTH_HEALTHY, "Exists", NULL, 0,
	    "\"clusterIP\":\"\",\"externalIP\":\"\",\"nodePort\":0" },
	{ "a node port shows the first of its ports", "",
	    "\"type\":\"NodePort\",\"ports\":[{\"port\":80,"
	    "\"nodePort\":30080},{\"nodePort\":30081}]", "", SECOND,
	    "healthy", HEALTH_HEALTHY, "Exists", NULL, 0,
	    "\"clusterIP\":\"\",\"externalIP\":\"\","
	    "\"nodePort\":30080" },
	{ "C.3 a balancer without an address is progressing", "", LB,
	    "\"loadBalancer\":{}", DAY, "partial", HEALTH_PROGRESSING,
	    "NoAddressAssigned", NULL, 0, NULL },
	{ "a balancer with an ip is healthy", "", LB,
	    INGRESS("{\"ip\":\"192.0.2.1\"}"), DAY, "healthy",
	    HEALTH_HEALTHY, "AddressAssigned", NULL, 0,
	    "\"clusterIP\":\"10.0.0.1\",\"externalIP\":\"192.0.2.1\","
	    "\"nodePort\":0" },
	{ "a balancer with a hostname is healthy", "", LB,
	    INGRESS("{\"hostname\":\"lb.example\"}"), DAY, "healthy",
	    HEALTH_HEALTHY, "AddressAssigned", NULL, 0,
	    "\"clusterIP\":\"10.0.0.1\",\"externalIP\":\"lb.example\","
	    "\"nodePort\":0" },
	{ "entries without ip and hostname do not count", "", LB,
	    INGRESS("{},{\"ip\":\"\",\"hostname\":\"\"},{\"ports\":[]}"),
	    DAY, "partial", HEALTH_PROGRESSING, "NoAddressAssigned", NULL,
	    0, NULL },
	{ "an empty entry does not hide the one behind it", "", LB,
	    INGRESS("{},{\"ip\":\"192.0.2.1\"}"), DAY, "healthy",
	    HEALTH_HEALTHY, "AddressAssigned", NULL, 0, NULL },
	{ "a balancer with an address of its operator's is healthy", "",
	    LB ",\"externalIPs\":[\"\",\"198.51.100.7\"]", "", DAY,
	    "healthy", HEALTH_HEALTHY, "AddressAssigned", NULL, 0,
	    "\"clusterIP\":\"10.0.0.1\",\"externalIP\":\"198.51.100.7\","
	    "\"nodePort\":0" },
	{ "the balancer's own address is shown before that", "",
	    LB ",\"externalIPs\":[\"198.51.100.7\"]",
	    INGRESS("{\"ip\":\"192.0.2.1\"}"), DAY, "healthy",
	    HEALTH_HEALTHY, "AddressAssigned", NULL, 0,
	    "\"clusterIP\":\"10.0.0.1\",\"externalIP\":\"192.0.2.1\","
	    "\"nodePort\":0" },
	{ "C.3 deleting stands above all", DELETING, LB, "", DAY,
	    "partial", HEALTH_TERMINATING, "Terminating", NULL, 0, NULL },
	{ "Stalled is failed", "", LB, CONDITIONS(CONDITION("Stalled",
	    "True", "Stuck")), DAY, "error", HEALTH_FAILED, "Stuck", "m",
	    0, NULL },
	{ "a generation that is not observed is progressing",
	    ",\"generation\":2", "", "\"observedGeneration\":1", DAY,
	    "partial", HEALTH_PROGRESSING, "LatestGenerationNotObserved",
	    NULL, 0, NULL },
	{ "addresses of a wrong type do not count", "",
	    "\"type\":\"LoadBalancer\",\"clusterIP\":7,"
	    "\"externalIPs\":[7,null],\"ports\":[null]",
	    INGRESS("7,{\"ip\":7,\"hostname\":[]}"), DAY, "partial",
	    HEALTH_PROGRESSING, "NoAddressAssigned", NULL, 0,
	    "\"clusterIP\":\"\",\"externalIP\":\"\",\"nodePort\":0" },
	{ "a port that is none is 0", "", "\"ports\":[{\"nodePort\":-1}]",
	    "", DAY, "healthy", HEALTH_HEALTHY, "Exists", NULL, 0,
	    "\"clusterIP\":\"\",\"externalIP\":\"\",\"nodePort\":0" },
};

#define FULL "{" STATUS_META ",\"spec\":{" LB ",\"externalIPs\":[\"a\"]," \
	"\"ports\":[{\"nodePort\":30080}]},\"status\":{" \
	"\"observedGeneration\":2," \
	INGRESS("{\"ip\":\"192.0.2.1\",\"hostname\":\"h\"}") "," \
	CONDITIONS(CONDITION("Reconciling", "False", "R")) "}}"

static void
test_services_are_judged_by_the_table(void **state)
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
		cmocka_unit_test(test_services_are_judged_by_the_table),
		cmocka_unit_test(test_wrong_values_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
