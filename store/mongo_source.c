#include "store/mongo_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "store/sql.h"

#define SOURCE_PRAGMAS "PRAGMA query_only = 1; PRAGMA cache_size = -2048;"

#define PROJECTION_STATEMENTS(X)					\
	X(AT, "SELECT id, change, epoch, position FROM checkpoint")	\
	X(NODES, "SELECT workflow, node, status, epoch, position, change" \
	    " FROM workflow_nodes WHERE change > ?1 ORDER BY change"	\
	    " LIMIT ?2")						\
	X(CLUSTERS, "SELECT coalesce(name, id), status, latency_ms,"	\
	    " checked_at, metadata, epoch, position FROM clusters"	\
	    " WHERE change > ?1 AND change <= ?2")			\
	X(NODES_OF, "SELECT workflow, node, status, epoch, position, change" \
	    " FROM workflow_nodes WHERE tenant = ?1 AND workflow = ?2")

#define REGISTRY_STATEMENTS(X)						\
	X(META, "SELECT id, change FROM meta")				\
	X(WORKFLOWS, "SELECT tenant, id, cluster, nodes, deleted, change," \
	    " origin FROM workflows WHERE change > ?1 ORDER BY change"	\
	    " LIMIT ?2")

enum statement {
#define X(name, text) STMT_##name,
	PROJECTION_STATEMENTS(X)
	REGISTRY_STATEMENTS(X)
#undef X
	STMT_MAX
};

static const char *const statement_texts[STMT_MAX] = {
#define X(name, text) text,
	PROJECTION_STATEMENTS(X)
	REGISTRY_STATEMENTS(X)
#undef X
};

struct mongo_source {
	sqlite3		*projection;
	sqlite3		*registry;
	sqlite3_stmt	*stmts[STMT_MAX];
};

struct mongo_source *
mongo_source_open(const char *projection_path, const char *registry_path,
    struct err *err)
{
	struct mongo_source *s = xcalloc(1, sizeof(*s));

	if (sql_open(&s->projection, projection_path, SQL_READ_ONLY,
	    SOURCE_PRAGMAS, err) == -1 ||
	    sql_open(&s->registry, registry_path, SQL_READ_ONLY,
	    SOURCE_PRAGMAS, err) == -1 ||
	    sql_prepare_all(s->projection, statement_texts, s->stmts,
	    STMT_META, err) == -1 ||
	    sql_prepare_all(s->registry, statement_texts + STMT_META,
	    s->stmts + STMT_META, STMT_MAX - STMT_META, err) == -1) {
		mongo_source_close(s);
		return NULL;
	}
	return s;
}

void
mongo_source_close(struct mongo_source *s)
{
	if (s == NULL)
		return;
	sql_close(s->projection);
	sql_close(s->registry);
	free(s);
}

void
mongo_batch_clear(struct mongo_batch *b)
{
	size_t i;

	for (i = 0; i < b->n_rows; i++) {
		free(b->rows[i].workflow);
		free(b->rows[i].node);
		json_decref(b->rows[i].status);
	}
	for (i = 0; i < b->n_workflows; i++) {
		free(b->workflows[i].tenant);
		free(b->workflows[i].id);
		free(b->workflows[i].cluster);
		json_decref(b->workflows[i].nodes);
	}
	free(b->rows);
	free(b->workflows);
	*b = (struct mongo_batch){ 0 };
}

static struct position
column_position(sqlite3_stmt *stmt, int i)
{
	return (struct position){
		.epoch = (uint32_t)sqlite3_column_int64(stmt, i),
		.number = (uint64_t)sqlite3_column_int64(stmt, i + 1),
	};
}

static struct mongo_row *
row_add(struct mongo_batch *b)
{
	struct mongo_row *row;

	b->rows = xreallocarray(b->rows, b->n_rows + 1, sizeof(*b->rows));
	row = &b->rows[b->n_rows++];
	*row = (struct mongo_row){ 0 };
	return row;
}

/* Adds the rows of a statement whose parameters are bound. *ret_last: the
 * highest change among them, if there was any. */
static int
read_nodes(sqlite3_stmt *stmt, struct mongo_batch *b, size_t *ret_n,
    uint64_t *ret_last, struct err *err)
{
	struct mongo_row *row;
	json_t *status;
	int rc;

	while ((rc = sql_step(stmt, err)) == 1) {
		status = json_loads(sql_column_text(stmt, 2), JSON_ALLOW_NUL,
		    NULL);
		*ret_last = (uint64_t)sqlite3_column_int64(stmt, 5);
		(*ret_n)++;
		if (!json_is_object(status)) {
			json_decref(status);
			continue;
		}
		row = row_add(b);
		row->workflow = xstrdup(sql_column_text(stmt, 0));
		row->node = xstrdup(sql_column_text(stmt, 1));
		row->status = status;
		row->position = column_position(stmt, 3);
	}
	return rc;
}

static int
read_clusters(struct mongo_source *s, uint64_t since, uint64_t through,
    struct mongo_batch *b, struct err *err)
{
	sqlite3_stmt *stmt = s->stmts[STMT_CLUSTERS];
	struct mongo_row *row;
	json_t *metadata;
	int rc;

	sql_bind_int(stmt, 1, (int64_t)since);
	sql_bind_int(stmt, 2, (int64_t)through);
	while ((rc = sql_step(stmt, err)) == 1) {
		metadata = json_loads(sql_column_text(stmt, 4),
		    JSON_ALLOW_NUL, NULL);
		row = row_add(b);
		row->workflow = xstrdup(sql_column_text(stmt, 0));
		row->status = json_pack("{s:s, s:s, s:o*}", "status",
		    sql_column_text(stmt, 1), "checked_at",
		    sql_column_text(stmt, 3), "metadata", metadata);
		if (sqlite3_column_type(stmt, 2) != SQLITE_NULL)
			(void)json_object_set_new(row->status, "latency_ms",
			    json_integer(sqlite3_column_int64(stmt, 2)));
		row->position = column_position(stmt, 5);
	}
	return rc;
}

/* Rows changed since, and up to where `next` then stands. */
static int
read_rows(struct mongo_source *s, const struct mongo_checkpoint *since,
    struct mongo_batch *b, struct err *err)
{
	sqlite3_stmt *at = s->stmts[STMT_AT], *nodes = s->stmts[STMT_NODES];
	uint64_t from = 0, tip, last = 0;
	size_t n = 0;
	int rc = sql_step(at, err);

	if (rc != 1)
		return rc == 0 ? err_set(err, "the checkpoint is missing") : -1;
	(void)snprintf(b->next.projection, sizeof(b->next.projection), "%s",
	    sql_column_text(at, 0));
	tip = (uint64_t)sqlite3_column_int64(at, 1);
	b->next.position = column_position(at, 2);
	(void)sqlite3_reset(at);
	/* A file put back to an earlier state counts as another one. */
	if (strcmp(since->projection, b->next.projection) == 0 &&
	    since->change <= tip)
		from = since->change;
	sql_bind_int(nodes, 1, (int64_t)from);
	sql_bind_int(nodes, 2, MONGO_BATCH);
	if (read_nodes(nodes, b, &n, &last, err) == -1)
		return -1;
	b->more = n == MONGO_BATCH;
	b->next.change = b->more ? last : tip;
	b->behind = tip - b->next.change;
	return read_clusters(s, from, b->next.change, b, err);
}

static void
workflow_add(struct mongo_batch *b, sqlite3_stmt *stmt)
{
	struct mongo_workflow *w;

	b->workflows = xreallocarray(b->workflows, b->n_workflows + 1,
	    sizeof(*b->workflows));
	w = &b->workflows[b->n_workflows++];
	w->tenant = xstrdup(sql_column_text(stmt, 0));
	w->id = xstrdup(sql_column_text(stmt, 1));
	w->cluster = xstrdup(sql_column_text(stmt, 2));
	w->nodes = json_loads(sql_column_text(stmt, 3), 0, NULL);
	w->deleted = sqlite3_column_int(stmt, 4) != 0;
}

static int
read_workflows(struct mongo_source *s, const struct mongo_checkpoint *since,
    struct mongo_batch *b, struct err *err)
{
	sqlite3_stmt *meta = s->stmts[STMT_META];
	sqlite3_stmt *stmt = s->stmts[STMT_WORKFLOWS];
	uint64_t from = 0, tip;
	int n = 0, rc = sql_step(meta, err);

	if (rc != 1)
		return rc == 0 ? err_set(err, "sluice.db has no name") : -1;
	(void)snprintf(b->next.registry, sizeof(b->next.registry), "%s",
	    sql_column_text(meta, 0));
	tip = (uint64_t)sqlite3_column_int64(meta, 1);
	(void)sqlite3_reset(meta);
	if (strcmp(since->registry, b->next.registry) == 0 &&
	    since->workflow_change <= tip)
		from = since->workflow_change;
	b->next.workflow_change = from;
	sql_bind_int(stmt, 1, (int64_t)from);
	sql_bind_int(stmt, 2, MONGO_WORKFLOWS_BATCH);
	while ((rc = sql_step(stmt, err)) == 1) {
		b->next.workflow_change =
		    (uint64_t)sqlite3_column_int64(stmt, 5);
		n++;
		if (strcmp(sql_column_text(stmt, 6), "api") == 0)
			workflow_add(b, stmt);
	}
	b->more = b->more || n == MONGO_WORKFLOWS_BATCH;
	return rc;
}

/* A workflow whose document is made now may have statuses already. */
static int
read_nodes_of(struct mongo_source *s, struct mongo_batch *b, struct err *err)
{
	sqlite3_stmt *stmt = s->stmts[STMT_NODES_OF];
	uint64_t last;
	size_t i, n = 0;

	for (i = 0; i < b->n_workflows; i++) {
		if (b->workflows[i].deleted)
			continue;
		sql_bind_text(stmt, 1, b->workflows[i].tenant);
		sql_bind_text(stmt, 2, b->workflows[i].id);
		if (read_nodes(stmt, b, &n, &last, err) == -1)
			return -1;
	}
	return 0;
}

int
mongo_source_read(struct mongo_source *s,
    const struct mongo_checkpoint *since, struct mongo_batch *ret,
    struct err *err)
{
	struct mongo_batch b = { 0 };
	int rc = sql_exec(s->projection, "BEGIN", err);

	if (rc == 0) {
		rc = read_rows(s, since, &b, err);
		if (rc == 0)
			rc = read_workflows(s, since, &b, err);
		if (rc == 0)
			rc = read_nodes_of(s, &b, err);
		(void)sqlite3_exec(s->projection, "COMMIT", NULL, NULL, NULL);
	}
	if (rc == -1) {
		mongo_batch_clear(&b);
		return -1;
	}
	*ret = b;
	return 0;
}
