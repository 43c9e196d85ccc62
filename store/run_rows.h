/*
 * run_rows: the tables `runs` and `run_jobs` of projection.db: the runs whose
 * progress is derived, and as what each of their jobs counts
 * (run_progress.h). Owned by projection_db, in whose transactions it writes,
 * so that after a SIGKILL each event counts once; the store's writer thread
 * only.
 *
 * A run is followed from a run.state_changed with `derive: true` on, its first
 * as a rule, to its end, which takes it and its jobs out. A job belongs to the
 * run that its job.state_changed named first (run_id), of its own tenant; what
 * it said before the run was followed, or without a run_id, does not count.
 * Beyond RUN_ROWS_MAX runs of a tenant the one that was silent for longest is
 * followed no more; beyond RUN_ROWS_JOBS_MAX jobs of a run no other counts.
 * After a gap none is followed: what it was, or its jobs, may be lost. All
 * three are counted (run_losses.h).
 */
#ifndef SLUICE_RUN_ROWS_H
#define SLUICE_RUN_ROWS_H

#include <sqlite3.h>

#include "store/run_losses.h"
#include "store/run_progress.h"

#define RUN_ROWS_MAX      1000u    /* of a tenant */
#define RUN_ROWS_JOBS_MAX 10000u   /* of a run */

struct run_rows;

/* Makes the tables where there are none. NULL with *err. */
struct run_rows *run_rows_new(sqlite3 *db, struct err *err) MUST_CHECK;
void	run_rows_free(struct run_rows *r);   /* NULL is none */

/* Events come in order; `change` is the event's number. */
int	run_rows_apply(struct run_rows *r, const struct item *item,
	    uint64_t change, struct err *err) MUST_CHECK;

/* Events were lost: every run is followed no more. */
int	run_rows_gap(struct run_rows *r, struct err *err) MUST_CHECK;
/* What was left out, in what was committed. */
const struct run_losses *run_rows_losses(const struct run_rows *r);
void	run_rows_committed(struct run_rows *r);
void	run_rows_rollback(struct run_rows *r);

/* Told each run; what it contains is the callee's. */
typedef void (*run_rows_cb)(struct run_progress *p, void *arg);
/* The runs that changed after *change, up to `through`, and whose counts are
 * not told yet: `max` at most, in that order. 1: there may be more, *change is
 * that of the last; 0: these were all, *change is `through`. */
int	run_rows_since(struct run_rows *r, uint64_t *change,
	    uint64_t through, size_t max, run_rows_cb cb, void *arg,
	    struct err *err) MUST_CHECK;

#endif
