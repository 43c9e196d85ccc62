/*
 * kubeconfig: parses kubeconfig files (YAML) into the credentials of one
 * context. Semantics of client-go's clientcmd (reference: k8s-watch.md B).
 * The supervisor uses only kubeconfig_contexts(); watcher and health parse in
 * full. Every error names file, line where it can, entry and remedy.
 */
#ifndef SLUICE_KUBECONFIG_H
#define SLUICE_KUBECONFIG_H

#include <stddef.h>

#include "common/err.h"
#include "common/kube_credentials.h"

#define KUBECONFIG_FILE_MAX (4u * 1024 * 1024)
#define KUBECONFIG_CONTEXTS_MAX 1000u

/* Names of all contexts (to be freed with kubeconfig_contexts_free), and
 * which is current (index, -1: none). `paths` = list as in KUBECONFIG. */
struct kubeconfig_contexts {
	char	**names;
	size_t	  n;
	int	  current;
};

int	kubeconfig_contexts(const char *paths,
	    struct kubeconfig_contexts *ret, struct err *err) MUST_CHECK;
void	kubeconfig_contexts_free(struct kubeconfig_contexts *c);

/* context NULL: the current one. */
int	kubeconfig_load(const char *paths, const char *context,
	    struct kube_credentials *ret, struct err *err) MUST_CHECK;

#endif
