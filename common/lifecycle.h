/*
 * lifecycle: the state machines of the contract (section 3), as data: which
 * words a machine has, which may follow which, which are the end. Pure.
 *
 * Used by the gateway, which judges what is published, and by a process that
 * publishes lifecycle events of its own.
 */
#ifndef SLUICE_LIFECYCLE_H
#define SLUICE_LIFECYCLE_H

#include "common/event.h"

enum lifecycle_machine {
	LIFECYCLE_OF_NOTHING,
	LIFECYCLE_OF_JOB,
	LIFECYCLE_OF_PACK_RUN,
	LIFECYCLE_OF_STEP,      /* of a pack run */
	LIFECYCLE_OF_RUN,
	LIFECYCLE_OF_BUILD,     /* and of an import */
	LIFECYCLE_OF_LOG,       /* a stream that ends with its last line */
	LIFECYCLE_MACHINE_MAX
};

/* The state byte of a lifecycle event, and so in the journal: append only. */
enum lifecycle_state {
	LIFECYCLE_NONE,           /* nothing happened yet */
	LIFECYCLE_SUCCEEDED,
	LIFECYCLE_PARTIALLY_SUCCEEDED,
	LIFECYCLE_FAILED,
	LIFECYCLE_CANCELED,
	LIFECYCLE_TIMED_OUT,
	LIFECYCLE_COMPLETE,
	LIFECYCLE_CANCELLED,      /* as KubeOrch writes it */
	LIFECYCLE_PENDING,
	LIFECYCLE_QUEUED,
	LIFECYCLE_LEASED,
	LIFECYCLE_RUNNING,
	LIFECYCLE_THROTTLED,
	LIFECYCLE_WAITING,
	LIFECYCLE_SKIPPED,
	LIFECYCLE_STATE_MAX
};

/* With it in the state byte lines of the stream's log may follow its end. */
#define LIFECYCLE_LOGS_OPEN   0x80u
#define LIFECYCLE_ATTEMPT_MAX INT32_MAX

/* Of a stream that ended at ended_ms with LIFECYCLE_LOGS_OPEN: may lines still
 * follow at now_ms? Both by the broker's wall clock; one that was set back by
 * more than the time of grace leaves nothing open. */
bool	lifecycle_log_open(int64_t ended_ms, int64_t now_ms,
	    int64_t grace_ms);

/* Where a machine stands, or is to go. */
struct lifecycle_point {
	enum lifecycle_state	state;
	uint32_t		attempt;   /* machines without: 0 */
	uint8_t			body[EVENT_HASH_SIZE];
};

enum lifecycle_verdict {
	LIFECYCLE_ACCEPT,
	LIFECYCLE_REPEAT,          /* the latest one again */
	LIFECYCLE_ILLEGAL,         /* no such transition */
	LIFECYCLE_BAD_ATTEMPT,     /* illegal: the attempt does not fit */
	LIFECYCLE_BAD_PREVIOUS,    /* illegal: it was judged on another state */
	LIFECYCLE_ENDED            /* the machine's end is final */
};

/* May `next`, whose event says that it follows `previous` (NONE: it does not
 * say), come after `now`? On a machine that nothing is known of every state
 * may be first. */
enum lifecycle_verdict lifecycle_judge(enum lifecycle_machine machine,
	    const struct lifecycle_point *now,
	    const struct lifecycle_point *next,
	    enum lifecycle_state previous);

/* The state of a word or an alias of one; NONE: the machine has none. */
enum lifecycle_state lifecycle_state_of(enum lifecycle_machine machine,
	    struct slice word);
/* The word of a state byte; "unknown" of one that has none. */
const char	*lifecycle_word(uint8_t state);
bool		 lifecycle_has(enum lifecycle_machine machine,
	    enum lifecycle_state state);
/* It is an end of the machine. */
bool		 lifecycle_final(enum lifecycle_machine machine,
	    enum lifecycle_state state);
/* Its events carry an attempt. */
bool		 lifecycle_has_attempts(enum lifecycle_machine machine);
/* The words that may follow `now`, with commas, for a person. */
void		 lifecycle_next_words(enum lifecycle_machine machine,
	    enum lifecycle_state now, struct buf *ret);

#endif
