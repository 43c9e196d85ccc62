/*
 * schedule: when which cluster is checked, and on whose worker.
 *
 * Pure: takes times and outcomes, returns decisions; no clock, thread or
 * libevent. Process: health. The rules are our own: one cluster that hangs must
 * never cost another its check.
 *
 * - A cluster that answered its last check is *proven*: due again after
 *   interval +-10 %. One that did not is due after 10 s, three times, then
 *   after 120 to 300 s. One never checked is due at once.
 * - At most `workers` jobs run at once, and never two of one cluster.
 * - Proven clusters come first, earliest due first. A *slow* job (a check of
 *   a cluster that is not proven, or a fetch of metadata) starts only when no
 *   proven cluster is due and enough workers stay free of slow jobs for the
 *   proven clusters that fall due while it may run; one worker is kept for
 *   them in any case. A check that has run for SCHEDULE_SLOW_MS counts as
 *   slow, whatever it was. So clusters that hang wait for each other only.
 * - check-now makes a cluster due at once, but not sooner than
 *   SCHEDULE_CHECK_NOW_GAP_MS after its last check ended.
 */
#ifndef SLUICE_SCHEDULE_H
#define SLUICE_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/macros.h"
#include "common/mono.h"

#define SCHEDULE_WORKERS_MAX      64u
#define SCHEDULE_RETRY_MS         10000    /* the first failures */
#define SCHEDULE_RETRIES          3u
#define SCHEDULE_FAR_MIN_MS       120000   /* those after them */
#define SCHEDULE_FAR_MAX_MS       300000
#define SCHEDULE_CHECK_NOW_GAP_MS 5000
#define SCHEDULE_PUT_OFF_MS       10000
#define SCHEDULE_SLOW_MS          1000     /* a check this old is slow */
#define SCHEDULE_SLOW_BUDGET_MS   10000    /* the longest a slow job may run */

struct schedule;
struct schedule_entry;   /* one cluster; owned by the schedule */

enum schedule_job {
	SCHEDULE_CHECK,
	SCHEDULE_METADATA,
};

enum schedule_outcome {
	SCHEDULE_ANSWERED,     /* the server answered, whatever it said */
	SCHEDULE_CONFIRM,      /* answered; ask again soon to be sure */
	SCHEDULE_FAILED,
	SCHEDULE_PUT_OFF,      /* nothing was asked: credentials are fetched;
				* due again in SCHEDULE_PUT_OFF_MS, or when
				* they are there: schedule_check_now */
};

enum schedule_now {
	SCHEDULE_NOW_DUE,      /* due at once */
	SCHEDULE_NOW_LATER,    /* rate limited: due when the gap has passed */
	SCHEDULE_NOW_RUNNING,  /* one is under way: its result will do */
};

/* `workers` 1..SCHEDULE_WORKERS_MAX; `seed` of the jitter. */
struct schedule *schedule_new(uint32_t workers, int64_t interval_ms,
    uint64_t seed);
void	schedule_free(struct schedule *s);
/* The interval of proven clusters from their next check on (reload). */
void	schedule_interval(struct schedule *s, int64_t interval_ms);

/* A new cluster, due at once. `owner` is given back by schedule_next. */
struct schedule_entry *schedule_add(struct schedule *s, void *owner,
    struct mono now);
/* Forgets it. One whose job runs must first be reported done. */
void	schedule_remove(struct schedule *s, struct schedule_entry *e);

/* Which job starts now: its owner, or NULL when none may. The caller runs it
 * and reports it with schedule_checked or schedule_fetched. */
void	*schedule_next(struct schedule *s, struct mono now,
	    enum schedule_job *ret_job);
/* ms until schedule_next can have something new without a job ending: 0 =
 * now, -1 = never. */
int64_t	schedule_wait_ms(const struct schedule *s, struct mono now);

/* A check ended. */
void	schedule_checked(struct schedule *s, struct schedule_entry *e,
	    enum schedule_outcome outcome, struct mono now);
/* A fetch of metadata ended; the cluster's next check stays where it was. */
void	schedule_fetched(struct schedule *s, struct schedule_entry *e,
	    struct mono now);
/* The cluster's metadata is old: fetch it when a worker can be spared and its
 * own next check is not near. Call it after every check, as long as it is so:
 * a check that begins takes the wish back. */
void	schedule_want_metadata(struct schedule *s, struct schedule_entry *e,
	    struct mono now);
enum schedule_now schedule_check_now(struct schedule *s,
    struct schedule_entry *e, struct mono now);

bool	schedule_running(const struct schedule_entry *e);

/* What tests see of the promise: is the cluster proven, how much later than
 * due did its latest job begin, and how many jobs are under way. */
bool	schedule_proven(const struct schedule_entry *e);
int64_t	schedule_late_ms(const struct schedule_entry *e);
uint32_t schedule_busy(const struct schedule *s);

#endif
