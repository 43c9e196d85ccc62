/*
 * verdict: from the results of checks, and what the supervisor sees of the
 * watcher, to a cluster's status.
 *
 * Pure: values in, values out. Process: health. Source: contract 3 (cluster.*)
 * for the words, doc/k8s-watch.md D.3 for when a status moves:
 *
 *   unknown  -> any           the first result
 *   any -> connected, degraded, error     the second such result in a row
 *   any -> disconnected       three failures in a row and 30 s since the first
 *
 * or whatever the result is, once three failures in a row span 30 s. Until a
 * status moves, `reachable`, `error` and `consecutive_failures` already tell
 * the truth. More than four moves in ten minutes = flapping: connected is
 * then reported as degraded. So it is from the death of the watcher until it is
 * ready again: what is known of the cluster's objects is stale. Nothing goes
 * back to unknown.
 */
#ifndef SLUICE_VERDICT_H
#define SLUICE_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/mono.h"

#define VERDICT_CONFIRM        2u       /* results in a row that move it */
#define VERDICT_DOWN_FAILURES  3u
#define VERDICT_DOWN_MS        30000
#define VERDICT_FLAPS          5u       /* moves ... */
#define VERDICT_FLAPPING_MS    600000   /* ... within this */
#define VERDICT_MESSAGE_MAX    ERR_TEXT_MAX  /* remedies are last */

enum cluster_status {
	CLUSTER_UNKNOWN,
	CLUSTER_CONNECTED,
	CLUSTER_DISCONNECTED,
	CLUSTER_ERROR,
	CLUSTER_DEGRADED,
	CLUSTER_STATUS_MAX
};

enum probe_code {
	PROBE_OK,
	PROBE_DNS,
	PROBE_TCP,
	PROBE_TLS,
	PROBE_AUTH,
	PROBE_FORBIDDEN,
	PROBE_TIMEOUT,
	PROBE_HTTP,
	PROBE_NOT_READY,
	PROBE_THROTTLED,
	PROBE_DECRYPT,
	PROBE_CODE_MAX
};

/* The words of the contract; "ok" for PROBE_OK. */
const char	*cluster_status_name(enum cluster_status status);
const char	*probe_code_name(enum probe_code code);
/* Inverse; CLUSTER_STATUS_MAX when it is none. */
enum cluster_status cluster_status_parse(const char *name, size_t n);

/* What one check found. */
struct probe_finding {
	enum probe_code	code;
	bool		reachable;      /* an HTTP answer came back */
	char		message[VERDICT_MESSAGE_MAX];   /* "" when ok */
};

/* Everything remembered of a cluster between checks. All zero at first. */
struct verdict {
	enum cluster_status	settled;      /* by the rules above */
	enum cluster_status	candidate;    /* where results point ... */
	uint32_t		candidates;   /* ... this many times in a row */
	uint32_t		failures;     /* in a row */
	struct mono		first_failure;
	struct mono		moves[VERDICT_FLAPS];   /* a ring */
	uint32_t		moved;        /* how many ever */
	bool			stale;        /* the watcher died, and was not
						 * ready since */
	char			watcher[16];  /* its state */
	struct probe_finding	finding;      /* of the last check */
};

/* The status a single result stands for. */
enum cluster_status probe_code_status(enum probe_code code);

/* Takes the result of a check that ended at `now`. */
void	verdict_check(struct verdict *v, const struct probe_finding *finding,
	    struct mono now);
/* Takes the supervisor's word for the watcher's state ("ready", "starting",
 * "backoff", "failed", ...). */
void	verdict_watcher(struct verdict *v, const char *state);
/* Takes what an earlier process had published (health restarted). */
void	verdict_seed(struct verdict *v, enum cluster_status status);

/* What is reported at `now`, and why (NULL when there is nothing to say; else
 * valid until *v changes). */
struct verdict_report {
	enum cluster_status	status;
	enum probe_code		code;      /* PROBE_OK: no error member */
	const char		*message;
	char			text[VERDICT_MESSAGE_MAX];
};
void	verdict_report(const struct verdict *v, struct mono now,
	    struct verdict_report *ret);
/* Would one more result like the last settle it? Then ask again soon. */
bool	verdict_unconfirmed(const struct verdict *v);

#endif
