/* First: libbson takes a MAX that is there for its own. */
#include <bson/bson.h>

#include "tests/unit/store_fixture.h"

#include "store/mongo_doc.h"
#include "store/mongo_follow.h"
#include "store/mongo_workflow.h"

static json_t *
parse(const char *text)
{
	json_t *value = json_loads(text, 0, NULL);

	assert_non_null(value);
	return value;
}

/* Compares with extended JSON, byte for byte of the BSON. */
static void
check(const bson_t *got, const char *want)
{
	bson_error_t error;
	bson_t *b = bson_new_from_json((const uint8_t *)want, -1, &error);
	char *text = bson_as_canonical_extended_json(got, NULL);

	if (b == NULL)
		fail_msg("%s: %s", want, error.message);
	if (!bson_equal(got, b))
		fail_msg("%s", text);
	bson_free(text);
	bson_destroy(b);
}

static void
test_a_node_status_is_one_guarded_update(void **state UNUSED)
{
	json_t *status = parse("{\"state\":\"healthy\",\"replicas\":2,"
	    "\"sluice\":\"forged\",\"a\":{\"$date\":[1.5,null,true]}}");
	struct mongo_write w;

	mongo_node_status(&w, "0123456789abcdef01234567", "n1", status,
	    (struct position){ 0xab, 41 }, 1000);
	check(&w.selector, "{\"_id\":{\"$oid\":\"0123456789abcdef01234567\"},"
	    "\"nodes.id\":\"n1\"}");
	check(&w.update, "{\"$set\":{\"nodes.$[n].data._status\":{"
	    "\"state\":\"healthy\",\"replicas\":{\"$numberLong\":\"2\"},"
	    "\"a\":{\"\xef\xbc\x84" "date\":[1.5,null,true]},"
	    "\"sluice\":{\"epoch\":\"000000ab\","
	    "\"position\":{\"$numberLong\":\"41\"}}},"
	    "\"updated_at\":{\"$date\":{\"$numberLong\":\"1000\"}}}}");
	check(&w.opts, "{\"arrayFilters\":[{\"n.id\":\"n1\",\"$or\":["
	    "{\"n.data._status.sluice.epoch\":{\"$ne\":\"000000ab\"}},"
	    "{\"n.data._status.sluice.position\":{\"$lt\":"
	    "{\"$numberLong\":\"41\"}}}]}]}");
	mongo_write_clear(&w);
	json_decref(status);
}

static void
test_an_id_that_is_no_object_id_is_a_string(void **state UNUSED)
{
	bson_t b = BSON_INITIALIZER;

	mongo_append_id(&b, "_id", "0123456789abcdef0123456");
	mongo_append_id(&b, "x", "0123456789abcdef0123456g");
	mongo_append_id(&b, "y", "w");
	check(&b, "{\"_id\":\"0123456789abcdef0123456\","
	    "\"x\":\"0123456789abcdef0123456g\",\"y\":\"w\"}");
	bson_destroy(&b);
}

static void
test_a_cluster_is_written_by_name_with_what_is_known(void **state UNUSED)
{
	json_t *metadata = parse("{\"version\":\"v1\",\"cluster_id\":\"c\","
	    "\"node_count\":3}");
	struct mongo_cluster c = {
		.name = "prod",
		.status = "connected",
		.metadata = metadata,
		.has_latency = true,
		.latency_ms = 12,
		.has_check = true,
		.checked_unix_ms = 500,
		.position = { 0xab, 7 },
	};
	struct mongo_write w;

	mongo_cluster_status(&w, &c, 1000);
	check(&w.selector, "{\"name\":\"prod\",\"$or\":["
	    "{\"sluice.epoch\":{\"$ne\":\"000000ab\"}},"
	    "{\"sluice.position\":{\"$lt\":{\"$numberLong\":\"7\"}}}]}");
	check(&w.update, "{\"$set\":{\"status\":\"connected\","
	    "\"last_check\":{\"$date\":{\"$numberLong\":\"500\"}},"
	    "\"latency\":{\"$numberLong\":\"12\"},"
	    "\"metadata\":{\"version\":\"v1\","
	    "\"node_count\":{\"$numberLong\":\"3\"}},"
	    "\"updated_at\":{\"$date\":{\"$numberLong\":\"1000\"}},"
	    "\"sluice\":{\"epoch\":\"000000ab\","
	    "\"position\":{\"$numberLong\":\"7\"}}}}");
	mongo_write_clear(&w);
	json_decref(metadata);
}

static void
test_a_row_says_of_a_cluster_only_what_it_has(void **state UNUSED)
{
	json_t *full = parse("{\"status\":\"connected\",\"latency_ms\":12,"
	    "\"checked_at\":\"1970-01-01T00:00:01.5Z\",\"metadata\":{}}");
	json_t *bare = parse("{\"status\":\"\",\"checked_at\":\"soon\"}");
	struct mongo_cluster c;

	mongo_cluster_read("prod", full, (struct position){ 1, 2 }, &c);
	assert_string_equal(c.name, "prod");
	assert_string_equal(c.status, "connected");
	assert_true(c.has_latency && c.latency_ms == 12);
	assert_true(c.has_check && c.checked_unix_ms == 1500);
	assert_non_null(c.metadata);
	assert_int_equal(c.position.number, 2);
	mongo_cluster_read("dev", bare, (struct position){ 1, 3 }, &c);
	assert_null(c.status);
	assert_null(c.metadata);
	assert_false(c.has_latency || c.has_check);
	json_decref(full);
	json_decref(bare);
}

/* The writes of one step, which must be so many. */
static struct mongo_write *
put_step(enum mongo_put step, json_t *nodes, size_t want)
{
	char id[] = "w", tenant[] = "-", cluster[] = "prod";
	const struct mongo_workflow workflow = { .id = id, .tenant = tenant,
		.cluster = cluster, .nodes = nodes };
	struct mongo_write *w;

	assert_int_equal(mongo_workflow_put(&w, step, &workflow, 1000), want);
	assert_int_equal((uintptr_t)w % _Alignof(struct mongo_write), 0);
	return w;
}

static void
put_clear(struct mongo_write *w, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		mongo_write_clear(&w[i]);
	free(w);
}

static void
test_a_put_makes_every_node_with_its_data(void **state UNUSED)
{
	json_t *nodes = parse("[{\"id\":\"n\",\"type\":\"pod\","
	    "\"name\":\"p\",\"namespace\":\"d\"}]");
	struct mongo_write *w;

	w = put_step(MONGO_PUT_DOCUMENT, nodes, 1);
	check(&w[0].selector, "{\"_id\":\"w\"}");
	check(&w[0].opts, "{\"upsert\":true}");
	check(&w[0].update, "{\"$setOnInsert\":{\"name\":\"w\","
	    "\"cluster_id\":\"prod\",\"status\":\"published\","
	    "\"run_count\":1,\"deleted_at\":null,"
	    "\"created_at\":{\"$date\":{\"$numberLong\":\"1000\"}},"
	    "\"updated_at\":{\"$date\":{\"$numberLong\":\"1000\"}},"
	    "\"nodes\":[{\"id\":\"n\",\"type\":\"pod\",\"data\":{"
	    "\"name\":\"p\",\"namespace\":\"d\"}}],"
	    "\"sluice\":{\"origin\":\"api\",\"tenant\":\"-\"}}}");
	put_clear(w, 1);
	w = put_step(MONGO_PUT_NODES, nodes, 3);
	check(&w[0].selector, "{\"_id\":\"w\",\"sluice.origin\":\"api\"}");
	check(&w[0].update, "{\"$set\":{\"cluster_id\":\"prod\","
	    "\"deleted_at\":null},\"$pull\":{\"nodes\":{\"id\":{"
	    "\"$nin\":[\"n\"]}}}}");
	check(&w[1].selector, "{\"_id\":\"w\",\"nodes.id\":{\"$ne\":\"n\"}}");
	check(&w[2].update, "{\"$set\":{\"nodes.$[n].data\":{\"name\":\"p\","
	    "\"namespace\":\"d\"}}}");
	check(&w[2].opts, "{\"arrayFilters\":[{\"n.id\":\"n\","
	    "\"n.data\":null}]}");
	put_clear(w, 3);
	w = put_step(MONGO_PUT_OBJECTS, nodes, 1);
	check(&w[0].update, "{\"$set\":{\"nodes.$[n].type\":\"pod\","
	    "\"nodes.$[n].data.name\":\"p\","
	    "\"nodes.$[n].data.namespace\":\"d\"}}");
	put_clear(w, 1);
	json_decref(nodes);
}

static void
check_followed(const char *document, const char *want)
{
	bson_error_t error;
	bson_t *b = bson_new_from_json((const uint8_t *)document, -1, &error);
	json_t *got, *expected = parse(want);
	char why[MONGO_FOLLOW_WHY_MAX];

	assert_non_null(b);
	got = mongo_follow_read(b, why);
	assert_true(json_equal(got, expected));
	json_decref(got);
	json_decref(expected);
	bson_destroy(b);
}

static void
test_a_followed_document_gives_the_nodes_that_stand_for_objects(void **state
    UNUSED)
{
	bson_t b = BSON_INITIALIZER;
	char why[MONGO_FOLLOW_WHY_MAX];

	check_followed("{\"_id\":{\"$oid\":\"0123456789abcdef01234567\"},"
	    "\"cluster_id\":\"Prod\",\"nodes\":["
	    "{\"id\":\"a\",\"type\":\"deployment\",\"data\":{\"name\":\"x\"}},"
	    "{\"id\":\"b\",\"type\":\"note\",\"data\":{\"name\":\"x\"}},"
	    "{\"id\":\"c\",\"type\":\"pod\",\"data\":null},"
	    "{\"id\":\"d\",\"type\":\"pod\",\"data\":{\"name\":\"y\","
	    "\"namespace\":\"z\"}},7]}",
	    "{\"id\":\"0123456789abcdef01234567\",\"cluster\":\"prod\","
	    "\"nodes\":[{\"id\":\"a\",\"type\":\"deployment\","
	    "\"name\":\"x\",\"namespace\":\"default\"},{\"id\":\"d\","
	    "\"type\":\"pod\",\"name\":\"y\",\"namespace\":\"z\"}]}");
	check_followed("{\"_id\":\"w\",\"cluster_id\":\"c\",\"nodes\":null}",
	    "{\"id\":\"w\",\"cluster\":\"c\",\"nodes\":[]}");
	assert_null(mongo_follow_read(&b, why));
	assert_non_null(strstr(why, "_id is neither an ObjectId nor a text"));
	BSON_APPEND_UTF8(&b, "_id", "w");
	assert_null(mongo_follow_read(&b, why));
	assert_string_equal(why, "workflows, _id w: cluster_id names no "
	    "cluster");
	bson_destroy(&b);
}

static void
test_a_document_whose_id_no_key_may_have_is_not_followed(void **state UNUSED)
{
	static const char *const ids[] = { "my flow", "", "-x", "a\nb", "a*",
		"\xc3\xa4" };
	char why[MONGO_FOLLOW_WHY_MAX];
	bson_t b;
	size_t i;

	for (i = 0; i < NELEM(ids); i++) {
		bson_init(&b);
		BSON_APPEND_UTF8(&b, "_id", ids[i]);
		BSON_APPEND_UTF8(&b, "cluster_id", "prod");
		assert_null(mongo_follow_read(&b, why));
		assert_non_null(strstr(why, "cannot stand in a stream's key"));
		bson_destroy(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_node_status_is_one_guarded_update),
		cmocka_unit_test(test_an_id_that_is_no_object_id_is_a_string),
		cmocka_unit_test(
		    test_a_cluster_is_written_by_name_with_what_is_known),
		cmocka_unit_test(
		    test_a_row_says_of_a_cluster_only_what_it_has),
		cmocka_unit_test(test_a_put_makes_every_node_with_its_data),
		cmocka_unit_test(
		    test_a_followed_document_gives_the_nodes_that_stand_for_objects),
		cmocka_unit_test(
		    test_a_document_whose_id_no_key_may_have_is_not_followed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
