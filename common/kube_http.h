/*
 * kube_http: a libcurl easy handle set up for one API server: TLS from memory
 * blobs, bearer token, impersonation, User-Agent, the proxy that kube_proxy
 * chooses, no redirects, https and http only, keep-alive and TCP_USER_TIMEOUT.
 * Reads no file but the proxies of the environment: what the credentials hold
 * is used (kube_source keeps them fresh). Watcher (multi) and health (easy, a
 * handle in one thread at a time).
 */
#ifndef SLUICE_KUBE_HTTP_H
#define SLUICE_KUBE_HTTP_H

#include <curl/curl.h>

#include "common/kubeconfig.h"

/* Sets the options on `easy` for GET <server><path_and_query>. Behind what
 * stands in *headers come Accept and, where they apply, Host, Authorization
 * and Impersonate-*: the caller keeps the list until the transfer ends and
 * frees it (curl_slist_free_all), also after -1. So with `cred`, whose
 * connect_to libcurl does not copy, and `error_buffer`: CURL_ERROR_SIZE bytes,
 * or NULL. */
int	kube_http_setup(CURL *easy, const struct kube_credentials *cred,
	    const char *path_and_query, const char *accept,
	    struct curl_slist **headers, char *error_buffer, struct err *err)
	    MUST_CHECK;

#endif
