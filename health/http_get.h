/*
 * http_get: GET requests to one API server from a worker thread, one after
 * the other on one connection, each bounded in time and in bytes, and given
 * up when the process is to stop.
 *
 * Process: health, any thread, one thread at a time. curl_global_init must
 * have been called before the first thread.
 */
#ifndef SLUICE_HTTP_GET_H
#define SLUICE_HTTP_GET_H

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/kubeconfig.h"
#include "common/mono.h"

#define HTTP_GET_CONNECT_MS 3000
#define HTTP_GET_BODY_MAX   (64u * 1024)   /* kept of a body without a sink */

/* Bytes of a 200 body as they come; false ends the transfer
 * (CURLE_WRITE_ERROR). */
typedef bool (*http_get_sink)(const char *p, size_t n, void *arg);

struct http_get;

/* Both stay the caller's and must outlive it. */
struct http_get *http_get_new(const struct kube_credentials *cred,
    const atomic_bool *cancelled, struct err *err) MUST_CHECK;
void	http_get_free(struct http_get *h);

struct http_get_answer {
	CURLcode	curl;
	long		status;
	int64_t		ms;                       /* time it took */
	char		error[CURL_ERROR_SIZE];   /* curl's text */
	struct slice	body;   /* first HTTP_GET_BODY_MAX bytes; until the
				 * next request; empty with a sink and 200 */
};

/* -1 with *err only when no request could be made of the credentials; every
 * failure of the request is in *ret. A request that has not ended by
 * `deadline` ends as CURLE_OPERATION_TIMEDOUT. */
int	http_get(struct http_get *h, const char *path_and_query,
	    const char *accept, struct mono deadline, http_get_sink sink,
	    void *arg, struct http_get_answer *ret, struct err *err)
	    MUST_CHECK;

#endif
