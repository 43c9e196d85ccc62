#include "store/snapshot_read.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/mono.h"
#include "common/query.h"
#include "common/xmalloc.h"
#include "store/projection.h"
#include "store/selection.h"
#include "store/sql.h"

#define SNAPSHOT_MAGIC 0x534e4150u
#define SNAPSHOT_PRAGMAS "PRAGMA cache_size = -16384; PRAGMA query_only = 1;"

#define SNAPSHOT_STATEMENTS(X)						\
	X(BEGIN, "BEGIN")						\
	X(END, "COMMIT")						\
	X(CHECKPOINT, "SELECT epoch, position, gapped, gap_change,"	\
	    " gap_unix_ms FROM checkpoint")				\
	X(EXACT, "SELECT item, shown, key FROM latest WHERE tenant = ?1"	\
	    " AND key = ?2 ORDER BY key, slot, subject")		\
	X(PREFIX, "SELECT item, shown, key FROM latest WHERE tenant = ?1" \
	    " AND key >= ?2 AND key < ?3 ORDER BY key, slot, subject")	\
	X(WATCHED, "SELECT count(*) FROM watchers WHERE cluster = ?1"	\
	    " AND kind = ?2 AND change > ?3"				\
	    " AND state IN ('watching', 'backoff', 'forbidden', 'stopped')") \
	X(STATE_CHANGE, "SELECT max(change) FROM latest"			\
	    " WHERE tenant = ?1 AND key = ?2")				\
	X(SUSPECTS, "SELECT count(*) FROM latest WHERE tenant = ?1"	\
	    " AND key >= ?2 AND key < ?3 AND slot = 1 AND shown = 1"	\
	    " AND change <= ?4 AND NOT EXISTS (SELECT 1 FROM ended"	\
	    " WHERE ended.tenant = latest.tenant"			\
	    " AND ended.key = latest.key)")				\
	X(CLUSTERS, "SELECT id, name, status, latency_ms, checked_at,"	\
	    " version, consecutive_failures, error_code, error, metadata,"	\
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
	const struct conf	*conf;
	snapshot_cluster_fn	 cluster_of;
	void			*arg;
};

/* The one row of `checkpoint`. */
struct checkpoint {
	struct position	applied;
	bool		gapped;
	int64_t		gap_change;
	int64_t		gap_unix_ms;
};

struct snapshot_reader *
snapshot_reader_open(const char *path, const struct conf *conf,
    snapshot_cluster_fn cluster_of, void *arg, struct err *err)
{
	struct snapshot_reader *r = xcalloc(1, sizeof(*r));
	size_t i;

	r->magic = SNAPSHOT_MAGIC;
	r->conf = conf;
	r->cluster_of = cluster_of;
	r->arg = arg;
	if (sql_open(&r->db, path, SQL_READ_ONLY, SNAPSHOT_PRAGMAS, err) == -1)
		goto fail;
	for (i = 0; i < STMT_MAX; i++) {
		if (sql_prepare(r->db, statement_texts[i], &r->stmts[i],
		    err) == -1)
			goto fail;
	}
	return r;
fail:
	snapshot_reader_close(r);
	return NULL;
}

void
snapshot_reader_close(struct snapshot_reader *r)
{
	if (r == NULL)
		return;
	assert(r->magic == SNAPSHOT_MAGIC);
	r->magic = 0;
	sql_close(r->db);
	free(r);
}

void
snapshot_reader_conf(struct snapshot_reader *r, const struct conf *conf)
{
	r->conf = conf;
}

static int
checkpoint_read(struct snapshot_reader *r, struct checkpoint *ret,
    struct err *err)
{
	sqlite3_stmt *stmt = r->stmts[STMT_CHECKPOINT];
	int rc = sql_step(stmt, err);

	if (rc != 1)
		return rc == 0 ? err_set(err, "the checkpoint is missing") : -1;
	ret->applied.epoch = (uint32_t)sqlite3_column_int64(stmt, 0);
	ret->applied.number = (uint64_t)sqlite3_column_int64(stmt, 1);
	ret->gapped = sqlite3_column_int(stmt, 2) != 0;
	ret->gap_change = sqlite3_column_int64(stmt, 3);
	ret->gap_unix_ms = sqlite3_column_int64(stmt, 4);
	(void)sqlite3_reset(stmt);
	return 0;
}

/* The first column of a statement whose parameters are bound; NULL is -1. */
static int
one_number(sqlite3_stmt *stmt, int64_t *ret, struct err *err)
{
	int rc = sql_step(stmt, err);

	*ret = -1;
	if (rc == 1 && sqlite3_column_type(stmt, 0) != SQLITE_NULL)
		*ret = sqlite3_column_int64(stmt, 0);
	(void)sqlite3_reset(stmt);
	return rc == -1 ? -1 : 0;
}

/* --- completeness -------------------------------------------------------- */

static bool
cluster_configured(const struct conf *conf, struct slice cluster)
{
	size_t i;

	for (i = 0; i < conf->n_clusters; i++) {
		if (slice_is(cluster, conf->clusters[i].id))
			return true;
	}
	return false;
}

/* 1 complete, 0 not, -1 error. A cluster nobody watches misses nothing. */
static int
cluster_complete(struct snapshot_reader *r, const struct checkpoint *c,
    struct slice cluster, struct err *err)
{
	sqlite3_stmt *stmt = r->stmts[STMT_WATCHED];
	int64_t count;
	size_t i;

	if (!cluster_configured(r->conf, cluster))
		return 1;
	for (i = 0; i < r->conf->watch.n_kinds; i++) {
		sql_bind_slice(stmt, 1, cluster);
		sql_bind_text(stmt, 2, r->conf->watch.kinds[i]);
		sql_bind_int(stmt, 3, c->gap_change);
		if (one_number(stmt, &count, err) == -1)
			return -1;
		if (count == 0)
			return 0;
	}
	return 1;
}

static int
clusters_complete(struct snapshot_reader *r, const struct checkpoint *c,
    unsigned int *ret_incomplete, struct err *err)
{
	unsigned int incomplete = 0;
	size_t i;
	int rc;

	for (i = 0; i < r->conf->n_clusters; i++) {
		rc = cluster_complete(r, c, slice_str(r->conf->clusters[i].id),
		    err);
		if (rc == -1)
			return -1;
		incomplete += rc == 0;
	}
	*ret_incomplete = incomplete;
	return 0;
}

static int
all_complete(struct snapshot_reader *r, const struct checkpoint *c,
    struct err *err)
{
	unsigned int incomplete = 0;

	if (clusters_complete(r, c, &incomplete, err) == -1)
		return -1;
	return incomplete == 0;
}

static int
workflow_complete(struct snapshot_reader *r, const struct checkpoint *c,
    struct slice tenant, struct slice workflow, struct err *err)
{
	char *cluster = r->cluster_of(tenant, workflow, r->arg);
	int rc = 1;

	/* An unknown workflow has no watcher that could have told. */
	if (cluster != NULL)
		rc = cluster_complete(r, c, slice_str(cluster), err);
	free(cluster);
	return rc;
}

/* Streams whose own next event decides. `unknown_ms`: how long one of which
 * nothing is known counts as possibly lost. */
static int
stream_complete(struct snapshot_reader *r, const struct checkpoint *c,
    struct slice tenant, struct slice key, int64_t unknown_ms,
    struct err *err)
{
	sqlite3_stmt *stmt = r->stmts[STMT_STATE_CHANGE];
	int64_t change;

	sql_bind_slice(stmt, 1, tenant);
	sql_bind_slice(stmt, 2, key);
	if (one_number(stmt, &change, err) == -1)
		return -1;
	if (change == -1)
		return wall_unix_ms() > c->gap_unix_ms + unknown_ms;
	return change > c->gap_change;
}

static void
bind_prefix(sqlite3_stmt *stmt, struct slice tenant, struct slice prefix,
    char *end)
{
	/* A prefix ends in '/' or ':', so its last byte can be counted up. */
	memcpy(end, prefix.p, prefix.n);
	end[prefix.n - 1]++;
	sql_bind_slice(stmt, 1, tenant);
	sql_bind_slice(stmt, 2, prefix);
	sql_bind_slice(stmt, 3, (struct slice){ end, prefix.n });
}

static int
suspects_complete(struct snapshot_reader *r, const struct checkpoint *c,
    struct slice tenant, struct slice prefix, struct err *err)
{
	sqlite3_stmt *stmt = r->stmts[STMT_SUSPECTS];
	char end[EVENT_KEY_MAX];
	int64_t count;

	bind_prefix(stmt, tenant, prefix, end);
	sql_bind_int(stmt, 4, c->gap_change);
	if (one_number(stmt, &count, err) == -1)
		return -1;
	return count == 0;
}

/* The cluster a resource or watcher range lies in; false: in several. */
static bool
range_cluster(const struct selection_range *range, struct slice *ret)
{
	struct slice name = stream_key_name(range->text);
	const char *slash = name.n > 0 ? memchr(name.p, '/', name.n) : NULL;

	if (slash != NULL)
		name.n = (size_t)(slash - name.p);
	else if (range->prefix)
		return false;
	*ret = name;
	return slug_valid(name);
}

/* "<type>:" at the front of a key or prefix. */
static enum stream_type
range_type(const struct selection_range *range)
{
	const char *name;
	size_t n;
	int type;

	for (type = 0; type < STREAM_TYPE_MAX; type++) {
		name = stream_type_name((enum stream_type)type);
		n = strlen(name);
		if (range->text.n > n && range->text.p[n] == ':' &&
		    memcmp(range->text.p, name, n) == 0)
			break;
	}
	return (enum stream_type)type;
}

static int
range_complete(struct snapshot_reader *r, const struct checkpoint *c,
    struct slice tenant, const struct selection_range *range, struct err *err)
{
	struct slice cluster;

	switch (range_type(range)) {
	case STREAM_RESOURCE:
	case STREAM_WATCHER:
		if (range_cluster(range, &cluster))
			return cluster_complete(r, c, cluster, err);
		return all_complete(r, c, err);
	case STREAM_WORKFLOW:
		if (range->prefix)
			return all_complete(r, c, err);
		return workflow_complete(r, c, tenant,
		    stream_key_name(range->text), err);
	case STREAM_CLUSTER:
		if (range->prefix)
			return suspects_complete(r, c, tenant, range->text,
			    err);
		if (!cluster_configured(r->conf, stream_key_name(range->text)))
			return 1;
		return stream_complete(r, c, tenant, range->text,
		    r->conf->journal.retain_ms, err);
	case STREAM_JOB:
	case STREAM_PACK_RUN:
	case STREAM_RUN:
	case STREAM_BUILD:
	case STREAM_IMPORT:
		if (range->prefix)
			return suspects_complete(r, c, tenant, range->text,
			    err);
		return stream_complete(r, c, tenant, range->text,
		    r->conf->journal.retain_ms, err);
	case STREAM_POD_LOGS:
	case STREAM_ALERTS:
	case STREAM_NOTIFICATIONS:
	case STREAM_TYPE_MAX:
	default:
		return 1;
	}
}

/* --- the answer ---------------------------------------------------------- */

static int
range_read(struct snapshot_reader *r, struct slice tenant,
    const struct selection *s, const struct selection_range *range,
    struct buf *answer, uint32_t *count, struct err *err)
{
	sqlite3_stmt *stmt = r->stmts[range->prefix ? STMT_PREFIX
						    : STMT_EXACT];
	char end[EVENT_KEY_MAX];
	struct slice item;
	int rc;

	if (range->prefix) {
		bind_prefix(stmt, tenant, range->text, end);
	} else {
		sql_bind_slice(stmt, 1, tenant);
		sql_bind_slice(stmt, 2, range->text);
	}
	while ((rc = sql_step(stmt, err)) == 1) {
		if (range->prefix && sqlite3_column_int(stmt, 1) == 0 &&
		    !selection_names(s, sql_column_slice(stmt, 2)))
			continue;
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
    const struct selection *s, struct buf *answer, struct err *err)
{
	struct checkpoint c;
	uint32_t count = 0;
	int complete = 1;
	size_t i, complete_at, count_at;

	if (checkpoint_read(r, &c, err) == -1)
		return -1;
	for (i = 0; c.gapped && i < s->n && complete == 1; i++)
		complete = range_complete(r, &c, tenant, &s->ranges[i], err);
	/* A name inside a prefix is judged by its own rule as well. */
	for (i = 0; c.gapped && i < s->n_named && complete == 1; i++)
		complete = range_complete(r, &c, tenant,
		    &(struct selection_range){ s->named[i], false }, err);
	if (complete == -1)
		return -1;
	buf_u32(answer, c.applied.epoch);
	buf_u64(answer, c.applied.number);
	complete_at = answer->len;
	buf_u8(answer, (uint8_t)complete);
	count_at = answer->len;
	assert(count_at == complete_at + 1);
	buf_u32(answer, 0);
	for (i = 0; i < s->n; i++) {
		if (range_read(r, tenant, s, &s->ranges[i], answer, &count,
		    err) == -1)
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

int
snapshot_read(struct snapshot_reader *r, struct slice tenant,
    const struct slice *selectors, size_t n, struct buf *answer,
    struct err *err)
{
	struct selection s;
	size_t before = answer->len;
	int rc;

	assert(r->magic == SNAPSHOT_MAGIC);
	if (selection_make(selectors, n, &s, err) == -1) {
		if (err != NULL)
			err->code = EINVAL;
		return -1;
	}
	rc = sql_run(r->stmts[STMT_BEGIN], err);
	if (rc == 0) {
		rc = snapshot_fill(r, tenant, &s, answer, err);
		transaction_end(r);
	}
	if (rc == -1)
		answer->len = before;
	selection_clear(&s);
	return rc;
}

static int
exists_fill(struct snapshot_reader *r, struct slice tenant,
    const struct slice *keys, size_t n, struct snapshot_existence *ret,
    struct err *err)
{
	sqlite3_stmt *stmt = r->stmts[STMT_STATE_CHANGE];
	struct checkpoint c;
	int64_t change;
	int complete = 1;
	size_t i;

	if (checkpoint_read(r, &c, err) == -1)
		return -1;
	for (i = 0; i < n && !ret->exists; i++) {
		sql_bind_slice(stmt, 1, tenant);
		sql_bind_slice(stmt, 2, keys[i]);
		if (one_number(stmt, &change, err) == -1)
			return -1;
		ret->exists = change >= 0;
	}
	for (i = 0; c.gapped && i < n && complete == 1; i++)
		complete = range_complete(r, &c, tenant,
		    &(struct selection_range){ keys[i], false }, err);
	ret->as_of = c.applied;
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
	struct checkpoint c;

	*ret = 0;
	if (checkpoint_read(r, &c, err) == -1)
		return -1;
	return c.gapped ? clusters_complete(r, &c, ret, err) : 0;
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
