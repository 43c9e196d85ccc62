/*
 * kube_policy: what a kubeconfig may ask for. The operator's own may name
 * files and programs of this host; one that came by the API may not: it would
 * run code here (exec, auth-provider), read files here (every path), or reach
 * what only this host reaches (server, proxy-url). Pure: entries in, errors
 * that name entry and remedy out. Watcher, health and sluice-exec (all with
 * the operator's, in this version). Source: doc/k8s-watch.md B, service policy.
 */
#ifndef SLUICE_KUBE_POLICY_H
#define SLUICE_KUBE_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

#define KUBE_POLICY_TEXT_MAX (1024u * 1024)   /* a kubeconfig by the API */

struct kube_entry;

struct kube_policy {
	bool			 untrusted;
	/* Of an untrusted one: may it switch off the check of certificates,
	 * and through which proxies may it go (whole URLs)? */
	bool			 allow_insecure;
	const char *const	*proxies;
	size_t			 n_proxies;
};

/* The operator's own files: nothing is forbidden. */
extern const struct kube_policy kube_policy_operator;

int	kube_policy_cluster(const struct kube_policy *policy,
	    const struct kube_entry *entry, struct err *err) MUST_CHECK;
int	kube_policy_user(const struct kube_policy *policy,
	    const struct kube_entry *entry, struct err *err) MUST_CHECK;

#endif
