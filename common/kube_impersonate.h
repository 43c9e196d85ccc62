/*
 * kube_impersonate: as whom a kubeconfig's user acts (as, as-uid, as-groups,
 * as-user-extra), as header lines of a request. Pure: nodes in, lines out.
 * Source: the Impersonate-* headers of Kubernetes, escaped as client-go does.
 * Watcher, health and sluice-exec.
 */
#ifndef SLUICE_KUBE_IMPERSONATE_H
#define SLUICE_KUBE_IMPERSONATE_H

#include <stddef.h>

#include "common/err.h"

#define KUBE_IMPERSONATE_MAX 1000u   /* header lines */

struct kube_entry;

/* "Impersonate-User: x" and so on; *ret_n 0: nobody. Lines and array to be
 * freed (kube_impersonate_free). The others without `as` are an error. */
int	kube_impersonate_read(const struct kube_entry *user, char ***ret,
	    size_t *ret_n, struct err *err) MUST_CHECK;
void	kube_impersonate_free(char **lines, size_t n);

#endif
