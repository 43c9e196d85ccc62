/*
 * kube_api: requests to one API server, on libcurl's multi interface under
 * libevent. Watches share one connection (HTTP/2) where the server speaks it;
 * lists have another, so that a big list never stands before a watch; what is
 * sealed has connections of HTTP/1.1, each with one request at a time. A
 * connection that fell silent is given up as a whole: what still runs on it
 * ends there, what begins has a new one (libcurl would take the old again).
 * Runs in the watcher's loop; never pauses a transfer. Lists are asked for
 * with gzip unless the kubeconfig says `disable-compression`, watches never:
 * a server may send them in several members, which libcurl refuses
 * (k8s-watch.md A 18).
 */
#ifndef SLUICE_KUBE_API_H
#define SLUICE_KUBE_API_H

#include <curl/curl.h>
#include <event2/event.h>

#include "common/buf.h"
#include "common/kube_http.h"
#include "common/mono.h"
#include "watcher/cluster_access.h"
#include "watcher/server_words.h"

#define KUBE_API_BODY_MAX  (64u * 1024)   /* kept of an answer not 200 */
#define KUBE_API_AUDIT_MAX SERVER_WORDS_AUDIT_MAX

struct kube_api;
struct kube_request;

struct kube_result {
	CURLcode	 curl;            /* CURLE_OK: an answer, to its end */
	long		 status;          /* HTTP, 0: none came */
	int64_t		 retry_after_ms;  /* 0: not asked for */
	const char	*error;           /* curl's words, may be empty */
	const char	*audit;           /* the server's Audit-Id, or "" */
	struct slice	 body;            /* of an answer that is not 200 */
};

/* Bytes of a 200's body. False ends the transfer (`done` is called then).
 * Must not begin or cancel requests. */
typedef bool (*kube_api_data_cb)(const char *p, size_t n, void *arg);
/* Once, when the head of an answer 200 is there; must not touch requests. */
typedef void (*kube_api_answered_cb)(void *arg);
/* Once, at the end; the request is gone after it. May start requests. */
typedef void (*kube_api_done_cb)(const struct kube_result *result, void *arg);

struct kube_get {
	const char		*path;    /* with query */
	const char		*accept;
	const char		*post;    /* JSON; NULL: a GET */
	bool			 watch;   /* on the watches' connection */
	bool			 sealed;  /* leave nothing of the body behind */
	/* Since when the old connection has been silent (0: it is not): unless
	 * another transfer heard of it since, or it was given up already, it
	 * is not used again. */
	struct mono		 silent;
	kube_api_answered_cb	 answered;   /* NULL: nobody asks */
	kube_api_data_cb	 data;
	kube_api_done_cb	 done;
	void			*arg;
};

/* `access` must outlive it. */
struct kube_api *kube_api_new(struct event_base *base,
    struct cluster_access *access, bool http2);
/* Each text of a Warning header once; from within a transfer: must not touch
 * requests. */
void	kube_api_on_warning(struct kube_api *api, server_words_cb warned,
	    void *arg);
/* Where the credentials are from: "context X in FILE". */
const char *kube_api_origin(const struct kube_api *api);
/* The context's namespace, or NULL. */
const char *kube_api_namespace(const struct kube_api *api);
/* What was learnt of this server: it can list by watch (assumed), or not. */
bool	kube_api_streams(const struct kube_api *api);
void	kube_api_no_streams(struct kube_api *api);
void	kube_api_free(struct kube_api *api);   /* cancels everything */

/* NULL with *err when the request cannot be made (credentials). Where these
 * must be fetched first it waits; CURLE_LOGIN_DENIED: they were not to be
 * had, `error` says why. */
struct kube_request *kube_api_get(struct kube_api *api,
    const struct kube_get *get, struct err *err) MUST_CHECK;
/* Ends it without `done`. Not from a data callback. */
void	kube_api_cancel(struct kube_request *request);
/* A request that began then was answered 200 and then told, as an event, that
 * its credentials are not valid (any more). */
void	kube_api_refused(struct kube_api *api, struct mono began);

#endif
