#include "store/projection_rows.h"

#include <stdlib.h>

#include "common/mono.h"
#include "common/xmalloc.h"
#include "store/projection_schema.h"
#include "store/sql.h"
#include "store/view.h"

enum statement {
#define X(name, text) STMT_##name,
	PROJECTION_ROW_STATEMENTS(X)
#undef X
	STMT_MAX
};

static const char *const statement_texts[STMT_MAX] = {
#define X(name, text) text,
	PROJECTION_ROW_STATEMENTS(X)
#undef X
};

struct projection_rows {
	sqlite3_stmt	*stmts[STMT_MAX];
};

/* What every row is made of. */
struct row_source {
	const struct item	*item;
	const struct view	*view;
	const char		*time;      /* RFC 3339 */
	uint64_t		 change;
};

struct projection_rows *
projection_rows_new(sqlite3 *db, struct err *err)
{
	struct projection_rows *r = xcalloc(1, sizeof(*r));

	if (sql_prepare_all(db, statement_texts, r->stmts, STMT_MAX,
	    err) == 0)
		return r;
	projection_rows_free(r);
	return NULL;
}

void
projection_rows_free(struct projection_rows *r)
{
	free(r);
}

/* --- parameters: each returns the number of the next --------------------- */

static int
bind_texts(sqlite3_stmt *stmt, int i, const char *const *texts, size_t n)
{
	size_t t;

	for (t = 0; t < n; t++)
		sql_bind_text(stmt, i++, texts[t]);
	return i;
}

static int
bind_slices(sqlite3_stmt *stmt, int i, const struct slice *texts, size_t n)
{
	size_t t;

	for (t = 0; t < n; t++)
		sql_bind_slice(stmt, i++, texts[t]);
	return i;
}

static int
bind_number(sqlite3_stmt *stmt, int i, int64_t number)
{
	if (number == VIEW_NO_NUMBER)
		(void)sqlite3_bind_null(stmt, i);
	else
		sql_bind_int(stmt, i, number);
	return i + 1;
}

static int
bind_position(sqlite3_stmt *stmt, int i, struct position position)
{
	sql_bind_int(stmt, i, position.epoch);
	sql_bind_int(stmt, i + 1, (int64_t)position.number);
	return i + 2;
}

/* --- one row ------------------------------------------------------------- */

static int
bind_resource_key(sqlite3_stmt *stmt, const struct row_source *s)
{
	const struct resource_key *key = &s->view->resource;
	const struct slice names[] = { s->item->tenant, key->cluster,
		key->kind, key->namespace, key->name };

	return bind_slices(stmt, 1, names, NELEM(names));
}

static int
apply_resource(sqlite3_stmt *stmt, const struct row_source *s,
    struct err *err)
{
	const struct view *v = s->view;
	const char *const texts[] = { v->state, v->health, v->reason,
		v->message, v->resource_version, v->uid, s->time };
	int i = bind_resource_key(stmt, s);

	i = bind_texts(stmt, i, texts, NELEM(texts));
	(void)bind_position(stmt, i, s->item->position);
	return sql_run(stmt, err);
}

static int
apply_resource_gone(sqlite3_stmt *stmt, const struct row_source *s,
    struct err *err)
{
	(void)bind_resource_key(stmt, s);
	return sql_run(stmt, err);
}

/* The rows MongoDB is written from: after (tenant, id) and what is particular
 * to them, position and change. */
static int
bind_id(sqlite3_stmt *stmt, const struct row_source *s)
{
	const struct slice id[] = { s->item->tenant, s->view->id };

	return bind_slices(stmt, 1, id, NELEM(id));
}

static int
run_changed(sqlite3_stmt *stmt, int i, const struct row_source *s,
    struct err *err)
{
	i = bind_position(stmt, i, s->item->position);
	sql_bind_int(stmt, i, (int64_t)s->change);
	return sql_run(stmt, err);
}

static int
apply_node(sqlite3_stmt *stmt, const struct row_source *s, struct err *err)
{
	const struct view *v = s->view;
	const char *const texts[] = { v->node, v->type, v->state, v->health,
		v->message, v->json, v->resource_version, s->time };

	return run_changed(stmt, bind_texts(stmt, bind_id(stmt, s), texts,
	    NELEM(texts)), s, err);
}

static int
apply_cluster(sqlite3_stmt *stmt, const struct row_source *s, struct err *err)
{
	const struct view *v = s->view;
	const char *const names[] = { v->name, v->state };
	const char *const check[] = { v->checked_at, v->version };
	const char *const end[] = { v->reason, v->message, s->time };
	int i = bind_id(stmt, s);

	i = bind_texts(stmt, i, names, NELEM(names));
	i = bind_number(stmt, i, v->latency_ms);
	i = bind_texts(stmt, i, check, NELEM(check));
	i = bind_number(stmt, i, v->failures);
	i = bind_texts(stmt, i, end, NELEM(end));
	return run_changed(stmt, i, s, err);
}

static int
apply_metadata(sqlite3_stmt *stmt, const struct row_source *s,
    struct err *err)
{
	const struct view *v = s->view;
	const char *const texts[] = { v->version, v->json, s->time };

	return run_changed(stmt, bind_texts(stmt, bind_id(stmt, s), texts,
	    NELEM(texts)), s, err);
}

static int
apply_watcher(sqlite3_stmt *stmt, const struct row_source *s, struct err *err)
{
	const struct view *v = s->view;
	const char *const texts[] = { v->type, v->state, v->reason, s->time };
	int i;

	sql_bind_slice(stmt, 1, v->id);
	i = bind_texts(stmt, 2, texts, NELEM(texts));
	sql_bind_int(stmt, i, (int64_t)s->item->position.number);
	sql_bind_int(stmt, i + 1, (int64_t)s->change);
	return sql_run(stmt, err);
}

/* --- which row ----------------------------------------------------------- */

static const struct {
	enum statement	 statement;
	int		(*apply)(sqlite3_stmt *stmt,
			    const struct row_source *s, struct err *err);
} row_table[VIEW_MAX] = {
	[VIEW_NONE] = { STMT_MAX, NULL },
	[VIEW_RESOURCE] = { STMT_RESOURCE, apply_resource },
	[VIEW_RESOURCE_GONE] = { STMT_RESOURCE_GONE, apply_resource_gone },
	[VIEW_NODE] = { STMT_NODE, apply_node },
	[VIEW_CLUSTER] = { STMT_CLUSTER, apply_cluster },
	[VIEW_CLUSTER_METADATA] = { STMT_METADATA, apply_metadata },
	[VIEW_WATCHER] = { STMT_WATCHER, apply_watcher },
};

int
projection_rows_apply(struct projection_rows *r, const struct item *item,
    uint64_t change, int64_t time_unix_ms, struct err *err)
{
	char time[MONO_RFC3339_SIZE];
	struct row_source s = { .item = item, .change = change };
	struct view view;
	int rc = 0;

	view_of(item, &view);
	s.view = &view;
	s.time = wall_format(time_unix_ms, time);
	if (row_table[view.kind].apply != NULL)
		rc = row_table[view.kind].apply(
		    r->stmts[row_table[view.kind].statement], &s, err);
	view_clear(&view);
	return rc;
}
