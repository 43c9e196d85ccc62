#include "tests/unit/store_fixture.h"

#include "common/xmalloc.h"
#include "store/mongo_source.h"
#include "store/projection_db.h"
#include "store/registry.h"

static struct projection_db *projection;
static struct registry *registry;
static struct mongo_source *source;

static void
ignore_change(const char *cluster UNUSED, uint64_t version UNUSED,
    void *arg UNUSED)
{
}

static int
setup(void **state)
{
	char note[ERR_TEXT_MAX], path[128];
	struct err err;

	if (fixture_setup(state) == -1)
		return -1;
	(void)snprintf(path, sizeof(path), "%s", fixture_path("p.db"));
	projection = projection_db_open(path, note, &err);
	registry = registry_open(fixture_path("sluice.db"), ignore_change,
	    NULL, &err);
	source = mongo_source_open(path, fixture_path("sluice.db"), &err);
	if (projection == NULL || registry == NULL || source == NULL)
		fail_msg("%s", err.text);
	return 0;
}

static int
teardown(void **state)
{
	mongo_source_close(source);
	registry_close(registry);
	projection_db_close(projection);
	return fixture_teardown(state);
}

static void
put(const char *id)
{
	json_t *problems = json_array(), *stored;
	json_t *request = json_pack("{s:s, s:s, s:[]}", "id", id, "cluster",
	    "prod", "nodes");
	struct workflow w;
	struct err err;

	assert_int_equal(workflow_parse(request, &w, problems), 0);
	assert_int_equal(registry_put(registry, &w, &stored, &err), 0);
	workflow_clear(&w);
	json_decref(stored);
	json_decref(request);
	json_decref(problems);
}

/* The status of one node of workflow w. */
static void
tell(uint64_t position, const char *state)
{
	struct item item;
	char data[128];
	struct err err;

	(void)snprintf(data, sizeof(data), "{\"node_id\":\"n\",\"status\":"
	    "{\"state\":\"%s\"}}", state);
	item = fixture_item(position, "workflow:w", "node_update", "n", data,
	    0);
	assert_int_equal(projection_db_begin(projection, &err), 0);
	assert_int_equal(projection_db_apply(projection, &item, 1000, &err),
	    0);
	assert_int_equal(projection_db_commit(projection, &err), 0);
	fixture_item_free(&item);
}

/* What is to be written since a checkpoint, which then moves. */
static void
check(struct mongo_checkpoint *since, size_t workflows, size_t rows)
{
	struct mongo_batch b;
	struct err err;

	if (mongo_source_read(source, since, &b, &err) == -1)
		fail_msg("%s", err.text);
	assert_int_equal(b.n_workflows, workflows);
	assert_int_equal(b.n_rows, rows);
	assert_false(b.more);
	*since = b.next;
	mongo_batch_clear(&b);
}

static void
test_what_was_written_is_not_read_again(void **state UNUSED)
{
	struct mongo_checkpoint since = { 0 };

	tell(1, "partial");
	tell(2, "healthy");
	check(&since, 0, 1);
	check(&since, 0, 0);
	/* Its document may be made only now: with the statuses it has. */
	put("w");
	check(&since, 1, 1);
	check(&since, 0, 0);
}

static void
test_files_put_back_to_an_earlier_state_are_read_whole(void **state UNUSED)
{
	struct mongo_checkpoint since = { 0 }, later;

	tell(1, "healthy");
	put("other");
	check(&since, 1, 1);
	later = since;
	later.workflow_change++;
	check(&later, 1, 0);
	later = since;
	later.change++;
	check(&later, 0, 1);
}

static void
test_other_files_are_read_whole(void **state UNUSED)
{
	struct mongo_checkpoint since = { 0 };

	tell(1, "healthy");
	put("other");
	check(&since, 1, 1);
	since.registry[0] ^= 1;
	since.projection[0] ^= 1;
	check(&since, 1, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_was_written_is_not_read_again),
		TEST(test_files_put_back_to_an_earlier_state_are_read_whole),
		TEST(test_other_files_are_read_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
