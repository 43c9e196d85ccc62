/* The runs whose progress is derived, in projection.db. */
#include "tests/unit/store_fixture.h"

#include "common/xmalloc.h"
#include "store/projection_db.h"

static struct projection_db *db;
static uint64_t position;
static const char *tenant;

/* What the last look found: the last of each it was told. */
static struct run_progress found[4];
static size_t n_found;
static uint64_t looked_through;

static void
open_db(void)
{
	char note[ERR_TEXT_MAX];
	struct err err;

	db = projection_db_open(fixture_path("p.db"), note, &err);
	if (db == NULL)
		fail_msg("%s", err.text);
}

static int
setup(void **state)
{
	position = 0;
	tenant = "-";
	looked_through = 0;
	if (fixture_setup(state) == -1)
		return -1;
	open_db();
	return 0;
}

static void
forget_found(void)
{
	while (n_found > 0)
		run_progress_clear(&found[--n_found]);
}

static int
teardown(void **state)
{
	forget_found();
	projection_db_close(db);
	return fixture_teardown(state);
}

static void
begin(void)
{
	struct err err;

	assert_int_equal(projection_db_begin(db, &err), 0);
}

static void
commit(void)
{
	struct err err;

	assert_int_equal(projection_db_commit(db, &err), 0);
}

static void
apply(struct item *item, uint64_t seq)
{
	struct err err;

	item->tenant = slice_str(tenant);
	item->seq = seq;
	if (projection_db_apply(db, item, 0, &err) == -1)
		fail_msg("%s", err.text);
}

static void
put(const char *key, const char *event_type, const char *data,
    enum lifecycle_state state, uint8_t flags)
{
	struct item item = fixture_item(++position, key, event_type, "", data,
	    flags);

	item.state = (uint8_t)state;
	apply(&item, 2);
	fixture_item_free(&item);
}

static void
run(const char *key, const char *data, enum lifecycle_state state)
{
	put(key, "run.state_changed", data, state,
	    state == LIFECYCLE_SUCCEEDED ? ITEM_LIFECYCLE | ITEM_TERMINAL :
	    ITEM_LIFECYCLE);
}

static void
job(const char *key, const char *data, enum lifecycle_state state)
{
	put(key, "job.state_changed", data, state, ITEM_LIFECYCLE);
}

static void
found_cb(struct run_progress *p, void *arg)
{
	(void)arg;
	assert_true(n_found < NELEM(found));
	found[n_found++] = *p;
}

/* The runs that changed since the last look. */
static size_t
look(void)
{
	struct err err;
	int more;

	forget_found();
	more = projection_db_runs(db, &looked_through, NELEM(found), found_cb,
	    NULL, &err);
	assert_int_equal(more, n_found == NELEM(found));
	return n_found;
}

static const uint64_t *
counts(void)
{
	assert_int_equal(n_found, 1);
	return found[0].counts;
}

static void
test_a_run_that_asked_is_followed_to_its_end(void **state)
{
	(void)state;
	begin();
	run("run:a", "{\"derive\":true,\"total_jobs\":4}", LIFECYCLE_PENDING);
	run("run:b", "{\"derive\":false}", LIFECYCLE_PENDING);
	job("job:1", "{\"run_id\":\"a\"}", LIFECYCLE_PENDING);
	job("job:2", "{\"run_id\":\"\\u0061\"}", LIFECYCLE_RUNNING);
	job("job:3", "{\"run_id\":\"b\"}", LIFECYCLE_RUNNING);
	job("job:4", "{\"run_id\":17}", LIFECYCLE_RUNNING);
	job("job:5", "{}", LIFECYCLE_RUNNING);
	commit();
	assert_int_equal(look(), 1);
	assert_int_equal(counts()[RUN_QUEUED], 1);
	assert_int_equal(counts()[RUN_RUNNING], 1);
	assert_int_equal(run_progress_total(&found[0]), 4);
	assert_int_equal(found[0].guard.number, 1);
	assert_int_equal(found[0].changed.number, 4);
	assert_int_equal(found[0].previous, LIFECYCLE_NONE);
	assert_int_equal(look(), 0);
	begin();
	run("run:a", "{}", LIFECYCLE_RUNNING);
	/* Its run was named before, and stays the same. */
	job("job:1", "{\"run_id\":\"b\"}", LIFECYCLE_FAILED);
	job("job:2", "{}", LIFECYCLE_LEASED);
	commit();
	assert_int_equal(look(), 1);
	assert_int_equal(counts()[RUN_QUEUED], 0);
	assert_int_equal(counts()[RUN_FAILED], 1);
	assert_int_equal(counts()[RUN_RUNNING], 1);
	assert_int_equal(found[0].state, LIFECYCLE_RUNNING);
	assert_int_equal(found[0].previous, LIFECYCLE_PENDING);
	assert_int_equal(run_progress_total(&found[0]), 4);
	begin();
	run("run:a", "{}", LIFECYCLE_SUCCEEDED);
	job("job:2", "{}", LIFECYCLE_SUCCEEDED);
	job("job:9", "{\"run_id\":\"a\"}", LIFECYCLE_SUCCEEDED);
	commit();
	assert_int_equal(look(), 0);
}

static void
test_a_run_is_what_its_own_event_says(void **state)
{
	(void)state;
	begin();
	/* A late attach, with an integer that is beyond 64 bits. */
	run("run:a", "{\"derive\":true,\"previous_state\":\"pending\","
	    "\"total_jobs\":9007199254740991,\"hash\":18446744073709551616}",
	    LIFECYCLE_RUNNING);
	job("job:1", "{\"run_id\":\"a\"}", LIFECYCLE_RUNNING);
	commit();
	assert_int_equal(look(), 1);
	assert_int_equal(found[0].state, LIFECYCLE_RUNNING);
	assert_int_equal(found[0].previous, LIFECYCLE_PENDING);
	assert_true(run_progress_total(&found[0]) == 9007199254740991u);
	begin();
	run("run:a", "{\"previous_state\":null}", LIFECYCLE_PENDING);
	job("job:2", "{\"run_id\":\"a\"}", LIFECYCLE_RUNNING);
	commit();
	assert_int_equal(look(), 1);
	assert_int_equal(found[0].previous, LIFECYCLE_RUNNING);
}

static void
test_tenants_are_apart(void **state)
{
	(void)state;
	begin();
	for (int i = 0; i < 2; i++) {
		tenant = i == 0 ? "acme" : "other";
		run("run:a", "{\"derive\":true}", LIFECYCLE_RUNNING);
		job("job:1", "{\"run_id\":\"a\"}", LIFECYCLE_RUNNING);
	}
	job("job:2", "{\"run_id\":\"a\"}", LIFECYCLE_FAILED);
	tenant = "third";
	job("job:3", "{\"run_id\":\"a\"}", LIFECYCLE_FAILED);
	commit();
	assert_int_equal(look(), 2);
	assert_string_equal(found[0].tenant, "acme");
	assert_int_equal(run_progress_known(&found[0]), 1);
	assert_string_equal(found[1].tenant, "other");
	assert_int_equal(run_progress_known(&found[1]), 2);
}

static void
test_what_was_told_is_known_when_it_comes_back(void **state)
{
	struct run_event e;

	(void)state;
	begin();
	run("run:a", "{\"derive\":true}", LIFECYCLE_RUNNING);
	job("job:1", "{\"run_id\":\"a\"}", LIFECYCLE_RUNNING);
	commit();
	assert_int_equal(look(), 1);
	assert_int_equal(found[0].told.number, 0);
	run_event_make(&e, &found[0], 0);
	e.item.position = (struct position){ FIXTURE_EPOCH, ++position };
	begin();
	apply(&e.item, 3);
	run("run:a", "{}", LIFECYCLE_RUNNING);
	commit();
	run_event_clear(&e);
	projection_db_close(db);
	open_db();
	looked_through = 0;
	assert_int_equal(look(), 0);
	begin();
	job("job:2", "{\"run_id\":\"a\"}", LIFECYCLE_RUNNING);
	commit();
	assert_int_equal(look(), 1);
	assert_int_equal(counts()[RUN_RUNNING], 2);
	assert_false(position_eq(found[0].told, found[0].changed));
	assert_int_equal(found[0].told.number, 2);
}

static void
test_an_event_counts_once_whatever_is_rolled_back(void **state)
{
	(void)state;
	begin();
	run("run:a", "{\"derive\":true}", LIFECYCLE_RUNNING);
	commit();
	for (int i = 0; i < 3; i++) {
		begin();
		position = 1;
		job("job:1", "{\"run_id\":\"a\"}", LIFECYCLE_RUNNING);
		job("job:2", "{\"run_id\":\"a\"}", LIFECYCLE_RUNNING);
		if (i == 0)
			projection_db_rollback(db);
		else
			commit();
	}
	assert_int_equal(look(), 1);
	assert_int_equal(counts()[RUN_RUNNING], 2);
}

static void
test_a_run_that_begins_anew_has_no_jobs(void **state)
{
	struct item item;

	(void)state;
	begin();
	run("run:a", "{\"derive\":true}", LIFECYCLE_RUNNING);
	job("job:1", "{\"run_id\":\"a\"}", LIFECYCLE_RUNNING);
	item = fixture_item(++position, "run:a", "run.state_changed", "",
	    "{\"derive\":true}", ITEM_LIFECYCLE);
	item.state = LIFECYCLE_PENDING;
	apply(&item, 1);
	fixture_item_free(&item);
	commit();
	/* Nothing to tell of it. */
	assert_int_equal(look(), 0);
	begin();
	job("job:2", "{\"run_id\":\"a\"}", LIFECYCLE_RUNNING);
	commit();
	assert_int_equal(look(), 1);
	assert_int_equal(run_progress_known(&found[0]), 1);
	assert_int_equal(found[0].previous, LIFECYCLE_NONE);
}

static const struct run_losses *
losses(void)
{
	return projection_db_run_losses(db);
}

static void
test_after_a_gap_no_run_is_followed(void **state)
{
	struct err err;

	(void)state;
	begin();
	run("run:a", "{\"derive\":true}", LIFECYCLE_RUNNING);
	run("run:b", "{\"derive\":true}", LIFECYCLE_RUNNING);
	job("job:1", "{\"run_id\":\"a\"}", LIFECYCLE_RUNNING);
	commit();
	assert_int_equal(look(), 1);
	for (int i = 0; i < 2; i++) {
		begin();
		position = 10;
		assert_int_equal(projection_db_gap(db, (struct position){
		    FIXTURE_EPOCH, position }, 0, &err), 0);
		if (i == 0)
			projection_db_rollback(db);
		else
			commit();
		assert_int_equal(losses()->gone, i == 0 ? 0 : 2);
	}
	begin();
	job("job:1", "{\"run_id\":\"a\"}", LIFECYCLE_FAILED);
	run("run:a", "{}", LIFECYCLE_RUNNING);
	commit();
	assert_int_equal(look(), 0);
	/* Who asks again is followed from then on. */
	begin();
	run("run:a", "{\"derive\":true}", LIFECYCLE_RUNNING);
	job("job:1", "{\"run_id\":\"a\"}", LIFECYCLE_FAILED);
	commit();
	assert_int_equal(look(), 1);
	assert_int_equal(run_progress_known(&found[0]), 1);
	assert_int_equal(counts()[RUN_FAILED], 1);
}

static void
test_runs_and_their_jobs_are_bounded(void **state)
{
	char key[32], data[64];
	uint64_t through = 0;

	(void)state;
	begin();
	for (size_t i = 0; i <= RUN_ROWS_MAX; i++) {
		(void)snprintf(key, sizeof(key), "run:%zu", i);
		run(key, "{\"derive\":true}", LIFECYCLE_RUNNING);
		(void)snprintf(key, sizeof(key), "job:of-%zu", i);
		(void)snprintf(data, sizeof(data), "{\"run_id\":\"%zu\"}", i);
		job(key, data, LIFECYCLE_RUNNING);
	}
	commit();
	through = looked_through;
	assert_int_equal(look(), NELEM(found));
	/* The first was silent for longest. */
	assert_string_equal(found[0].key, "run:1");
	assert_int_equal(losses()->pushed_out.count, 1);
	assert_string_equal(losses()->pushed_out.last, "- run:0");
	assert_int_equal(losses()->uncounted.count, 0);
	looked_through = through + 2 * (uint64_t)RUN_ROWS_MAX + 2;
	begin();
	(void)snprintf(data, sizeof(data), "{\"run_id\":\"%u\"}",
	    RUN_ROWS_MAX);
	for (size_t i = 0; i <= RUN_ROWS_JOBS_MAX; i++) {
		(void)snprintf(key, sizeof(key), "job:%zu", i);
		job(key, data, LIFECYCLE_RUNNING);
	}
	job("job:7", "{}", LIFECYCLE_FAILED);
	commit();
	assert_int_equal(look(), 1);
	assert_int_equal(run_progress_known(&found[0]), RUN_ROWS_JOBS_MAX);
	assert_int_equal(counts()[RUN_FAILED], 1);
	/* The run had one before. */
	assert_int_equal(losses()->uncounted.count, 2);
	assert_string_equal(losses()->uncounted.last, "- run:1000");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_run_that_asked_is_followed_to_its_end),
		TEST(test_a_run_is_what_its_own_event_says),
		TEST(test_tenants_are_apart),
		TEST(test_what_was_told_is_known_when_it_comes_back),
		TEST(test_an_event_counts_once_whatever_is_rolled_back),
		TEST(test_a_run_that_begins_anew_has_no_jobs),
		TEST(test_after_a_gap_no_run_is_followed),
		TEST(test_runs_and_their_jobs_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
