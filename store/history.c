#include "store/history.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/sip.h"
#include "common/xmalloc.h"
#include "store/history_schema.h"
#include "store/sql.h"

#define HISTORY_MAGIC 0x48495354u

enum statement {
#define X(name, text) STMT_##name,
	HISTORY_STATEMENTS(X)
#undef X
	STMT_MAX
};

static const char *const statement_texts[STMT_MAX] = {
#define X(name, text) text,
	HISTORY_STATEMENTS(X)
#undef X
};

/* What a rollback takes back. */
struct history_at {
	uint32_t	epoch;     /* of `base`; 0: none yet */
	uint64_t	base;
	uint64_t	newest;    /* place of the last row */
	uint64_t	total;     /* its `total` */
	uint64_t	evicted;
	uint64_t	removed;   /* `total` of the row at `evicted` */
	uint64_t	lost;
};

struct history {
	uint32_t		 magic;
	sqlite3_stmt		*stmts[STMT_MAX];
	struct sip_key		 seed;
	struct history_at	 at;
	struct history_at	 committed;
	uint32_t		 added;     /* rows of this batch */
	bool			 missed;    /* it has some that are not */
	uint64_t		 size;
	int64_t			 retain_ms;
	struct buf		 scratch;
};

/* --- opening ------------------------------------------------------------- */

static int
state_load(struct history *h, struct err *err)
{
	sqlite3_stmt *stmt = h->stmts[STMT_STATE];
	int rc = sql_step(stmt, err);

	if (rc != 1)
		return rc == 0 ? err_set(err, "history_state is empty") : -1;
	h->at.evicted = (uint64_t)sqlite3_column_int64(stmt, 0);
	h->at.removed = (uint64_t)sqlite3_column_int64(stmt, 1);
	h->at.lost = (uint64_t)sqlite3_column_int64(stmt, 2);
	h->seed.k0 = (uint64_t)sqlite3_column_int64(stmt, 3);
	h->seed.k1 = (uint64_t)sqlite3_column_int64(stmt, 4);
	(void)sqlite3_reset(stmt);
	return 0;
}

static int
newest_load(struct history *h, struct err *err)
{
	sqlite3_stmt *stmt = h->stmts[STMT_NEWEST];
	int rc = sql_step(stmt, err);

	h->at.newest = MAX(h->at.evicted, h->at.lost);
	h->at.total = h->at.removed;
	if (rc == 1) {
		h->at.newest = MAX(h->at.lost,
		    (uint64_t)sqlite3_column_int64(stmt, 0));
		h->at.total = (uint64_t)sqlite3_column_int64(stmt, 1);
		(void)sqlite3_reset(stmt);
	}
	return rc == -1 ? -1 : 0;
}

static int
epoch_load(struct history *h, uint32_t epoch, uint64_t *ret_base,
    struct err *err)
{
	sqlite3_stmt *stmt = h->stmts[STMT_EPOCH];
	int rc;

	sql_bind_int(stmt, 1, epoch);
	rc = sql_step(stmt, err);
	if (rc == 1) {
		*ret_base = (uint64_t)sqlite3_column_int64(stmt, 0);
		(void)sqlite3_reset(stmt);
	}
	(void)sqlite3_clear_bindings(stmt);
	return rc;
}

struct history *
history_new(sqlite3 *db, struct position applied, struct err *err)
{
	struct history *h = xcalloc(1, sizeof(*h));
	int rc;

	h->magic = HISTORY_MAGIC;
	h->size = UINT64_MAX;
	h->retain_ms = INT64_MAX;
	if (sql_prepare_all(db, statement_texts, h->stmts, STMT_MAX,
	    err) == -1 || state_load(h, err) == -1 ||
	    newest_load(h, err) == -1)
		goto fail;
	rc = epoch_load(h, applied.epoch, &h->at.base, err);
	if (rc == -1)
		goto fail;
	if (rc == 1)
		h->at.epoch = applied.epoch;
	h->committed = h->at;
	return h;
fail:
	history_free(h);
	return NULL;
}

void
history_free(struct history *h)
{
	if (h == NULL)
		return;
	assert(h->magic == HISTORY_MAGIC);
	h->magic = 0;
	buf_free(&h->scratch);   /* statements are the connection's */
	free(h);
}

void
history_conf(struct history *h, const struct conf *conf)
{
	h->size = conf->history.size;
	h->retain_ms = conf->history.retain_ms;
}

/* --- writing ------------------------------------------------------------- */

/* From here on events have this epoch. */
static int
epoch_begin(struct history *h, struct position first, struct err *err)
{
	sqlite3_stmt *stmt = h->stmts[STMT_EPOCH_PUT];
	uint64_t base = 0;

	if (epoch_load(h, first.epoch, &base, err) == -1)
		return -1;
	/* The journal was taken away, or is an older one again. */
	if (base + first.number <= h->at.newest)
		base = h->at.newest;
	sql_bind_int(stmt, 1, first.epoch);
	sql_bind_int(stmt, 2, (int64_t)base);
	sql_bind_int(stmt, 3, (int64_t)(base + first.number));
	if (sql_run(stmt, err) == -1)
		return -1;
	h->at.epoch = first.epoch;
	h->at.base = base;
	return 0;
}

static int
place_of(struct history *h, struct position at, uint64_t *ret,
    struct err *err)
{
	if (at.epoch != h->at.epoch && epoch_begin(h, at, err) == -1)
		return -1;
	*ret = h->at.base + at.number;
	return 0;
}

int64_t
history_stream(const struct sip_key *seed, struct slice tenant,
    struct slice key)
{
	char name[EVENT_TENANT_MAX + 1 + EVENT_KEY_MAX + 1];
	size_t t = MIN(tenant.n, (size_t)EVENT_TENANT_MAX);
	size_t k = MIN(key.n, (size_t)EVENT_KEY_MAX);

	memcpy(name, tenant.p, t);
	name[t] = '\0';
	memcpy(name + t + 1, key.p, k);
	return (int64_t)sip_hash(seed, (struct slice){ name, t + 1 + k });
}

int
history_apply(struct history *h, const struct item *item,
    int64_t time_unix_ms, struct err *err)
{
	sqlite3_stmt *stmt = h->stmts[STMT_PUT];
	uint64_t place;

	assert(h->magic == HISTORY_MAGIC);
	if (!stream_has_history(item->key))
		return 0;
	if (place_of(h, item->position, &place, err) == -1)
		return -1;
	h->at.newest = place;
	if (h->retain_ms == 0) {
		h->at.lost = place;
		h->missed = true;
		return 0;
	}
	buf_reset(&h->scratch);
	item_encode(&h->scratch, item, true);
	h->at.total += h->scratch.len + HISTORY_ROW_COST;
	sql_bind_int(stmt, 1, (int64_t)place);
	sql_bind_int(stmt, 2, history_stream(&h->seed, item->tenant,
	    item->key));
	sql_bind_int(stmt, 3, time_unix_ms);
	sql_bind_int(stmt, 4, (int64_t)h->at.total);
	sql_bind_blob(stmt, 5, h->scratch.data, h->scratch.len);
	if (sql_run(stmt, err) == -1)
		return -1;
	h->added++;
	return 0;
}

/* --- what went, and what never came -------------------------------------- */

static int
state_put(struct history *h, struct err *err)
{
	sqlite3_stmt *stmt = h->stmts[STMT_STATE_PUT];

	sql_bind_int(stmt, 1, (int64_t)h->at.evicted);
	sql_bind_int(stmt, 2, (int64_t)h->at.removed);
	sql_bind_int(stmt, 3, (int64_t)h->at.lost);
	return sql_run(stmt, err);
}

int
history_gap(struct history *h, struct position through, struct err *err)
{
	uint64_t place;

	if (place_of(h, through, &place, err) == -1)
		return -1;
	h->at.lost = MAX(h->at.lost, place);
	return state_put(h, err);
}

/* Up to `max` of the oldest rows that are too old, or too much. */
static int
collect(struct history *h, size_t max, int64_t before_unix_ms,
    size_t *ret_n, struct err *err)
{
	sqlite3_stmt *stmt = h->stmts[STMT_OLDEST];
	size_t n = 0;
	int rc;

	sql_bind_int(stmt, 1, (int64_t)max);
	while ((rc = sql_step(stmt, err)) == 1) {
		if (h->at.total - h->at.removed <= h->size &&
		    sqlite3_column_int64(stmt, 1) > before_unix_ms) {
			(void)sqlite3_reset(stmt);
			break;
		}
		h->at.evicted = (uint64_t)sqlite3_column_int64(stmt, 0);
		h->at.removed = (uint64_t)sqlite3_column_int64(stmt, 2);
		n++;
	}
	(void)sqlite3_clear_bindings(stmt);
	*ret_n = n;
	return rc == -1 ? -1 : 0;
}

/* 1 when as many went as may. */
static int
purge(struct history *h, size_t max, int64_t before_unix_ms, struct err *err)
{
	sqlite3_stmt *stmt;
	size_t n;

	if (collect(h, max, before_unix_ms, &n, err) == -1)
		return -1;
	if (n == 0)
		return 0;
	stmt = h->stmts[STMT_REMOVE];
	sql_bind_int(stmt, 1, (int64_t)h->at.evicted);
	if (sql_run(stmt, err) == -1)
		return -1;
	stmt = h->stmts[STMT_EPOCHS_PRUNE];
	sql_bind_int(stmt, 1, (int64_t)h->at.evicted);
	if (sql_run(stmt, err) == -1 || state_put(h, err) == -1)
		return -1;
	return n == max;
}

int
history_trim(struct history *h, struct err *err)
{
	uint32_t added = h->added;

	if (h->missed && state_put(h, err) == -1)
		return -1;
	h->missed = false;
	h->added = 0;
	if (added == 0 || h->at.total - h->at.removed <= h->size)
		return 0;
	return purge(h, (size_t)added * 2, INT64_MIN, err) == -1 ? -1 : 0;
}

int
history_sweep(struct history *h, int64_t now_unix_ms, struct err *err)
{
	int64_t before = h->retain_ms == INT64_MAX ? INT64_MIN :
	    h->retain_ms == 0 ? INT64_MAX : now_unix_ms - h->retain_ms;

	return purge(h, HISTORY_SLICE, before, err);
}

void
history_committed(struct history *h)
{
	h->committed = h->at;
}

void
history_rollback(struct history *h)
{
	h->at = h->committed;
	h->missed = false;
	h->added = 0;
}
