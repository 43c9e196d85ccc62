#include "store/projection_db.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/journal.h"
#include "common/xmalloc.h"
#include "store/history.h"
#include "store/history_schema.h"
#include "store/projection.h"
#include "store/projection_file.h"
#include "store/projection_rows.h"
#include "store/projection_schema.h"
#include "store/projection_sweep.h"
#include "store/sql.h"

#define PROJECTION_DB_MAGIC 0x50524a44u
#define PROJECTION_PRAGMAS						\
	"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"	\
	"PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384;"	\
	"PRAGMA wal_autocheckpoint = 2000;"				\
	"PRAGMA busy_timeout = 250;"   /* the writer tries again itself */

static_assert(JOURNAL_VERSION == 3 && PROJECTION_DB_VERSION == 2,
    "`latest` holds items as the journal does: their versions rise together");

enum statement {
#define X(name, text) STMT_##name,
	PROJECTION_STATEMENTS(X)
#undef X
	STMT_MAX
};

static const char *const statement_texts[STMT_MAX] = {
#define X(name, text) text,
	PROJECTION_STATEMENTS(X)
#undef X
};

struct projection_db {
	uint32_t		 magic;
	sqlite3			*db;
	sqlite3_stmt		*stmts[STMT_MAX];
	struct projection_rows	*rows;
	struct projection_sweep	*sweep;
	struct history		*history;
	struct run_rows		*runs;
	struct projection_state	 state;
	struct projection_state	 committed;
	struct buf		 scratch;
};

/* --- opening ------------------------------------------------------------- */

/* Whole or not at all: what was begun is rolled back when the connection
 * closes. */
static int
schema_create(sqlite3 *db, struct err *err)
{
	char id[33], text[256];

	sql_generation(id);
	(void)snprintf(text, sizeof(text), "INSERT INTO checkpoint VALUES("
	    "1, '%s', 0, 0, 0, 0, 0, 0); PRAGMA user_version = %d; COMMIT",
	    id, PROJECTION_DB_VERSION);
	if (sql_exec(db, "BEGIN IMMEDIATE", err) == -1 ||
	    sql_create(db, PROJECTION_SCHEMA HISTORY_SCHEMA, err) == -1)
		return -1;
	return sql_exec(db, text, err);
}

static int
state_load(struct projection_db *db, struct err *err)
{
	struct projection_state *s = &db->state;
	sqlite3_stmt *stmt;
	int rc;

	if (sql_prepare(db->db, "SELECT epoch, position, change, gapped,"
	    " gap_change, gap_unix_ms, id FROM checkpoint", &stmt, err) == -1)
		return -1;
	rc = sql_step(stmt, err);
	if (rc == 1) {
		s->applied.epoch = (uint32_t)sqlite3_column_int64(stmt, 0);
		s->applied.number = (uint64_t)sqlite3_column_int64(stmt, 1);
		s->change = (uint64_t)sqlite3_column_int64(stmt, 2);
		s->gapped = sqlite3_column_int(stmt, 3) != 0;
		s->gap_change = (uint64_t)sqlite3_column_int64(stmt, 4);
		s->gap_unix_ms = sqlite3_column_int64(stmt, 5);
		(void)snprintf(s->id, sizeof(s->id), "%s",
		    sql_column_text(stmt, 6));
		db->committed = *s;
	} else if (rc == 0) {
		(void)err_set(err, "the checkpoint is missing");
		if (err != NULL)
			err->code = EUCLEAN;
	}
	(void)sqlite3_finalize(stmt);
	return rc == 1 ? 0 : -1;
}

static bool
file_is_small(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_size <= PROJECTION_DB_CHECK_MAX;
}

/* The version is looked at first: a foreign one is treated as damage. */
static int
projection_db_check(sqlite3 *db, const char *path, struct err *err)
{
	int64_t version;

	if (sql_number(db, "PRAGMA user_version", &version, err) == -1)
		return -1;
	if (version != 0 && version != PROJECTION_DB_VERSION) {
		(void)err_set(err, "%s: made by another version of Sluice"
		    " (%lld)", path, (long long)version);
		if (err != NULL)
			err->code = EUCLEAN;
		return -1;
	}
	if (version == 0)
		return schema_create(db, err);
	return file_is_small(path) ? sql_check(db, err) : 0;
}

static struct projection_db *
projection_db_try(const char *path, struct err *err)
{
	struct projection_db *db = xcalloc(1, sizeof(*db));

	db->magic = PROJECTION_DB_MAGIC;
	if (sql_open(&db->db, path, SQL_READ_WRITE, PROJECTION_PRAGMAS,
	    err) == -1 || projection_db_check(db->db, path, err) == -1 ||
	    state_load(db, err) == -1 || sql_prepare_all(db->db,
	    statement_texts, db->stmts, STMT_MAX, err) == -1 ||
	    (db->rows = projection_rows_new(db->db, err)) == NULL ||
	    (db->sweep = projection_sweep_new(db->db, err)) == NULL ||
	    (db->runs = run_rows_new(db->db, err)) == NULL ||
	    (db->history = history_new(db->db, db->state.applied,
	    err)) == NULL) {
		projection_db_close(db);
		return NULL;
	}
	return db;
}

/* Opens the file unless it is known to be damaged. */
static struct projection_db *
open_unsuspected(const char *path, struct err *err)
{
	if (!projection_file_suspected(path))
		return projection_db_try(path, err);
	(void)err_set(err, "%s: was found damaged while in use", path);
	if (err != NULL)
		err->code = EUCLEAN;
	return NULL;
}

struct projection_db *
projection_db_open(const char *path, char *note, struct err *err)
{
	struct projection_db *db;
	char aside[CONF_PATH_MAX];
	struct err damage;

	note[0] = '\0';
	db = open_unsuspected(path, &damage);
	if (db == NULL && damage.code != EUCLEAN) {
		if (err != NULL)
			*err = damage;
		return NULL;
	}
	if (db == NULL) {
		if (projection_file_aside(path, aside, sizeof(aside),
		    err) == -1)
			return NULL;
		(void)snprintf(note, ERR_TEXT_MAX, "%.250s; moved to %.200s",
		    damage.text, aside);
		db = projection_db_try(path, err);
	}
	(void)projection_file_tidy(path);
	return db;
}

void
projection_db_close(struct projection_db *db)
{
	if (db == NULL)
		return;
	assert(db->magic == PROJECTION_DB_MAGIC);
	db->magic = 0;
	projection_rows_free(db->rows);
	projection_sweep_free(db->sweep);
	history_free(db->history);
	run_rows_free(db->runs);
	sql_close(db->db);
	buf_free(&db->scratch);
	free(db);
}

void
projection_db_conf(struct projection_db *db, const struct conf *conf)
{
	history_conf(db->history, conf);
}

const struct projection_state *
projection_db_state(const struct projection_db *db)
{
	return &db->state;
}

/* --- batches ------------------------------------------------------------- */

int
projection_db_begin(struct projection_db *db, struct err *err)
{
	return sql_run(db->stmts[STMT_BEGIN], err);
}

int
projection_db_commit(struct projection_db *db, struct err *err)
{
	const struct projection_state *s = &db->state;
	sqlite3_stmt *stmt = db->stmts[STMT_CHECKPOINT];

	if (history_trim(db->history, err) == -1)
		return -1;
	sql_bind_int(stmt, 1, s->applied.epoch);
	sql_bind_int(stmt, 2, (int64_t)s->applied.number);
	sql_bind_int(stmt, 3, (int64_t)s->change);
	sql_bind_int(stmt, 4, s->gapped);
	sql_bind_int(stmt, 5, (int64_t)s->gap_change);
	sql_bind_int(stmt, 6, s->gap_unix_ms);
	if (sql_run(stmt, err) == -1 ||
	    sql_run(db->stmts[STMT_COMMIT], err) == -1)
		return -1;
	db->committed = db->state;
	history_committed(db->history);
	run_rows_committed(db->runs);
	return 0;
}

void
projection_db_rollback(struct projection_db *db)
{
	if (sqlite3_get_autocommit(db->db) == 0)
		(void)sqlite3_exec(db->db, "ROLLBACK", NULL, NULL,
		    NULL);
	db->state = db->committed;
	history_rollback(db->history);
	run_rows_rollback(db->runs);
}

void
projection_db_at(struct projection_db *db, struct position through)
{
	db->state.applied = through;
}

int
projection_db_gap(struct projection_db *db, struct position through,
    int64_t now_unix_ms, struct err *err)
{
	db->state.applied = through;
	db->state.gapped = true;
	db->state.gap_change = db->state.change;
	db->state.gap_unix_ms = now_unix_ms;
	if (run_rows_gap(db->runs, err) == -1)
		return -1;
	return history_gap(db->history, through, err);
}

/* --- applying ------------------------------------------------------------ */

static void
bind_key(sqlite3_stmt *stmt, const struct item *item)
{
	sql_bind_slice(stmt, 1, item->tenant);
	sql_bind_slice(stmt, 2, item->key);
}

static int
apply_latest(struct projection_db *db, const struct item *item,
    const struct placement *place, struct err *err)
{
	sqlite3_stmt *stmt = db->stmts[STMT_LATEST];
	char order[24];
	struct slice subject = place->subject;

	if (place->slot == SLOT_LOG) {
		(void)snprintf(order, sizeof(order), "%016llx",
		    (unsigned long long)db->state.change);
		subject = slice_str(order);
	}
	buf_reset(&db->scratch);
	item_encode(&db->scratch, item, true);
	bind_key(stmt, item);
	sql_bind_int(stmt, 3, place->slot);
	sql_bind_slice(stmt, 4, subject);
	sql_bind_int(stmt, 5, item->position.epoch);
	sql_bind_int(stmt, 6, (int64_t)item->position.number);
	sql_bind_int(stmt, 7, (int64_t)db->state.change);
	sql_bind_int(stmt, 8, (item->flags & ITEM_DELETED) == 0);
	sql_bind_blob(stmt, 9, db->scratch.data, db->scratch.len);
	if (sql_run(stmt, err) == -1)
		return -1;
	if (place->slot != SLOT_LOG)
		return 0;
	stmt = db->stmts[STMT_TRIM_LOGS];
	bind_key(stmt, item);
	sql_bind_int(stmt, 3, SLOT_LOG);
	sql_bind_int(stmt, 4, PROJECTION_LOGS);
	return sql_run(stmt, err);
}

/* A stream that ends has begun again: what is kept is of the one before. */
static int
apply_begin(struct projection_db *db, const struct item *item,
    struct err *err)
{
	bind_key(db->stmts[STMT_DROP], item);
	bind_key(db->stmts[STMT_UNEND], item);
	if (sql_run(db->stmts[STMT_DROP], err) == -1)
		return -1;
	return sql_run(db->stmts[STMT_UNEND], err);
}

/* Streams that end, and objects that come back. */
static int
apply_end(struct projection_db *db, const struct item *item,
    const struct placement *place, int64_t time_unix_ms, struct err *err)
{
	sqlite3_stmt *stmt;
	bool deleted = (item->flags & ITEM_DELETED) != 0;

	if (deleted || (item->flags & ITEM_TERMINAL) != 0) {
		stmt = db->stmts[STMT_END];
		bind_key(stmt, item);
		sql_bind_int(stmt, 3, (int64_t)item->position.number);
		sql_bind_int(stmt, 4, time_unix_ms);
		sql_bind_int(stmt, 5, deleted);
		sql_bind_int(stmt, 6, place->type);
		return sql_run(stmt, err);
	}
	if (place->slot != SLOT_STATUS && (item->flags & ITEM_LIFECYCLE) == 0)
		return 0;
	stmt = db->stmts[STMT_UNEND];
	bind_key(stmt, item);
	return sql_run(stmt, err);
}

int
projection_db_apply(struct projection_db *db, const struct item *item,
    int64_t time_unix_ms, struct err *err)
{
	struct placement place;
	int rc = 0;

	if (!projection_newer(db->state.applied, item->position))
		return 0;
	db->state.applied = item->position;
	projection_place(item, &place);
	if (item->seq == 1 && stream_type_ends(place.type))
		rc = apply_begin(db, item, err);
	if (rc == 0)
		rc = history_apply(db->history, item, time_unix_ms, err);
	if (place.slot != SLOT_NONE && rc == 0) {
		db->state.change++;
		rc = apply_latest(db, item, &place, err);
		if (rc == 0)
			rc = apply_end(db, item, &place, time_unix_ms, err);
		if (rc == 0)
			rc = projection_rows_apply(db->rows, item,
			    db->state.change, time_unix_ms, err);
		if (rc == 0)
			rc = run_rows_apply(db->runs, item, db->state.change,
			    err);
	}
	placement_clear(&place);
	return rc;
}

int
projection_db_runs(struct projection_db *db, uint64_t *change, size_t max,
    run_rows_cb cb, void *arg, struct err *err)
{
	return run_rows_since(db->runs, change, db->committed.change, max, cb,
	    arg, err);
}

const struct run_losses *
projection_db_run_losses(const struct projection_db *db)
{
	return run_rows_losses(db->runs);
}

/* --- retention ----------------------------------------------------------- */

int
projection_db_sweep(struct projection_db *db, const struct conf *conf,
    uint64_t oldest, int64_t now_unix_ms, struct err *err)
{
	int more = projection_sweep(db->sweep, conf, oldest, now_unix_ms, err);
	int past;

	if (more == -1)
		return -1;
	projection_db_conf(db, conf);
	past = history_sweep(db->history, now_unix_ms, err);
	return past == -1 ? -1 : more == 1 || past == 1;
}
