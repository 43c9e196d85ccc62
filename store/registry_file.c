#include "store/registry_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/mono.h"
#include "common/xmalloc.h"

#define REGISTRY_PRAGMAS						\
	"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
#define REGISTRY_SCHEMA							\
	"CREATE TABLE meta(one INTEGER PRIMARY KEY CHECK(one = 1),"	\
	" id TEXT NOT NULL, change INTEGER NOT NULL);"			\
	"CREATE TABLE workflows(tenant TEXT NOT NULL, id TEXT NOT NULL," \
	" origin TEXT NOT NULL, cluster TEXT NOT NULL,"			\
	" nodes TEXT NOT NULL, version INTEGER NOT NULL,"		\
	" change INTEGER NOT NULL, deleted INTEGER NOT NULL,"		\
	" updated_at TEXT NOT NULL, PRIMARY KEY(tenant, id));"		\
	"CREATE INDEX workflows_change ON workflows(change);"		\
	"CREATE INDEX workflows_cluster ON workflows(cluster);"		\
	"CREATE TABLE bindings(cluster TEXT PRIMARY KEY,"		\
	" version INTEGER NOT NULL);"

/* The workflows are nobody else's: only the operator may do without them. */
static int
file_damaged(const char *path, const char *why, struct err *err)
{
	(void)err_set(err, "%.300s. It holds the workflows and is not"
	    " replaced by itself: stop Sluice, move it (and its -wal"
	    " and -shm) away, copy %.100s%s to its name, start again",
	    why, path, REGISTRY_COPY);
	if (err != NULL)
		err->code = EX_CONFIG;
	return -1;
}

/* --- opening ------------------------------------------------------------- */

static int
schema_create(sqlite3 *db, struct err *err)
{
	char id[33], text[256];

	sql_generation(id);
	(void)snprintf(text, sizeof(text), "INSERT INTO meta VALUES(1, '%s',"
	    " 0); PRAGMA user_version = %d; COMMIT", id, REGISTRY_VERSION);
	if (sql_create(db, "BEGIN IMMEDIATE;" REGISTRY_SCHEMA, err) == -1)
		return -1;
	return sql_exec(db, text, err);
}

static int
file_check(sqlite3 *db, const char *path, struct err *err)
{
	int64_t version;

	if (sql_number(db, "PRAGMA user_version", &version, err) == -1)
		return -1;
	if (version > REGISTRY_VERSION) {
		(void)err_set(err, "%s was written by a newer Sluice (schema"
		    " %lld, this one knows %d): install that version again,"
		    " or another state_directory", path, (long long)version,
		    REGISTRY_VERSION);
		if (err != NULL)
			err->code = EX_CONFIG;
		return -1;
	}
	if (version == 0 && schema_create(db, err) == -1)
		return -1;
	return sql_check(db, err);
}

int
registry_file_open(sqlite3 **ret, const char *path, const char *const *texts,
    sqlite3_stmt **stmts, size_t n, struct err *err)
{
	struct err why = { 0 };
	sqlite3 *db = NULL;

	if (sql_open(&db, path, SQL_READ_WRITE, REGISTRY_PRAGMAS, &why) == 0 &&
	    file_check(db, path, &why) == 0 &&
	    sql_prepare_all(db, texts, stmts, n, &why) == 0) {
		*ret = db;
		return 0;
	}
	sql_close(db);
	if (why.code == EUCLEAN)
		return file_damaged(path, why.text, err);
	if (err != NULL)
		*err = why;
	return -1;
}

/* --- the daily copy ------------------------------------------------------ */

static int
copy_pages(sqlite3 *from, sqlite3 *to, struct err *err)
{
	sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
	int rc = backup != NULL ? sqlite3_backup_step(backup, -1)
	    : SQLITE_ERROR;

	(void)sqlite3_backup_finish(backup);
	return rc == SQLITE_DONE ? 0 : sql_fail(to, err, "the copy failed");
}

/* Another file than its original, by name: what was numbered after the copy
 * was made is numbered anew in it. */
static int
copy_rename(sqlite3 *copy, struct err *err)
{
	char id[33], text[128];

	sql_generation(id);
	(void)snprintf(text, sizeof(text), "PRAGMA journal_mode = DELETE;"
	    " UPDATE meta SET id = '%s'", id);
	return sql_exec(copy, text, err);
}

static int
file_sync(const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int rc = 0;

	if (fd == -1 || fsync(fd) == -1)
		rc = err_errno(err, errno, "%s", path);
	if (fd != -1)
		(void)close(fd);
	return rc;
}

/* Damage is copied as it is: a copy that has some replaces no good one. */
static int
copy_into(sqlite3 *db, const char *path, struct err *err)
{
	sqlite3 *to;
	int rc;

	if (sql_open(&to, path, SQL_READ_WRITE, "PRAGMA synchronous = FULL",
	    err) == -1)
		return -1;
	rc = copy_pages(db, to, err);
	if (rc == 0)
		rc = sql_check(to, err);
	if (rc == 0)
		rc = copy_rename(to, err);
	sql_close(to);
	return rc == 0 ? file_sync(path, err) : -1;
}

int
registry_file_copy(sqlite3 *db, const char *path, struct err *err)
{
	char *copy = xasprintf("%s%s", path, REGISTRY_COPY);
	char *temporary = xasprintf("%s.tmp", copy);
	struct err why = { 0 };
	int rc;

	(void)unlink(temporary);
	rc = copy_into(db, temporary, &why);
	if (rc == -1 && why.code == EUCLEAN)
		(void)file_damaged(path, why.text, err);
	else if (rc == -1 && err != NULL)
		*err = why;
	if (rc == 0 && rename(temporary, copy) == -1)
		rc = err_errno(err, errno, "%s", copy);
	if (rc == -1)
		(void)unlink(temporary);
	free(temporary);
	free(copy);
	return rc;
}

int64_t
registry_file_copy_age_ms(const char *path)
{
	char *copy = xasprintf("%s%s", path, REGISTRY_COPY);
	struct stat st;
	int64_t age = -1;

	if (stat(copy, &st) == 0)
		age = wall_unix_ms() - (int64_t)st.st_mtim.tv_sec * 1000;
	free(copy);
	return age;
}
