/*
 * kubeconfig: parses kubeconfig files (YAML) into the credentials of one
 * context. Semantics of client-go's clientcmd (reference: k8s-watch.md B).
 * The supervisor uses only kubeconfig_contexts(); watcher and health parse in
 * full. Every error names file, line where it can, entry and remedy.
 */
#ifndef SLUICE_KUBECONFIG_H
#define SLUICE_KUBECONFIG_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"

#define KUBECONFIG_FILE_MAX (4u * 1024 * 1024)
#define KUBECONFIG_CONTEXTS_MAX 1000u

/* Names of all contexts (to be freed with kubeconfig_contexts_free), and
 * which is current (index, -1: none). `paths` = list as in KUBECONFIG. */
struct curl_slist;

struct kubeconfig_contexts {
	char	**names;
	size_t	  n;
	int	  current;
};

int	kubeconfig_contexts(const char *paths,
	    struct kubeconfig_contexts *ret, struct err *err) MUST_CHECK;
void	kubeconfig_contexts_free(struct kubeconfig_contexts *c);

/* Everything needed to talk to one API server. PEM texts are in memory (read
 * from files where the kubeconfig gives paths); NULL where not given. */
struct kube_credentials {
	char	*origin;            /* "context X in FILE", for messages */
	char	*server;            /* scheme, host, port, path prefix */
	char	*namespace;         /* of the context, or NULL */
	char	*ca_pem;
	char	*client_cert_pem;
	char	*client_key_pem;
	char	*token;
	char	*token_file;        /* wins over token; re-read */
	char	*tls_server_name;
	char	*proxy_url;
	bool	 insecure;
	bool	 disable_compression;
	struct curl_slist *connect_to; /* with tls_server_name: for kube_http */
};

/* context NULL: the current one. */
int	kubeconfig_load(const char *paths, const char *context,
	    struct kube_credentials *ret, struct err *err) MUST_CHECK;
/* The token file's present text, trimmed, to be freed (wipe it first). */
int	kube_credentials_read_token(const struct kube_credentials *c,
	    char **ret_token, struct err *err) MUST_CHECK;
void	kube_credentials_free(struct kube_credentials *c); /* contents, wiped */

#endif
