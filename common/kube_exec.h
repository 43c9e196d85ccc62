/*
 * kube_exec: the `exec` section of a kubeconfig's user: which program gives
 * the credentials (client.authentication.k8s.io/v1 and v1beta1). Checked
 * where a kubeconfig is read; only sluice-exec runs the program. Pure: nodes
 * in, values out. Watcher, health and sluice-exec.
 */
#ifndef SLUICE_KUBE_EXEC_H
#define SLUICE_KUBE_EXEC_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"

#define KUBE_EXEC_ARGS_MAX 1000u
#define KUBE_EXEC_ENV_MAX  1000u

struct kube_entry;
struct yaml_node;

struct kube_exec {
	char	 *api_version;     /* client.authentication.k8s.io/... */
	char	 *command;         /* with a slash: resolved */
	char	**args;
	size_t	  n_args;
	char	**env;             /* "NAME=value" */
	size_t	  n_env;
	char	 *install_hint;    /* or NULL */
	bool	  provide_cluster_info;
};

/* The user's `exec`; NULL when it has none, or a null one. */
int	kube_exec_read(const struct kube_entry *user, struct kube_exec **ret,
	    struct err *err) MUST_CHECK;
void	kube_exec_free(struct kube_exec *x);

/* A node as JSON. Plain scalars are what JSON would take them for. */
void	kube_exec_json(struct buf *b, const struct yaml_node *node);
/* What the cluster says to plugins, in its extension named
 * client.authentication.k8s.io/exec, as JSON; NULL: nothing. To be freed. */
char	*kube_exec_config(const struct kube_entry *cluster);

#endif
