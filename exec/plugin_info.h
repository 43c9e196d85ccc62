/*
 * plugin_info: what a plugin is told: its environment with the kubeconfig's
 * laid over it, and KUBERNETES_EXEC_INFO; and which file its command is. No
 * shell has a part in it. Pure but for looking at files. Process: sluice-exec.
 */
#ifndef SLUICE_PLUGIN_INFO_H
#define SLUICE_PLUGIN_INFO_H

#include "common/err.h"
#include "common/kube_credentials.h"

#define PLUGIN_INFO_PATH_MAX 4096u

/* The JSON of KUBERNETES_EXEC_INFO, with the cluster where the kubeconfig
 * says provideClusterInfo; never interactive. To be freed. */
char	*plugin_info_json(const struct kube_credentials *cred);
/* NULL-terminated; array and texts to be freed (plugin_info_free). */
char	**plugin_info_environment(const struct kube_credentials *cred,
	    char *const *environment);
void	plugin_info_free(char **environment);
/* The executable file: as written with a slash in it, else the first in
 * `path` (as in PATH). -1 with *err that names the remedy. */
int	plugin_info_command(const struct kube_exec *exec, const char *path,
	    char ret[PLUGIN_INFO_PATH_MAX], struct err *err) MUST_CHECK;

#endif
