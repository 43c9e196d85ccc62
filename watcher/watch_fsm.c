#include "watcher/watch_fsm.h"

#include "common/macros.h"

/* What a cell of the table does; `step` functions below. */
enum rule {
	R_IGNORE,       /* cannot happen here, or is late */
	R_LIST,         /* LIST now, by watch if that is wanted */
	R_PAGE,
	R_WATCH,        /* WATCH now */
	R_LISTED,       /* WATCH now, the list is whole */
	R_STREAMED,     /* likewise, and the watch is there already */
	R_UNSUPPORTED,  /* LIST now, and from now on */
	R_ALIVE,
	R_ENDED,        /* WATCH again now, or back off when it was quick */
	R_MISSED,       /* LIST now */
	R_ALONE,        /* likewise, the newest */
	R_EXPIRED,      /* of a WATCH: LIST now, back off when that spins */
	R_LIST_EXPIRED, /* of a LIST: in one page, then by quorum, then later */
	R_TOO_LARGE,
	R_RETRY_LIST,   /* back off, then LIST */
	R_RETRY_STREAM, /* likewise, at last without streams */
	R_RETRY_WATCH,
	R_STALE_LIST,   /* LIST again after a wait, on a new connection */
	R_STALE,        /* PROBE, on a new connection */
	R_STALE_PROBE,  /* back off, then WATCH, on a new connection */
	R_ASK,          /* 404 may come from anything: DISCOVER */
	R_UNAUTHORIZED, /* once at once, then back off */
	R_REVIEW,       /* 403: do the server's own rules say so? */
	R_ELSEWHERE,    /* 403 by something else: LIST, later and later */
	R_FORBIDDEN,
	R_ABSENT,
	R_FULL,         /* minutes: room comes only from elsewhere */
	R_STOP,
	R_MAX
};

static const enum rule table[WATCH_STATE_MAX][WATCH_INPUT_MAX] = {
	[WATCH_IDLE] = {
		[WATCH_IN_START] = R_LIST,
		[WATCH_IN_STOP] = R_STOP,
	},
	[WATCH_LISTING] = {
		[WATCH_IN_PAGE] = R_PAGE,
		[WATCH_IN_LISTED] = R_LISTED,
		[WATCH_IN_EXPIRED] = R_LIST_EXPIRED,
		[WATCH_IN_TOO_LARGE] = R_TOO_LARGE,
		[WATCH_IN_FAILED] = R_RETRY_LIST,
		[WATCH_IN_STALE] = R_STALE_LIST,
		[WATCH_IN_UNAUTHORIZED] = R_UNAUTHORIZED,
		[WATCH_IN_FORBIDDEN] = R_REVIEW,
		[WATCH_IN_NOT_FOUND] = R_ASK,
		[WATCH_IN_FULL] = R_FULL,
		[WATCH_IN_STOP] = R_STOP,
	},
	[WATCH_STREAMING] = {
		[WATCH_IN_LISTED] = R_STREAMED,
		[WATCH_IN_UNSUPPORTED] = R_UNSUPPORTED,
		[WATCH_IN_ENDED] = R_UNSUPPORTED,
		[WATCH_IN_EXPIRED] = R_UNSUPPORTED,
		[WATCH_IN_TOO_LARGE] = R_UNSUPPORTED,
		[WATCH_IN_FAILED] = R_RETRY_STREAM,
		[WATCH_IN_STALE] = R_STALE_LIST,
		[WATCH_IN_UNAUTHORIZED] = R_UNAUTHORIZED,
		[WATCH_IN_FORBIDDEN] = R_REVIEW,
		[WATCH_IN_NOT_FOUND] = R_ASK,
		[WATCH_IN_FULL] = R_FULL,
		[WATCH_IN_STOP] = R_STOP,
	},
	[WATCH_WATCHING] = {
		[WATCH_IN_ALIVE] = R_ALIVE,
		[WATCH_IN_ENDED] = R_ENDED,
		[WATCH_IN_EXPIRED] = R_EXPIRED,
		[WATCH_IN_TOO_LARGE] = R_TOO_LARGE,
		[WATCH_IN_FAILED] = R_RETRY_WATCH,
		[WATCH_IN_STALE] = R_STALE,
		[WATCH_IN_MISSED] = R_MISSED,
		[WATCH_IN_ALONE] = R_ALONE,
		[WATCH_IN_UNAUTHORIZED] = R_UNAUTHORIZED,
		[WATCH_IN_FORBIDDEN] = R_REVIEW,
		[WATCH_IN_NOT_FOUND] = R_ASK,
		[WATCH_IN_FULL] = R_FULL,
		[WATCH_IN_STOP] = R_STOP,
	},
	[WATCH_PROBING] = {
		[WATCH_IN_CURRENT] = R_WATCH,
		[WATCH_IN_EXPIRED] = R_TOO_LARGE,
		[WATCH_IN_TOO_LARGE] = R_TOO_LARGE,
		[WATCH_IN_FAILED] = R_RETRY_WATCH,
		[WATCH_IN_STALE] = R_STALE_PROBE,
		[WATCH_IN_UNAUTHORIZED] = R_UNAUTHORIZED,
		[WATCH_IN_FORBIDDEN] = R_REVIEW,
		[WATCH_IN_NOT_FOUND] = R_ASK,
		[WATCH_IN_STOP] = R_STOP,
	},
	[WATCH_ASKING] = {
		[WATCH_IN_SERVED] = R_RETRY_LIST,
		[WATCH_IN_UNSERVED] = R_ABSENT,
		[WATCH_IN_EXPIRED] = R_RETRY_LIST,
		[WATCH_IN_TOO_LARGE] = R_RETRY_LIST,
		[WATCH_IN_FAILED] = R_RETRY_LIST,
		[WATCH_IN_STALE] = R_STALE_LIST,
		[WATCH_IN_UNAUTHORIZED] = R_RETRY_LIST,
		[WATCH_IN_FORBIDDEN] = R_RETRY_LIST,
		[WATCH_IN_NOT_FOUND] = R_RETRY_LIST,
		[WATCH_IN_STOP] = R_STOP,
	},
	[WATCH_REVIEWING] = {
		[WATCH_IN_ALLOWED] = R_ELSEWHERE,
		[WATCH_IN_DENIED] = R_FORBIDDEN,
		[WATCH_IN_FAILED] = R_FORBIDDEN,
		[WATCH_IN_STALE] = R_FORBIDDEN,
		[WATCH_IN_STOP] = R_STOP,
	},
	[WATCH_WAIT_LIST] = {
		[WATCH_IN_TIMER] = R_LIST,
		[WATCH_IN_STOP] = R_STOP,
	},
	[WATCH_WAIT_WATCH] = {
		[WATCH_IN_TIMER] = R_WATCH,
		[WATCH_IN_STOP] = R_STOP,
	},
	[WATCH_FORBIDDEN] = {
		[WATCH_IN_TIMER] = R_LIST,
		[WATCH_IN_STOP] = R_STOP,
	},
	[WATCH_ABSENT] = {
		[WATCH_IN_TIMER] = R_LIST,
		[WATCH_IN_STOP] = R_STOP,
	},
	[WATCH_FULL] = {
		[WATCH_IN_TIMER] = R_LIST,
		[WATCH_IN_STOP] = R_STOP,
	},
};

void
watch_fsm_init(struct watch_fsm *f, int64_t base_ms, int64_t max_ms,
    int64_t denied_ms)
{
	*f = (struct watch_fsm){ .state = WATCH_IDLE,
		.version = WATCH_VERSION_ZERO, .base_ms = base_ms,
		.max_ms = max_ms, .denied_ms = denied_ms };
}

static int64_t
jitter(int64_t ms, uint32_t random)
{
	/* 0.8 to 1.2 of it */
	return ms * (int64_t)(800 + random % 401) / 1000;
}

int64_t
watch_fsm_delay(uint32_t attempt, int64_t base_ms, int64_t max_ms,
    uint32_t random)
{
	int64_t ms = base_ms;

	while (attempt > 1 && ms < max_ms) {
		ms *= 2;
		attempt--;
	}
	ms = jitter(MIN(ms, max_ms), random);
	/* Mirrored: half of all would meet at the longest pause itself. */
	return ms > max_ms ? 2 * max_ms - ms : ms;
}

/* --- steps ---------------------------------------------------------------- */

static struct watch_step
do_now(struct watch_fsm *f, enum watch_state state, enum watch_action action)
{
	f->state = state;
	return (struct watch_step){ .action = action };
}

static struct watch_step
wait_in(struct watch_fsm *f, enum watch_state state,
    const struct watch_facts *facts)
{
	struct watch_step step = { .action = WATCH_DO_WAIT };

	f->state = state;
	f->attempt++;
	f->whole = false;
	step.delay_ms = watch_fsm_delay(f->attempt, f->base_ms, f->max_ms,
	    facts->random);
	if (facts->retry_after_ms > 0) {
		/* As asked, spread a little so that not all come at once. */
		step.delay_ms = facts->retry_after_ms +
		    facts->random % 1000;
	}
	return step;
}

/* An API server that has just begun denies everything for a moment, and a
 * right or a definition may be given anew within seconds: soon again at first,
 * then less and less often. */
static struct watch_step
denied(struct watch_fsm *f, enum watch_state state,
    const struct watch_facts *facts)
{
	int64_t ms = f->base_ms;
	uint32_t n;

	for (n = 0; n < f->denials && ms < f->denied_ms; n++)
		ms *= 2;
	f->denials++;
	f->state = state;
	f->attempt++;
	f->whole = false;
	return (struct watch_step){ .action = WATCH_DO_WAIT,
		.delay_ms = MIN(ms, f->denied_ms) *
		    (1000 + facts->random % 1001) / 1000 };
}

static struct watch_step
full(struct watch_fsm *f, const struct watch_facts *facts)
{
	f->state = WATCH_FULL;
	f->attempt++;
	f->whole = false;
	return (struct watch_step){ .action = WATCH_DO_WAIT,
		.delay_ms = f->denied_ms * (1000 + facts->random % 1001) /
		    1000 };
}

/* What a stream brings is the newest, so it serves where a list would ask for
 * that, or for anything. */
static struct watch_step
list(struct watch_fsm *f)
{
	if (f->streams)
		return do_now(f, WATCH_STREAMING, WATCH_DO_STREAM);
	return do_now(f, WATCH_LISTING, WATCH_DO_LIST);
}

/* The version asked for is gone, or not there yet: only the newest helps.
 * If the newest itself was refused, or nothing came since the last list,
 * asking at once would spin. */
static struct watch_step
list_newest(struct watch_fsm *f, bool spinning,
    const struct watch_facts *facts)
{
	f->version = WATCH_VERSION_EMPTY;
	if (spinning)
		return wait_in(f, WATCH_WAIT_LIST, facts);
	return list(f);
}

/* A list that lasts longer than its token would never end in pages: once
 * without (k8s-watch.md A 2, as client-go). */
static struct watch_step
list_expired(struct watch_fsm *f, const struct watch_facts *facts)
{
	if (facts->paged && !f->whole) {
		f->whole = true;
		return do_now(f, WATCH_LISTING, WATCH_DO_LIST);
	}
	f->whole = false;
	return list_newest(f, f->version == WATCH_VERSION_EMPTY, facts);
}

static struct watch_step
ended(struct watch_fsm *f, const struct watch_facts *facts)
{
	if (!facts->quick)
		return do_now(f, WATCH_WATCHING, WATCH_DO_WATCH);
	/* The silent form of 410: an immediate clean end. */
	f->version = WATCH_VERSION_LAST;
	return wait_in(f, WATCH_WAIT_LIST, facts);
}

/* What an answered watch brings at this version may be at fault: only a list
 * leads past it. A server that is away is asked for the watch again. */
static struct watch_step
retry_watch(struct watch_fsm *f, const struct watch_facts *facts)
{
	if (!facts->answered || ++f->same < WATCH_FSM_SAME_MAX)
		return wait_in(f, WATCH_WAIT_WATCH, facts);
	f->version = WATCH_VERSION_LAST;
	return wait_in(f, WATCH_WAIT_LIST, facts);
}

/* A connection that breaks says nothing of the server; one that breaks again
 * and again in this place may be a proxy's doing. */
static struct watch_step
retry_stream(struct watch_fsm *f, const struct watch_facts *facts)
{
	if (facts->cut && f->attempt + 1 >= WATCH_FSM_SAME_MAX)
		f->streams = false;
	return wait_in(f, WATCH_WAIT_LIST, facts);
}

/* The connection may be dead. Or the version lies in the future (an etcd
 * restored): such a watch is accepted and stays silent (k8s-watch.md A 38). */
static struct watch_step
stale(struct watch_fsm *f)
{
	struct watch_step step = do_now(f, WATCH_PROBING, WATCH_DO_PROBE);

	step.fresh_connection = true;
	return step;
}

static struct watch_step
wait_fresh(struct watch_fsm *f, enum watch_state state,
    const struct watch_facts *facts)
{
	struct watch_step step = wait_in(f, state, facts);

	step.fresh_connection = true;
	return step;
}

static struct watch_step
unauthorized(struct watch_fsm *f, const struct watch_facts *facts)
{
	bool listing = f->state == WATCH_LISTING ||
	    f->state == WATCH_STREAMING;

	if (f->reauthorized)
		return wait_in(f, listing ? WATCH_WAIT_LIST :
		    WATCH_WAIT_WATCH, facts);
	f->reauthorized = true;
	return listing ? list(f) :
	    do_now(f, WATCH_WATCHING, WATCH_DO_WATCH);
}

static struct watch_step
listed(struct watch_fsm *f, enum watch_action action)
{
	f->unproven = true;
	f->whole = false;
	f->same = 0;
	f->quorum = f->version == WATCH_VERSION_EMPTY ||
	    action == WATCH_DO_FOLLOW;
	f->reauthorized = false;
	f->version = WATCH_VERSION_LAST;
	return do_now(f, WATCH_WATCHING, action);
}

/* The watch brought something; for its version that is proof enough. */
static void
alive(struct watch_fsm *f)
{
	f->unproven = false;
	f->same = 0;
}

/* Brakes are loosened by time alone. */
static void
settle(struct watch_fsm *f, const struct watch_facts *facts)
{
	if (f->state != WATCH_WATCHING ||
	    facts->calm_ms < f->max_ms * WATCH_FSM_CALM)
		return;
	f->attempt = 0;
	f->denials = 0;
	f->relisted = false;
	f->reauthorized = false;
}

/* A whole list at once, but only one until it has been calm. */
static bool
relists_again(struct watch_fsm *f)
{
	bool again = f->relisted;

	f->relisted = true;
	return again;
}

static struct watch_step
expired(struct watch_fsm *f, const struct watch_facts *facts)
{
	if (f->unproven)
		return list_newest(f, true, facts);
	f->version = WATCH_VERSION_LAST;
	if (relists_again(f))
		return wait_in(f, WATCH_WAIT_LIST, facts);
	return list(f);
}

static struct watch_step
too_large(struct watch_fsm *f, const struct watch_facts *facts)
{
	if (f->state == WATCH_LISTING)
		return list_newest(f, f->version == WATCH_VERSION_EMPTY,
		    facts);
	return list_newest(f, relists_again(f) ||
	    (f->unproven && f->quorum), facts);
}

struct watch_step
watch_fsm_step(struct watch_fsm *f, enum watch_input input,
    const struct watch_facts *facts)
{
	settle(f, facts);
	switch (table[f->state][input]) {
	case R_LIST:
		return list(f);
	case R_PAGE:
		return do_now(f, WATCH_LISTING, WATCH_DO_PAGE);
	case R_WATCH:
		return do_now(f, WATCH_WATCHING, WATCH_DO_WATCH);
	case R_LISTED:
		return listed(f, WATCH_DO_WATCH);
	case R_STREAMED:
		return listed(f, WATCH_DO_FOLLOW);
	case R_UNSUPPORTED:
		f->streams = false;
		return list(f);
	case R_ALIVE:
		alive(f);
		break;
	case R_ENDED:
		return ended(f, facts);
	case R_MISSED:
		f->version = WATCH_VERSION_LAST;
		return list(f);
	case R_ALONE:
		return list_newest(f, false, facts);
	case R_EXPIRED:
		return expired(f, facts);
	case R_LIST_EXPIRED:
		return list_expired(f, facts);
	case R_TOO_LARGE:
		return too_large(f, facts);
	case R_RETRY_LIST:
		return wait_in(f, WATCH_WAIT_LIST, facts);
	case R_RETRY_STREAM:
		return retry_stream(f, facts);
	case R_RETRY_WATCH:
		return retry_watch(f, facts);
	case R_STALE_LIST:
		return wait_fresh(f, WATCH_WAIT_LIST, facts);
	case R_STALE:
		return stale(f);
	case R_STALE_PROBE:
		return wait_fresh(f, WATCH_WAIT_WATCH, facts);
	case R_ASK:
		return do_now(f, WATCH_ASKING, WATCH_DO_DISCOVER);
	case R_UNAUTHORIZED:
		return unauthorized(f, facts);
	case R_REVIEW:
		return do_now(f, WATCH_REVIEWING, WATCH_DO_REVIEW);
	case R_ELSEWHERE:
		return denied(f, WATCH_WAIT_LIST, facts);
	case R_FORBIDDEN:
		return denied(f, WATCH_FORBIDDEN, facts);
	case R_ABSENT:
		return denied(f, WATCH_ABSENT, facts);
	case R_FULL:
		return full(f, facts);
	case R_STOP:
		return do_now(f, WATCH_STOPPED, WATCH_DO_END);
	case R_IGNORE:
	case R_MAX:
		break;
	}
	return (struct watch_step){ .action = WATCH_DO_NOTHING };
}
