#include "store/sql.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static int
sql_code(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return EUCLEAN;
	case SQLITE_FULL:
		return ENOSPC;
	default:
		return EIO;
	}
}

/* What the operator can look at. */
static const char *
sql_remedy(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_READONLY:
		return "; is it a file, and may Sluice's user write there?";
	case SQLITE_FULL:
		return "; make room on its file system";
	case SQLITE_IOERR:
		return "; does the kernel's log speak of the disk?";
	default:
		return "";
	}
}

int
sql_fail(sqlite3 *db, struct err *err, const char *what)
{
	int rc = sqlite3_extended_errcode(db);
	const char *path = sqlite3_db_filename(db, "main");

	(void)err_set(err, "%.200s: %.150s: %.100s%s", path != NULL ? path
	    : "sqlite", what, sqlite3_errmsg(db), sql_remedy(rc));
	if (err != NULL)
		err->code = sql_code(rc);
	return -1;
}

int
sql_open(sqlite3 **ret, const char *path, enum sql_mode mode,
    const char *pragmas, struct err *err)
{
	sqlite3 *db = NULL;
	int flags = SQLITE_OPEN_NOMUTEX | (mode == SQL_READ_ONLY
	    ? SQLITE_OPEN_READONLY
	    : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
	int rc = sqlite3_open_v2(path, &db, flags, NULL);

	if (rc != SQLITE_OK) {
		(void)err_set(err, "%s: cannot open: %s%s", path, db != NULL
		    ? sqlite3_errmsg(db) : "no memory", sql_remedy(rc));
		if (err != NULL)
			err->code = sql_code(rc);
		sql_close(db);
		return -1;
	}
	(void)sqlite3_busy_timeout(db, SQL_BUSY_TIMEOUT_MS);
	if (sql_exec(db, pragmas, err) == -1) {
		sql_close(db);
		return -1;
	}
	*ret = db;
	return 0;
}

void
sql_close(sqlite3 *db)
{
	sqlite3_stmt *stmt;

	if (db == NULL)
		return;
	/* Whatever statement is left belongs to this connection only. */
	while ((stmt = sqlite3_next_stmt(db, NULL)) != NULL)
		(void)sqlite3_finalize(stmt);
	(void)sqlite3_close(db);
}

int
sql_exec(sqlite3 *db, const char *text, struct err *err)
{
	if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
		return sql_fail(db, err, "statement failed");
	return 0;
}

int
sql_prepare(sqlite3 *db, const char *text, sqlite3_stmt **ret,
    struct err *err)
{
	if (sqlite3_prepare_v3(db, text, -1, SQLITE_PREPARE_PERSISTENT, ret,
	    NULL) != SQLITE_OK)
		return sql_fail(db, err, text);
	return 0;
}

/* A statement that is right, and wrong for this file: not one of ours. */
static int
sql_foreign(sqlite3 *db, struct err *err)
{
	if (err != NULL && sqlite3_errcode(db) == SQLITE_ERROR)
		err->code = EUCLEAN;
	return -1;
}

int
sql_create(sqlite3 *db, const char *text, struct err *err)
{
	return sql_exec(db, text, err) == 0 ? 0 : sql_foreign(db, err);
}

int
sql_prepare_all(sqlite3 *db, const char *const *texts, sqlite3_stmt **stmts,
    size_t n, struct err *err)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (sql_prepare(db, texts[i], &stmts[i], err) == -1)
			return sql_foreign(db, err);
	}
	return 0;
}

int
sql_step(sqlite3_stmt *stmt, struct err *err)
{
	int rc = sqlite3_step(stmt);

	if (rc == SQLITE_ROW)
		return 1;
	if (rc != SQLITE_DONE)
		(void)sql_fail(sqlite3_db_handle(stmt), err, "step failed");
	(void)sqlite3_reset(stmt);
	return rc == SQLITE_DONE ? 0 : -1;
}

int
sql_run(sqlite3_stmt *stmt, struct err *err)
{
	int rc = sql_step(stmt, err);

	if (rc == 1)
		(void)sqlite3_reset(stmt);
	(void)sqlite3_clear_bindings(stmt);
	return rc == -1 ? -1 : 0;
}

int
sql_number(sqlite3 *db, const char *text, int64_t *ret, struct err *err)
{
	sqlite3_stmt *stmt;
	int rc;

	if (sql_prepare(db, text, &stmt, err) == -1)
		return -1;
	rc = sql_step(stmt, err);
	if (rc == 1)
		*ret = sqlite3_column_int64(stmt, 0);
	else if (rc == 0)
		rc = err_set(err, "%s: no row", text);
	(void)sqlite3_finalize(stmt);
	return rc == 1 ? 0 : -1;
}

int
sql_check(sqlite3 *db, struct err *err)
{
	const char *path = sqlite3_db_filename(db, "main");
	sqlite3_stmt *stmt;
	int rc;

	if (sql_prepare(db, "PRAGMA quick_check(1)", &stmt, err) == -1)
		return -1;
	rc = sql_step(stmt, err);
	if (rc == 1 && strcmp(sql_column_text(stmt, 0), "ok") != 0) {
		(void)err_set(err, "%s: damaged: %s",
		    path != NULL ? path : "sqlite", sql_column_text(stmt, 0));
		if (err != NULL)
			err->code = EUCLEAN;
		rc = -1;
	}
	(void)sqlite3_finalize(stmt);
	return rc == -1 ? -1 : 0;
}

void
sql_generation(char buf[33])
{
	uint64_t words[2] = { 0, 0 };

	if (getrandom(words, sizeof(words), 0) != sizeof(words))
		sqlite3_randomness((int)sizeof(words), words);
	(void)snprintf(buf, 33, "%016llx%016llx",
	    (unsigned long long)words[0], (unsigned long long)words[1]);
}

void
sql_bind_slice(sqlite3_stmt *stmt, int i, struct slice text)
{
	(void)sqlite3_bind_text(stmt, i, text.p != NULL ? text.p : "",
	    (int)text.n, SQLITE_STATIC);
}

void
sql_bind_text(sqlite3_stmt *stmt, int i, const char *text)
{
	if (text == NULL)
		(void)sqlite3_bind_null(stmt, i);
	else
		(void)sqlite3_bind_text(stmt, i, text, -1, SQLITE_STATIC);
}

void
sql_bind_blob(sqlite3_stmt *stmt, int i, const void *p, size_t n)
{
	(void)sqlite3_bind_blob64(stmt, i, p, n, SQLITE_STATIC);
}

void
sql_bind_int(sqlite3_stmt *stmt, int i, int64_t value)
{
	(void)sqlite3_bind_int64(stmt, i, value);
}

struct slice
sql_column_slice(sqlite3_stmt *stmt, int i)
{
	const char *p = sqlite3_column_blob(stmt, i);

	return (struct slice){ p, (size_t)sqlite3_column_bytes(stmt, i) };
}

const char *
sql_column_text(sqlite3_stmt *stmt, int i)
{
	const unsigned char *text = sqlite3_column_text(stmt, i);

	return text != NULL ? (const char *)text : "";
}
