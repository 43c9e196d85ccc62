/*
 * sql: a thin shell over SQLite: opening, statements and errors as the rest
 * of the store wants them. A connection belongs to one thread.
 *
 * On failure err->code says what kind it is:
 *   EUCLEAN  the file is damaged (SQLITE_CORRUPT, SQLITE_NOTADB)
 *   ENOSPC   the disk is full
 *   EIO      anything else that may pass (I/O error, locked)
 */
#ifndef SLUICE_SQL_H
#define SLUICE_SQL_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "common/buf.h"
#include "common/err.h"

#define SQL_BUSY_TIMEOUT_MS 5000

enum sql_mode { SQL_READ_ONLY, SQL_READ_WRITE };

/* Opens the file (made if absent when writing) and runs `pragmas`. */
int	sql_open(sqlite3 **ret, const char *path, enum sql_mode mode,
	    const char *pragmas, struct err *err) MUST_CHECK;
void	sql_close(sqlite3 *db);
/* Fills *err from the connection's last error; always -1. */
int	sql_fail(sqlite3 *db, struct err *err, const char *what);
int	sql_exec(sqlite3 *db, const char *text, struct err *err) MUST_CHECK;
/* Runs the statements that make the tables of a new file. EUCLEAN also when one
 * is in their way: it is not our file then. */
int	sql_create(sqlite3 *db, const char *text, struct err *err) MUST_CHECK;
int	sql_prepare(sqlite3 *db, const char *text, sqlite3_stmt **ret,
	    struct err *err) MUST_CHECK;
/* Prepares a list of them. EUCLEAN also for one that names what is not there:
 * it is not our file then. */
int	sql_prepare_all(sqlite3 *db, const char *const *texts,
	    sqlite3_stmt **stmts, size_t n, struct err *err) MUST_CHECK;
/* 1 = a row, 0 = no more (and reset), -1 = error (and reset). */
int	sql_step(sqlite3_stmt *stmt, struct err *err) MUST_CHECK;
/* Runs a statement that gives no rows. */
int	sql_run(sqlite3_stmt *stmt, struct err *err) MUST_CHECK;
/* The first column of the only row as a number; -1 with *err otherwise. */
int	sql_number(sqlite3 *db, const char *text, int64_t *ret,
	    struct err *err) MUST_CHECK;
/* Checks the file's structure; -1 with EUCLEAN and the first finding. */
int	sql_check(sqlite3 *db, struct err *err) MUST_CHECK;
/* A name for the generation of a file: 32 hex digits of randomness. */
void	sql_generation(char buf[33]);

/* Bytes stay the caller's and must live until the statement was run. */
void	sql_bind_slice(sqlite3_stmt *stmt, int i, struct slice text);
/* text may be NULL. */
void	sql_bind_text(sqlite3_stmt *stmt, int i, const char *text);
void	sql_bind_blob(sqlite3_stmt *stmt, int i, const void *p, size_t n);
void	sql_bind_int(sqlite3_stmt *stmt, int i, int64_t value);
/* Valid until the next step. */
struct slice	sql_column_slice(sqlite3_stmt *stmt, int i);
/* The text, or "" for NULL. */
const char	*sql_column_text(sqlite3_stmt *stmt, int i);

#endif
