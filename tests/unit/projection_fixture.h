/*
 * What the unit tests of projection.db share: the file, open for writing, with
 * the configuration that says what is kept, and events put into it.
 */
#ifndef SLUICE_PROJECTION_FIXTURE_H
#define SLUICE_PROJECTION_FIXTURE_H

#include "tests/unit/store_fixture.h"

#include "common/xmalloc.h"
#include "store/projection_db.h"
#include "store/sql.h"

static struct conf conf;
static struct projection_db *db;

/* Opens it (again); nothing was wrong with it. */
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
setup_projection(void **state)
{
	conf_init(&conf);
	if (fixture_setup(state) == -1)
		return -1;
	open_db();
	return 0;
}

static int
teardown_projection(void **state)
{
	projection_db_close(db);
	conf_free(&conf);
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

/* Into the batch that is open; takes the item. */
static void
put_item(struct item *item, int64_t at_ms)
{
	struct err err;

	if (projection_db_apply(db, item, at_ms, &err) == -1)
		fail_msg("%s", err.text);
	fixture_item_free(item);
}

/* The positions up to this one are lost. */
static UNUSED void
gap_through(struct position through, int64_t now_ms)
{
	struct err err;

	begin();
	assert_int_equal(projection_db_gap(db, through, now_ms, &err), 0);
	commit();
}

/* True when there may be more to drop. */
static UNUSED bool
sweep(uint64_t oldest, int64_t now_ms)
{
	struct err err;
	int more;

	begin();
	more = projection_db_sweep(db, &conf, oldest, now_ms, &err);
	assert_true(more >= 0);
	commit();
	return more == 1;
}

/* What a question about the file answers first; "none" where nothing. */
static UNUSED void
check_sql(const char *sql, const char *want)
{
	sqlite3_stmt *stmt;
	sqlite3 *reader;
	struct err err;
	char *text;

	assert_int_equal(sql_open(&reader, fixture_path("p.db"),
	    SQL_READ_ONLY, "", &err), 0);
	assert_int_equal(sql_prepare(reader, sql, &stmt, &err), 0);
	text = xstrdup(sql_step(stmt, &err) == 1 ? sql_column_text(stmt, 0)
	    : "none");
	sql_close(reader);
	assert_string_equal(text, want);
	free(text);
}

#endif
