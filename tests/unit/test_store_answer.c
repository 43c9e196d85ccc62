/* store_answer: what of the store's answers counts for this cluster. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "common/xmalloc.h"
#include "tests/unit/inventory_fixture.h"
#include "watcher/inv_object.h"
#include "watcher/store_answer.h"

static void
item(const char *key, const char *event_type, const char *data)
{
	char frame[512];
	struct item it = {
		.tenant = slice_str("acme"),
		.key = slice_str(key),
		.event_type = slice_str(event_type),
		.subject = slice_str("node-1"),
		.data_off = strlen("\"data\":"),
	};

	(void)snprintf(frame, sizeof(frame), "\"data\":%s}", data);
	it.frame = slice_str(frame);
	store_answer_item(inv, "prod", &it);
}

static struct store_answer_refused
bind(const char *rows)
{
	struct store_answer_refused refused;
	char *json = xasprintf("{\"bindings\":[%s]}", rows);

	assert_true(store_answer_bindings(inv, slice_str(json), &refused));
	free(json);
	return refused;
}

#define ROW(kind, name, node)						\
	"{\"kind\":\"" kind "\",\"namespace\":\"ns\","			\
	"\"name\":\"" name "\",\"tenant\":\"acme\",\"workflow\":\"w\","	\
	"\"node\":\"" node "\"}"
#define STATUS "{\"status\":{\"state\":\"healthy\",\"health\":\"healthy\"}}"

static void
test_a_resource_the_store_shows_is_missing_after_a_list(void **state)
{
	struct inv_object *o;

	(void)state;
	item("resource:prod/pod/ns/a", "status_update", STATUS);
	assert_null(inventory_first(inv));
	list_ends(POD, list_begins(POD));
	o = inventory_first(inv);
	assert_non_null(o);
	assert_true(o->gone);
	assert_true(slice_is(inv_object_name(o), "a"));
	assert_true(slice_is(inv_object_namespace(o), "ns"));
}

static void
test_a_cluster_wide_object_has_no_namespace_in_its_key(void **state)
{
	static const char text[] = "watch: {custom: [{group: a.b, "
	    "version: v1, resource: things, kind: Thing}]}";
	struct conf conf;
	struct inv_object *o;
	unsigned kind;

	(void)state;
	assert_int_equal(conf_parse(&conf, text, strlen(text), "f.yaml",
	    stderr), 0);
	kinds_set_custom(conf.watch.custom, conf.watch.n_custom);
	kind = (unsigned)kinds_find(slice_str("things.a.b"));
	item("resource:prod/things.a.b/x", "status_update", STATUS);
	list_ends(kind, list_begins(kind));
	o = inventory_first(inv);
	assert_non_null(o);
	assert_true(slice_is(inv_object_name(o), "x"));
	assert_true(slice_is(inv_object_namespace(o), ""));
	kinds_set_custom(NULL, 0);
	conf_free(&conf);
}

static void
test_what_is_not_of_this_cluster_or_has_no_status_says_nothing(void **state)
{
	(void)state;
	item("resource:production/pod/ns/a", "status_update", STATUS);
	item("resource:dev/pod/ns/a", "status_update", STATUS);
	item("workflows:prod/pod/ns/a", "status_update", STATUS);
	item("resource:prod/pod/ns/", "status_update", STATUS);
	item("resource:prod/pod", "status_update", STATUS);
	item("resource:prod/pod/", "status_update", STATUS);
	item("resource:prod/", "status_update", STATUS);
	item("resource:prod", "status_update", STATUS);
	item("resource:prod/thing/ns/a", "status_update", STATUS);
	item("resource:prod/pod/ns/a", "deleted", STATUS);
	item("resource:prod/pod/ns/a", "status_update", "{}");
	item("resource:prod/pod/ns/a", "status_update", "[1");
	item("resource:prod/pod/ns/a", "node_update", STATUS);
	item("job:1", "node_update", STATUS);
	assert_int_equal(inventory_counts(inv)->entries, 0);
}

#define UID "1b9b0635-0d5f-447f-8170-fe3c1b9c0bb5"
#define NODE(cluster, status)						\
	"{\"type\":\"pod\",\"status\":" status ","			\
	"\"resource\":{\"cluster_id\":\"" cluster "\",\"namespace\":\"ns\"," \
	"\"name\":\"a\",\"uid\":\"" UID "\"}}"

static const struct inv_binding *
only_binding(void)
{
	struct inv_object *o;

	list_ends(POD, list_begins(POD));
	inventory_sync_all(inv);
	o = inventory_first(inv);
	assert_non_null(o);
	assert_non_null(o->bindings);
	return o->bindings;
}

static void
test_a_node_the_store_shows_is_taken_only_for_this_cluster(void **state)
{
	uint8_t uid[16];

	(void)state;
	(void)bind(ROW("pod", "a", "node-1"));
	item("workflow:w", "node_update", NODE("dev", "{\"state\":\"x\"}"));
	item("workflow:other", "node_update", NODE("prod", "{\"state\":1}"));
	assert_int_equal(only_binding()->published, 0);
	item("workflow:w", "node_update", NODE("prod", "{\"state\":\"x\"}"));
	assert_true(inv_object_uid(slice_str(UID), uid));
	assert_int_equal(only_binding()->published,
	    inv_object_node_hash(slice_str("{\"state\":\"x\"}"), uid));
}

static void
test_bindings_that_are_not_named_again_are_unbound(void **state)
{
	(void)state;
	(void)bind(ROW("pod", "a", "1") "," ROW("deployment", "b", "2"));
	assert_int_equal(inventory_counts(inv)->bindings, 2);
	(void)bind(ROW("pod", "a", "1"));
	assert_int_equal(inventory_counts(inv)->bindings, 1);
	(void)bind("");
	assert_int_equal(inventory_counts(inv)->bindings, 0);
	assert_int_equal(inventory_counts(inv)->entries, 0);
}

static void
test_an_answer_that_is_none_changes_nothing(void **state)
{
	static const char *const bad[] = { "", "[]", "{}", "{\"bindings\":1}",
		"{\"bindings\":[" };
	struct store_answer_refused refused;
	size_t i;

	(void)state;
	(void)bind(ROW("pod", "a", "1"));
	for (i = 0; i < NELEM(bad); i++)
		assert_false(store_answer_bindings(inv, slice_str(bad[i]),
		    &refused));
	assert_int_equal(inventory_counts(inv)->bindings, 1);
}

static void
test_bindings_that_cannot_be_used_are_counted(void **state)
{
	struct store_answer_refused refused = bind(ROW("pod", "", "1") ","
	    "7,{\"kind\":\"pod\"},"
	    ROW("thing", "a", "1") "," ROW("pod", "a", "1"));

	(void)state;
	assert_int_equal(refused.unusable, 2);
	assert_int_equal(refused.crowded, 0);
	assert_int_equal(inventory_counts(inv)->bindings, 1);
}

static void
test_a_workflow_that_names_no_stream_is_named_and_in_nobodys_way(
    void **state)
{
	static const char bad[] = "{\"kind\":\"pod\",\"namespace\":\"ns\","
	    "\"name\":\"a\",\"tenant\":\"acme\",\"workflow\":\"a b\\u001b\","
	    "\"node\":\"n\"},";
	struct store_answer_refused refused;
	char *rows = xasprintf("%s%s%s", bad, bad, ROW("pod", "a", "1"));
	char *name = xasprintf("%0600d", 7);
	char *text;

	(void)state;
	refused = bind(rows);
	assert_int_equal(refused.unusable, 2);
	assert_string_equal(refused.which,
	    "workflow \"a?b?\", node \"n\"");
	assert_int_equal(inventory_counts(inv)->bindings, 1);
	free(rows);
	/* One that is too long leaves room for the other. */
	text = xasprintf("{\"kind\":\"pod\",\"namespace\":\"ns\","
	    "\"name\":\"a\",\"tenant\":\"acme\",\"workflow\":\"%s\","
	    "\"node\":\"%s\"}", name, name);
	refused = bind(text);
	assert_int_equal(refused.unusable, 1);
	assert_non_null(strstr(refused.which, "...\", node \"000"));
	assert_non_null(strstr(refused.which, "0...\""));
	free(text);
	free(name);
}

static void
test_an_object_with_too_many_nodes_is_named(void **state)
{
	struct store_answer_refused refused;
	struct buf b = BUF_EMPTY;
	unsigned i;

	(void)state;
	for (i = 0; i < INV_OBJECT_BINDINGS_MAX + 3; i++)
		buf_addf(&b, "%s{\"kind\":\"pod\",\"namespace\":\"ns\","
		    "\"name\":\"a\",\"tenant\":\"t\",\"workflow\":\"w\","
		    "\"node\":\"%u\"}", i == 0 ? "" : ",", i);
	refused = bind(buf_cstr(&b));
	buf_free(&b);
	assert_int_equal(refused.crowded, 3);
	assert_string_equal(refused.example, "pod ns/a");
	assert_int_equal(inventory_counts(inv)->bindings,
	    INV_OBJECT_BINDINGS_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_a_cluster_wide_object_has_no_namespace_in_its_key),
		CASE(test_a_resource_the_store_shows_is_missing_after_a_list),
		CASE(
		    test_what_is_not_of_this_cluster_or_has_no_status_says_nothing),
		CASE(
		    test_a_node_the_store_shows_is_taken_only_for_this_cluster),
		CASE(test_bindings_that_are_not_named_again_are_unbound),
		CASE(test_an_answer_that_is_none_changes_nothing),
		CASE(test_bindings_that_cannot_be_used_are_counted),
		CASE(
		    test_a_workflow_that_names_no_stream_is_named_and_in_nobodys_way),
		CASE(test_an_object_with_too_many_nodes_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
