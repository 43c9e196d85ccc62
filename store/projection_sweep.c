#include "store/projection_sweep.h"

#include <stdlib.h>

#include "common/xmalloc.h"
#include "store/projection_schema.h"
#include "store/sql.h"

enum statement {
#define X(name, text) STMT_##name,
	PROJECTION_SWEEP_STATEMENTS(X)
#undef X
	STMT_MAX
};

static const char *const statement_texts[STMT_MAX] = {
#define X(name, text) text,
	PROJECTION_SWEEP_STATEMENTS(X)
#undef X
};

struct projection_sweep {
	sqlite3_stmt	*stmts[STMT_MAX];
};

struct projection_sweep *
projection_sweep_new(sqlite3 *db, struct err *err)
{
	struct projection_sweep *s = xcalloc(1, sizeof(*s));

	if (sql_prepare_all(db, statement_texts, s->stmts, STMT_MAX,
	    err) == 0)
		return s;
	projection_sweep_free(s);
	return NULL;
}

void
projection_sweep_free(struct projection_sweep *s)
{
	free(s);
}

/* Streams to treat are collected first: a table is not changed while it is
 * being read. */
struct swept {
	char	*tenant;
	char	*key;
};

static int
sweep_collect(sqlite3_stmt *stmt, struct swept *list, size_t *ret_n,
    struct err *err)
{
	size_t n = 0;
	int rc = 0;

	while (n < PROJECTION_SWEEP_MAX && (rc = sql_step(stmt, err)) == 1) {
		list[n].tenant = xstrdup(sql_column_text(stmt, 0));
		list[n].key = slice_dup(sql_column_slice(stmt, 1));
		n++;
	}
	(void)sqlite3_reset(stmt);
	(void)sqlite3_clear_bindings(stmt);
	*ret_n = n;
	return rc == -1 ? -1 : 0;
}

static int
sweep_one(struct projection_sweep *sweep, const enum statement *steps,
    size_t n_steps, const struct swept *s, struct err *err)
{
	size_t i;

	for (i = 0; i < n_steps; i++) {
		sql_bind_text(sweep->stmts[steps[i]], 1, s->tenant);
		sql_bind_text(sweep->stmts[steps[i]], 2, s->key);
		if (sql_run(sweep->stmts[steps[i]], err) == -1)
			return -1;
	}
	return 0;
}

/* Takes the steps on each stream of a statement whose parameters are bound; 1
 * when there may be more of them than one sweep takes. */
static int
sweep_apply(struct projection_sweep *sweep, sqlite3_stmt *stmt,
    const enum statement *steps, size_t n_steps, struct err *err)
{
	struct swept list[PROJECTION_SWEEP_MAX];
	size_t i, n;
	int rc;

	rc = sweep_collect(stmt, list, &n, err);
	for (i = 0; i < n; i++) {
		if (rc == 0)
			rc = sweep_one(sweep, steps, n_steps, &list[i], err);
		free(list[i].tenant);
		free(list[i].key);
	}
	return rc == 0 ? n == PROJECTION_SWEEP_MAX : -1;
}

/* Streams that ended longer ago than their type's retention. */
static int
sweep_hide(struct projection_sweep *sweep, const struct conf *conf,
    int64_t now_unix_ms, struct err *err)
{
	static const enum statement hide[] = { STMT_SLOTS,
		STMT_HIDE, STMT_HIDDEN };
	sqlite3_stmt *stmt = sweep->stmts[STMT_ENDED];
	int type, rc, more = 0;

	for (type = 0; type < STREAM_TYPE_MAX; type++) {
		sql_bind_int(stmt, 1, type);
		sql_bind_int(stmt, 2, now_unix_ms - conf_stream(conf,
		    (enum stream_type)type)->snapshot_retention_ms);
		rc = sweep_apply(sweep, stmt, hide, NELEM(hide), err);
		if (rc == -1)
			return -1;
		more |= rc;
	}
	return more;
}

int
projection_sweep(struct projection_sweep *s, const struct conf *conf,
    uint64_t oldest, int64_t now_unix_ms, struct err *err)
{
	static const enum statement drop[] = { STMT_DROP, STMT_UNEND };
	sqlite3_stmt *stmt = s->stmts[STMT_GONE];
	int hidden, dropped;

	hidden = sweep_hide(s, conf, now_unix_ms, err);
	if (hidden == -1)
		return -1;
	sql_bind_int(stmt, 1, (int64_t)oldest);
	dropped = sweep_apply(s, stmt, drop, NELEM(drop), err);
	return dropped == -1 ? -1 : hidden == 1 || dropped == 1;
}
