/*
 * run_progress: how far a run is that its server was asked to follow
 * (`derive: true`): what its jobs' states come to, and run.progress as an
 * event. Pure: values in, values out. Process: store.
 *
 * Source of the rules: doc/contract.md, section 3 (run.progress). How a job
 * counts:
 *   queued     pending, queued, throttled: nobody works on it
 *   running    leased, running: somebody does
 *   succeeded  succeeded
 *   failed     failed, timed_out
 *   canceled   canceled
 * So these five are all the jobs that are known. total_jobs is what the run
 * itself says, or how many are known where that is more.
 *
 * The event's guard is the run's last lifecycle event: state and
 * previous_state are those of the moment at which the broker takes it, and none
 * is taken behind the run's end. Its idempotency key is the position of the
 * job's event that changed the counts last, which no other has: whoever says it
 * again, after a SIGKILL too, appends nothing.
 */
#ifndef SLUICE_RUN_PROGRESS_H
#define SLUICE_RUN_PROGRESS_H

#include "common/event.h"
#include "common/lifecycle.h"

enum run_count {
	RUN_QUEUED,
	RUN_RUNNING,
	RUN_SUCCEEDED,
	RUN_FAILED,
	RUN_CANCELED,
	RUN_COUNT_MAX
};

struct run_progress {
	char		*tenant;      /* owned */
	char		*key;         /* owned: run:<id> */
	uint8_t		 state;       /* enum lifecycle_state */
	uint8_t		 previous;    /* NONE: it has none */
	struct position	 guard;       /* of its last lifecycle event */
	uint64_t	 own_total;   /* total_jobs as it says itself; or 0 */
	uint64_t	 counts[RUN_COUNT_MAX];
	struct position	 changed;     /* the job's event that did last */
	struct position	 told;        /* `changed` of the last run.progress */
	uint64_t	 change;      /* number in projection.db */
};

void		 run_progress_clear(struct run_progress *p);
/* Its copy, to be cleared too. */
struct run_progress run_progress_copy(const struct run_progress *p);

/* As what a job in this state counts. */
enum run_count	 run_progress_count(enum lifecycle_state job);
uint64_t	 run_progress_known(const struct run_progress *p);
uint64_t	 run_progress_total(const struct run_progress *p);
/* A job that counted as `from` (RUN_COUNT_MAX: it is new) counts as `to`,
 * since the event at `by`. */
void		 run_progress_move(struct run_progress *p,
		    enum run_count from, enum run_count to,
		    struct position by);

struct run_event {
	struct item	item;     /* points into the frame and the run */
	struct buf	frame;
};

/* `p` must live as long as the event. */
void		 run_event_make(struct run_event *e,
		    const struct run_progress *p, int64_t now_unix_ms);
void		 run_event_clear(struct run_event *e);
/* True for an event that run_event_make made; then its run's `changed`. */
bool		 run_event_told(const struct item *item,
		    struct position *ret);

#endif
