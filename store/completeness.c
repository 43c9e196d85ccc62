#include "store/completeness.h"

#include <stdlib.h>

#include "common/mono.h"
#include "common/xmalloc.h"
#include "store/projection.h"
#include "store/sql.h"

#define COMPLETENESS_STATEMENTS(X)					\
	X(CHECKPOINT, "SELECT epoch, position, gapped, gap_change,"	\
	    " gap_unix_ms FROM checkpoint")				\
	X(WATCHED, "SELECT count(*) FROM watchers WHERE cluster = ?1"	\
	    " AND kind = ?2 AND change > ?3"				\
	    " AND state IN ('watching', 'backoff', 'forbidden', 'stopped')") \
	X(CHANGE, "SELECT max(change) FROM latest WHERE tenant = ?1"	\
	    " AND key = ?2 AND (?3 = 0 OR slot = ?3)")			\
	X(ENDED, "SELECT count(*) FROM ended WHERE tenant = ?1"		\
	    " AND key = ?2")						\
	X(SUSPECTS, "SELECT count(*) FROM (SELECT key FROM latest"	\
	    " WHERE tenant = ?1 AND key > ?2 AND key < ?3 AND shown = 1" \
	    " AND (?5 = 0 OR slot = ?5) AND NOT EXISTS (SELECT 1"	\
	    " FROM ended WHERE ended.tenant = latest.tenant"		\
	    " AND ended.key = latest.key)"				\
	    " GROUP BY key HAVING max(change) <= ?4)")

enum statement {
#define X(name, text) STMT_##name,
	COMPLETENESS_STATEMENTS(X)
#undef X
	STMT_MAX
};

static const char *const statement_texts[STMT_MAX] = {
#define X(name, text) text,
	COMPLETENESS_STATEMENTS(X)
#undef X
};

struct completeness {
	sqlite3_stmt		*stmts[STMT_MAX];
	const struct conf	*conf;
	completeness_cluster_fn	 cluster_of;
	void			*arg;
};

struct completeness *
completeness_new(sqlite3 *db, const struct conf *conf,
    completeness_cluster_fn cluster_of, void *arg, struct err *err)
{
	struct completeness *c = xcalloc(1, sizeof(*c));

	c->conf = conf;
	c->cluster_of = cluster_of;
	c->arg = arg;
	if (sql_prepare_all(db, statement_texts, c->stmts, STMT_MAX,
	    err) == 0)
		return c;
	completeness_free(c);
	return NULL;
}

void
completeness_free(struct completeness *c)
{
	free(c);
}

void
completeness_conf(struct completeness *c, const struct conf *conf)
{
	c->conf = conf;
}

int
completeness_read(struct completeness *c, struct completeness_at *ret,
    struct err *err)
{
	sqlite3_stmt *stmt = c->stmts[STMT_CHECKPOINT];
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

/* --- one cluster, or all ------------------------------------------------- */

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

/* The kind's watcher has told of it since: 1, 0, or -1 error. */
static int
kind_complete(struct completeness *c, const struct completeness_at *at,
    struct slice cluster, const char *kind, struct err *err)
{
	sqlite3_stmt *stmt = c->stmts[STMT_WATCHED];
	int64_t count;

	sql_bind_slice(stmt, 1, cluster);
	sql_bind_text(stmt, 2, kind);
	sql_bind_int(stmt, 3, at->gap_change);
	if (one_number(stmt, &count, err) == -1)
		return -1;
	return count != 0;
}

/* 1 complete, 0 not, -1 error. A cluster nobody watches misses nothing. */
static int
cluster_complete(struct completeness *c, const struct completeness_at *at,
    struct slice cluster, struct err *err)
{
	const struct conf *conf = c->conf;
	size_t i;
	int rc = 1;

	if (!cluster_configured(conf, cluster))
		return 1;
	for (i = 0; i < conf->watch.n_kinds && rc == 1; i++)
		rc = kind_complete(c, at, cluster, conf->watch.kinds[i], err);
	for (i = 0; i < conf->watch.n_custom && rc == 1; i++)
		rc = kind_complete(c, at, cluster, conf->watch.custom[i].name,
		    err);
	return rc;
}

int
completeness_clusters(struct completeness *c, const struct completeness_at *at,
    unsigned int *ret, struct err *err)
{
	unsigned int incomplete = 0;
	size_t i;
	int rc;

	for (i = 0; i < c->conf->n_clusters; i++) {
		rc = cluster_complete(c, at, slice_str(c->conf->clusters[i].id),
		    err);
		if (rc == -1)
			return -1;
		incomplete += rc == 0;
	}
	*ret = incomplete;
	return 0;
}

static int
all_complete(struct completeness *c, const struct completeness_at *at,
    struct err *err)
{
	unsigned int incomplete = 0;

	if (completeness_clusters(c, at, &incomplete, err) == -1)
		return -1;
	return incomplete == 0;
}

static int
workflow_complete(struct completeness *c, const struct completeness_at *at,
    struct slice tenant, struct slice workflow, struct err *err)
{
	char *cluster = c->cluster_of(tenant, workflow, c->arg);
	int rc = 1;

	/* An unknown workflow has no watcher that could have told. */
	if (cluster != NULL)
		rc = cluster_complete(c, at, slice_str(cluster), err);
	free(cluster);
	return rc;
}

/* --- streams whose own events decide ------------------------------------ */

/* Which of a stream's slots tells that it is known again; NONE: any. */
static enum slot
deciding_slot(enum stream_type type)
{
	switch ((int)type) {
	case STREAM_JOB:
	case STREAM_PACK_RUN:
	case STREAM_RUN:
		return SLOT_STATE;
	case STREAM_CLUSTER:
		return SLOT_HEALTH;   /* every check has one */
	default:
		/* A build speaks of its state once, at its end. */
		return SLOT_NONE;
	}
}

/* The latest change in a slot (NONE: in any); -1 when there is none. */
static int
slot_change(struct completeness *c, struct slice tenant, struct slice key,
    enum slot slot, int64_t *ret, struct err *err)
{
	sqlite3_stmt *stmt = c->stmts[STMT_CHANGE];

	sql_bind_slice(stmt, 1, tenant);
	sql_bind_slice(stmt, 2, key);
	sql_bind_int(stmt, 3, slot);
	return one_number(stmt, ret, err);
}

int
completeness_change(struct completeness *c, struct slice tenant,
    struct slice key, int64_t *ret, struct err *err)
{
	return slot_change(c, tenant, key, SLOT_NONE, ret, err);
}

/* One of which nothing is known counts as possibly lost for as long as the
 * journal retains. */
static int
stream_complete(struct completeness *c, const struct completeness_at *at,
    struct slice tenant, struct slice key, enum stream_type type,
    struct err *err)
{
	sqlite3_stmt *stmt = c->stmts[STMT_ENDED];
	int64_t change, ended;

	if (slot_change(c, tenant, key, deciding_slot(type), &change,
	    err) == -1)
		return -1;
	if (change == -1)
		return wall_unix_ms() > at->gap_unix_ms +
		    c->conf->journal.retain_ms;
	if (change > at->gap_change)
		return 1;
	/* An end is final. */
	sql_bind_slice(stmt, 1, tenant);
	sql_bind_slice(stmt, 2, key);
	if (one_number(stmt, &ended, err) == -1)
		return -1;
	return ended > 0;
}

static int
suspects_complete(struct completeness *c, const struct completeness_at *at,
    struct slice tenant, struct slice prefix, enum stream_type type,
    struct err *err)
{
	sqlite3_stmt *stmt = c->stmts[STMT_SUSPECTS];
	char end[EVENT_KEY_MAX];
	int64_t count;

	sql_bind_slice(stmt, 1, tenant);
	sql_bind_slice(stmt, 2, prefix);
	sql_bind_slice(stmt, 3, selection_end(prefix, end));
	sql_bind_int(stmt, 4, at->gap_change);
	sql_bind_int(stmt, 5, deciding_slot(type));
	if (one_number(stmt, &count, err) == -1)
		return -1;
	return count == 0;
}

/* Only what is configured is ever checked again. */
static int
checks_complete(struct completeness *c, const struct completeness_at *at,
    struct slice tenant, const struct selection_range *range,
    struct err *err)
{
	char *key;
	size_t i;
	int rc = 1;

	for (i = 0; i < c->conf->n_clusters && rc == 1; i++) {
		key = xasprintf("cluster:%s", c->conf->clusters[i].id);
		if (selection_covers(range, slice_str(key)))
			rc = stream_complete(c, at, tenant, slice_str(key),
			    STREAM_CLUSTER, err);
		free(key);
	}
	return rc;
}

/* --- one range ----------------------------------------------------------- */

int
completeness_of(struct completeness *c, const struct completeness_at *at,
    struct slice tenant, const struct selection_range *range, struct err *err)
{
	enum stream_type type = selection_type(range);
	struct slice cluster;

	switch (type) {
	case STREAM_RESOURCE:
	case STREAM_WATCHER:
		if (selection_cluster(range, &cluster))
			return cluster_complete(c, at, cluster, err);
		return all_complete(c, at, err);
	case STREAM_WORKFLOW:
		if (range->prefix)
			return all_complete(c, at, err);
		return workflow_complete(c, at, tenant,
		    stream_key_name(range->text), err);
	case STREAM_CLUSTER:
		return checks_complete(c, at, tenant, range, err);
	case STREAM_JOB:
	case STREAM_PACK_RUN:
	case STREAM_RUN:
	case STREAM_BUILD:
	case STREAM_IMPORT:
		if (range->prefix)
			return suspects_complete(c, at, tenant, range->text,
			    type, err);
		return stream_complete(c, at, tenant, range->text, type, err);
	case STREAM_POD_LOGS:
	case STREAM_ALERTS:
	case STREAM_NOTIFICATIONS:
	case STREAM_TYPE_MAX:
	default:
		return 1;
	}
}
