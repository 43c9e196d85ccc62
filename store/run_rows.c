#include "store/run_rows.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_slice.h"
#include "common/xmalloc.h"
#include "store/data_json.h"
#include "store/sql.h"

#define TOTAL_MAX 9007199254740991.0   /* 2^53 - 1, as the schema has it */

#define SCHEMA								\
	"CREATE TABLE IF NOT EXISTS runs("				\
	" tenant TEXT NOT NULL, key TEXT NOT NULL,"			\
	" state INTEGER NOT NULL, previous INTEGER NOT NULL,"		\
	" epoch INTEGER NOT NULL, position INTEGER NOT NULL,"		\
	" own_total INTEGER NOT NULL,"					\
	" queued INTEGER NOT NULL, running INTEGER NOT NULL,"		\
	" succeeded INTEGER NOT NULL, failed INTEGER NOT NULL,"		\
	" canceled INTEGER NOT NULL,"					\
	" changed_epoch INTEGER NOT NULL, changed INTEGER NOT NULL,"	\
	" told_epoch INTEGER NOT NULL, told INTEGER NOT NULL,"		\
	" change INTEGER NOT NULL, PRIMARY KEY(tenant, key));"		\
	"CREATE INDEX IF NOT EXISTS runs_change ON runs(change);"	\
	"CREATE TABLE IF NOT EXISTS run_jobs("				\
	" tenant TEXT NOT NULL, job TEXT NOT NULL, run TEXT NOT NULL,"	\
	" counts_as INTEGER NOT NULL, PRIMARY KEY(tenant, job))"	\
	" WITHOUT ROWID;"						\
	"CREATE INDEX IF NOT EXISTS run_jobs_run"			\
	" ON run_jobs(tenant, run);"

#define STATEMENTS(X)							\
	X(ALL, "SELECT count(*) FROM runs")				\
	X(RUN, "SELECT * FROM runs WHERE tenant = ?1 AND key = ?2")	\
	X(RUN_PUT, "INSERT OR REPLACE INTO runs VALUES(?1, ?2, ?3, ?4, ?5," \
	    " ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)")	\
	X(RUN_DROP, "DELETE FROM runs WHERE tenant = ?1 AND key = ?2")	\
	X(RUNS, "SELECT count(*) FROM runs WHERE tenant = ?1")		\
	X(SILENT, "SELECT key FROM runs WHERE tenant = ?1"		\
	    " ORDER BY change LIMIT 1")					\
	X(SINCE, "SELECT * FROM runs WHERE change > ?1"			\
	    " AND NOT (changed = told AND changed_epoch = told_epoch)"	\
	    " ORDER BY change LIMIT ?2")				\
	X(JOB, "SELECT run, counts_as FROM run_jobs"			\
	    " WHERE tenant = ?1 AND job = ?2")				\
	X(JOB_PUT, "INSERT OR REPLACE INTO run_jobs VALUES(?1, ?2, ?3, ?4)") \
	X(JOBS_DROP, "DELETE FROM run_jobs WHERE tenant = ?1 AND run = ?2") \
	X(ALL_DROP, "DELETE FROM runs")					\
	X(ALL_JOBS_DROP, "DELETE FROM run_jobs")

enum statement {
#define X(name, text) STMT_##name,
	STATEMENTS(X)
#undef X
	STMT_MAX
};

static const char *const statement_texts[STMT_MAX] = {
#define X(name, text) text,
	STATEMENTS(X)
#undef X
};

struct run_rows {
	sqlite3_stmt	*stmts[STMT_MAX];
	bool		 any;    /* there may be a run */
	struct run_losses losses;
	struct run_losses committed;
};

/* How many runs are followed. */
static int
count_all(struct run_rows *r, uint64_t *ret, struct err *err)
{
	sqlite3_stmt *stmt = r->stmts[STMT_ALL];
	int rc = sql_step(stmt, err);

	*ret = rc == 1 ? (uint64_t)sqlite3_column_int64(stmt, 0) : 0;
	(void)sqlite3_reset(stmt);
	return rc == -1 ? -1 : 0;
}

struct run_rows *
run_rows_new(sqlite3 *db, struct err *err)
{
	struct run_rows *r = xcalloc(1, sizeof(*r));
	uint64_t all;

	if (sql_exec(db, SCHEMA, err) == -1 || sql_prepare_all(db,
	    statement_texts, r->stmts, STMT_MAX, err) == -1 ||
	    count_all(r, &all, err) == -1) {
		run_rows_free(r);
		return NULL;
	}
	r->any = all > 0;
	return r;
}

void
run_rows_free(struct run_rows *r)
{
	free(r);   /* statements are the connection's */
}

/* --- rows ----------------------------------------------------------------- */

static struct position
column_position(sqlite3_stmt *stmt, int i)
{
	return (struct position){ (uint32_t)sqlite3_column_int64(stmt, i),
		(uint64_t)sqlite3_column_int64(stmt, i + 1) };
}

static int
bind_position(sqlite3_stmt *stmt, int i, struct position p)
{
	sql_bind_int(stmt, i, p.epoch);
	sql_bind_int(stmt, i + 1, (int64_t)p.number);
	return i + 2;
}

static void
row_read(sqlite3_stmt *stmt, struct run_progress *ret)
{
	ret->tenant = xstrdup(sql_column_text(stmt, 0));
	ret->key = xstrdup(sql_column_text(stmt, 1));
	ret->state = (uint8_t)sqlite3_column_int(stmt, 2);
	ret->previous = (uint8_t)sqlite3_column_int(stmt, 3);
	ret->guard = column_position(stmt, 4);
	ret->own_total = (uint64_t)sqlite3_column_int64(stmt, 6);
	for (int i = 0; i < RUN_COUNT_MAX; i++)
		ret->counts[i] = (uint64_t)sqlite3_column_int64(stmt, 7 + i);
	ret->changed = column_position(stmt, 12);
	ret->told = column_position(stmt, 14);
	ret->change = (uint64_t)sqlite3_column_int64(stmt, 16);
}

static void
bind_names(sqlite3_stmt *stmt, struct slice tenant, struct slice name)
{
	sql_bind_slice(stmt, 1, tenant);
	sql_bind_slice(stmt, 2, name);
}

/* 1 = *ret is the run, to be cleared; 0 = it is not followed. */
static int
run_load(struct run_rows *r, struct slice tenant, struct slice key,
    struct run_progress *ret, struct err *err)
{
	sqlite3_stmt *stmt = r->stmts[STMT_RUN];
	int rc;

	bind_names(stmt, tenant, key);
	rc = sql_step(stmt, err);
	if (rc == 1) {
		row_read(stmt, ret);
		(void)sqlite3_reset(stmt);
	}
	(void)sqlite3_clear_bindings(stmt);
	return rc;
}

static int
run_put(struct run_rows *r, const struct run_progress *p, struct err *err)
{
	sqlite3_stmt *stmt = r->stmts[STMT_RUN_PUT];
	int at = 5;

	bind_names(stmt, slice_str(p->tenant), slice_str(p->key));
	sql_bind_int(stmt, 3, p->state);
	sql_bind_int(stmt, 4, p->previous);
	at = bind_position(stmt, at, p->guard);
	sql_bind_int(stmt, at++, (int64_t)p->own_total);
	for (int i = 0; i < RUN_COUNT_MAX; i++)
		sql_bind_int(stmt, at++, (int64_t)p->counts[i]);
	at = bind_position(stmt, at, p->changed);
	at = bind_position(stmt, at, p->told);
	sql_bind_int(stmt, at, (int64_t)p->change);
	return sql_run(stmt, err);
}

static int
run_drop(struct run_rows *r, struct slice tenant, struct slice key,
    struct err *err)
{
	bind_names(r->stmts[STMT_RUN_DROP], tenant, key);
	bind_names(r->stmts[STMT_JOBS_DROP], tenant, key);
	if (sql_run(r->stmts[STMT_RUN_DROP], err) == -1)
		return -1;
	return sql_run(r->stmts[STMT_JOBS_DROP], err);
}

static void
lost(struct run_loss *loss, struct slice tenant, const char *key)
{
	loss->count++;
	(void)snprintf(loss->last, sizeof(loss->last), "%.*s %s",
	    (int)tenant.n, tenant.p, key);
}

/* Room for one more of the tenant. */
static int
make_room(struct run_rows *r, struct slice tenant, struct err *err)
{
	sqlite3_stmt *stmt = r->stmts[STMT_RUNS];
	int64_t count = 0;
	char *silent;
	int rc;

	sql_bind_slice(stmt, 1, tenant);
	rc = sql_step(stmt, err);
	if (rc == 1)
		count = sqlite3_column_int64(stmt, 0);
	(void)sqlite3_reset(stmt);
	(void)sqlite3_clear_bindings(stmt);
	if (rc == -1 || count < RUN_ROWS_MAX)
		return rc == -1 ? -1 : 0;
	stmt = r->stmts[STMT_SILENT];
	sql_bind_slice(stmt, 1, tenant);
	rc = sql_step(stmt, err);
	silent = rc == 1 ? xstrdup(sql_column_text(stmt, 0)) : NULL;
	(void)sqlite3_reset(stmt);
	(void)sqlite3_clear_bindings(stmt);
	if (silent != NULL) {
		lost(&r->losses.pushed_out, tenant, silent);
		rc = run_drop(r, tenant, slice_str(silent), err);
	}
	free(silent);
	return rc == -1 ? -1 : 0;
}

/* --- runs ----------------------------------------------------------------- */

/* What its own event says of the run; 1 when it is followed. */
static int
run_begin(struct run_rows *r, const struct item *item, bool derive,
    struct run_progress *ret, struct err *err)
{
	int rc = run_load(r, item->tenant, item->key, ret, err);

	if (rc != 0 || !derive)
		return rc;
	if (make_room(r, item->tenant, err) == -1)
		return -1;
	ret->tenant = slice_dup(item->tenant);
	ret->key = slice_dup(item->key);
	r->any = true;
	return 1;
}

/* Its own total, and the state that it says it left: the row's may be none
 * (a run that is followed from a late attach on) or an older one. */
static void
run_says(const json_t *data, struct run_progress *p)
{
	const json_t *total = json_object_get(data, "total_jobs");
	const json_t *previous = json_object_get(data, "previous_state");

	if (json_is_number(total) && json_number_value(total) >= 0 &&
	    json_number_value(total) <= TOTAL_MAX)
		p->own_total = (uint64_t)json_number_value(total);
	p->previous = !json_is_string(previous) ? p->state :
	    (uint8_t)lifecycle_state_of(LIFECYCLE_OF_RUN,
	    slice_str(json_string_value(previous)));
}

static int
apply_run(struct run_rows *r, const struct item *item, uint64_t change,
    struct err *err)
{
	struct run_progress p = { .tenant = NULL };
	json_t *root;
	int rc;

	/* It ended; or was forgotten, and begins again. */
	if (((item->flags & ITEM_TERMINAL) != 0 || item->seq == 1) &&
	    run_drop(r, item->tenant, item->key, err) == -1)
		return -1;
	if ((item->flags & ITEM_TERMINAL) != 0)
		return 0;
	root = data_json(item);
	rc = run_begin(r, item, json_is_true(json_object_get(root, "derive")),
	    &p, err);
	if (rc == 1) {
		run_says(root, &p);
		p.state = (uint8_t)(item->state & ~LIFECYCLE_LOGS_OPEN);
		p.guard = item->position;
		p.change = change;
		rc = run_put(r, &p, err);
	}
	json_decref(root);
	run_progress_clear(&p);
	return rc == -1 ? -1 : 0;
}

/* One of ours: up to there all is told. */
static int
apply_told(struct run_rows *r, const struct item *item, struct err *err)
{
	struct run_progress p = { .tenant = NULL };
	struct position told;
	int rc;

	if (!run_event_told(item, &told))
		return 0;
	rc = run_load(r, item->tenant, item->key, &p, err);
	if (rc == 1) {
		p.told = told;
		rc = run_put(r, &p, err);
	}
	run_progress_clear(&p);
	return rc == -1 ? -1 : 0;
}

/* --- jobs ----------------------------------------------------------------- */

/* What its run's key is by data.run_id; NULL: it names none. */
static char *
run_named(const struct item *item)
{
	struct slice raw;
	json_t *id;
	char *key = NULL;

	if (!json_slice_member(item_data(item), "run_id", &raw))
		return NULL;
	id = json_loadb(raw.p, raw.n, JSON_DECODE_ANY, NULL);
	if (json_is_string(id) && json_string_length(id) > 0 &&
	    json_string_length(id) <= EVENT_NAME_MAX)
		key = xasprintf("run:%s", json_string_value(id));
	json_decref(id);
	return key;
}

/* Its run's key, as it is known or as it names it; as what it counts there. */
static int
job_load(struct run_rows *r, const struct item *item, char **ret_run,
    enum run_count *ret_counts, struct err *err)
{
	sqlite3_stmt *stmt = r->stmts[STMT_JOB];
	int rc;

	*ret_counts = RUN_COUNT_MAX;
	bind_names(stmt, item->tenant, item->key);
	rc = sql_step(stmt, err);
	if (rc == 1) {
		*ret_run = xstrdup(sql_column_text(stmt, 0));
		*ret_counts = (enum run_count)MIN(RUN_COUNT_MAX - 1,
		    sqlite3_column_int(stmt, 1));
		(void)sqlite3_reset(stmt);
	} else if (rc == 0) {
		*ret_run = run_named(item);
	}
	(void)sqlite3_clear_bindings(stmt);
	return rc == -1 ? -1 : 0;
}

static int
job_put(struct run_rows *r, const struct item *item, const char *run,
    enum run_count counts, struct err *err)
{
	sqlite3_stmt *stmt = r->stmts[STMT_JOB_PUT];

	bind_names(stmt, item->tenant, item->key);
	sql_bind_text(stmt, 3, run);
	sql_bind_int(stmt, 4, counts);
	return sql_run(stmt, err);
}

static int
apply_job(struct run_rows *r, const struct item *item, uint64_t change,
    struct err *err)
{
	enum run_count was, is = run_progress_count((enum lifecycle_state)
	    (item->state & ~LIFECYCLE_LOGS_OPEN));
	struct run_progress p = { .tenant = NULL };
	char *run = NULL;
	int rc;

	if (job_load(r, item, &run, &was, err) == -1)
		return -1;
	rc = run == NULL || was == is ? 0 :
	    run_load(r, item->tenant, slice_str(run), &p, err);
	if (rc == 1 && (was != RUN_COUNT_MAX ||
	    run_progress_known(&p) < RUN_ROWS_JOBS_MAX)) {
		run_progress_move(&p, was, is, item->position);
		p.change = change;
		rc = run_put(r, &p, err);
		if (rc == 0)
			rc = job_put(r, item, run, is, err);
	} else if (rc == 1) {
		lost(&r->losses.uncounted, item->tenant, run);
	}
	run_progress_clear(&p);
	free(run);
	return rc == -1 ? -1 : 0;
}

int
run_rows_apply(struct run_rows *r, const struct item *item, uint64_t change,
    struct err *err)
{
	if (slice_is(item->event_type, "run.state_changed"))
		return apply_run(r, item, change, err);
	if (!r->any)
		return 0;
	if (slice_is(item->event_type, "run.progress"))
		return apply_told(r, item, err);
	if (slice_is(item->event_type, "job.state_changed"))
		return apply_job(r, item, change, err);
	return 0;
}

int
run_rows_gap(struct run_rows *r, struct err *err)
{
	uint64_t all;

	if (!r->any)
		return 0;
	if (count_all(r, &all, err) == -1 ||
	    sql_run(r->stmts[STMT_ALL_DROP], err) == -1)
		return -1;
	r->losses.gone += all;
	return sql_run(r->stmts[STMT_ALL_JOBS_DROP], err);
}

const struct run_losses *
run_rows_losses(const struct run_rows *r)
{
	return &r->committed;
}

void
run_rows_committed(struct run_rows *r)
{
	r->committed = r->losses;
}

void
run_rows_rollback(struct run_rows *r)
{
	r->losses = r->committed;
}

int
run_rows_since(struct run_rows *r, uint64_t *change, uint64_t through,
    size_t max, run_rows_cb cb, void *arg, struct err *err)
{
	sqlite3_stmt *stmt = r->stmts[STMT_SINCE];
	size_t n = 0;
	int rc;

	if (!r->any)
		return 0;
	sql_bind_int(stmt, 1, (int64_t)*change);
	sql_bind_int(stmt, 2, (int64_t)max);
	while ((rc = sql_step(stmt, err)) == 1) {
		struct run_progress p;

		row_read(stmt, &p);
		*change = p.change;
		cb(&p, arg);
		n++;
	}
	(void)sqlite3_clear_bindings(stmt);
	if (rc == -1 || n == max)
		return rc == -1 ? -1 : 1;
	/* Nor are those looked at again that had nothing to tell. */
	*change = through;
	return 0;
}
