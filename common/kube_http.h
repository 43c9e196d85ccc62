/*
 * kube_http: a libcurl easy handle set up for one API server: TLS from memory
 * blobs, bearer token, impersonation, User-Agent, the proxy that kube_proxy
 * chooses, no redirects, https and http only, keep-alive and TCP_USER_TIMEOUT.
 * Reads no file: what the credentials hold is used (kube_source keeps them
 * fresh). Used by watcher (multi) and health (one thread each).
 */
#ifndef SLUICE_KUBE_HTTP_H
#define SLUICE_KUBE_HTTP_H

#include <curl/curl.h>

#include "common/kubeconfig.h"

/* Sets the options on `easy` for GET <server><path_and_query>; *headers is
 * extended with Authorization and Accept and must live until the transfer
 * ends (curl_slist_free_all). error_buffer: CURL_ERROR_SIZE bytes. */
int	kube_http_setup(CURL *easy, const struct kube_credentials *cred,
	    const char *path_and_query, const char *accept,
	    struct curl_slist **headers, char *error_buffer, struct err *err)
	    MUST_CHECK;

#endif
