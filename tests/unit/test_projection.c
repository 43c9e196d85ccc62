#include "tests/unit/store_fixture.h"

#include "store/projection.h"
#include "store/view.h"

static const struct {
	const char	*key;
	const char	*event_type;
	const char	*subject;
	const char	*data;
	enum slot	 slot;
	const char	*kept_as;
} places[] = {
	{ "job:a", "job.state_changed", "a", "{}", SLOT_STATE, "" },
	{ "job:a", "job.progress", "x", "{}", SLOT_PROGRESS, "x" },
	{ "job:a", "job.log", "", "{}", SLOT_LOG, "" },
	{ "job:a", "job.artifact", "", "{\"id\":\"z\"}", SLOT_ARTIFACT, "z" },
	/* An integer that is beyond 64 bits is in the way of nothing. */
	{ "job:a", "job.artifact", "",
	    "{\"id\":\"z\",\"hash\":18446744073709551616}", SLOT_ARTIFACT,
	    "z" },
	{ "pack-run:a", "pack_run.step", "",
	    "{\"step_id\":\"s3\",\"n\":-99999999999999999999}", SLOT_STEP,
	    "s3" },
	{ "pack-run:a", "pack_run.step", "s1", "{}", SLOT_STEP, "s1" },
	{ "pack-run:a", "pack_run.step", "", "{\"step_id\":\"s2\"}", SLOT_STEP,
	    "s2" },
	{ "run:a", "run.state_changed", "", "{}", SLOT_STATE, "" },
	{ "run:a", "run.event", "", "{}", SLOT_NONE, "" },
	{ "workflow:a", "node_update", "n1", "{}", SLOT_NODE, "n1" },
	{ "workflow:a", "node_update", "", "{\"node_id\":\"n2\"}", SLOT_NODE,
	    "n2" },
	{ "workflow:a", "workflow_sync", "", "{}", SLOT_NONE, "" },
	{ "resource:a/pod/b/c", "status_update", "", "{}", SLOT_STATUS, "" },
	{ "resource:a/pod/b/c", "resource.deleted", "", "{}", SLOT_STATUS, "" },
	{ "build:a", "complete", "", "{}", SLOT_STATE, "" },
	{ "build:a", "log", "", "{}", SLOT_LOG, "" },
	{ "cluster:a", "cluster.health", "", "{}", SLOT_HEALTH, "" },
	{ "cluster:a", "cluster.metadata_updated", "", "{}", SLOT_METADATA,
	    "" },
	{ "watcher:a", "watcher.state_changed", "", "{\"kind\":\"pod\"}",
	    SLOT_STATE, "pod" },
	{ "job:a", "run.state_changed", "", "{}", SLOT_NONE, "" },
	{ "alerts:u", "alert_fired", "", "{}", SLOT_NONE, "" },
	{ "nonsense", "job.log", "", "{}", SLOT_NONE, "" },
};

static void
test_every_event_type_has_its_slot_and_subject(void **state UNUSED)
{
	struct placement p;
	struct item item;
	size_t i;

	for (i = 0; i < NELEM(places); i++) {
		item = fixture_item(1, places[i].key, places[i].event_type,
		    places[i].subject, places[i].data, 0);
		projection_place(&item, &p);
		if (p.slot != places[i].slot ||
		    !slice_is(p.subject, places[i].kept_as))
			fail_msg("%s %s: slot %d \"%.*s\"", places[i].key,
			    places[i].event_type, (int)p.slot,
			    (int)p.subject.n, p.subject.p);
		placement_clear(&p);
		fixture_item_free(&item);
	}
}

static void
test_two_names_that_differ_behind_a_nul_are_two(void **state UNUSED)
{
	static const char *const data[] = { "{\"id\":\"a\\u0000b\"}",
		"{\"id\":\"a\\u0000c\"}" };
	struct placement p[NELEM(data)];
	struct item item[NELEM(data)];

	for (size_t i = 0; i < NELEM(data); i++) {
		item[i] = fixture_item(1, "job:a", "job.artifact", "", data[i],
		    0);
		projection_place(&item[i], &p[i]);
		assert_int_equal(p[i].subject.n, 3);
	}
	assert_false(slice_eq(p[0].subject, p[1].subject));
	for (size_t i = 0; i < NELEM(data); i++) {
		placement_clear(&p[i]);
		fixture_item_free(&item[i]);
	}
}

static void
test_a_position_never_goes_back_within_an_epoch(void **state UNUSED)
{
	struct position have = { 7, 100 };

	assert_true(projection_newer(have, (struct position){ 7, 101 }));
	assert_false(projection_newer(have, (struct position){ 7, 100 }));
	assert_false(projection_newer(have, (struct position){ 7, 99 }));
	assert_true(projection_newer(have, (struct position){ 8, 5 }));
	assert_true(projection_newer((struct position){ 0, 0 },
	    (struct position){ 7, 1 }));
}

static void
test_a_status_shows_its_parts(void **state UNUSED)
{
	struct item item = fixture_item(1, "resource:c/pod/ns/p",
	    "status_update", "", "{\"resource_id\":\"r\",\"type\":\"pod\","
	    "\"status\":{\"state\":\"healthy\",\"health\":\"ok\","
	    "\"message\":\"m\"},\"resource_version\":\"17\"}", 0);
	struct view v;

	view_of(&item, &v);
	assert_int_equal(v.kind, VIEW_RESOURCE);
	assert_string_equal(v.state, "healthy");
	assert_string_equal(v.message, "m");
	assert_string_equal(v.resource_version, "17");
	assert_null(v.reason);
	assert_string_equal(v.json, "{\"state\":\"healthy\",\"health\":\"ok\","
	    "\"message\":\"m\"}");
	view_clear(&v);
	fixture_item_free(&item);
}

static void
test_a_node_without_status_shows_in_no_table(void **state UNUSED)
{
	struct item item = fixture_item(1, "workflow:w", "node_update", "n",
	    "{\"node_id\":\"n\",\"status\":7}", 0);
	struct view v;

	view_of(&item, &v);
	assert_int_equal(v.kind, VIEW_NONE);
	view_clear(&v);
	fixture_item_free(&item);
}

static void
test_a_health_check_shows_numbers_only_where_it_has_them(void **state UNUSED)
{
	struct item item = fixture_item(1, "cluster:c", "cluster.health", "",
	    "{\"cluster_id\":\"c\",\"name\":\"C\",\"status\":\"error\","
	    "\"reachable\":false,\"consecutive_failures\":3,"
	    "\"error\":{\"code\":\"tls\",\"message\":\"bad\"}}", 0);
	struct view v;

	view_of(&item, &v);
	assert_int_equal(v.kind, VIEW_CLUSTER);
	assert_true(slice_is(v.id, "c"));
	assert_string_equal(v.reason, "tls");
	assert_int_equal(v.failures, 3);
	assert_true(v.latency_ms == VIEW_NO_NUMBER);
	view_clear(&v);
	fixture_item_free(&item);
	/* Beside an integer that is beyond 64 bits. */
	item = fixture_item(1, "cluster:c", "cluster.health", "",
	    "{\"status\":\"connected\",\"latency_ms\":12,"
	    "\"more\":18446744073709551616}", 0);
	view_of(&item, &v);
	assert_int_equal(v.kind, VIEW_CLUSTER);
	assert_int_equal(v.latency_ms, 12);
	view_clear(&v);
	fixture_item_free(&item);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_every_event_type_has_its_slot_and_subject),
		cmocka_unit_test(
		    test_two_names_that_differ_behind_a_nul_are_two),
		cmocka_unit_test(
		    test_a_position_never_goes_back_within_an_epoch),
		cmocka_unit_test(test_a_status_shows_its_parts),
		cmocka_unit_test(test_a_node_without_status_shows_in_no_table),
		cmocka_unit_test(
		    test_a_health_check_shows_numbers_only_where_it_has_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
