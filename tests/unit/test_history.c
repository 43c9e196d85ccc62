/* history: the stored events of a stream, and for how long they are kept. */
#include "tests/unit/history_fixture.h"

static void
test_what_is_too_old_leaves_in_slices(void **state UNUSED)
{
	conf.history.retain_ms = 60000;
	put_lines("job:a", 1, 2500);
	assert_false(sweep(1, 1000 + 59999));
	check_sql("SELECT count(*) FROM history", "2500");
	assert_true(sweep(1, 1000 + 60000));
	check_sql("SELECT count(*) FROM history", "1500");
	ask_all("job:a");
	ask.limit = 2;
	check("1001/1001 1002/1002 evicted(1-1000) +");
	ask_behind("job:a", 2499);
	check("2500/2500");
	/* Where all before is gone, nobody can count. */
	ask_behind("job:a", 500);
	ask.limit = 1;
	check("1001/1001 evicted(0-1000) +");
	ask_behind("job:a", 1000);
	ask.limit = 1;
	check("1001/1001 +");
	assert_true(sweep(1, 1000 + 60000));
	assert_false(sweep(1, 1000 + 60000));
	check_sql("SELECT count(*) FROM history", "0");
	ask_all("job:a");
	check("evicted(1-0)");
	ask_all("job:never");
	check("");
	ask_behind("job:a", 2500);
	check("");
}

static void
test_a_flood_does_not_outgrow_its_size(void **state UNUSED)
{
	uint64_t i;

	conf.history.size = 100000;
	projection_db_conf(db, &conf);
	for (i = 0; i < 20; i++) {
		put_lines("job:a", i * 200 + 1, i * 200 + 200);
		check_sql("SELECT max(total) - min(total) <= 100000"
		    " FROM history", "1");
	}
	check_sql("SELECT max(place) FROM history", "4000");
	check_sql("SELECT count(*) > 300 FROM history", "1");
	/* A smaller size takes effect by slices. */
	conf.history.size = 1000;
	assert_false(sweep(1, 1000));
	check_sql("SELECT count(*) < 10 FROM history", "1");
}

static void
test_history_that_is_off_keeps_nothing_and_says_so(void **state UNUSED)
{
	put_lines("job:a", 1, 10);
	conf.history.retain_ms = 0;
	projection_db_conf(db, &conf);
	put_lines("job:a", 11, 20);
	check_sql("SELECT count(*) FROM history", "10");
	assert_false(sweep(1, 1000));
	check_sql("SELECT count(*) FROM history", "0");
	projection_db_close(db);
	conf.history.retain_ms = 60000;
	open_db();
	put_lines("job:a", 21, 22);
	ask_all("job:a");
	check("21/21 22/22 evicted(1-20)");
	ask_behind("job:a", 15);
	check("21/21 22/22 evicted(0-20)");
	ask_behind("job:a", 20);
	check("21/21 22/22");
}

static void
test_a_rolled_back_batch_is_not_in_the_history(void **state UNUSED)
{
	put_lines("job:a", 1, 3);
	begin();
	put_one(4, 4, "job:a", &line);
	projection_db_rollback(db);
	ask_all("job:a");
	check("1/1 2/2 3/3");
	put_lines("job:a", 4, 5);
	check("1/1 2/2 3/3 4/4 5/5");
	check_sql("SELECT count(DISTINCT total)"
	    " FROM history", "5");
}

static void
test_epochs_leave_with_the_last_of_their_events(void **state UNUSED)
{
	uint64_t i;

	conf.history.retain_ms = 1000;
	for (i = 1; i <= 5; i++) {
		epoch = (uint32_t)i;
		put(i * 10, i, "job:a", &line);
	}
	check_sql("SELECT count(*) FROM history_epochs", "5");
	(void)sweep(1, 100000);
	check_sql("SELECT count(*) FROM history_epochs", "1");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, \
	teardown_projection)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_too_old_leaves_in_slices),
		TEST(test_a_flood_does_not_outgrow_its_size),
		TEST(test_history_that_is_off_keeps_nothing_and_says_so),
		TEST(test_a_rolled_back_batch_is_not_in_the_history),
		TEST(test_epochs_leave_with_the_last_of_their_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
