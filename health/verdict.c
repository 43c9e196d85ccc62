#include "health/verdict.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const char *const status_names[CLUSTER_STATUS_MAX] = {
	[CLUSTER_UNKNOWN] = "unknown",
	[CLUSTER_CONNECTED] = "connected",
	[CLUSTER_DISCONNECTED] = "disconnected",
	[CLUSTER_ERROR] = "error",
	[CLUSTER_DEGRADED] = "degraded",
};

/* What each code is called, and what it means for the cluster. A throttled
 * one is connected: it answers, and says so politely. */
static const struct {
	const char		*name;
	enum cluster_status	 status;
} codes[PROBE_CODE_MAX] = {
	[PROBE_OK] =        { "ok", CLUSTER_CONNECTED },
	[PROBE_DNS] =       { "dns", CLUSTER_DISCONNECTED },
	[PROBE_TCP] =       { "tcp", CLUSTER_DISCONNECTED },
	[PROBE_TLS] =       { "tls", CLUSTER_ERROR },
	[PROBE_AUTH] =      { "auth", CLUSTER_ERROR },
	[PROBE_FORBIDDEN] = { "forbidden", CLUSTER_DEGRADED },
	[PROBE_TIMEOUT] =   { "timeout", CLUSTER_DISCONNECTED },
	[PROBE_HTTP] =      { "http", CLUSTER_ERROR },
	[PROBE_NOT_READY] = { "not_ready", CLUSTER_DEGRADED },
	[PROBE_THROTTLED] = { "throttled", CLUSTER_CONNECTED },
	[PROBE_DECRYPT] =   { "decrypt", CLUSTER_ERROR },
};

const char *
cluster_status_name(enum cluster_status status)
{
	assert(status < CLUSTER_STATUS_MAX);
	return status_names[status];
}

enum cluster_status
cluster_status_parse(const char *name, size_t n)
{
	for (size_t i = 0; i < CLUSTER_STATUS_MAX; i++)
		if (strlen(status_names[i]) == n &&
		    memcmp(status_names[i], name, n) == 0)
			return (enum cluster_status)i;
	return CLUSTER_STATUS_MAX;
}

const char *
probe_code_name(enum probe_code code)
{
	assert(code < PROBE_CODE_MAX);
	return codes[code].name;
}

enum cluster_status
probe_code_status(enum probe_code code)
{
	assert(code < PROBE_CODE_MAX);
	return codes[code].status;
}

static void
settle(struct verdict *v, enum cluster_status status, struct mono now)
{
	if (v->settled == status)
		return;
	/* Leaving unknown is no flap: it is the first thing known. */
	if (v->settled != CLUSTER_UNKNOWN) {
		v->moves[v->moved % VERDICT_FLAPS] = now;
		v->moved++;
	}
	v->settled = status;
	v->candidates = 0;
}

static bool
may_move(const struct verdict *v, enum cluster_status to, struct mono now)
{
	if (v->settled == CLUSTER_UNKNOWN)
		return true;
	/* Also when the failures are of different kinds: a cluster that fails
	 * in ever new ways must not keep its good name. */
	if (v->failures >= VERDICT_DOWN_FAILURES &&
	    mono_diff_ms(now, v->first_failure) >= VERDICT_DOWN_MS)
		return true;
	return to != CLUSTER_DISCONNECTED && v->candidates >= VERDICT_CONFIRM;
}

void
verdict_check(struct verdict *v, const struct probe_finding *finding,
    struct mono now)
{
	enum cluster_status to = probe_code_status(finding->code);

	v->finding = *finding;
	if (to == CLUSTER_CONNECTED) {
		v->failures = 0;
	} else {
		if (v->failures == 0)
			v->first_failure = now;
		if (v->failures < UINT32_MAX)
			v->failures++;
	}
	if (to == v->settled) {
		v->candidates = 0;
		return;
	}
	if (v->candidates == 0 || v->candidate != to) {
		v->candidate = to;
		v->candidates = 0;
	}
	v->candidates++;
	if (may_move(v, to, now))
		settle(v, to, now);
}

void
verdict_watcher(struct verdict *v, const char *state)
{
	/* That it is being started again is no news: of a watcher that dies
	 * at each start it would be, at each of them. */
	if (strcmp(state, "backoff") == 0 || strcmp(state, "failed") == 0)
		v->stale = true;
	else if (strcmp(state, "ready") == 0)
		v->stale = false;
	(void)snprintf(v->watcher, sizeof(v->watcher), "%s", state);
}

void
verdict_seed(struct verdict *v, enum cluster_status status)
{
	if (v->settled == CLUSTER_UNKNOWN)
		v->settled = status;
}

static bool
flapping(const struct verdict *v, struct mono now)
{
	/* The oldest of the last five moves stands where the next will go. */
	return v->moved >= VERDICT_FLAPS && mono_diff_ms(now,
	    v->moves[v->moved % VERDICT_FLAPS]) < VERDICT_FLAPPING_MS;
}

void
verdict_report(const struct verdict *v, struct mono now,
    struct verdict_report *ret)
{
	*ret = (struct verdict_report){ .status = v->settled };
	if (v->finding.code != PROBE_OK) {
		ret->code = v->finding.code;
		(void)snprintf(ret->text, sizeof(ret->text), "%s",
		    v->finding.message);
	} else if (v->settled == CLUSTER_CONNECTED && v->stale) {
		ret->code = PROBE_NOT_READY;
		(void)snprintf(ret->text, sizeof(ret->text), "the API server "
		    "answers, but its watcher is not ready (%s): what is shown "
		    "of its objects is stale", v->watcher);
	} else if (v->settled == CLUSTER_CONNECTED && flapping(v, now)) {
		ret->code = PROBE_NOT_READY;
		(void)snprintf(ret->text, sizeof(ret->text), "flapping: its "
		    "status moved %u times in %d minutes", VERDICT_FLAPS,
		    VERDICT_FLAPPING_MS / 60000);
	}
	if (ret->status == CLUSTER_CONNECTED &&
	    (v->stale || flapping(v, now)))
		ret->status = CLUSTER_DEGRADED;
	ret->message = ret->code != PROBE_OK ? ret->text : NULL;
}

bool
verdict_unconfirmed(const struct verdict *v)
{
	return v->candidates > 0;
}
