/*
 * kube_proxy: through which proxy an API server is reached. The kubeconfig's
 * proxy-url wins; else HTTPS_PROXY (HTTP_PROXY for an http server) and
 * NO_PROXY as Go's net/http reads them, since that is what kubectl does:
 * never for localhost and loopback, names with their subdomains, addresses,
 * CIDR blocks, each with a port if wanted. Pure: texts in, answer out. Watcher
 * and health.
 */
#ifndef SLUICE_KUBE_PROXY_H
#define SLUICE_KUBE_PROXY_H

#include <stdbool.h>

/* True: `host` (without brackets) and `port` are reached directly. no_proxy
 * may be NULL. */
bool	kube_proxy_excludes(const char *no_proxy, const char *host,
	    unsigned port);

/* The environment's proxy for `server` (which passed kube_server_check), or
 * "" for none; the value is the caller's, to be freed. A value without a
 * scheme is an http proxy. Each argument may be NULL. */
char	*kube_proxy_for(const char *server, const char *https_proxy,
	    const char *http_proxy, const char *no_proxy);

#endif
