#include "store/snapshot_read.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/query.h"
#include "common/xmalloc.h"
#include "store/selection.h"
#include "store/sql.h"

#define SNAPSHOT_MAGIC 0x534e4150u
#define SNAPSHOT_PRAGMAS "PRAGMA cache_size = -16384; PRAGMA query_only = 1;"

#define SNAPSHOT_STATEMENTS(X)						\
	X(BEGIN, "BEGIN")						\
	X(END, "COMMIT")						\
	X(EXACT, "SELECT item, shown, key FROM latest WHERE tenant = ?1" \
	    " AND key = ?2 ORDER BY key, slot, subject")		\
	X(PREFIX, "SELECT item, shown, key FROM latest WHERE tenant = ?1" \
	    " AND key > ?2 AND key < ?3 ORDER BY key, slot, subject")	\
	X(CLUSTERS, "SELECT id, name, status, latency_ms, checked_at,"	\
	    " version, consecutive_failures, error_code, error, metadata," \
	    " updated_at FROM clusters ORDER BY id")

enum statement {
#define X(name, text) STMT_##name,
	SNAPSHOT_STATEMENTS(X)
#undef X
	STMT_MAX
};

static const char *const statement_texts[STMT_MAX] = {
#define X(name, text) text,
	SNAPSHOT_STATEMENTS(X)
#undef X
};

struct snapshot_reader {
	uint32_t		 magic;
	sqlite3			*db;
	sqlite3_stmt		*stmts[STMT_MAX];
	struct completeness	*completeness;
};

struct snapshot_reader *
snapshot_reader_open(const char *path, const struct conf *conf,
    completeness_cluster_fn cluster_of, void *arg, struct err *err)
{
	struct snapshot_reader *r = xcalloc(1, sizeof(*r));

	r->magic = SNAPSHOT_MAGIC;
	if (sql_open(&r->db, path, SQL_READ_ONLY, SNAPSHOT_PRAGMAS,
	    err) == -1 || sql_prepare_all(r->db, statement_texts, r->stmts,
	    STMT_MAX, err) == -1 || (r->completeness = completeness_new(r->db,
	    conf, cluster_of, arg, err)) == NULL) {
		snapshot_reader_close(r);
		return NULL;
	}
	return r;
}

void
snapshot_reader_close(struct snapshot_reader *r)
{
	if (r == NULL)
		return;
	assert(r->magic == SNAPSHOT_MAGIC);
	r->magic = 0;
	completeness_free(r->completeness);
	sql_close(r->db);
	free(r);
}

void
snapshot_reader_conf(struct snapshot_reader *r, const struct conf *conf)
{
	completeness_conf(r->completeness, conf);
}

/* --- the answer ---------------------------------------------------------- */

/* A page that has grown long enough ends between two keys: a key's rows are
 * never parted. *last holds the key of the row before, NUL-terminated. */
static bool
page_ends(const struct buf *answer, struct slice key, char *last)
{
	bool ends = answer->len > QUERY_PAGE_MAX && !slice_is(key, last);

	(void)snprintf(last, EVENT_KEY_MAX + 1, "%.*s", (int)key.n, key.p);
	return ends;
}

/* `after`: of a page, else SLICE_NONE. */
static int
range_read(struct snapshot_reader *r, struct slice tenant,
    const struct selection *s, const struct selection_range *range,
    struct slice after, struct buf *answer, uint32_t *count, struct err *err)
{
	char last[EVENT_KEY_MAX + 1] = "";
	sqlite3_stmt *stmt = r->stmts[range->prefix ? STMT_PREFIX
						    : STMT_EXACT];
	char end[EVENT_KEY_MAX];
	struct slice item;
	int rc;

	sql_bind_slice(stmt, 1, tenant);
	sql_bind_slice(stmt, 2, after.n > 0 ? after : range->text);
	if (range->prefix)
		sql_bind_slice(stmt, 3, selection_end(range->text, end));
	while ((rc = sql_step(stmt, err)) == 1) {
		if (range->prefix && sqlite3_column_int(stmt, 1) == 0 &&
		    !selection_names(s, sql_column_slice(stmt, 2)))
			continue;
		if (after.p != NULL && page_ends(answer,
		    sql_column_slice(stmt, 2), last)) {
			(void)sqlite3_reset(stmt);
			rc = 0;
			break;
		}
		item = sql_column_slice(stmt, 0);
		if (answer->len + item.n > QUERY_ANSWER_MAX) {
			(void)err_set(err, "the snapshot is larger than %u MiB"
			    ": ask for a narrower prefix than %.*s*",
			    QUERY_ANSWER_MAX / (1024 * 1024),
			    (int)MIN(range->text.n, (size_t)200),
			    range->text.p);
			if (err != NULL)
				err->code = EMSGSIZE;
			(void)sqlite3_reset(stmt);
			rc = -1;
			break;
		}
		buf_add(answer, item.p, item.n);
		(*count)++;
	}
	(void)sqlite3_clear_bindings(stmt);
	return rc;
}

static int
snapshot_fill(struct snapshot_reader *r, struct slice tenant,
    const struct selection *s, struct slice after, struct buf *answer,
    struct err *err)
{
	struct completeness_at at;
	uint32_t count = 0;
	int complete = 1;
	size_t i, complete_at, count_at;

	if (completeness_read(r->completeness, &at, err) == -1)
		return -1;
	for (i = 0; at.gapped && i < s->n && complete == 1; i++)
		complete = completeness_of(r->completeness, &at, tenant,
		    &s->ranges[i], err);
	/* A name inside a prefix is judged by its own rule as well. */
	for (i = 0; at.gapped && i < s->n_named && complete == 1; i++)
		complete = completeness_of(r->completeness, &at, tenant,
		    &(struct selection_range){ s->named[i], false }, err);
	if (complete == -1)
		return -1;
	buf_u32(answer, at.applied.epoch);
	buf_u64(answer, at.applied.number);
	complete_at = answer->len;
	buf_u8(answer, (uint8_t)complete);
	count_at = answer->len;
	assert(count_at == complete_at + 1);
	buf_u32(answer, 0);
	for (i = 0; i < s->n; i++) {
		if (range_read(r, tenant, s, &s->ranges[i], after, answer,
		    &count, err) == -1)
			return -1;
	}
	buf_patch_u32(answer, count_at, count);
	return 0;
}

/* Ends a reading transaction: nothing can be lost by it. */
static void
transaction_end(struct snapshot_reader *r)
{
	(void)sqlite3_step(r->stmts[STMT_END]);
	(void)sqlite3_reset(r->stmts[STMT_END]);
}

static int
selection_read(struct snapshot_reader *r, struct slice tenant,
    const struct selection *s, struct slice after, struct buf *answer,
    struct err *err)
{
	size_t before = answer->len;
	int rc = sql_run(r->stmts[STMT_BEGIN], err);

	if (rc == 0) {
		rc = snapshot_fill(r, tenant, s, after, answer, err);
		transaction_end(r);
	}
	if (rc == -1)
		answer->len = before;
	return rc;
}

static int
refuse(struct err *err)
{
	if (err != NULL)
		err->code = EINVAL;
	return -1;
}

int
snapshot_read(struct snapshot_reader *r, struct slice tenant,
    const struct slice *selectors, size_t n, struct buf *answer,
    struct err *err)
{
	struct selection s;
	int rc;

	assert(r->magic == SNAPSHOT_MAGIC);
	if (selection_make(selectors, n, &s, err) == -1)
		return refuse(err);
	rc = selection_read(r, tenant, &s, SLICE_NONE, answer, err);
	selection_clear(&s);
	return rc;
}

int
snapshot_read_page(struct snapshot_reader *r, struct slice tenant,
    struct slice selector, struct slice after, struct buf *answer,
    struct err *err)
{
	struct selection s;
	int rc;

	assert(r->magic == SNAPSHOT_MAGIC);
	if (selection_make(&selector, 1, &s, err) == -1)
		return refuse(err);
	if (!s.ranges[0].prefix || (after.n > 0 &&
	    !selection_covers(&s.ranges[0], after))) {
		selection_clear(&s);
		(void)err_set(err, "a page is of a prefix, behind one of its "
		    "keys");
		return refuse(err);
	}
	rc = selection_read(r, tenant, &s, after, answer, err);
	selection_clear(&s);
	return rc;
}

static int
exists_fill(struct snapshot_reader *r, struct slice tenant,
    const struct slice *keys, size_t n, struct snapshot_existence *ret,
    struct err *err)
{
	struct completeness_at at;
	int64_t change;
	int complete = 1;
	size_t i;

	if (completeness_read(r->completeness, &at, err) == -1)
		return -1;
	for (i = 0; i < n && !ret->exists; i++) {
		if (completeness_change(r->completeness, tenant, keys[i],
		    &change, err) == -1)
			return -1;
		ret->exists = change >= 0;
	}
	for (i = 0; at.gapped && i < n && complete == 1; i++)
		complete = completeness_of(r->completeness, &at, tenant,
		    &(struct selection_range){ keys[i], false }, err);
	ret->as_of = at.applied;
	ret->complete = complete == 1;
	return complete == -1 ? -1 : 0;
}

int
snapshot_exists(struct snapshot_reader *r, struct slice tenant,
    const struct slice *keys, size_t n, struct snapshot_existence *ret,
    struct err *err)
{
	int rc;

	assert(r->magic == SNAPSHOT_MAGIC);
	*ret = (struct snapshot_existence){ .exists = false };
	rc = sql_run(r->stmts[STMT_BEGIN], err);
	if (rc == 0) {
		rc = exists_fill(r, tenant, keys, n, ret, err);
		transaction_end(r);
	}
	return rc;
}

int
snapshot_incomplete(struct snapshot_reader *r, unsigned int *ret,
    struct err *err)
{
	struct completeness_at at;

	*ret = 0;
	if (completeness_read(r->completeness, &at, err) == -1)
		return -1;
	if (!at.gapped)
		return 0;
	return completeness_clusters(r->completeness, &at, ret, err);
}

/* --- the clusters table -------------------------------------------------- */

static void
set_text(json_t *object, const char *name, sqlite3_stmt *stmt, int i)
{
	json_t *value = sqlite3_column_type(stmt, i) == SQLITE_NULL
	    ? json_null() : json_string(sql_column_text(stmt, i));

	(void)json_object_set_new(object, name, value);
}

static void
set_number(json_t *object, const char *name, sqlite3_stmt *stmt, int i)
{
	json_t *value = sqlite3_column_type(stmt, i) == SQLITE_NULL
	    ? json_null() : json_integer(sqlite3_column_int64(stmt, i));

	(void)json_object_set_new(object, name, value);
}

static json_t *
cluster_row(sqlite3_stmt *stmt)
{
	json_t *row = json_object(), *metadata;

	set_text(row, "id", stmt, 0);
	set_text(row, "name", stmt, 1);
	set_text(row, "status", stmt, 2);
	set_number(row, "latency_ms", stmt, 3);
	set_text(row, "checked_at", stmt, 4);
	set_text(row, "version", stmt, 5);
	set_number(row, "consecutive_failures", stmt, 6);
	set_text(row, "error_code", stmt, 7);
	set_text(row, "error", stmt, 8);
	metadata = json_loads(sql_column_text(stmt, 9), JSON_ALLOW_NUL, NULL);
	(void)json_object_set_new(row, "metadata",
	    metadata != NULL ? metadata : json_null());
	set_text(row, "updated_at", stmt, 10);
	return row;
}

json_t *
snapshot_clusters(struct snapshot_reader *r, struct err *err)
{
	json_t *list = json_array();
	int rc;

	while ((rc = sql_step(r->stmts[STMT_CLUSTERS], err)) == 1)
		(void)json_array_append_new(list,
		    cluster_row(r->stmts[STMT_CLUSTERS]));
	if (rc == -1) {
		json_decref(list);
		return NULL;
	}
	return list;
}
