#include "common/lifecycle.h"

#include <string.h>

#include "common/macros.h"

#define S(name)   (1u << LIFECYCLE_##name)
#define ENDS      (S(SUCCEEDED) | S(FAILED) | S(CANCELED) | S(TIMED_OUT))
#define EDGES_MAX 8u

struct edge {
	uint32_t	from;    /* 1 << each state */
	uint32_t	to;
	uint32_t	raise;   /* 1: the attempt rises by it */
};

struct machine {
	uint32_t	finals;
	bool		attempts;
	struct edge	edges[EDGES_MAX];
};

/* Contract, section 3. What ends a machine stands behind no edge, but a step's
 * failure, which a new attempt may follow. */
static const struct machine machines[LIFECYCLE_MACHINE_MAX] = {
	[LIFECYCLE_OF_JOB] = { ENDS, true, {
		{ S(PENDING), S(QUEUED) | S(CANCELED), 0 },
		{ S(QUEUED), S(LEASED) | S(THROTTLED) | S(CANCELED) |
		    S(TIMED_OUT), 0 },
		{ S(THROTTLED), S(QUEUED) | S(CANCELED), 0 },
		{ S(LEASED), S(RUNNING) | S(QUEUED) | S(FAILED) |
		    S(CANCELED) | S(TIMED_OUT), 0 },
		{ S(RUNNING), ENDS, 0 },
		{ S(RUNNING), S(QUEUED), 1 },
	} },
	[LIFECYCLE_OF_PACK_RUN] = { ENDS, true, {
		{ S(PENDING), S(QUEUED) | S(CANCELED), 0 },
		{ S(QUEUED), S(RUNNING) | S(CANCELED), 0 },
		{ S(RUNNING), S(WAITING) | ENDS, 0 },
		{ S(WAITING), S(RUNNING) | ENDS, 0 },
	} },
	[LIFECYCLE_OF_STEP] = { ENDS | S(SKIPPED), true, {
		{ S(PENDING), S(RUNNING) | S(SKIPPED), 0 },
		{ S(RUNNING), S(WAITING) | ENDS | S(SKIPPED), 0 },
		{ S(WAITING), S(RUNNING) | ENDS | S(SKIPPED), 0 },
		{ S(FAILED), S(PENDING), 1 },
	} },
	[LIFECYCLE_OF_RUN] = { ENDS | S(PARTIALLY_SUCCEEDED), false, {
		{ S(PENDING), S(RUNNING), 0 },
		{ S(RUNNING), ENDS | S(PARTIALLY_SUCCEEDED), 0 },
	} },
	[LIFECYCLE_OF_BUILD] = { S(COMPLETE) | S(FAILED) | S(CANCELLED),
		false, { { 0, 0, 0 } } },
	[LIFECYCLE_OF_LOG] = { S(COMPLETE), false, { { 0, 0, 0 } } },
};

static const char *const words[LIFECYCLE_STATE_MAX] = {
	[LIFECYCLE_SUCCEEDED] = "succeeded",
	[LIFECYCLE_PARTIALLY_SUCCEEDED] = "partially_succeeded",
	[LIFECYCLE_FAILED] = "failed",
	[LIFECYCLE_CANCELED] = "canceled",
	[LIFECYCLE_TIMED_OUT] = "timed_out",
	[LIFECYCLE_COMPLETE] = "complete",
	[LIFECYCLE_CANCELLED] = "cancelled",
	[LIFECYCLE_PENDING] = "pending",
	[LIFECYCLE_QUEUED] = "queued",
	[LIFECYCLE_LEASED] = "leased",
	[LIFECYCLE_RUNNING] = "running",
	[LIFECYCLE_THROTTLED] = "throttled",
	[LIFECYCLE_WAITING] = "waiting",
	[LIFECYCLE_SKIPPED] = "skipped",
};

static const struct {
	const char		*word;
	enum lifecycle_state	 state;
} aliases[] = {
	{ "created", LIFECYCLE_PENDING },
	{ "scheduled", LIFECYCLE_QUEUED },
	{ "completed", LIFECYCLE_SUCCEEDED },
	{ "success", LIFECYCLE_SUCCEEDED },
	{ "cancelled", LIFECYCLE_CANCELED },
	{ "timedout", LIFECYCLE_TIMED_OUT },
	{ "timed-out", LIFECYCLE_TIMED_OUT },
	{ "error", LIFECYCLE_FAILED },
};

bool
lifecycle_log_open(int64_t ended_ms, int64_t now_ms, int64_t grace_ms)
{
	return now_ms < ended_ms + grace_ms && ended_ms < now_ms + grace_ms;
}

/* Every state of a machine stands in an edge or is its end. */
static uint32_t
states_of(const struct machine *m)
{
	uint32_t states = m->finals;

	for (size_t i = 0; i < EDGES_MAX; i++)
		states |= m->edges[i].from | m->edges[i].to;
	return states;
}

/* The edge between them; NULL: there is none. A state does not follow
 * itself. */
static const struct edge *
edge_between(const struct machine *m, enum lifecycle_state from,
    enum lifecycle_state to)
{
	if (from == to)
		return NULL;
	for (size_t i = 0; i < EDGES_MAX; i++)
		if ((m->edges[i].from & 1u << from) != 0 &&
		    (m->edges[i].to & 1u << to) != 0)
			return &m->edges[i];
	return NULL;
}

static bool
leads_on(const struct machine *m, enum lifecycle_state from)
{
	for (size_t i = 0; i < EDGES_MAX; i++)
		if ((m->edges[i].from & 1u << from) != 0)
			return true;
	return false;
}

enum lifecycle_verdict
lifecycle_judge(enum lifecycle_machine machine,
    const struct lifecycle_point *now, const struct lifecycle_point *next,
    enum lifecycle_state previous)
{
	const struct machine *m = &machines[machine];
	const struct edge *edge;

	if (!lifecycle_has(machine, next->state))
		return LIFECYCLE_ILLEGAL;
	if (now->state == LIFECYCLE_NONE)
		return LIFECYCLE_ACCEPT;
	if (now->state == next->state && now->attempt == next->attempt &&
	    memcmp(now->body, next->body, EVENT_HASH_SIZE) == 0)
		return LIFECYCLE_REPEAT;
	if (lifecycle_final(machine, now->state) && !leads_on(m, now->state))
		return LIFECYCLE_ENDED;
	edge = edge_between(m, now->state, next->state);
	if (edge == NULL)
		return LIFECYCLE_ILLEGAL;
	if (m->attempts && (uint64_t)now->attempt + edge->raise !=
	    next->attempt)
		return LIFECYCLE_BAD_ATTEMPT;
	if (previous != LIFECYCLE_NONE && previous != now->state)
		return LIFECYCLE_BAD_PREVIOUS;
	return LIFECYCLE_ACCEPT;
}

enum lifecycle_state
lifecycle_state_of(enum lifecycle_machine machine, struct slice word)
{
	for (int i = LIFECYCLE_NONE + 1; i < LIFECYCLE_STATE_MAX; i++)
		if (slice_is(word, words[i]) &&
		    lifecycle_has(machine, (enum lifecycle_state)i))
			return (enum lifecycle_state)i;
	for (size_t i = 0; i < NELEM(aliases); i++)
		if (slice_is(word, aliases[i].word) &&
		    lifecycle_has(machine, aliases[i].state))
			return aliases[i].state;
	return LIFECYCLE_NONE;
}

const char *
lifecycle_word(uint8_t state)
{
	unsigned int s = state & ~LIFECYCLE_LOGS_OPEN;

	return s > LIFECYCLE_NONE && s < LIFECYCLE_STATE_MAX ? words[s] :
	    "unknown";
}

bool
lifecycle_has(enum lifecycle_machine machine, enum lifecycle_state state)
{
	return state > LIFECYCLE_NONE && state < LIFECYCLE_STATE_MAX &&
	    (states_of(&machines[machine]) & 1u << state) != 0;
}

bool
lifecycle_final(enum lifecycle_machine machine, enum lifecycle_state state)
{
	return state < LIFECYCLE_STATE_MAX &&
	    (machines[machine].finals & 1u << state) != 0;
}

bool
lifecycle_has_attempts(enum lifecycle_machine machine)
{
	return machines[machine].attempts;
}

void
lifecycle_next_words(enum lifecycle_machine machine, enum lifecycle_state now,
    struct buf *ret)
{
	const char *comma = "";

	for (int i = LIFECYCLE_NONE + 1; i < LIFECYCLE_STATE_MAX; i++) {
		if (edge_between(&machines[machine], now,
		    (enum lifecycle_state)i) == NULL)
			continue;
		buf_addf(ret, "%s%s", comma, words[i]);
		comma = ", ";
	}
}
