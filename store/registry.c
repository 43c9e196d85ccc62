#include "store/registry.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/event.h"
#include "common/mono.h"
#include "common/xmalloc.h"
#include "store/registry_file.h"
#include "store/sql.h"

#define REGISTRY_MAGIC 0x52454749u
#define REGISTRY_STATEMENTS(X)						\
	X(BEGIN, "BEGIN IMMEDIATE")					\
	X(COMMIT, "COMMIT")						\
	X(GET, "SELECT tenant, id, origin, cluster, nodes, version,"	\
	    " updated_at FROM workflows WHERE tenant = ?1 AND id = ?2"	\
	    " AND deleted = 0")						\
	X(LIST, "SELECT tenant, id, origin, cluster, NULL, version,"	\
	    " updated_at FROM workflows WHERE tenant = ?1"		\
	    " AND deleted = 0 ORDER BY id")				\
	X(BOUND, "SELECT tenant, id, nodes FROM workflows"		\
	    " WHERE cluster = ?1 AND deleted = 0 ORDER BY tenant, id")	\
	X(PUT, "INSERT INTO workflows VALUES(?1, ?2, ?3, ?4, ?5, 1,"	\
	    " (SELECT change FROM meta), 0, ?6) ON CONFLICT DO UPDATE SET" \
	    " origin = excluded.origin, cluster = excluded.cluster,"	\
	    " nodes = excluded.nodes, version = version + 1,"		\
	    " change = excluded.change, deleted = 0,"			\
	    " updated_at = excluded.updated_at")			\
	X(DELETE, "UPDATE workflows SET deleted = 1,"			\
	    " version = version + 1,"					\
	    " change = (SELECT change FROM meta), updated_at = ?3"	\
	    " WHERE tenant = ?1 AND id = ?2 AND deleted = 0")		\
	X(CHANGE, "UPDATE meta SET change = change + 1")		\
	X(BUMP, "INSERT INTO bindings VALUES(?1, 1) ON CONFLICT DO"	\
	    " UPDATE SET version = version + 1")			\
	X(VERSION, "SELECT version FROM bindings WHERE cluster = ?1")	\
	X(VERSIONS, "SELECT cluster, version FROM bindings")		\
	X(FOLLOWED, "SELECT id FROM workflows WHERE tenant = '-'"	\
	    " AND origin = 'mongodb' AND deleted = 0")

enum statement {
#define X(name, text) STMT_##name,
	REGISTRY_STATEMENTS(X)
#undef X
	STMT_MAX
};

static const char *const statement_texts[STMT_MAX] = {
#define X(name, text) text,
	REGISTRY_STATEMENTS(X)
#undef X
};

struct registry {
	uint32_t		 magic;
	sqlite3			*db;
	sqlite3_stmt		*stmts[STMT_MAX];
	char			*path;
	registry_changed_fn	 changed;
	void			*arg;
	json_t			*touched;  /* clusters of this transaction */
};

/* --- the file ------------------------------------------------------------ */

struct registry *
registry_open(const char *path, registry_changed_fn changed, void *arg,
    struct err *err)
{
	struct registry *r = xcalloc(1, sizeof(*r));

	r->magic = REGISTRY_MAGIC;
	r->path = xstrdup(path);
	r->changed = changed;
	r->arg = arg;
	r->touched = json_object();
	if (registry_file_open(&r->db, path, statement_texts, r->stmts,
	    STMT_MAX, err) == 0)
		return r;
	registry_close(r);
	return NULL;
}

void
registry_close(struct registry *r)
{
	if (r == NULL)
		return;
	assert(r->magic == REGISTRY_MAGIC);
	r->magic = 0;
	sql_close(r->db);
	json_decref(r->touched);
	free(r->path);
	free(r);
}

int
registry_copy(struct registry *r, struct err *err)
{
	assert(r->magic == REGISTRY_MAGIC);
	return registry_file_copy(r->db, r->path, err);
}

int64_t
registry_copy_age_ms(const struct registry *r)
{
	return registry_file_copy_age_ms(r->path);
}

/* --- transactions -------------------------------------------------------- */

static int
registry_begin(struct registry *r, struct err *err)
{
	(void)json_object_clear(r->touched);
	return sql_run(r->stmts[STMT_BEGIN], err);
}

static void
registry_rollback(struct registry *r)
{
	if (sqlite3_get_autocommit(r->db) == 0)
		(void)sqlite3_exec(r->db, "ROLLBACK", NULL, NULL, NULL);
}

static void
registry_touch(struct registry *r, const char *cluster)
{
	(void)json_object_set_new(r->touched, cluster, json_true());
}

static int
registry_version(struct registry *r, const char *cluster, int64_t *ret,
    struct err *err)
{
	sqlite3_stmt *stmt = r->stmts[STMT_VERSION];
	int rc;

	sql_bind_text(stmt, 1, cluster);
	rc = sql_step(stmt, err);
	*ret = rc == 1 ? sqlite3_column_int64(stmt, 0) : 0;
	(void)sqlite3_reset(stmt);
	return rc == -1 ? -1 : 0;
}

/* Bumps the versions of what was touched, commits, and tells. */
static int
registry_commit(struct registry *r, struct err *err)
{
	const char *cluster;
	json_t *value;
	int64_t version;

	json_object_foreach(r->touched, cluster, value) {
		sql_bind_text(r->stmts[STMT_BUMP], 1, cluster);
		if (sql_run(r->stmts[STMT_BUMP], err) == -1)
			return -1;
	}
	if (sql_run(r->stmts[STMT_COMMIT], err) == -1)
		return -1;
	json_object_foreach(r->touched, cluster, value) {
		if (registry_version(r, cluster, &version, err) == -1)
			return -1;
		r->changed(cluster, (uint64_t)version, r->arg);
	}
	return 0;
}

/* Ends a transaction in which `rc` came out. */
static int
registry_end(struct registry *r, int rc, struct err *err)
{
	if (rc == 0)
		rc = registry_commit(r, err);
	if (rc == -1)
		registry_rollback(r);
	return rc;
}

/* --- one workflow -------------------------------------------------------- */

static json_t *
workflow_row(sqlite3_stmt *stmt)
{
	json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:I, s:s}",
	    "tenant", sql_column_text(stmt, 0), "id", sql_column_text(stmt, 1),
	    "origin", sql_column_text(stmt, 2),
	    "cluster", sql_column_text(stmt, 3),
	    "version", (json_int_t)sqlite3_column_int64(stmt, 5),
	    "updated_at", sql_column_text(stmt, 6));

	if (sqlite3_column_type(stmt, 4) != SQLITE_NULL)
		(void)json_object_set_new(row, "nodes",
		    json_loads(sql_column_text(stmt, 4), 0, NULL));
	return row;
}

int
registry_get(struct registry *r, const char *tenant, const char *id,
    json_t **ret, struct err *err)
{
	sqlite3_stmt *stmt = r->stmts[STMT_GET];
	int rc;

	sql_bind_text(stmt, 1, tenant);
	sql_bind_text(stmt, 2, id);
	rc = sql_step(stmt, err);
	if (rc == -1)
		return -1;
	*ret = rc == 1 ? workflow_row(stmt) : NULL;
	(void)sqlite3_reset(stmt);
	return 0;
}

static bool
row_equals(const json_t *row, const char *origin, const struct workflow *w)
{
	return row != NULL &&
	    strcmp(json_string_value(json_object_get(row, "origin")),
	    origin) == 0 &&
	    strcmp(json_string_value(json_object_get(row, "cluster")),
	    w->cluster) == 0 &&
	    json_equal(json_object_get(row, "nodes"), w->nodes);
}

/* Inside a transaction: writes the row if it differs from `old`. */
static int
put_row(struct registry *r, const char *origin, const struct workflow *w,
    const json_t *old, struct err *err)
{
	sqlite3_stmt *stmt = r->stmts[STMT_PUT];
	char time[MONO_RFC3339_SIZE];
	char *nodes;
	int rc;

	if (row_equals(old, origin, w))
		return 0;
	if (old != NULL)
		registry_touch(r, json_string_value(json_object_get(old,
		    "cluster")));
	registry_touch(r, w->cluster);
	if (sql_run(r->stmts[STMT_CHANGE], err) == -1)
		return -1;
	nodes = json_dumps(w->nodes, JSON_COMPACT);
	sql_bind_text(stmt, 1, w->tenant);
	sql_bind_text(stmt, 2, w->id);
	sql_bind_text(stmt, 3, origin);
	sql_bind_text(stmt, 4, w->cluster);
	sql_bind_text(stmt, 5, nodes);
	sql_bind_text(stmt, 6, wall_format(wall_unix_ms(), time));
	rc = sql_run(stmt, err);
	free(nodes);
	return rc;
}

int
registry_put(struct registry *r, const struct workflow *w, json_t **ret,
    struct err *err)
{
	json_t *old = NULL;
	int rc;

	assert(r->magic == REGISTRY_MAGIC);
	if (registry_begin(r, err) == -1)
		return -1;
	rc = registry_get(r, w->tenant, w->id, &old, err);
	if (rc == 0)
		rc = put_row(r, "api", w, old, err);
	json_decref(old);
	if (registry_end(r, rc, err) == -1)
		return -1;
	return registry_get(r, w->tenant, w->id, ret, err);
}

/* Inside a transaction. */
static int
delete_row(struct registry *r, const char *tenant, const char *id,
    const char *cluster, struct err *err)
{
	sqlite3_stmt *stmt = r->stmts[STMT_DELETE];
	char time[MONO_RFC3339_SIZE];

	registry_touch(r, cluster);
	if (sql_run(r->stmts[STMT_CHANGE], err) == -1)
		return -1;
	sql_bind_text(stmt, 1, tenant);
	sql_bind_text(stmt, 2, id);
	sql_bind_text(stmt, 3, wall_format(wall_unix_ms(), time));
	return sql_run(stmt, err);
}

int
registry_delete(struct registry *r, const char *tenant, const char *id,
    struct err *err)
{
	json_t *old = NULL;
	int rc;

	assert(r->magic == REGISTRY_MAGIC);
	if (registry_begin(r, err) == -1)
		return -1;
	rc = registry_get(r, tenant, id, &old, err);
	if (rc == 0 && old != NULL)
		rc = delete_row(r, tenant, id, json_string_value(
		    json_object_get(old, "cluster")), err);
	rc = registry_end(r, rc, err);
	if (rc == 0)
		rc = old != NULL;
	json_decref(old);
	return rc;
}

int
registry_list(struct registry *r, const char *tenant, json_t **ret,
    struct err *err)
{
	sqlite3_stmt *stmt = r->stmts[STMT_LIST];
	json_t *list = json_array();
	int rc;

	sql_bind_text(stmt, 1, tenant);
	while ((rc = sql_step(stmt, err)) == 1)
		(void)json_array_append_new(list, workflow_row(stmt));
	if (rc == -1) {
		json_decref(list);
		return -1;
	}
	*ret = list;
	return 0;
}

/* --- bindings ------------------------------------------------------------ */

static void
bindings_add(json_t *list, const char *tenant, const char *id,
    const char *nodes_text)
{
	json_t *nodes = json_loads(nodes_text, 0, NULL), *node;
	size_t i;

	json_array_foreach(nodes, i, node) {
		(void)json_array_append_new(list, json_pack(
		    "{s:s, s:s, s:O, s:O, s:O, s:O}", "tenant", tenant,
		    "workflow", id, "node", json_object_get(node, "id"),
		    "kind", json_object_get(node, "type"),
		    "namespace", json_object_get(node, "namespace"),
		    "name", json_object_get(node, "name")));
	}
	json_decref(nodes);
}

int
registry_bindings(struct registry *r, const char *cluster, json_t **ret,
    struct err *err)
{
	sqlite3_stmt *stmt = r->stmts[STMT_BOUND];
	json_t *list;
	int64_t version;
	int rc;

	/* One thread writes and reads: nothing changes in between. */
	if (registry_version(r, cluster, &version, err) == -1)
		return -1;
	list = json_array();
	sql_bind_text(stmt, 1, cluster);
	while ((rc = sql_step(stmt, err)) == 1)
		bindings_add(list, sql_column_text(stmt, 0),
		    sql_column_text(stmt, 1), sql_column_text(stmt, 2));
	if (rc == -1) {
		json_decref(list);
		return -1;
	}
	*ret = json_pack("{s:I, s:o}", "version", (json_int_t)version,
	    "bindings", list);
	return 0;
}

char *
registry_cluster_of(struct registry *r, struct slice tenant,
    struct slice workflow)
{
	sqlite3_stmt *stmt = r->stmts[STMT_GET];
	char *cluster = NULL;

	sql_bind_slice(stmt, 1, tenant);
	sql_bind_slice(stmt, 2, workflow);
	if (sql_step(stmt, NULL) == 1)
		cluster = xstrdup(sql_column_text(stmt, 3));
	(void)sqlite3_reset(stmt);
	(void)sqlite3_clear_bindings(stmt);
	return cluster;
}

int
registry_announce(struct registry *r, struct err *err)
{
	sqlite3_stmt *stmt = r->stmts[STMT_VERSIONS];
	int rc;

	while ((rc = sql_step(stmt, err)) == 1)
		r->changed(sql_column_text(stmt, 0),
		    (uint64_t)sqlite3_column_int64(stmt, 1), r->arg);
	return rc;
}

int
registry_count(struct registry *r, int64_t *ret, struct err *err)
{
	return sql_number(r->db, "SELECT count(*) FROM workflows WHERE"
	    " deleted = 0", ret, err);
}

/* --- what MongoDB follows ------------------------------------------------ */

static int
follow_one(struct registry *r, const json_t *workflow, json_t *kept,
    struct err *err)
{
	const char *id = json_string_value(json_object_get(workflow, "id"));
	const char *cluster = json_string_value(json_object_get(workflow,
	    "cluster"));
	struct workflow w;
	json_t *old = NULL;
	int rc = 0;

	if (id == NULL || cluster == NULL ||
	    registry_get(r, EVENT_TENANT_DEFAULT, id, &old, err) == -1)
		return -1;
	(void)json_object_set_new(kept, id, json_true());
	if (old == NULL || strcmp(json_string_value(json_object_get(old,
	    "origin")), "mongodb") == 0) {
		w.tenant = xstrdup(EVENT_TENANT_DEFAULT);
		w.id = xstrdup(id);
		w.cluster = xstrdup(cluster);
		w.nodes = json_incref(json_object_get(workflow, "nodes"));
		rc = put_row(r, "mongodb", &w, old, err);
		workflow_clear(&w);
	}
	json_decref(old);
	return rc;
}

/* Deletes the rows of this origin that are followed no more. */
static int
unfollow_others(struct registry *r, const json_t *kept, struct err *err)
{
	sqlite3_stmt *stmt = r->stmts[STMT_FOLLOWED];
	json_t *gone = json_array(), *old, *id;
	size_t i;
	int rc;

	while ((rc = sql_step(stmt, err)) == 1) {
		if (json_object_get(kept, sql_column_text(stmt, 0)) == NULL)
			(void)json_array_append_new(gone,
			    json_string(sql_column_text(stmt, 0)));
	}
	json_array_foreach(gone, i, id) {
		old = NULL;
		if (rc == 0)
			rc = registry_get(r, EVENT_TENANT_DEFAULT,
			    json_string_value(id), &old, err);
		if (rc == 0 && old != NULL)
			rc = delete_row(r, EVENT_TENANT_DEFAULT,
			    json_string_value(id), json_string_value(
			    json_object_get(old, "cluster")), err);
		json_decref(old);
	}
	json_decref(gone);
	return rc;
}

int
registry_follow(struct registry *r, const json_t *workflows, struct err *err)
{
	json_t *kept = json_object();
	const json_t *workflow;
	size_t i;
	int rc;

	assert(r->magic == REGISTRY_MAGIC);
	rc = registry_begin(r, err);
	json_array_foreach(workflows, i, workflow) {
		if (rc == 0)
			rc = follow_one(r, workflow, kept, err);
	}
	if (rc == 0)
		rc = unfollow_others(r, kept, err);
	json_decref(kept);
	return registry_end(r, rc, err);
}
