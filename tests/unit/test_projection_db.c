/* projection_db, snapshot_read: what is kept, for how long, and shown. */
#include "tests/unit/kept_fixture.h"

static void
test_the_latest_of_every_slot_is_kept(void **state UNUSED)
{
	apply(1, "job:a", "job.state_changed", "a", "{\"state\":\"queued\"}",
	    ITEM_LIFECYCLE);
	apply(2, "job:a", "job.progress", "", "{}", 0);
	apply(3, "job:a", "job.state_changed", "a", "{\"state\":\"running\"}",
	    ITEM_LIFECYCLE);
	apply(4, "job:b", "job.state_changed", "b", "{}", ITEM_LIFECYCLE);
	check("job:a", "job:a@3 job:a@2");
	check("job:*", "job:a@3 job:a@2 job:b@4");
	check("job:c", "");
}

static void
test_an_event_applied_twice_changes_nothing(void **state UNUSED)
{
	apply(5, "job:a", "job.state_changed", "", "{}", ITEM_LIFECYCLE);
	apply(4, "job:a", "job.state_changed", "", "{}", ITEM_LIFECYCLE);
	apply(5, "job:b", "job.state_changed", "", "{}", ITEM_LIFECYCLE);
	check("job:*", "job:a@5");
	assert_int_equal(projection_db_state(db)->applied.number, 5);
}

static void
test_a_rolled_back_batch_leaves_no_trace(void **state UNUSED)
{
	struct item item = fixture_item(9, "job:a", "job.state_changed", "",
	    "{}", ITEM_LIFECYCLE);

	apply(1, "job:b", "job.state_changed", "", "{}", ITEM_LIFECYCLE);
	begin();
	put_item(&item, 0);
	projection_db_rollback(db);
	assert_int_equal(projection_db_state(db)->applied.number, 1);
	check("job:*", "job:b@1");
}

static void
test_the_last_hundred_log_lines_are_kept_in_order(void **state UNUSED)
{
	char *got;
	uint64_t i;

	for (i = 1; i <= 250; i++)
		apply(i, "job:a", "job.log", "", "{}", 0);
	check_sql("SELECT count(*) FROM latest", "100");
	got = snapshot("job:a");
	assert_true(strncmp(got, "job:a@151 job:a@152 ", 20) == 0);
	assert_non_null(strstr(got, " job:a@250"));
	free(got);
}

static void
test_a_deleted_object_is_shown_by_its_name_only(void **state UNUSED)
{
	apply(1, "resource:c/pod/n/a", "status_update", "",
	    "{\"status\":{\"state\":\"healthy\"}}", 0);
	apply(2, "resource:c/pod/n/b", "status_update", "",
	    "{\"status\":{\"state\":\"healthy\"}}", 0);
	check_sql("SELECT count(*) FROM resources", "2");
	apply(3, "resource:c/pod/n/a", "resource.deleted", "", "{}",
	    ITEM_DELETED);
	check("resource:c/*", "resource:c/pod/n/b@2");
	check("resource:c/pod/n/a", "resource:c/pod/n/a@3");
	check_sql("SELECT group_concat(name) FROM resources", "b");
	apply(4, "resource:c/pod/n/a", "status_update", "",
	    "{\"status\":{\"state\":\"pending\"}}", 0);
	check("resource:c/*", "resource:c/pod/n/a@4 resource:c/pod/n/b@2");
	check_sql("SELECT state FROM resources WHERE name = 'a'", "pending");
	check_sql("SELECT count(*) FROM ended", "0");
}

/* `count` streams of this kind that ended, from `position` on. */
static void
end_streams(uint64_t position, const char *type, const char *event_type,
    unsigned int count)
{
	char key[32];
	unsigned int i;

	for (i = 0; i < count; i++) {
		(void)snprintf(key, sizeof(key), "%s:%u", type, i);
		apply(position + i, key, event_type, "", "{}",
		    ITEM_LIFECYCLE | ITEM_TERMINAL);
	}
}

static void
test_a_long_retention_of_some_does_not_hold_back_others(void **state UNUSED)
{
	conf.streams[STREAM_RUN].snapshot_retention_ms = 86400000;
	end_streams(1, "run", "run.state_changed", PROJECTION_SWEEP_MAX);
	end_streams(1000, "job", "job.state_changed", 1);
	check("job:*", "job:0@1000");
	assert_false(sweep(1, 1000 + 600000));
	check("job:*", "");
	check_sql("SELECT count(*) FROM ended WHERE hidden = 0", "200");
}

static void
test_a_sweep_that_was_full_says_so(void **state UNUSED)
{
	end_streams(1, "job", "job.state_changed", PROJECTION_SWEEP_MAX + 1);
	assert_true(sweep(1, 1000 + 600000));
	check_sql("SELECT count(*) FROM ended WHERE hidden = 0", "1");
	assert_false(sweep(1, 1000 + 600000));
	check_sql("SELECT count(*) FROM ended WHERE hidden = 0", "0");
	assert_true(sweep(1000, 1000 + 600000));
	assert_false(sweep(1000, 1000 + 600000));
	check_sql("SELECT count(*) FROM latest", "0");
}

static void
test_an_ended_job_leaves_after_retention_and_the_journal(void **state UNUSED)
{
	apply(1, "job:a", "job.log", "", "{}", 0);
	apply(2, "job:a", "job.state_changed", "", "{}",
	    ITEM_LIFECYCLE | ITEM_TERMINAL);
	(void)sweep(1, 1000 + 599999);
	check("job:*", "job:a@2 job:a@1");
	(void)sweep(1, 1000 + 600000);
	check("job:*", "");
	check("job:a", "job:a@2");
	(void)sweep(3, 1000 + 600001);
	check("job:a", "");
	check_sql("SELECT count(*) FROM latest", "0");
}

/* What a page that opens needs, and in which order it is drawn. */
static void
test_a_pack_run_is_kept_with_steps_artifacts_and_logs(void **state UNUSED)
{
	apply(2, "pack-run:p", "pack_run.state_changed", "",
	    "{\"state\":\"queued\"}", ITEM_LIFECYCLE);
	apply(3, "pack-run:p", "pack_run.state_changed", "",
	    "{\"state\":\"running\"}", ITEM_LIFECYCLE);
	apply(4, "pack-run:p", "pack_run.step", "",
	    "{\"step_id\":\"b\",\"state\":\"running\"}", ITEM_LIFECYCLE);
	apply(5, "pack-run:p", "pack_run.step", "",
	    "{\"step_id\":\"a\",\"state\":\"running\"}", ITEM_LIFECYCLE);
	apply(6, "pack-run:p", "pack_run.step", "b",
	    "{\"step_id\":\"b\",\"state\":\"succeeded\"}", ITEM_LIFECYCLE);
	apply(7, "pack-run:p", "pack_run.artifact", "",
	    "{\"id\":\"x\",\"uri\":\"s3://1\"}", 0);
	apply(8, "pack-run:p", "pack_run.artifact", "",
	    "{\"id\":\"y\",\"uri\":\"s3://2\"}", 0);
	apply(9, "pack-run:p", "pack_run.artifact", "",
	    "{\"id\":\"x\",\"uri\":\"s3://3\"}", 0);
	apply(10, "pack-run:p", "pack_run.log", "", "{\"line_no\":1}", 0);
	apply(11, "pack-run:p", "pack_run.progress", "", "{}", 0);
	apply(12, "pack-run:p", "pack_run.log", "", "{\"line_no\":2}", 0);
	apply(13, "pack-run:p", "pack_run.progress", "", "{}", 0);
	apply(14, "pack-run:p", "x.note", "", "{}", 0);
	/* State, progress, steps a and b, artifacts x and y, logs. */
	check("pack-run:p", "pack-run:p@3 pack-run:p@13 pack-run:p@5"
	    " pack-run:p@6 pack-run:p@9 pack-run:p@8 pack-run:p@10"
	    " pack-run:p@12");
}

static void
test_a_run_is_kept_by_its_state_and_progress(void **state UNUSED)
{
	apply(2, "run:r", "run.state_changed", "", "{}", ITEM_LIFECYCLE);
	apply(3, "run:r", "run.progress", "", "{\"running\":1}", 0);
	apply(4, "run:r", "run.event", "", "{\"kind\":\"note\"}", 0);
	apply(5, "run:r", "run.progress", "", "{\"running\":2}", 0);
	check("run:r", "run:r@2 run:r@5");
}

static void
test_an_artifact_without_a_subject_is_one_by_its_id(void **state UNUSED)
{
	apply(2, "job:a", "job.artifact", "log", "{\"id\":\"1\"}", 0);
	apply(3, "job:a", "job.artifact", "log", "{\"id\":\"2\"}", 0);
	apply(4, "job:a", "job.artifact", "other", "{\"id\":\"1\"}", 0);
	check("job:a", "job:a@4 job:a@3");
}

/* The same with a seq of its own. */
static void
apply_seq(uint64_t position, uint64_t seq, const char *key,
    const char *event_type, const char *data, uint8_t flags)
{
	struct item item = fixture_item(position, key, event_type, "", data,
	    flags);

	item.seq = seq;
	begin();
	put_item(&item, 1000);
	commit();
}

static void
test_a_stream_that_begins_again_is_not_what_it_was(void **state UNUSED)
{
	apply_seq(1, 1, "job:a", "job.state_changed", "{}", ITEM_LIFECYCLE);
	apply_seq(2, 2, "job:a", "job.log", "{}", 0);
	apply_seq(3, 3, "job:a", "job.artifact", "{\"id\":\"x\"}", 0);
	apply_seq(4, 4, "job:a", "job.state_changed", "{}",
	    ITEM_LIFECYCLE | ITEM_TERMINAL);
	apply_seq(5, 1, "job:b", "job.log", "{}", 0);
	check("job:a", "job:a@4 job:a@3 job:a@2");
	/* The broker forgot it before snapshot_retention was over. */
	apply_seq(9, 1, "job:a", "job.log", "{}", 0);
	check("job:*", "job:a@9 job:b@5");
	check_sql("SELECT count(*) FROM ended", "0");
	(void)sweep(1, 1000 + 600000);
	check("job:a", "job:a@9");
}

static void
test_retention_goes_on_after_opening_again(void **state UNUSED)
{
	apply(2, "job:a", "job.state_changed", "", "{}",
	    ITEM_LIFECYCLE | ITEM_TERMINAL);
	apply(3, "build:b", "complete", "", "{}",
	    ITEM_LIFECYCLE | ITEM_TERMINAL);
	conf.streams[STREAM_BUILD].snapshot_retention_ms = 5000;
	(void)sweep(1, 1000 + 4999);
	projection_db_close(db);
	open_db();
	check("build:*", "build:b@3");
	(void)sweep(1, 1000 + 5000);
	check("build:*", "");
	check("job:*", "job:a@2");
	(void)sweep(1, 1000 + 600000);
	check("job:*", "");
	check("job:a", "job:a@2");
}

static void
test_nodes_and_clusters_have_rows_for_people(void **state UNUSED)
{
	apply(1, "workflow:w", "node_update", "n1", "{\"node_id\":\"n1\","
	    "\"type\":\"pod\",\"status\":{\"state\":\"healthy\"}}", 0);
	apply(2, "cluster:c", "cluster.health", "", "{\"name\":\"C\","
	    "\"status\":\"connected\",\"latency_ms\":12,"
	    "\"checked_at\":\"2026-01-01T00:00:00Z\"}", 0);
	apply(3, "cluster:c", "cluster.metadata_updated", "",
	    "{\"version\":\"v1.36\",\"node_count\":3}", 0);
	check_sql("SELECT workflow || node || state || position"
	    " FROM workflow_nodes", "wn1healthy1");
	check_sql("SELECT name || status || latency_ms || version ||"
	    " position FROM clusters", "Cconnected12v1.363");
}

static void
test_a_prefix_does_not_show_the_key_that_is_the_prefix(void **state UNUSED)
{
	apply(1, "job:a/", "job.progress", "", "{}", 0);
	apply(2, "job:a/b", "job.progress", "", "{}", 0);
	check("job:a/*", "job:a/b@2");
	check("job:a/", "job:a/@1");
}

static void
test_everything_is_there_after_opening_again(void **state UNUSED)
{
	struct projection_state before;

	apply(1, "job:a", "job.state_changed", "", "{}", ITEM_LIFECYCLE);
	gap(6);
	before = *projection_db_state(db);
	projection_db_close(db);
	open_db();
	assert_memory_equal(&before.applied,
	    &projection_db_state(db)->applied, sizeof(before.applied));
	assert_string_equal(before.id, projection_db_state(db)->id);
	assert_true(projection_db_state(db)->gapped);
	check("job:*", "job:a@1!");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, \
	setup_projection, teardown_projection)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_latest_of_every_slot_is_kept),
		TEST(test_an_event_applied_twice_changes_nothing),
		TEST(test_a_rolled_back_batch_leaves_no_trace),
		TEST(test_the_last_hundred_log_lines_are_kept_in_order),
		TEST(test_a_deleted_object_is_shown_by_its_name_only),
		TEST(test_an_ended_job_leaves_after_retention_and_the_journal),
		TEST(test_a_long_retention_of_some_does_not_hold_back_others),
		TEST(test_a_sweep_that_was_full_says_so),
		TEST(test_a_pack_run_is_kept_with_steps_artifacts_and_logs),
		TEST(test_a_run_is_kept_by_its_state_and_progress),
		TEST(test_an_artifact_without_a_subject_is_one_by_its_id),
		TEST(test_a_stream_that_begins_again_is_not_what_it_was),
		TEST(test_retention_goes_on_after_opening_again),
		TEST(test_nodes_and_clusters_have_rows_for_people),
		TEST(test_a_prefix_does_not_show_the_key_that_is_the_prefix),
		TEST(test_everything_is_there_after_opening_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
