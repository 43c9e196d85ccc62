/*
 * probe: one check of one cluster: /readyz, where that is not to be had
 * /healthz, then /version; PROBE_BUDGET_MS in all.
 *
 * Process: health, in a worker thread.
 */
#ifndef SLUICE_PROBE_H
#define SLUICE_PROBE_H

#include <stdatomic.h>

#include "common/kubeconfig.h"
#include "health/verdict.h"

#define PROBE_BUDGET_MS   5000
#define PROBE_VERSION_MAX 64u

struct probe_result {
	struct probe_finding	finding;
	int64_t			latency_ms;   /* of the request that decided */
	char			version[PROBE_VERSION_MAX];   /* or "" */
	char			platform[PROBE_VERSION_MAX];  /* or "" */
};

/* Never fails: what goes wrong is the result. `deadline` is at most
 * PROBE_BUDGET_MS away. */
void	probe_run(const struct kube_credentials *cred, struct mono deadline,
	    const atomic_bool *cancelled, struct probe_result *ret);

#endif
