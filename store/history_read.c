#include "store/history_read.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "common/xmalloc.h"
#include "store/history.h"
#include "store/history_schema.h"
#include "store/sql.h"

#define HISTORY_READ_MAGIC 0x48524541u
#define HISTORY_PRAGMAS    "PRAGMA cache_size = -4096; PRAGMA query_only = 1;"

#define HISTORY_READ_STATEMENTS(X)					\
	X(BEGIN, "BEGIN")						\
	X(END, "COMMIT")						\
	X(STATE, "SELECT c.epoch, c.position, s.evicted, s.lost, s.k0,"	\
	    " s.k1, c.gap_unix_ms FROM checkpoint c, history_state s")	\
	X(EPOCH, "SELECT base FROM history_epochs WHERE epoch = ?1")	\
	X(BEHIND, "SELECT place, item FROM history WHERE stream = ?1"	\
	    " AND place > ?2 ORDER BY place")				\
	X(BEFORE, "SELECT place, item FROM history WHERE stream = ?1"	\
	    " AND place <= ?2 ORDER BY place DESC")			\
	X(KNOWN, "SELECT EXISTS(SELECT 1 FROM latest WHERE tenant = ?1"	\
	    " AND key = ?2)")

enum statement {
#define X(name, text) STMT_##name,
	HISTORY_READ_STATEMENTS(X)
#undef X
	STMT_MAX
};

static const char *const statement_texts[STMT_MAX] = {
#define X(name, text) text,
	HISTORY_READ_STATEMENTS(X)
#undef X
};

struct history_reader {
	uint32_t	 magic;
	sqlite3		*db;
	sqlite3_stmt	*stmts[STMT_MAX];
};

/* A page while it is made. */
struct page {
	const struct query_history_ask *ask;
	struct query_history	 head;
	struct buf		 items;
	struct sip_key		 seed;
	uint64_t		 evicted;
	uint64_t		 lost;
	int64_t			 lost_unix_ms;
	int64_t			 lately_unix_ms;
	int64_t			 stream;
	uint64_t		 begin;     /* what stands behind this place */
	uint64_t		 last;      /* place of the last row, or 0 */
	/* The event before; seq 0: the stream's beginning. */
	bool			 counts;    /* it is known */
	uint64_t		 seq;
	uint32_t		 epoch;
	bool			 terminal;
};

struct history_reader *
history_reader_open(const char *path, struct err *err)
{
	struct history_reader *r = xcalloc(1, sizeof(*r));

	r->magic = HISTORY_READ_MAGIC;
	if (sql_open(&r->db, path, SQL_READ_ONLY, HISTORY_PRAGMAS,
	    err) == -1 || sql_prepare_all(r->db, statement_texts, r->stmts,
	    STMT_MAX, err) == -1) {
		history_reader_close(r);
		return NULL;
	}
	return r;
}

void
history_reader_close(struct history_reader *r)
{
	if (r == NULL)
		return;
	assert(r->magic == HISTORY_READ_MAGIC);
	r->magic = 0;
	sql_close(r->db);
	free(r);
}

/* --- where it begins ----------------------------------------------------- */

static void
gap_add(struct page *p, enum query_gap_reason reason, uint64_t from,
    uint64_t to)
{
	assert(p->head.n_gaps < QUERY_HISTORY_GAPS);
	p->head.gaps[p->head.n_gaps++] = (struct query_gap){ reason, from,
		to };
}

static int
state_read(struct history_reader *r, struct page *p, struct err *err)
{
	sqlite3_stmt *stmt = r->stmts[STMT_STATE];
	int rc = sql_step(stmt, err);

	if (rc == 0) {
		(void)err_set(err, "the checkpoint is missing");
		if (err != NULL)
			err->code = EUCLEAN;
	}
	if (rc != 1)
		return -1;
	p->head.as_of.epoch = (uint32_t)sqlite3_column_int64(stmt, 0);
	p->head.as_of.number = (uint64_t)sqlite3_column_int64(stmt, 1);
	p->evicted = (uint64_t)sqlite3_column_int64(stmt, 2);
	p->lost = (uint64_t)sqlite3_column_int64(stmt, 3);
	p->seed.k0 = (uint64_t)sqlite3_column_int64(stmt, 4);
	p->seed.k1 = (uint64_t)sqlite3_column_int64(stmt, 5);
	p->lost_unix_ms = sqlite3_column_int64(stmt, 6);
	(void)sqlite3_reset(stmt);
	p->stream = history_stream(&p->seed, p->ask->tenant, p->ask->key);
	return 0;
}

/* The place of `after`; of an epoch nobody here has heard of, the oldest. */
static int
begin_read(struct history_reader *r, struct page *p, struct err *err)
{
	const struct position *after = &p->ask->after;
	sqlite3_stmt *stmt = r->stmts[STMT_EPOCH];
	bool now = after->epoch == p->head.as_of.epoch;
	int rc;

	if (!p->ask->behind)
		return 0;
	if (now && after->number > p->head.as_of.number)
		gap_add(p, QUERY_GAP_CURSOR_AHEAD, 0, 0);
	sql_bind_int(stmt, 1, after->epoch);
	rc = sql_step(stmt, err);
	if (rc == 1) {
		p->begin = (uint64_t)sqlite3_column_int64(stmt, 0) +
		    MIN(after->number, (uint64_t)INT64_MAX / 2);
		(void)sqlite3_reset(stmt);
	} else if (rc == 0 && now) {
		/* No event of this epoch has a history: all are older. */
		p->begin = INT64_MAX;
	} else if (rc == 0) {
		gap_add(p, QUERY_GAP_EPOCH_CHANGED, 0, 0);
	}
	(void)sqlite3_clear_bindings(stmt);
	return rc == -1 ? -1 : 0;
}

/* --- rows ---------------------------------------------------------------- */

/* The item of a row: 1; 0: it is another stream's with the same hash. */
static int
row_item(sqlite3_stmt *stmt, const struct page *p, struct item *ret,
    struct err *err)
{
	struct slice bytes = sql_column_slice(stmt, 1);
	struct rd rd = rd_init(bytes.p, bytes.n);

	if (item_decode(&rd, ret, true) == -1 || !rd_done(&rd)) {
		(void)err_set(err, "an event of the history is damaged");
		if (err != NULL)
			err->code = EUCLEAN;
		return -1;
	}
	return slice_eq(ret->key, p->ask->key) &&
	    slice_eq(ret->tenant, p->ask->tenant);
}

static void
take_before(struct page *p, const struct item *item)
{
	p->counts = true;
	p->seq = item->seq;
	p->epoch = item->position.epoch;
	p->terminal = (item->flags & (ITEM_TERMINAL | ITEM_LAST)) != 0 ||
	    (p->terminal && (item->flags & ITEM_LIFECYCLE) == 0);
}

/* The event of this stream that `begin` stands at or behind. */
static int
before_read(struct history_reader *r, struct page *p, struct err *err)
{
	sqlite3_stmt *stmt = r->stmts[STMT_BEFORE];
	struct item item;
	int rc, ours = 0;

	/* All of it is asked for: it is counted from its beginning. */
	p->counts = p->begin == 0;
	if (p->counts)
		return 0;
	sql_bind_int(stmt, 1, p->stream);
	sql_bind_int(stmt, 2, (int64_t)p->begin);
	while (ours == 0 && (rc = sql_step(stmt, err)) == 1)
		ours = row_item(stmt, p, &item, err);
	if (ours == 1) {
		take_before(p, &item);
		p->last = (uint64_t)sqlite3_column_int64(stmt, 0);
	}
	(void)sqlite3_reset(stmt);
	(void)sqlite3_clear_bindings(stmt);
	return ours == -1 || rc == -1 ? -1 : 0;
}

/* What is missing between the event before and this one. */
static void
count_up(struct page *p, const struct item *item)
{
	if (!p->counts) {
		if (item->seq > 1 && p->begin < MAX(p->evicted, p->lost))
			gap_add(p, QUERY_GAP_EVICTED, 0, item->seq - 1);
	} else if (item->seq > p->seq + 1) {
		gap_add(p, QUERY_GAP_EVICTED, p->seq + 1, item->seq - 1);
	} else if (item->seq <= p->seq && item->seq > 1 &&
	    item->position.epoch == p->epoch) {
		/* Forgotten, and begun again. */
		gap_add(p, QUERY_GAP_EVICTED, 1, item->seq - 1);
	}
	take_before(p, item);
}

static bool
wanted(const struct page *p, const struct item *item)
{
	size_t i;

	for (i = 0; i < p->ask->n_types; i++)
		if (slice_eq(item->event_type, p->ask->types[i]))
			return true;
	return p->ask->n_types == 0;
}

/* Takes a row; `bytes` counts what was read. */
static void
row_take(struct page *p, sqlite3_stmt *stmt, const struct item *item,
    size_t *bytes)
{
	struct slice blob = sql_column_slice(stmt, 1);

	count_up(p, item);
	p->last = (uint64_t)sqlite3_column_int64(stmt, 0);
	p->head.end = item->position;
	*bytes += blob.n + HISTORY_ROW_COST;
	if (!wanted(p, item))
		return;
	buf_add(&p->items, blob.p, blob.n);
	p->head.count++;
}

static bool
page_full(const struct page *p, size_t bytes)
{
	return p->head.count >= p->ask->limit ||
	    bytes >= HISTORY_PAGE_BYTES ||
	    /* One more for its end. */
	    p->head.n_gaps >= QUERY_HISTORY_GAPS - 1;
}

static int
rows_read(struct history_reader *r, struct page *p, struct err *err)
{
	sqlite3_stmt *stmt = r->stmts[STMT_BEHIND];
	struct item item;
	size_t bytes = 0;
	int rc, ours = 0;

	sql_bind_int(stmt, 1, p->stream);
	sql_bind_int(stmt, 2, (int64_t)p->begin);
	while ((rc = sql_step(stmt, err)) == 1) {
		ours = row_item(stmt, p, &item, err);
		if (ours == -1)
			break;
		if (ours == 0)
			continue;
		if (page_full(p, bytes)) {
			p->head.more = true;
			break;
		}
		row_take(p, stmt, &item, &bytes);
	}
	(void)sqlite3_reset(stmt);
	(void)sqlite3_clear_bindings(stmt);
	return ours == -1 || rc == -1 ? -1 : 0;
}

/* --- where it ends ------------------------------------------------------- */

/* Of a stream without an event here: whether it had some. */
static int
nothing_read(struct history_reader *r, struct page *p, struct err *err)
{
	sqlite3_stmt *stmt = r->stmts[STMT_KNOWN];
	int rc;

	if (p->begin >= p->evicted)
		return 0;
	sql_bind_slice(stmt, 1, p->ask->tenant);
	sql_bind_slice(stmt, 2, p->ask->key);
	rc = sql_step(stmt, err);
	if (rc == 1 && sqlite3_column_int(stmt, 0) != 0)
		gap_add(p, QUERY_GAP_EVICTED, p->begin == 0, 0);
	(void)sqlite3_reset(stmt);
	(void)sqlite3_clear_bindings(stmt);
	return rc == -1 ? -1 : 0;
}

/* Events may have been lost behind the last. */
static int
end_read(struct history_reader *r, struct page *p, struct err *err)
{
	bool none = p->last == 0;

	if (p->head.more)
		return 0;
	if (p->lost > MAX(p->last, p->begin) && !p->terminal &&
	    (!none || p->lost_unix_ms >= p->lately_unix_ms))
		gap_add(p, QUERY_GAP_EVICTED, p->counts ? p->seq + 1 : 0, 0);
	else if (none)
		return nothing_read(r, p, err);
	return 0;
}

static int
page_read(struct history_reader *r, struct page *p, struct err *err)
{
	if (state_read(r, p, err) == -1 || begin_read(r, p, err) == -1 ||
	    before_read(r, p, err) == -1 || rows_read(r, p, err) == -1)
		return -1;
	return end_read(r, p, err);
}

int
history_read(struct history_reader *r, const struct query_history_ask *ask,
    int64_t lately_unix_ms, struct buf *answer, struct err *err)
{
	struct page p = { .ask = ask, .lately_unix_ms = lately_unix_ms };
	int rc = sql_run(r->stmts[STMT_BEGIN], err);

	assert(r->magic == HISTORY_READ_MAGIC);
	if (rc == -1)
		return -1;
	rc = page_read(r, &p, err);
	/* It has only read: nothing can be lost by its end. */
	(void)sqlite3_step(r->stmts[STMT_END]);
	(void)sqlite3_reset(r->stmts[STMT_END]);
	if (rc == 0) {
		query_wire_answer_history(answer, &p.head);
		buf_add(answer, p.items.data, p.items.len);
	}
	buf_free(&p.items);
	return rc;
}
