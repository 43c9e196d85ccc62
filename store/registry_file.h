/*
 * registry_file: sluice.db as a file: its tables, opening it with a check of
 * what is in it, and the daily copy beside it. What the tables mean is the
 * registry's (registry.h); this knows how to get at them, and what to tell the
 * operator when they are damaged. Reader thread only.
 */
#ifndef SLUICE_REGISTRY_FILE_H
#define SLUICE_REGISTRY_FILE_H

#include "store/sql.h"

#define REGISTRY_VERSION 1
#define REGISTRY_COPY    ".daily"   /* appended to the file's name */

/* Opens or makes the file and prepares the `n` statements. err->code EX_CONFIG
 * when it is damaged or newer than this program; the text then says how to go
 * on. *ret is closed by sql_close(), which takes the statements along. */
int	registry_file_open(sqlite3 **ret, const char *path,
	    const char *const *texts, sqlite3_stmt **stmts, size_t n,
	    struct err *err) MUST_CHECK;
/* Copies the open file to <path>.daily, whole or not at all, and only what is
 * not damaged (else as above). The copy has a name of its own in meta.id. */
int	registry_file_copy(sqlite3 *db, const char *path, struct err *err)
	    MUST_CHECK;
/* The age of that copy in ms, or -1 if there is none. */
int64_t	registry_file_copy_age_ms(const char *path);

#endif
