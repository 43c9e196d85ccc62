/*
 * watch_fsm: what one kind's LIST and WATCH do next, as a table (k8s-watch.md
 * A.1; numbers of the back-off from the source document: 5 s doubling to 60 s,
 * at once after a clean end or 410). Pure: time and chance are given to it.
 *
 * Every kind has its own machine and its own back-off.
 */
#ifndef SLUICE_WATCH_FSM_H
#define SLUICE_WATCH_FSM_H

#include <stdbool.h>
#include <stdint.h>

#define WATCH_FSM_QUICK_MS  1000             /* k8s-watch.md A 8 */
#define WATCH_FSM_SAME_MAX  4   /* watches of one version that fail: A 11 */
/* After so many longest pauses without trouble (120 s: A 12) all is forgotten.
 * One event does not do it: a server may send one and fail, again and again. */
#define WATCH_FSM_CALM      2

enum watch_state {
	WATCH_IDLE,         /* not begun */
	WATCH_LISTING,
	WATCH_STREAMING,    /* a list by watch (WatchList) */
	WATCH_WATCHING,
	WATCH_PROBING,      /* silence: is the version still one? */
	WATCH_ASKING,       /* 404: is the kind served at all? */
	WATCH_REVIEWING,    /* 403: do the server's rules say so? */
	WATCH_WAIT_LIST,    /* back-off, then LIST */
	WATCH_WAIT_WATCH,   /* back-off, then WATCH at the same version */
	WATCH_FORBIDDEN,    /* 403: waits, then LIST */
	WATCH_ABSENT,       /* 404: the kind is not served; waits, then LIST */
	WATCH_FULL,         /* too many objects; waits, then LIST */
	WATCH_STOPPED,
	WATCH_STATE_MAX
};

enum watch_input {
	WATCH_IN_START,         /* list slot granted */
	WATCH_IN_PAGE,          /* a page ended, another follows */
	WATCH_IN_LISTED,        /* the last page ended */
	WATCH_IN_ALIVE,         /* first event or bookmark of a watch */
	WATCH_IN_ENDED,         /* the watch ended cleanly */
	WATCH_IN_EXPIRED,       /* 410, as answer or as ERROR event */
	WATCH_IN_TOO_LARGE,     /* resourceVersion in the future */
	WATCH_IN_FAILED,        /* network, 429, 5xx, unreadable answer */
	WATCH_IN_STALE,         /* no byte for too long, or no end */
	WATCH_IN_UNAUTHORIZED,
	WATCH_IN_FORBIDDEN,
	WATCH_IN_NOT_FOUND,
	WATCH_IN_CURRENT,       /* PROBING: the version is still one */
	WATCH_IN_SERVED,        /* ASKING: discovery names the kind */
	WATCH_IN_UNSERVED,      /* ASKING: it does not */
	WATCH_IN_ALLOWED,       /* REVIEWING: the rules allow it */
	WATCH_IN_DENIED,        /* REVIEWING: they do not, or who knows */
	WATCH_IN_FULL,          /* it brought more than may be kept */
	WATCH_IN_UNSUPPORTED,   /* STREAMING: this server cannot */
	WATCH_IN_MISSED,        /* the watch ended; it skipped an event */
	WATCH_IN_ALONE,         /* who watched instead has ended */
	WATCH_IN_TIMER,
	WATCH_IN_STOP,
	WATCH_INPUT_MAX
};

enum watch_action {
	WATCH_DO_NOTHING,
	WATCH_DO_LIST,       /* a new list, first page */
	WATCH_DO_PAGE,       /* the next page of this list */
	WATCH_DO_STREAM,     /* a list by watch, from its beginning */
	WATCH_DO_WATCH,
	WATCH_DO_FOLLOW,     /* the stream goes on as the watch */
	WATCH_DO_PROBE,
	WATCH_DO_DISCOVER,
	WATCH_DO_REVIEW,
	WATCH_DO_WAIT,       /* `delay_ms`, then WATCH_IN_TIMER */
	WATCH_DO_END,        /* stop for good */
	WATCH_ACTION_MAX
};

/* Which resourceVersion a LIST asks for (k8s-watch.md A.2). */
enum watch_version {
	WATCH_VERSION_ZERO,   /* anything, from the server's cache */
	WATCH_VERSION_LAST,   /* not older than the last one seen */
	WATCH_VERSION_EMPTY,  /* the newest, by quorum */
};

struct watch_fsm {
	enum watch_state	state;
	enum watch_version	version;      /* of the present or next LIST */
	uint32_t		attempt;      /* failures since it was calm */
	uint32_t		denials;      /* 403, 404 since then */
	uint32_t		same;         /* answered badly, in a row */
	bool			unproven;     /* no event since the LIST */
	bool			quorum;       /* that LIST was the newest */
	bool			whole;        /* the next LIST in one page */
	bool			relisted;     /* at once, since it was calm */
	bool			reauthorized; /* 401 was retried once */
	bool			streams;      /* lists by watch are tried */
	int64_t			base_ms;
	int64_t			max_ms;
	int64_t			denied_ms;
};

struct watch_facts {
	bool	 quick;          /* ENDED: lasted < 1 s and brought nothing */
	int64_t	 calm_ms;        /* since the last input but ENDED and ALIVE */
	bool	 cut;            /* FAILED: a 200 that broke off */
	bool	 answered;       /* FAILED: under a 200, by what it brought */
	bool	 paged;          /* EXPIRED: of a LIST, behind its first page */
	int64_t	 retry_after_ms; /* FAILED: what the server asked for, or 0 */
	uint32_t random;         /* any 32 bits */
};

struct watch_step {
	enum watch_action	action;
	int64_t			delay_ms;
	/* The old connection is silent, but libcurl does not know: it would
	 * be used again. One that failed, libcurl has thrown away itself. */
	bool			fresh_connection;
};

/* denied_ms: after 403 and 404, up to twice that; the first ones wait base_ms,
 * then the double of it, and so on. */
void	watch_fsm_init(struct watch_fsm *f, int64_t base_ms, int64_t max_ms,
	    int64_t denied_ms);
struct watch_step watch_fsm_step(struct watch_fsm *f, enum watch_input input,
	    const struct watch_facts *facts);

/* base doubling to max, 20 % either way, never above max. attempt from 1. */
int64_t	watch_fsm_delay(uint32_t attempt, int64_t base_ms, int64_t max_ms,
	    uint32_t random);

#endif
