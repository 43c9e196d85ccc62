/*
 * kubeconfig: parses kubeconfig files (YAML) into the credentials of one
 * context. Semantics of client-go's clientcmd (doc/k8s-watch.md B).
 * The supervisor uses only kubeconfig_contexts(); watcher, health and
 * sluice-exec parse in full. Every error names file, line where it can, entry
 * and remedy. What a file may ask for that came by the API is kube_policy's.
 */
#ifndef SLUICE_KUBECONFIG_H
#define SLUICE_KUBECONFIG_H

#include <stddef.h>

#include "common/err.h"
#include "common/kube_credentials.h"
#include "common/kube_policy.h"

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

/* Of the operator's own files. context NULL: the current one. */
int	kubeconfig_load(const char *paths, const char *context,
	    struct kube_credentials *ret, struct err *err) MUST_CHECK;
/* The same from a text in memory that came from elsewhere, as far as the
 * policy allows; `name` stands for the file in messages. Touches no file.
 * (For kubeconfigs handed in by the API, which this version does not serve:
 * only tests and the fuzzer call it.) */
int	kubeconfig_load_text(const char *text, size_t n, const char *name,
	    const char *context, const struct kube_policy *policy,
	    struct kube_credentials *ret, struct err *err) MUST_CHECK;

#endif
