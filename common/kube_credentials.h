/*
 * kube_credentials: what the cluster and the user of one context give to talk
 * to its API server: checked, with the files it names read. Supported are
 * tokens, token files and client certificates; anything else is refused with
 * what to use instead. Filled by kubeconfig, in watcher and health.
 */
#ifndef SLUICE_KUBE_CREDENTIALS_H
#define SLUICE_KUBE_CREDENTIALS_H

#include <stdbool.h>

#include "common/err.h"

struct curl_slist;
struct kube_entry;

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

/* Each takes its part from an entry of `clusters` or `users`; on failure the
 * caller frees what stands in *c by then. */
int	kube_credentials_cluster(const struct kube_entry *entry,
	    struct kube_credentials *c, struct err *err) MUST_CHECK;
int	kube_credentials_user(const struct kube_entry *entry,
	    struct kube_credentials *c, struct err *err) MUST_CHECK;
/* The token file's present text, trimmed, to be freed (wipe it first). */
int	kube_credentials_read_token(const struct kube_credentials *c,
	    char **ret_token, struct err *err) MUST_CHECK;
void	kube_credentials_free(struct kube_credentials *c); /* contents, wiped */

#endif
