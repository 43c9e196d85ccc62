/* history, history_read: the stored events of a stream, and what is missing. */
#include "tests/unit/store_fixture.h"

#include <sys/stat.h>

#include "common/xmalloc.h"
#include "store/history.h"
#include "store/history_read.h"
#include "store/projection_db.h"
#include "store/projection_schema.h"
#include "store/sql.h"

#define LATELY  0
#define EPOCH_2 0x22222222u

static struct conf conf;
static struct projection_db *db;
static uint32_t epoch;

static void
open_db(void)
{
	char note[ERR_TEXT_MAX];
	struct err err;

	db = projection_db_open(fixture_path("p.db"), note, &err);
	if (db == NULL)
		fail_msg("%s", err.text);
	assert_string_equal(note, "");
	projection_db_conf(db, &conf);
}

static int
setup(void **state)
{
	conf_init(&conf);
	epoch = FIXTURE_EPOCH;
	if (fixture_setup(state) == -1)
		return -1;
	open_db();
	return 0;
}

static int
teardown(void **state)
{
	projection_db_close(db);
	conf_free(&conf);
	return fixture_teardown(state);
}

/* --- writing ------------------------------------------------------------- */

struct told {
	const char	*tenant;
	const char	*event_type;
	uint8_t		 flags;
	int64_t		 at_ms;
};

static void
put_one(uint64_t position, uint64_t seq, const char *key,
    const struct told *t)
{
	struct item item = fixture_item(position, key, t->event_type, "",
	    "{}", t->flags);
	struct err err;

	item.seq = seq;
	item.position.epoch = epoch;
	item.tenant = slice_str(t->tenant);
	if (projection_db_apply(db, &item, t->at_ms, &err) == -1)
		fail_msg("%s", err.text);
	fixture_item_free(&item);
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

static const struct told line = { "-", "job.log", 0, 1000 };
static const struct told change = { "-", "job.state_changed", ITEM_LIFECYCLE,
	1000 };
static const struct told last = { "-", "job.state_changed",
	ITEM_LIFECYCLE | ITEM_TERMINAL, 1000 };

static void
put(uint64_t position, uint64_t seq, const char *key, const struct told *t)
{
	begin();
	put_one(position, seq, key, t);
	commit();
}

/* Positions and seqs from ... to, in one batch. */
static void
put_lines(const char *key, uint64_t from, uint64_t to)
{
	uint64_t i;

	begin();
	for (i = from; i <= to; i++)
		put_one(i, i, key, &line);
	commit();
}

static void
gap(uint64_t through)
{
	struct err err;

	begin();
	assert_int_equal(projection_db_gap(db, (struct position){ epoch,
	    through }, 5000, &err), 0);
	commit();
}

static bool
sweep(int64_t now)
{
	struct err err;
	int more;

	begin();
	more = projection_db_sweep(db, &conf, 1, now, &err);
	assert_true(more >= 0);
	commit();
	return more == 1;
}

/* --- reading ------------------------------------------------------------- */

static struct query_history_ask ask;
static int64_t lately = LATELY;

static void
ask_all(const char *key)
{
	ask = (struct query_history_ask){ .tenant = slice_str("-"),
		.key = slice_str(key), .limit = QUERY_HISTORY_LIMIT };
}

static void
ask_behind(const char *key, uint64_t number)
{
	ask_all(key);
	ask.behind = true;
	ask.after = (struct position){ epoch, number };
}

static void
add_gap(struct buf *b, const struct query_gap *g)
{
	static const char *const names[] = { "evicted", "epoch", "ahead" };

	buf_addf(b, " %s(%llu-%llu)", names[g->reason],
	    (unsigned long long)g->from, (unsigned long long)g->to);
}

/* Reads into *ret, whose items point into *bytes. */
static void
read_page(struct query_history *ret, struct buf *bytes)
{
	struct history_reader *r;
	struct err err = { 0 };

	r = history_reader_open(fixture_path("p.db"), &err);
	buf_reset(bytes);
	buf_u8(bytes, 0);
	if (r == NULL || history_read(r, &ask, lately, bytes, &err) == -1)
		fail_msg("%s", err.text);
	history_reader_close(r);
	assert_int_equal(query_wire_answer_history_decode((struct slice){
	    (const char *)bytes->data, bytes->len }, ret), 0);
}

/* "position/seq … gap(from-to) …", "+" where more follows. */
static void
check(const char *want)
{
	struct buf bytes = BUF_EMPTY, text = BUF_EMPTY;
	struct query_history h;
	struct item item;
	size_t i;

	read_page(&h, &bytes);
	for (i = 0; i < h.count; i++) {
		assert_int_equal(item_decode(&h.items, &item, true), 0);
		buf_addf(&text, " %llu/%llu",
		    (unsigned long long)item.position.number,
		    (unsigned long long)item.seq);
	}
	assert_true(rd_done(&h.items));
	for (i = 0; i < h.n_gaps; i++)
		add_gap(&text, &h.gaps[i]);
	if (h.more)
		buf_adds(&text, " +");
	(void)buf_cstr(&text);
	assert_string_equal(text.len > 0 ? (char *)text.data + 1 : "", want);
	buf_free(&bytes);
	buf_free(&text);
}

static int64_t
count_rows(const char *sql)
{
	sqlite3 *reader;
	struct err err;
	int64_t n;

	assert_int_equal(sql_open(&reader, fixture_path("p.db"),
	    SQL_READ_ONLY, "", &err), 0);
	assert_int_equal(sql_number(reader, sql, &n, &err), 0);
	sql_close(reader);
	return n;
}

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
	assert_int_equal(count_rows("SELECT count(*) FROM history"), 2);
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

/* --- retention ----------------------------------------------------------- */

static void
test_what_is_too_old_leaves_in_slices(void **state UNUSED)
{
	conf.history.retain_ms = 60000;
	put_lines("job:a", 1, 2500);
	assert_false(sweep(1000 + 59999));
	assert_int_equal(count_rows("SELECT count(*) FROM history"), 2500);
	assert_true(sweep(1000 + 60000));
	assert_int_equal(count_rows("SELECT count(*) FROM history"), 1500);
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
	assert_true(sweep(1000 + 60000));
	assert_false(sweep(1000 + 60000));
	assert_int_equal(count_rows("SELECT count(*) FROM history"), 0);
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
		assert_true(count_rows("SELECT max(total) - min(total)"
		    " FROM history") <= 100000);
	}
	assert_int_equal(count_rows("SELECT max(place) FROM history"), 4000);
	assert_true(count_rows("SELECT count(*) FROM history") > 300);
	/* A smaller size takes effect by slices. */
	conf.history.size = 1000;
	assert_false(sweep(1000));
	assert_true(count_rows("SELECT count(*) FROM history") < 10);
}

static void
test_history_that_is_off_keeps_nothing_and_says_so(void **state UNUSED)
{
	put_lines("job:a", 1, 10);
	conf.history.retain_ms = 0;
	projection_db_conf(db, &conf);
	put_lines("job:a", 11, 20);
	assert_int_equal(count_rows("SELECT count(*) FROM history"), 10);
	assert_false(sweep(1000));
	assert_int_equal(count_rows("SELECT count(*) FROM history"), 0);
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
	assert_int_equal(count_rows("SELECT count(DISTINCT total)"
	    " FROM history"), 5);
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
	assert_int_equal(count_rows("SELECT count(*) FROM history_epochs"), 5);
	(void)sweep(100000);
	assert_int_equal(count_rows("SELECT count(*) FROM history_epochs"), 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

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
		TEST(test_what_is_too_old_leaves_in_slices),
		TEST(test_a_flood_does_not_outgrow_its_size),
		TEST(test_history_that_is_off_keeps_nothing_and_says_so),
		TEST(test_a_rolled_back_batch_is_not_in_the_history),
		TEST(test_epochs_leave_with_the_last_of_their_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
