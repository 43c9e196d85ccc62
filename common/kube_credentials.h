/*
 * kube_credentials: what the cluster and the user of one context give to talk
 * to its API server: checked, with the files it names read. Tokens, token
 * files, client certificates, exec plugins (what one gives is put in by
 * kube_source) and impersonation; anything else is refused with what to use
 * instead. Filled by kubeconfig, in watcher, health and sluice-exec.
 */
#ifndef SLUICE_KUBE_CREDENTIALS_H
#define SLUICE_KUBE_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"
#include "common/kube_policy.h"

struct curl_slist;
struct kube_entry;
struct kube_exec;

/* Everything needed to talk to one API server. PEM texts are in memory (read
 * from files where the kubeconfig gives paths); NULL where not given. */
struct kube_credentials {
	char	*origin;            /* "context X in FILE", for messages */
	char	*server;            /* scheme, host, port, path prefix */
	char	*namespace;         /* of the context, or NULL */
	char	*ca_pem;
	char	*ca_file;           /* where from; re-read */
	char	*client_cert_pem;
	char	*client_cert_file;  /* the same */
	char	*client_key_pem;
	char	*client_key_file;
	char	*token;
	char	*token_file;        /* wins over token; re-read */
	char	*tls_server_name;
	char	*proxy_url;
	char	**impersonate;      /* header lines */
	size_t	 n_impersonate;
	struct kube_exec *exec;     /* the plugin to ask, or NULL */
	char	*exec_config;       /* what the cluster tells it; JSON */
	bool	 insecure;
	bool	 disable_compression;
	bool	 untrusted;         /* addresses are checked when connected */
	struct curl_slist *connect_to; /* with tls_server_name: for kube_http */
};

/* Each takes its part from an entry of `clusters` or `users`, as far as the
 * policy allows; on failure the caller frees what stands in *c by then. */
int	kube_credentials_cluster(const struct kube_entry *entry,
	    const struct kube_policy *policy, struct kube_credentials *c,
	    struct err *err) MUST_CHECK;
int	kube_credentials_user(const struct kube_entry *entry,
	    const struct kube_policy *policy, struct kube_credentials *c,
	    struct err *err) MUST_CHECK;

/* Reads the token file again. On failure the token stays what it was. */
int	kube_credentials_reread_token(struct kube_credentials *c,
	    struct err *err) MUST_CHECK;
typedef int (*kube_credentials_pair_check)(const char *cert_pem,
    const char *key_pem, struct err *err);
/* Reads certificate, key and CA files again: 1 when any differs, 0 when none
 * does. On failure all stay what they were; so they do when `check` finds that
 * certificate and key do not fit together. */
int	kube_credentials_reread_files(struct kube_credentials *c,
	    kube_credentials_pair_check check, struct err *err) MUST_CHECK;
/* Are a client's certificate, key and the CA those? A connection made with
 * others should not live on. */
bool	kube_credentials_same_tls(const struct kube_credentials *a,
	    const struct kube_credentials *b);
void	kube_credentials_free(struct kube_credentials *c); /* contents, wiped */

#endif
