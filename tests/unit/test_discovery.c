/* discovery: whether a server serves a kind, by its own words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "watcher/discovery.h"

static const struct kind pods = { .group = "", .version = "v1",
	.resource = "pods" };
static const struct kind jobs = { .group = "batch", .version = "v1",
	.resource = "jobs" };

static enum discovery_verdict
judge(const char *body, const struct kind *kind)
{
	return discovery_judge(slice_str(body), kind);
}

#define AGGREGATED(items) "{\"kind\":\"APIGroupDiscoveryList\",\"items\":[" \
	items "]}"
#define GROUP(name, version, more, resource) "{\"metadata\":{" name "}," \
	"\"versions\":[{\"version\":\"" version "\"" more ",\"resources\":" \
	"[{\"resource\":\"" resource "\"}]}]}"

static void
test_aggregated_discovery_answers_at_once(void **state UNUSED)
{
	assert_int_equal(judge(AGGREGATED(GROUP("", "v1", "", "pods")),
	    &pods), DISCOVERY_SERVED);
	assert_int_equal(judge(AGGREGATED(GROUP("", "v1", "", "nodes")),
	    &pods), DISCOVERY_UNSERVED);
	assert_int_equal(judge(AGGREGATED(
	    GROUP("\"name\":\"apps\"", "v1", "", "jobs") ","
	    GROUP("\"name\":\"batch\"", "v1", "", "jobs")), &jobs),
	    DISCOVERY_SERVED);
	/* Another group's, another version's. */
	assert_int_equal(judge(AGGREGATED(
	    GROUP("\"name\":\"apps\"", "v1", "", "jobs")), &jobs),
	    DISCOVERY_UNSERVED);
	assert_int_equal(judge(AGGREGATED(
	    GROUP("\"name\":\"batch\"", "v1beta1", "", "jobs")), &jobs),
	    DISCOVERY_UNSERVED);
	assert_int_equal(judge(AGGREGATED(""), &jobs), DISCOVERY_UNSERVED);
}

static void
test_what_is_stale_proves_nothing(void **state UNUSED)
{
	assert_int_equal(judge(AGGREGATED(GROUP("\"name\":\"batch\"", "v1",
	    ",\"freshness\":\"Stale\"", "x")), &jobs), DISCOVERY_UNKNOWN);
}

static void
test_a_server_without_it_is_asked_for_the_group(void **state UNUSED)
{
	static const char groups[] = "{\"kind\":\"APIGroupList\",\"groups\":["
	    "{\"name\":\"batch\",\"versions\":[{\"version\":\"v1\"}]}]}";
	static const char none[] = "{\"kind\":\"APIGroupList\","
	    "\"groups\":[]}";
	static const char resources[] = "{\"kind\":\"APIResourceList\","
	    "\"resources\":[{\"name\":\"jobs\"},{\"name\":\"jobs/status\"}]}";

	assert_int_equal(judge(groups, &jobs), DISCOVERY_ASK_GROUP);
	assert_int_equal(judge(none, &jobs), DISCOVERY_UNSERVED);
	assert_int_equal(judge("{\"kind\":\"APIVersions\",\"versions\":"
	    "[\"v1\"]}", &pods), DISCOVERY_ASK_GROUP);
	assert_int_equal(judge("{\"kind\":\"APIVersions\",\"versions\":[]}",
	    &pods), DISCOVERY_UNSERVED);
	assert_int_equal(judge(resources, &jobs), DISCOVERY_SERVED);
	assert_int_equal(judge(resources, &pods), DISCOVERY_UNSERVED);
}

static void
test_what_is_no_discovery_decides_nothing(void **state UNUSED)
{
	static const char *const odd[] = {
		"", "null", "[]", "3", "<html>", "{}", "{\"kind\":3}",
		"{\"kind\":\"APIGroupDiscoveryList\"}",
		"{\"kind\":\"APIGroupDiscoveryList\",\"items\":{}}",
		"{\"kind\":\"APIGroupList\",\"groups\":\"batch\"}",
		"{\"kind\":\"APIVersions\"}",
		"{\"kind\":\"APIResourceList\"}",
		"{\"kind\":\"Status\",\"code\":200}",
	};
	size_t i;

	for (i = 0; i < NELEM(odd); i++)
		assert_int_equal(judge(odd[i], &jobs), DISCOVERY_UNKNOWN);
	/* Wrong types inside are no match, and no crash. */
	assert_int_equal(judge(AGGREGATED("3,null,{\"metadata\":[],"
	    "\"versions\":7},{\"metadata\":{\"name\":\"batch\"},"
	    "\"versions\":[null,{\"version\":1}]}"), &jobs),
	    DISCOVERY_UNSERVED);
}

/* What follows the verdict counts, too; nesting costs no memory. */
static void
test_an_answer_that_is_no_json_decides_nothing(void **state UNUSED)
{
	static const char good[] = "{\"kind\":\"APIResourceList\","
	    "\"resources\":[{\"name\":\"jobs\"}]}";
	char text[sizeof(good) + 1];
	size_t n;

	for (n = 0; n < sizeof(good) - 1; n++)
		assert_int_equal(discovery_judge((struct slice){ good, n },
		    &jobs), DISCOVERY_UNKNOWN);
	(void)snprintf(text, sizeof(text), "%s}", good);
	assert_int_equal(judge(text, &jobs), DISCOVERY_UNKNOWN);
	assert_int_equal(judge("{\"resources\":[{\"name\":\"jobs\"}],"
	    "\"kind\":\"APIResourceList\"} ", &jobs), DISCOVERY_SERVED);
}

/* Asked for in a namespace, it is 404 for ever. */
static void
test_a_kind_of_the_cluster_is_in_no_namespace(void **state UNUSED)
{
	static const struct kind nodes = { .group = "", .version = "v1",
		.resource = "nodes" };

	assert_int_equal(judge(AGGREGATED(GROUP("", "v1", "",
	    "nodes\",\"scope\":\"Cluster")), &nodes), DISCOVERY_OUTSIDE);
	assert_int_equal(judge(AGGREGATED(GROUP("", "v1", "",
	    "nodes\",\"scope\":\"Namespaced")), &nodes), DISCOVERY_SERVED);
	assert_int_equal(judge("{\"kind\":\"APIResourceList\",\"resources\":["
	    "{\"name\":\"nodes\",\"namespaced\":false}]}", &nodes),
	    DISCOVERY_OUTSIDE);
	assert_int_equal(judge("{\"kind\":\"APIResourceList\",\"resources\":["
	    "{\"name\":\"nodes\",\"namespaced\":true}]}", &nodes),
	    DISCOVERY_SERVED);
}

static void
test_the_core_group_has_paths_of_its_own(void **state UNUSED)
{
	struct buf b = BUF_EMPTY;

	discovery_path(&b, &pods);
	buf_addc(&b, ' ');
	discovery_path_group(&b, &pods);
	buf_addc(&b, ' ');
	discovery_path(&b, &jobs);
	buf_addc(&b, ' ');
	discovery_path_group(&b, &jobs);
	assert_string_equal(buf_cstr(&b),
	    "/api /api/v1 /apis /apis/batch/v1");
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_aggregated_discovery_answers_at_once),
		cmocka_unit_test(test_what_is_stale_proves_nothing),
		cmocka_unit_test(
		    test_a_server_without_it_is_asked_for_the_group),
		cmocka_unit_test(test_what_is_no_discovery_decides_nothing),
		cmocka_unit_test(
		    test_an_answer_that_is_no_json_decides_nothing),
		cmocka_unit_test(
		    test_a_kind_of_the_cluster_is_in_no_namespace),
		cmocka_unit_test(test_the_core_group_has_paths_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
