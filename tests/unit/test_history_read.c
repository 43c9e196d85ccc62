/* history_read: pages of the stored events of a stream, and what is missing. */
#include "tests/unit/history_fixture.h"

/* --- pages --------------------------------------------------------------- */

static void
test_all_events_of_one_stream_are_there_in_order(void **state UNUSED)
{
	put(1, 1, "job:a", &change);
	put(2, 1, "job:ab", &line);
	put(3, 2, "job:a", &line);
	put(4, 3, "job:a", &line);
	ask_all("job:a");
	check("1/1 3/2 4/3");
	ask_behind("job:a", 1);
	check("3/2 4/3");
	ask_behind("job:a", 2);
	check("3/2 4/3");
	ask_behind("job:a", 4);
	check("");
	ask_all("job:never");
	check("");
}

static void
test_pages_follow_each_other_without_a_hole(void **state UNUSED)
{
	struct buf bytes = BUF_EMPTY;
	struct query_history h = { .more = true };
	struct item item;
	uint64_t seen = 0;
	unsigned pages;

	put_lines("job:a", 1, 2500);
	ask_all("job:a");
	ask.limit = 7;
	for (pages = 0; h.more; pages++) {
		read_page(&h, &bytes);
		assert_int_equal(h.n_gaps, 0);
		assert_int_equal(h.as_of.number, 2500);
		while (h.count-- > 0) {
			assert_int_equal(item_decode(&h.items, &item, true),
			    0);
			assert_int_equal(item.position.number, ++seen);
		}
		ask.behind = true;
		ask.after = h.end;
	}
	assert_int_equal(seen, 2500);
	assert_int_equal(pages, 2500 / 7 + 1);
	buf_free(&bytes);
}

static void
test_a_page_ends_where_more_would_be_read_than_may(void **state UNUSED)
{
	struct buf bytes = BUF_EMPTY;
	struct query_history h;

	put_lines("job:a", 1, 20000);
	ask_all("job:a");
	ask.types[0] = slice_str("job.progress");
	ask.n_types = 1;
	read_page(&h, &bytes);
	assert_int_equal(h.count, 0);
	assert_true(h.more);
	assert_true(h.end.number > 1000 && h.end.number < 20000);
	buf_free(&bytes);
}

static void
test_types_are_picked_and_nothing_counts_as_missing(void **state UNUSED)
{
	put(1, 1, "job:a", &change);
	put(2, 2, "job:a", &line);
	put(3, 3, "job:a", &change);
	ask_all("job:a");
	ask.types[0] = slice_str("job.progress");
	ask.types[1] = slice_str("job.state_changed");
	ask.n_types = 2;
	check("1/1 3/3");
	ask.limit = 1;
	check("1/1 +");
}

static void
test_tenants_and_types_of_streams_are_apart(void **state UNUSED)
{
	const struct told theirs = { "acme", "job.log", 0, 1000 };
	const struct told status = { "-", "status_update", 0, 1000 };

	put(1, 1, "job:a", &line);
	put(2, 1, "job:a", &theirs);
	put(3, 1, "resource:c/pod/n/a", &status);
	ask_all("job:a");
	check("1/1");
	ask.tenant = slice_str("acme");
	check("2/1");
	check_sql("SELECT count(*) FROM history", "2");
}

static void
test_streams_with_the_same_hash_are_apart(void **state UNUSED)
{
	sqlite3 *other;
	struct err err;

	put(1, 1, "job:a", &line);
	put(2, 1, "job:b", &line);
	put(3, 2, "job:a", &line);
	assert_int_equal(sql_open(&other, fixture_path("p.db"),
	    SQL_READ_WRITE, "", &err), 0);
	assert_int_equal(sql_exec(other, "UPDATE history SET stream = (SELECT"
	    " stream FROM history WHERE place = 1)", &err), 0);
	sql_close(other);
	ask_all("job:a");
	check("1/1 3/2");
	ask_behind("job:a", 2);
	check("3/2");
}

/* --- what is missing ----------------------------------------------------- */

static void
test_a_hole_is_told_by_its_seqs(void **state UNUSED)
{
	put(1, 1, "job:a", &line);
	put(2, 2, "job:a", &line);
	gap(6);
	put(7, 5, "job:a", &line);
	ask_all("job:a");
	check("1/1 2/2 7/5 evicted(3-4)");
	ask_behind("job:a", 2);
	check("7/5 evicted(3-4)");
	ask_behind("job:a", 7);
	check("");
}

static void
test_a_gap_at_the_end_is_open_until_the_next_event(void **state UNUSED)
{
	put(1, 1, "job:a", &line);
	put(2, 1, "job:b", &last);
	gap(6);
	ask_all("job:a");
	check("1/1 evicted(2-0)");
	ask_all("job:b");
	check("2/1");
	ask_all("job:unknown");
	check("evicted(1-0)");
	lately = 6000;
	check("");
	lately = LATELY;
	put(7, 2, "job:a", &line);
	ask_all("job:a");
	check("1/1 7/2");
}

static void
test_a_stream_that_begins_again_misses_nothing(void **state UNUSED)
{
	put(1, 1, "job:a", &line);
	put(2, 2, "job:a", &last);
	put(9, 1, "job:a", &line);
	put(10, 2, "job:a", &line);
	ask_all("job:a");
	check("1/1 2/2 9/1 10/2");
	put(11, 1, "job:a", &line);
	gap(12);
	put(13, 1, "job:b", &line);
	put(14, 4, "job:b", &last);
	gap(20);
	put(21, 3, "job:b", &line);
	ask_all("job:b");
	check("13/1 14/4 21/3 evicted(2-3) evicted(1-2)");
}

static void
test_many_holes_end_a_page(void **state UNUSED)
{
	struct buf bytes = BUF_EMPTY;
	struct query_history h;
	uint64_t i;

	for (i = 1; i <= 200; i++)
		put(i, i * 2, "job:a", &line);
	ask_all("job:a");
	read_page(&h, &bytes);
	assert_true(h.more);
	assert_int_equal(h.n_gaps, QUERY_HISTORY_GAPS - 1);
	ask.behind = true;
	ask.after = h.end;
	read_page(&h, &bytes);
	assert_int_equal(h.gaps[0].from, QUERY_HISTORY_GAPS * 2 - 1);
	buf_free(&bytes);
}

static void
test_a_cursor_that_is_none_of_these_is_told(void **state UNUSED)
{
	put(1, 1, "job:a", &line);
	put(2, 2, "job:a", &line);
	ask_behind("job:a", 5);
	check("ahead(0-0)");
	ask.after.epoch = EPOCH_2;
	check("1/1 2/2 epoch(0-0)");
}

static void
test_ids_of_an_epoch_before_are_known(void **state UNUSED)
{
	put(1, 1, "job:a", &line);
	put(2, 2, "job:a", &line);
	epoch = EPOCH_2;
	put(5, 3, "job:b", &line);
	put(6, 3, "job:a", &line);
	ask_behind("job:a", 5);
	check("6/3");
	epoch = FIXTURE_EPOCH;
	ask_behind("job:a", 1);
	check("2/2 6/3");
}

static void
test_a_journal_that_was_taken_away_loses_no_history(void **state UNUSED)
{
	put(7, 1, "job:a", &line);
	put(8, 2, "job:a", &line);
	epoch = EPOCH_2;
	put(1, 1, "job:a", &line);
	projection_db_close(db);
	open_db();
	put(2, 2, "job:a", &line);
	ask_all("job:a");
	check("7/1 8/2 1/1 2/2");
	ask_behind("job:a", 1);
	check("2/2");
	epoch = FIXTURE_EPOCH;
	ask_behind("job:a", 7);
	check("8/2 1/1 2/2");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, \
	teardown_projection)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_events_of_one_stream_are_there_in_order),
		TEST(test_pages_follow_each_other_without_a_hole),
		TEST(test_a_page_ends_where_more_would_be_read_than_may),
		TEST(test_types_are_picked_and_nothing_counts_as_missing),
		TEST(test_tenants_and_types_of_streams_are_apart),
		TEST(test_streams_with_the_same_hash_are_apart),
		TEST(test_a_hole_is_told_by_its_seqs),
		TEST(test_a_gap_at_the_end_is_open_until_the_next_event),
		TEST(test_a_stream_that_begins_again_misses_nothing),
		TEST(test_many_holes_end_a_page),
		TEST(test_a_cursor_that_is_none_of_these_is_told),
		TEST(test_ids_of_an_epoch_before_are_known),
		TEST(test_a_journal_that_was_taken_away_loses_no_history),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
