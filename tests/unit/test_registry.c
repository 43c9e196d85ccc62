#include "tests/unit/store_fixture.h"

#include <sysexits.h>

#include "common/xmalloc.h"
#include "store/registry.h"
#include "store/sql.h"

static struct registry *registry;
static char changes[256];

static void
changed(const char *cluster, uint64_t version, void *arg UNUSED)
{
	size_t n = strlen(changes);

	(void)snprintf(changes + n, sizeof(changes) - n, "%s:%llu ", cluster,
	    (unsigned long long)version);
}

static void
open_registry(void)
{
	struct err err;

	registry = registry_open(fixture_path("sluice.db"), changed, NULL,
	    &err);
	if (registry == NULL)
		fail_msg("%s", err.text);
}

static int
setup(void **state)
{
	changes[0] = '\0';
	if (fixture_setup(state) == -1)
		return -1;
	open_registry();
	return 0;
}

static int
teardown(void **state)
{
	registry_close(registry);
	return fixture_teardown(state);
}

static json_t *
parse(const char *text)
{
	json_t *value = json_loads(text, 0, NULL);

	assert_non_null(value);
	return value;
}

static json_t *
put(const char *text)
{
	json_t *request = parse(text), *problems = json_array(), *stored;
	struct workflow w;
	struct err err;

	if (workflow_parse(request, &w, problems) == -1)
		fail_msg("%s", json_dumps(problems, 0));
	if (registry_put(registry, &w, &stored, &err) == -1)
		fail_msg("%s", err.text);
	workflow_clear(&w);
	json_decref(problems);
	json_decref(request);
	return stored;
}

#define W1 "{\"id\":\"w1\",\"cluster\":\"prod\",\"nodes\":[" \
	"{\"id\":\"n\",\"type\":\"pod\",\"name\":\"p\"}]}"
#define W1_DEV "{\"id\":\"w1\",\"cluster\":\"dev\",\"nodes\":[" \
	"{\"id\":\"n\",\"type\":\"pod\",\"name\":\"p\"}]}"

static void
test_a_workflow_comes_back_as_it_was_put(void **state UNUSED)
{
	json_t *stored = put(W1), *want = parse("[{\"id\":\"n\","
	    "\"type\":\"pod\",\"name\":\"p\",\"namespace\":\"default\"}]");

	assert_true(json_equal(json_object_get(stored, "nodes"), want));
	assert_int_equal(json_integer_value(json_object_get(stored,
	    "version")), 1);
	assert_string_equal(changes, "prod:1 ");
	json_decref(stored);
	json_decref(want);
}

static void
test_the_same_put_again_changes_nothing(void **state UNUSED)
{
	json_decref(put(W1));
	json_decref(put(W1));
	assert_string_equal(changes, "prod:1 ");
}

static void
test_a_moved_workflow_changes_both_clusters(void **state UNUSED)
{
	json_t *stored;

	json_decref(put(W1));
	changes[0] = '\0';
	stored = put(W1_DEV);
	assert_int_equal(json_integer_value(json_object_get(stored,
	    "version")), 2);
	assert_non_null(strstr(changes, "prod:2 "));
	assert_non_null(strstr(changes, "dev:1 "));
	json_decref(stored);
}

static void
test_bindings_are_what_the_cluster_has_to_follow(void **state UNUSED)
{
	json_t *bindings, *want = parse("{\"version\":1,\"bindings\":[{"
	    "\"tenant\":\"-\",\"workflow\":\"w1\",\"node\":\"n\","
	    "\"kind\":\"pod\",\"namespace\":\"default\",\"name\":\"p\"}]}");
	struct err err;

	json_decref(put(W1));
	assert_int_equal(registry_bindings(registry, "prod", &bindings, &err),
	    0);
	assert_true(json_equal(bindings, want));
	json_decref(bindings);
	json_decref(want);
	assert_int_equal(registry_bindings(registry, "none", &bindings, &err),
	    0);
	assert_int_equal(json_array_size(json_object_get(bindings,
	    "bindings")), 0);
	json_decref(bindings);
}

static void
test_a_deleted_workflow_is_gone_and_can_come_back(void **state UNUSED)
{
	json_t *found;
	struct err err;

	json_decref(put(W1));
	assert_int_equal(registry_delete(registry, "-", "w1", &err), 1);
	assert_int_equal(registry_delete(registry, "-", "w1", &err), 0);
	assert_int_equal(registry_get(registry, "-", "w1", &found, &err), 0);
	assert_null(found);
	assert_string_equal(changes, "prod:1 prod:2 ");
	found = put(W1);
	assert_int_equal(json_integer_value(json_object_get(found,
	    "version")), 3);
	json_decref(found);
}

static void
test_what_mongodb_follows_comes_and_goes_as_a_set(void **state UNUSED)
{
	json_t *list = parse("[{\"id\":\"m1\",\"cluster\":\"prod\","
	    "\"nodes\":[]},{\"id\":\"w1\",\"cluster\":\"prod\","
	    "\"nodes\":[]}]"), *found;
	struct err err;

	json_decref(put(W1_DEV));
	changes[0] = '\0';
	assert_int_equal(registry_follow(registry, list, &err), 0);
	assert_string_equal(changes, "prod:1 ");
	assert_int_equal(registry_follow(registry, list, &err), 0);
	assert_string_equal(changes, "prod:1 ");
	(void)json_array_clear(list);
	assert_int_equal(registry_follow(registry, list, &err), 0);
	assert_string_equal(changes, "prod:1 prod:2 ");
	assert_int_equal(registry_get(registry, "-", "m1", &found, &err), 0);
	assert_null(found);
	assert_int_equal(registry_get(registry, "-", "w1", &found, &err), 0);
	assert_string_equal(json_string_value(json_object_get(found,
	    "cluster")), "dev");
	json_decref(found);
	json_decref(list);
}

/* Text from a file of its own name, by a statement. */
static char *
ask_file(const char *leaf, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	struct err err;
	sqlite3 *db;
	char *text;

	assert_int_equal(sql_open(&db, fixture_path(leaf), SQL_READ_WRITE, "",
	    &err), 0);
	assert_int_equal(sql_prepare(db, sql, &stmt, &err), 0);
	text = xstrdup(sql_step(stmt, &err) == 1 ? sql_column_text(stmt, 0)
	    : "none");
	sql_close(db);
	return text;
}

static void
test_the_daily_copy_holds_the_same_under_another_name(void **state UNUSED)
{
	json_t *found;
	struct err err;
	char *id, *copy_id;
	char from[256];

	assert_int_equal(registry_copy_age_ms(registry), -1);
	json_decref(put(W1));
	assert_int_equal(registry_copy(registry, &err), 0);
	assert_true(registry_copy_age_ms(registry) < 60000);
	id = ask_file("sluice.db", "SELECT id FROM meta");
	copy_id = ask_file("sluice.db.daily", "SELECT id FROM meta");
	assert_int_equal(strlen(copy_id), 32);
	assert_string_not_equal(id, copy_id);
	free(id);
	free(copy_id);
	registry_close(registry);
	assert_int_equal(remove(fixture_path("sluice.db")), 0);
	(void)snprintf(from, sizeof(from), "%s",
	    fixture_path("sluice.db.daily"));
	assert_int_equal(rename(from, fixture_path("sluice.db")), 0);
	open_registry();
	assert_int_equal(registry_get(registry, "-", "w1", &found, &err), 0);
	assert_non_null(found);
	json_decref(found);
}

/* Enough of them that no cache has the whole file. */
static void
put_many(unsigned int count)
{
	struct buf b = BUF_EMPTY;
	unsigned int i, n;

	for (i = 0; i < count; i++) {
		buf_reset(&b);
		buf_addf(&b, "{\"id\":\"w%u\",\"cluster\":\"prod\",\"nodes\":[",
		    i);
		for (n = 0; n < WORKFLOW_NODES_MAX; n++)
			buf_addf(&b, "%s{\"id\":\"n%0200u\",\"type\":\"pod\","
			    "\"name\":\"p\"}", n > 0 ? "," : "", n);
		buf_adds(&b, "]}");
		json_decref(put(buf_cstr(&b)));
	}
	buf_free(&b);
}

static void
test_a_damaged_file_does_not_replace_its_copy(void **state UNUSED)
{
	struct err err = { 0 };
	FILE *file;
	char *text;
	int i;

	put_many(30);
	assert_int_equal(registry_copy(registry, &err), 0);
	free(ask_file("sluice.db", "PRAGMA wal_checkpoint(TRUNCATE)"));
	file = fopen(fixture_path("sluice.db"), "r+");
	assert_non_null(file);
	assert_int_equal(fseek(file, 1024 * 1024, SEEK_SET), 0);
	for (i = 0; i < 2 * 1024 * 1024; i++)
		assert_true(fputc('x', file) == 'x');
	assert_int_equal(fclose(file), 0);
	assert_int_equal(registry_copy(registry, &err), -1);
	assert_int_equal(err.code, EX_CONFIG);
	assert_non_null(strstr(err.text, "sluice.db.daily to its name"));
	assert_int_equal(access(fixture_path("sluice.db.daily.tmp"), F_OK),
	    -1);
	text = ask_file("sluice.db.daily", "SELECT count(*) FROM workflows");
	assert_string_equal(text, "30");
	free(text);
	text = ask_file("sluice.db.daily", "PRAGMA quick_check");
	assert_string_equal(text, "ok");
	free(text);
}

static void
test_damage_names_the_file_and_the_remedy(void **state UNUSED)
{
	struct err err = { 0 };
	FILE *file;
	int i;

	registry_close(registry);
	file = fopen(fixture_path("sluice.db"), "w");
	assert_non_null(file);
	for (i = 0; i < 8192; i++)
		assert_true(fputc('x', file) == 'x');
	assert_int_equal(fclose(file), 0);
	registry = registry_open(fixture_path("sluice.db"), changed, NULL,
	    &err);
	assert_null(registry);
	assert_int_equal(err.code, EX_CONFIG);
	assert_non_null(strstr(err.text, "sluice.db.daily"));
}

static const struct {
	const char	*text;
	const char	*path;
} bad[] = {
	{ "{\"cluster\":\"c\",\"nodes\":[]}", "id" },
	{ "{\"id\":\"a b\",\"cluster\":\"c\",\"nodes\":[]}", "id" },
	{ "{\"id\":\"a\",\"cluster\":\"C\",\"nodes\":[]}", "cluster" },
	{ "{\"id\":\"a\",\"cluster\":\"c\"}", "nodes" },
	{ "{\"id\":\"a\",\"cluster\":\"c\",\"nodes\":[7]}", "nodes[0]" },
	{ "{\"id\":\"a\",\"cluster\":\"c\",\"nodes\":[{\"id\":\"n\","
	    "\"type\":\"tree\",\"name\":\"x\"}]}", "nodes[0].type" },
	{ "{\"id\":\"a\",\"cluster\":\"c\",\"nodes\":[{\"id\":\"n\","
	    "\"type\":\"things/a.b\",\"name\":\"x\"}]}", "nodes[0].type" },
	{ "{\"id\":\"a\",\"cluster\":\"c\",\"nodes\":[{\"id\":\"n\","
	    "\"type\":\"pod\",\"name\":\"../x\"}]}", "nodes[0].name" },
	{ "{\"id\":\"a\",\"cluster\":\"c\",\"nodes\":[{\"id\":\"n\","
	    "\"type\":\"pod\",\"name\":\"x\"},{\"id\":\"n\","
	    "\"type\":\"pod\",\"name\":\"y\"}]}", "nodes[1].id" },
	{ "{\"id\":\"a\",\"tenant\":7,\"cluster\":\"c\",\"nodes\":[]}",
	    "tenant" },
};

static void
test_every_problem_of_a_workflow_names_its_place(void **state UNUSED)
{
	json_t *request, *problems;
	struct workflow w;
	size_t i;

	for (i = 0; i < NELEM(bad); i++) {
		request = parse(bad[i].text);
		problems = json_array();
		assert_int_equal(workflow_parse(request, &w, problems), -1);
		assert_int_equal(json_array_size(problems), 1);
		assert_string_equal(json_string_value(json_object_get(
		    json_array_get(problems, 0), "path")), bad[i].path);
		json_decref(request);
		json_decref(problems);
	}
}

static void
test_a_name_becomes_a_slug(void **state UNUSED)
{
	char *slug = workflow_slug("Prod_EU.1");

	assert_string_equal(slug, "prod-eu.1");
	free(slug);
	assert_null(workflow_slug("-x"));
	assert_null(workflow_slug(""));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_workflow_comes_back_as_it_was_put),
		TEST(test_the_same_put_again_changes_nothing),
		TEST(test_a_moved_workflow_changes_both_clusters),
		TEST(test_bindings_are_what_the_cluster_has_to_follow),
		TEST(test_a_deleted_workflow_is_gone_and_can_come_back),
		TEST(test_what_mongodb_follows_comes_and_goes_as_a_set),
		TEST(test_the_daily_copy_holds_the_same_under_another_name),
		TEST(test_a_damaged_file_does_not_replace_its_copy),
		TEST(test_damage_names_the_file_and_the_remedy),
		cmocka_unit_test(
		    test_every_problem_of_a_workflow_names_its_place),
		cmocka_unit_test(test_a_name_becomes_a_slug),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
