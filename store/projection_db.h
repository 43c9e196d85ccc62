/*
 * projection_db: the writing side of projection.db (SQLite, WAL,
 * synchronous=NORMAL), used by the store's writer thread only. What it holds
 * may be lost: it is made again from the journal and by RESYNC.
 *
 * Tables: `latest` (what snapshots are made of, see projection.h), `ended`
 * (streams that ended or whose object is gone), the history of streams that
 * have one (history.h), and for people, and for
 * MongoDB: `resources`, `workflow_nodes`, `clusters`, `watchers`.
 * `runs` and `run_jobs` are the runs whose progress is derived (run_rows.h).
 * `checkpoint` has one row: how far the journal was applied, moved in the same
 * transaction as what was applied.
 *
 * `change` numbers every kept event in the order it was applied. It only
 * grows, whatever happens to positions, and is what "since" means to readers
 * of the file (the MongoDB thread, the rule for snapshots after a gap); `id`
 * names this generation of the file.
 *
 * Deleted objects: the resource.deleted event stays the stream's latest, shown
 * to those who ask by the exact key and not by a prefix, until it has left the
 * journal; then the stream is dropped. An ended job, run or build is shown by
 * prefixes for snapshot_retention more; its state stays till it leaves the
 * journal too. A stream whose seq begins again at 1 was forgotten by the broker
 * (sequencer.h), or lost: of what it was before nothing is kept here, even if
 * snapshot_retention is not over.
 */
#ifndef SLUICE_PROJECTION_DB_H
#define SLUICE_PROJECTION_DB_H

#include "common/conf.h"
#include "common/event.h"
#include "store/run_rows.h"

#define PROJECTION_DB_VERSION   2
/* Larger files are opened without reading them through first; damage that is
 * found while one is in use is remembered by projection_db_suspect. */
#define PROJECTION_DB_CHECK_MAX (256 * 1024 * 1024)

struct projection_db;

struct projection_state {
	struct position	applied;
	uint64_t	change;
	bool		gapped;        /* there ever was a gap */
	uint64_t	gap_change;    /* rows up to here stand before it */
	int64_t		gap_unix_ms;
	char		id[33];
};

/* Opens or makes the file. A damaged one, or one of another version, is moved
 * aside (projection_file.h); then `note` (ERR_TEXT_MAX bytes) says so, else it
 * is "". */
struct projection_db *projection_db_open(const char *path, char *note,
    struct err *err) MUST_CHECK;
void	projection_db_close(struct projection_db *db);
/* What of the history is kept from now on; without this, all of it. */
void	projection_db_conf(struct projection_db *db, const struct conf *conf);
const struct projection_state *projection_db_state(
    const struct projection_db *db);

/* One batch. Errors are sql.h's; after one the batch must be rolled back,
 * which takes the state back too, and may be applied again. */
int	projection_db_begin(struct projection_db *db, struct err *err)
	    MUST_CHECK;
int	projection_db_commit(struct projection_db *db, struct err *err)
	    MUST_CHECK;
void	projection_db_rollback(struct projection_db *db);
/* Applies one event; one that was applied before changes nothing. */
int	projection_db_apply(struct projection_db *db, const struct item *item,
	    int64_t time_unix_ms, struct err *err) MUST_CHECK;
/* The followed runs that changed after *change and, as it was committed, have
 * not been told: see run_rows_since. */
int	projection_db_runs(struct projection_db *db, uint64_t *change,
	    size_t max, run_rows_cb cb, void *arg, struct err *err) MUST_CHECK;
/* What following them had to leave out, as it was committed. */
const struct run_losses *projection_db_run_losses(
    const struct projection_db *db);
/* Everything up to `through` is known, though there was no event to apply. */
void	projection_db_at(struct projection_db *db, struct position through);
/* The same, but what lay before it was lost: all kept so far may be stale, and
 * no run is followed any more. */
int	projection_db_gap(struct projection_db *db, struct position through,
	    int64_t now_unix_ms, struct err *err) MUST_CHECK;
/* Drops what retention says; `oldest` is the first position of the journal. 1
 * when there may be more to drop, else 0. */
int	projection_db_sweep(struct projection_db *db, const struct conf *conf,
	    uint64_t oldest, int64_t now_unix_ms, struct err *err) MUST_CHECK;

#endif
