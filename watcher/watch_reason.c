#include "watcher/watch_reason.h"

#include <stdio.h>
#include <string.h>

#include "common/kube_certificate.h"
#include "common/macros.h"

void
watch_reason_set(struct watch_reason *r, long code, const char *reason,
    const char *message)
{
	r->code = code;
	r->audit[0] = '\0';
	(void)snprintf(r->reason, sizeof(r->reason), "%s", reason);
	(void)snprintf(r->message, sizeof(r->message), "%s", message);
}

/* --- what a server says --------------------------------------------------- */

static enum watch_input
input_of_status(long status, const struct kube_error *error)
{
	if (error->too_large)
		return WATCH_IN_TOO_LARGE;
	switch (status) {
	case 401:
		return WATCH_IN_UNAUTHORIZED;
	case 403:
		return WATCH_IN_FORBIDDEN;
	case 404:
		return WATCH_IN_NOT_FOUND;
	case 410:
		return WATCH_IN_EXPIRED;
	default:
		return WATCH_IN_FAILED;
	}
}

/* Kubernetes explains itself in a Status; whoever stands before it does not. */
static const char *
unexplained(long status)
{
	if (status >= 300 && status < 400)
		return "a redirect, which is not followed; does `server` lead "
		    "to the API server itself?";
	return "without a Kubernetes Status; is a load balancer or proxy on "
	    "the way?";
}

enum watch_input
watch_reason_status(struct watch_reason *r, long status,
    const struct kube_error *error)
{
	bool explained = error->reason[0] != '\0' ||
	    error->message[0] != '\0';
	char fallback[32];

	(void)snprintf(fallback, sizeof(fallback), "Http%ld", status);
	watch_reason_set(r, status, error->reason[0] != '\0' ?
	    error->reason : fallback, explained ? error->message :
	    unexplained(status));
	return input_of_status(status, error);
}

enum watch_input
watch_reason_event(struct watch_reason *r, const struct kube_error *error)
{
	enum watch_input input = watch_reason_status(r, (long)error->code,
	    error);

	/* The server's own watch of its store is broken: a list mends it. */
	if (strcmp(error->reason, "StoreReadError") == 0)
		return WATCH_IN_EXPIRED;
	return input;
}

int64_t
watch_reason_retry_ms(long status, const struct kube_error *error)
{
	if (error->retry_after_s <= 0 || status == 504)
		return 0;
	return MIN(error->retry_after_s, WATCH_REASON_RETRY_MAX_S) * 1000;
}

/* --- when it says nothing ------------------------------------------------- */

static const char *
curl_reason(CURLcode code)
{
	switch ((unsigned)code) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return "DnsFailed";
	case CURLE_LOGIN_DENIED:   /* kube_api.h: they were not to be had */
		return "BadCredentials";
	case CURLE_COULDNT_CONNECT:
		return "ConnectFailed";
	case CURLE_OPERATION_TIMEDOUT:
		return "Timeout";
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
		return "TlsFailed";
	default:
		return "ConnectionLost";
	}
}

/* libcurl's text names the place; the operator also wants to know where to
 * look. */
void
watch_reason_no_answer(struct watch_reason *r,
    const struct kube_result *result, const char *origin)
{
	const char *reason = curl_reason(result->curl);
	char text[sizeof(r->message)];

	if (result->status != 0)
		(void)snprintf(text, sizeof(text), "%.170s", result->error);
	else if (result->curl == CURLE_LOGIN_DENIED)
		(void)snprintf(text, sizeof(text), "%s", result->error);
	else if (strcmp(reason, "TlsFailed") == 0 &&
	    kube_certificate_outdated(result->error))
		(void)snprintf(text, sizeof(text), "%.120s (the server's "
		    "of %s, or the one that signed it: renew it there, or "
		    "set this host's clock right)", result->error, origin);
	else if (strcmp(reason, "TlsFailed") == 0)
		(void)snprintf(text, sizeof(text), "%.120s (do the "
		    "certificates of %s belong to this server?)",
		    result->error, origin);
	else
		(void)snprintf(text, sizeof(text), "%.120s (is the API server "
		    "up, and `server` of %s right?)", result->error, origin);
	watch_reason_set(r, result->status, reason, text);
}

bool
watch_reason_result(struct watch_reason *r, const struct kube_result *result,
    const char *origin, enum watch_input *ret_input, int64_t *ret_retry_ms)
{
	struct kube_error error = { 0 };
	int64_t retry_ms;

	if (result->status != 0 && result->status != 200) {
		(void)kube_object_parse_error(result->body, &error);
		*ret_input = watch_reason_status(r, result->status, &error);
		if (result->audit != NULL)
			(void)snprintf(r->audit, sizeof(r->audit), "%s",
			    result->audit);
		retry_ms = watch_reason_retry_ms(result->status, &error);
		*ret_retry_ms = retry_ms > 0 ? retry_ms :
		    result->retry_after_ms;
		return false;
	}
	if (result->curl == CURLE_OK)
		return true;
	watch_reason_no_answer(r, result, origin);
	*ret_input = WATCH_IN_FAILED;
	*ret_retry_ms = 0;
	return false;
}
