/* The rule of autoscalers (k8s-watch.md C.4) against a table. */
#include "tests/unit/status_fixture.h"

static const struct status_kind kind = {
	hpa_status,
	{ "stable", "scaling", "limited", "error", NULL },
	{ { "currentReplicas", 'i' }, { "desiredReplicas", 'i' },
	    { "currentCPU", 'o' }, { "currentMemory", 'o' }, { NULL, 0 } },
};

#define REPLICAS(c, d) "\"currentReplicas\":" #c ",\"desiredReplicas\":" #d
#define ABLE CONDITION("AbleToScale", "True", "ReadyForNewScale")
#define ACTIVE CONDITION("ScalingActive", "True", "ValidMetricFound")
#define RESOURCE(type, member, name, n) "{\"type\":\"" type "\",\"" member \
	"\":{\"name\":\"" name "\",\"current\":{" \
	"\"averageUtilization\":" n ",\"averageValue\":\"50m\"}}}"
#define METRICS(list) "\"currentMetrics\":[" list "]"

static const struct status_case cases[] = {
	{ "one that is able to scale is healthy and stable", "", "",
	    REPLICAS(3, 3) "," METRICS(RESOURCE("Resource", "resource",
	    "cpu", "42") "," RESOURCE("Resource", "resource", "memory",
	    "61")) "," CONDITIONS(ABLE "," ACTIVE), DAY, "stable",
	    HEALTH_HEALTHY, "ReadyForNewScale", "m", 0,
	    "\"currentReplicas\":3,\"desiredReplicas\":3,"
	    "\"currentCPU\":42,\"currentMemory\":61" },
	{ "C.3 a new one without conditions is progressing", "", "", "",
	    SECOND, "scaling", HEALTH_PROGRESSING, "HPANotObserved", NULL,
	    0, "\"currentReplicas\":0,\"desiredReplicas\":0" },
	{ "C.3 one without metrics is degraded, though able to scale", "",
	    "", REPLICAS(1, 1) "," METRICS("{\"type\":\"\"}") ","
	    CONDITIONS(ABLE "," CONDITION("ScalingActive", "False",
	    "FailedGetResourceMetric")), DAY, "error", HEALTH_DEGRADED,
	    "FailedGetResourceMetric", "m", 0,
	    "\"currentReplicas\":1,\"desiredReplicas\":1" },
	{ "a container's metric that fails is degraded too", "", "",
	    CONDITIONS(ABLE "," CONDITION("ScalingActive", "False",
	    "FailedGetContainerResourceMetric")), DAY, "error",
	    HEALTH_DEGRADED, "FailedGetContainerResourceMetric", NULL, 0,
	    NULL },
	{ "a selector that is invalid is degraded", "", "",
	    CONDITIONS(ABLE "," CONDITION("ScalingActive", "False",
	    "InvalidSelector")), DAY, "error", HEALTH_DEGRADED,
	    "InvalidSelector", NULL, 0, NULL },
	{ "inactive without a reason is degraded by our word", "", "",
	    "\"conditions\":[{\"type\":\"ScalingActive\","
	    "\"status\":\"False\"}]", DAY, "error", HEALTH_DEGRADED,
	    "ScalingInactive", NULL, 0, NULL },
	{ "Argo's defect: a failing reason that is not False is none", "",
	    "", REPLICAS(1, 1) "," CONDITIONS(ABLE "," CONDITION(
	    "ScalingActive", "True", "FailedGetResourceMetric")), DAY,
	    "stable", HEALTH_HEALTHY, "ReadyForNewScale", NULL, 0, NULL },
	{ "ScalingActive Unknown is not failing", "", "",
	    REPLICAS(1, 1) "," CONDITIONS(ABLE "," CONDITION(
	    "ScalingActive", "Unknown", "FailedGetResourceMetric")), DAY,
	    "stable", HEALTH_HEALTHY, "ReadyForNewScale", NULL, 0, NULL },
	{ "a target that cannot be read is degraded", "", "",
	    CONDITIONS(CONDITION("AbleToScale", "False",
	    "FailedGetScale")), DAY, "error", HEALTH_DEGRADED,
	    "FailedGetScale", "m", 0, NULL },
	{ "a target that cannot be written is degraded", "", "",
	    CONDITIONS(CONDITION("AbleToScale", "False",
	    "FailedUpdateScale") "," ACTIVE), DAY, "error",
	    HEALTH_DEGRADED, "FailedUpdateScale", "m", 0, NULL },
	{ "not able to scale for another while is progressing", "", "",
	    REPLICAS(2, 2) "," CONDITIONS(CONDITION("AbleToScale", "False",
	    "BackoffBoth") "," ACTIVE), DAY, "scaling",
	    HEALTH_PROGRESSING, "BackoffBoth", "m", 0, NULL },
	{ "a target scaled to zero suspends it", "", "", REPLICAS(0, 0) ","
	    CONDITIONS(ABLE "," CONDITION("ScalingActive", "False",
	    "ScalingDisabled")), DAY, "stable", HEALTH_SUSPENDED,
	    "ScalingDisabled", "m", 0, NULL },
	{ "limited by its maximum is healthy, and says so", "", "",
	    REPLICAS(10, 10) "," CONDITIONS(ABLE "," ACTIVE "," CONDITION(
	    "ScalingLimited", "True", "TooManyReplicas")), DAY, "limited",
	    HEALTH_HEALTHY, "TooManyReplicas", "m", 0, NULL },
	{ "limited by its minimum is healthy, and says so", "", "",
	    REPLICAS(1, 1) "," CONDITIONS(ABLE "," ACTIVE "," CONDITION(
	    "ScalingLimited", "True", "TooFewReplicas")), DAY, "limited",
	    HEALTH_HEALTHY, "TooFewReplicas", "m", 0, NULL },
	{ "within its bounds is not limited", "", "", REPLICAS(2, 2) ","
	    CONDITIONS(ABLE "," ACTIVE "," CONDITION("ScalingLimited",
	    "False", "DesiredWithinRange")), DAY, "stable",
	    HEALTH_HEALTHY, "ReadyForNewScale", NULL, 0, NULL },
	{ "on its way to another number is healthy and scaling", "", "",
	    REPLICAS(2, 5) "," CONDITIONS(CONDITION("AbleToScale", "True",
	    "SucceededRescale") "," ACTIVE "," CONDITION("ScalingLimited",
	    "True", "ScaleUpLimit")), DAY, "scaling", HEALTH_HEALTHY,
	    "ScaleUpLimit", NULL, 0,
	    "\"currentReplicas\":2,\"desiredReplicas\":5" },
	{ "a container's utilization stands in for the pod's", "", "",
	    METRICS(RESOURCE("ContainerResource", "containerResource",
	    "cpu", "7") "," RESOURCE("Resource", "resource", "memory",
	    "8")) "," CONDITIONS(ABLE), DAY, "stable", HEALTH_HEALTHY,
	    "ReadyForNewScale", NULL, 0, "\"currentReplicas\":0,"
	    "\"desiredReplicas\":0,\"currentCPU\":7,"
	    "\"currentMemory\":8" },
	{ "0 per cent of its pods is a measurement", "", "",
	    METRICS(RESOURCE("ContainerResource", "containerResource",
	    "cpu", "7") "," RESOURCE("Resource", "resource", "cpu", "0"))
	    "," CONDITIONS(ABLE), DAY, "stable", HEALTH_HEALTHY,
	    "ReadyForNewScale", NULL, 0, "\"currentReplicas\":0,"
	    "\"desiredReplicas\":0,\"currentCPU\":0" },
	{ "C.3 deleting stands above all", DELETING, "", REPLICAS(1, 1)
	    "," CONDITIONS(CONDITION("ScalingActive", "False", "R")), DAY,
	    "stable", HEALTH_TERMINATING, "Terminating", NULL, 0, NULL },
	{ "a generation that is not observed is progressing",
	    ",\"generation\":2", "", "\"observedGeneration\":1,"
	    CONDITIONS(ABLE), DAY, "scaling", HEALTH_PROGRESSING,
	    "LatestGenerationNotObserved", NULL, 0, NULL },
	{ "Stalled is failed", "", "", CONDITIONS(CONDITION("Stalled",
	    "True", "Stuck")), DAY, "error", HEALTH_FAILED, "Stuck", "m",
	    0, NULL },
	{ "wrong types count as missing", "", "",
	    "\"currentReplicas\":\"2\",\"desiredReplicas\":-2,"
	    METRICS("null,7," RESOURCE("Resource", "resource", "cpu",
	    "\"42\"") "," RESOURCE("Resource", "resource", "memory",
	    "-1")) ",\"conditions\":[{\"type\":\"AbleToScale\","
	    "\"status\":true}]", DAY, "scaling", HEALTH_PROGRESSING,
	    "NotAbleToScale", NULL, 0,
	    "\"currentReplicas\":0,\"desiredReplicas\":0" },
};

#define FULL "{" STATUS_META ",\"spec\":{},\"status\":{" \
	"\"observedGeneration\":2," REPLICAS(2, 2) "," METRICS( \
	RESOURCE("Resource", "resource", "cpu", "42") "," \
	RESOURCE("ContainerResource", "containerResource", "memory", "1")) \
	"," CONDITIONS(ABLE "," ACTIVE "," CONDITION("ScalingLimited", \
	"True", "TooManyReplicas")) "}}"

static void
test_autoscalers_are_judged_by_the_table(void **state)
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
		cmocka_unit_test(test_autoscalers_are_judged_by_the_table),
		cmocka_unit_test(test_wrong_values_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
