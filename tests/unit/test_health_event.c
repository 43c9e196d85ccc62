/* health/health_event and health/cluster_facts: what leaves the process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "common/macros.h"
#include "health/health_event.h"

/* The frame, completed as the broker's readers do, parsed. */
static json_t *
complete(const struct health_event *e)
{
	struct buf b = BUF_EMPTY;
	json_t *root;

	buf_adds(&b, "{\"id\":\"00000001-1\",\"seq\":1,");
	buf_add(&b, e->item.frame.p, e->item.frame.n);
	assert_null(memchr(b.data, '\n', b.len));
	root = json_loadb((char *)b.data, b.len, JSON_REJECT_DUPLICATES,
	    NULL);
	assert_non_null(root);
	buf_free(&b);
	return root;
}

static const char *
text(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s != NULL ? s : "(none)";
}

static void
test_a_status_event_has_every_member_of_the_contract(void **state UNUSED)
{
	struct health_view view = {
		.id = "prod", .name = "kind \"prod\"",
		.status = CLUSTER_DISCONNECTED, .previous = CLUSTER_CONNECTED,
		.latency_ms = -1, .checked_at_unix_ms = 1700000000123,
		.consecutive_failures = 4, .version = "v1.36.1",
		.code = PROBE_TCP, .message = "Connection refused",
	};
	struct health_event e;
	json_t *root, *data, *error;

	health_event_status(&e, "cluster.status_changed", &view,
	    1700000000456);
	assert_true(slice_is(e.item.key, "cluster:prod"));
	assert_true(slice_is(e.item.event_type, "cluster.status_changed"));
	root = complete(&e);
	assert_string_equal(text(root, "stream_key"), "cluster:prod");
	assert_string_equal(text(root, "type"), "cluster");
	assert_string_equal(text(root, "source"), "/health");
	assert_string_equal(text(root, "timestamp"),
	    "2023-11-14T22:13:20.456Z");
	data = json_object_get(root, "data");
	assert_string_equal(text(data, "cluster_id"), "prod");
	assert_string_equal(text(data, "name"), "kind \"prod\"");
	assert_string_equal(text(data, "status"), "disconnected");
	assert_string_equal(text(data, "previous_status"), "connected");
	assert_true(json_is_false(json_object_get(data, "reachable")));
	assert_null(json_object_get(data, "latency_ms"));
	assert_string_equal(text(data, "checked_at"),
	    "2023-11-14T22:13:20.123Z");
	assert_int_equal(json_integer_value(json_object_get(data,
	    "consecutive_failures")), 4);
	error = json_object_get(data, "error");
	assert_string_equal(text(error, "code"), "tcp");
	assert_string_equal(text(error, "message"), "Connection refused");
	json_decref(root);
	root = json_loadb(item_data(&e.item).p, item_data(&e.item).n, 0,
	    NULL);
	assert_string_equal(text(root, "cluster_id"), "prod");
	json_decref(root);
	health_event_free(&e);
}

static void
test_a_good_cluster_has_a_latency_and_no_error(void **state UNUSED)
{
	struct health_view view = { .id = "a", .name = "a", .reachable = true,
		.status = CLUSTER_CONNECTED, .latency_ms = 12 };
	struct health_event e;
	json_t *root, *data;

	health_event_status(&e, "cluster.health", &view, 0);
	root = complete(&e);
	data = json_object_get(root, "data");
	assert_int_equal(json_integer_value(json_object_get(data,
	    "latency_ms")), 12);
	assert_null(json_object_get(data, "error"));
	assert_null(json_object_get(data, "version"));
	assert_true(json_is_true(json_object_get(data, "reachable")));
	json_decref(root);
	health_event_free(&e);
}

#define NODE(id, cpu, memory, labels)					\
	"{\"metadata\":{\"name\":\"n\",\"labels\":{" labels "}},"	\
	"\"spec\":{\"providerID\":\"" id "\"},\"status\":{\"capacity\":{" \
	"\"cpu\":\"" cpu "\",\"memory\":\"" memory "\"}}}"

static void
test_capacities_of_nodes_are_added_up(void **state UNUSED)
{
	struct cluster_facts f = { .nodes_known = true };
	struct health_event e;
	json_t *root, *data;

	assert_true(cluster_facts_node(&f, slice_str(NODE(
	    "aws:///eu-west-1a/i-0", "4", "16Gi", ""))));
	assert_true(cluster_facts_node(&f, slice_str(NODE(
	    "aws:///eu-west-1b/i-1", "1500m", "512Mi", ""))));
	assert_true(cluster_facts_node(&f, slice_str("{}")));
	assert_false(cluster_facts_node(&f, slice_str("[1]")));
	assert_false(cluster_facts_node(&f, slice_str("{")));
	assert_true(cluster_facts_name(&f.namespaces, slice_str(
	    "{\"metadata\":{\"name\":\"default\"}}")));
	f.namespaces.known = true;
	f.storage_classes.known = true;
	cluster_facts_finish(&f);
	health_event_metadata(&e, "a", &f, 0);
	root = complete(&e);
	data = json_object_get(root, "data");
	assert_int_equal(json_integer_value(json_object_get(data,
	    "node_count")), 3);
	assert_true(json_real_value(json_object_get(data, "cpu_capacity")) ==
	    5.5);
	assert_int_equal(json_integer_value(json_object_get(data,
	    "memory_capacity")), 17716740096);
	assert_string_equal(text(data, "provider"), "aws");
	assert_string_equal(text(data, "region"), "eu-west-1");
	assert_string_equal(json_string_value(json_array_get(json_object_get(
	    data, "namespaces"), 0)), "default");
	assert_int_equal(json_array_size(json_object_get(data,
	    "storage_classes")), 0);
	assert_true(json_is_array(json_object_get(data, "storage_classes")));
	json_decref(root);
	health_event_free(&e);
	cluster_facts_free(&f);
}

static void
test_what_could_not_be_read_is_left_out_not_zero(void **state UNUSED)
{
	struct cluster_facts f = { .version = "v1.30.1+k3s1" };
	struct health_event e;
	json_t *root, *data;

	cluster_facts_finish(&f);
	health_event_metadata(&e, "a", &f, 0);
	root = complete(&e);
	data = json_object_get(root, "data");
	assert_null(json_object_get(data, "node_count"));
	assert_null(json_object_get(data, "namespaces"));
	assert_string_equal(text(data, "provider"), "k3s");
	json_decref(root);
	health_event_free(&e);
}

static void
test_providers_and_regions_are_recognised(void **state UNUSED)
{
	static const struct {
		const char	*node;
		const char	*provider;
		const char	*region;
	} cases[] = {
		{ NODE("gce://p/us-central1-a/x", "1", "1", ""), "gce",
		    "us-central1" },
		{ NODE("azure:///subscriptions/x", "1", "1",
		    "\"topology.kubernetes.io/region\":\"westeurope\""),
		    "azure", "westeurope" },
		{ NODE("kind://docker/a/b", "1", "1", ""), "kind", "" },
		{ NODE("ocid1.instance.x", "1", "1", ""), "oci", "" },
		{ NODE("", "x", "-3Gi",
		    "\"failure-domain.beta.kubernetes.io/region\":\"r\""), "",
		    "r" },
		{ NODE("://", "", "", ""), "", "" },
		{ NODE("aws:///", "", "", ""), "aws", "" },
		{ NODE("gce://", "", "", ""), "gce", "" },
	};

	for (size_t i = 0; i < NELEM(cases); i++) {
		struct cluster_facts f = { 0 };

		assert_true(cluster_facts_node(&f, slice_str(cases[i].node)));
		assert_string_equal(f.provider, cases[i].provider);
		assert_string_equal(f.region, cases[i].region);
		assert_true(f.memory_bytes >= 0 && f.cpu_milli >= 0);
		cluster_facts_free(&f);
	}
}

static void
test_the_largest_metadata_fits_into_one_event(void **state UNUSED)
{
	struct cluster_facts f = { 0 };
	struct health_event e;
	char json[400], name[254];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	(void)snprintf(json, sizeof(json), "{\"metadata\":{\"name\":\"%s\"}}",
	    name);
	f.namespaces.known = f.storage_classes.known = true;
	for (int i = 0; i < 2000; i++) {
		assert_true(cluster_facts_name(&f.namespaces,
		    slice_str(json)));
		assert_true(cluster_facts_name(&f.storage_classes,
		    slice_str(json)));
	}
	health_event_metadata(&e, "a", &f, 0);
	assert_true(e.item.frame.n < EVENT_MAX);
	health_event_free(&e);
	cluster_facts_free(&f);
}

static void
test_a_page_tells_where_the_next_begins(void **state UNUSED)
{
	char *next = NULL;
	int64_t remaining = -1;

	assert_true(cluster_facts_page(slice_str("{\"continue\":\"abc\","
	    "\"remainingItemCount\":7}"), &next, &remaining));
	assert_string_equal(next, "abc");
	assert_int_equal(remaining, 7);
	free(next);
	assert_true(cluster_facts_page(slice_str("{\"continue\":\"\","
	    "\"remainingItemCount\":-7}"), &next, &remaining));
	assert_null(next);
	assert_int_equal(remaining, 0);
	assert_false(cluster_facts_page(slice_str("7"), &next, &remaining));
}

static void
test_nodes_without_end_are_counted_no_further_than_a_number_goes(void **state
    UNUSED)
{
	struct cluster_facts f = { .node_count = 10000 };

	cluster_facts_unread(&f, 500);
	assert_int_equal(f.node_count, 10500);
	cluster_facts_unread(&f, INT64_MAX);
	assert_true(f.node_count == INT64_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_status_event_has_every_member_of_the_contract),
		cmocka_unit_test(
		    test_a_good_cluster_has_a_latency_and_no_error),
		cmocka_unit_test(test_capacities_of_nodes_are_added_up),
		cmocka_unit_test(
		    test_what_could_not_be_read_is_left_out_not_zero),
		cmocka_unit_test(test_providers_and_regions_are_recognised),
		cmocka_unit_test(
		    test_the_largest_metadata_fits_into_one_event),
		cmocka_unit_test(test_a_page_tells_where_the_next_begins),
		cmocka_unit_test(
		    test_nodes_without_end_are_counted_no_further_than_a_number_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
