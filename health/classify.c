#include "health/classify.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/kube_certificate.h"

#define FAILING_NAMES_MAX 200u   /* bytes of names in a not_ready message */

static const char *const paths[PROBE_ENDPOINT_MAX] = {
	[PROBE_READYZ] = "/readyz",
	[PROBE_HEALTHZ] = "/healthz",
	[PROBE_VERSION] = "/version",
};

const char *
probe_endpoint_path(enum probe_endpoint endpoint)
{
	assert(endpoint < PROBE_ENDPOINT_MAX);
	return paths[endpoint];
}

/* Names and texts of a server end up in JSON and in logs: ASCII only. */
static void
clean(char *text)
{
	for (; *text != '\0'; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

void
classify_own(enum probe_code code, const char *text,
    struct probe_finding *ret)
{
	*ret = (struct probe_finding){ .code = code };
	(void)snprintf(ret->message, sizeof(ret->message), "%s", text);
	clean(ret->message);
}

static bool PRINTF(3, 4)
answered(struct probe_finding *ret, enum probe_code code, const char *fmt, ...)
{
	va_list ap;

	*ret = (struct probe_finding){ .code = code, .reachable = true };
	va_start(ap, fmt);
	(void)vsnprintf(ret->message, sizeof(ret->message), fmt, ap);
	va_end(ap);
	clean(ret->message);
	return true;
}

/* --- no answer ------------------------------------------------------------ */
/* A TLS 1.3 server refuses a client's certificate after the handshake: curl
 * then calls it a read error, and only its text tells. */
static bool
speaks_of_tls(const char *text)
{
	return strstr(text, "SSL") != NULL || strstr(text, "TLS") != NULL ||
	    strstr(text, "alert") != NULL;
}

static enum probe_code
transport_code(CURLcode curl, const char *text)
{
	/* Only what can come from a GET is named; an int, because the enum
	 * has a hundred others. */
	switch ((int)curl) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return PROBE_DNS;
	case CURLE_OPERATION_TIMEDOUT:
		return PROBE_TIMEOUT;
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_ENGINE_NOTFOUND:
	case CURLE_SSL_ENGINE_SETFAILED:
	case CURLE_SSL_CRL_BADFILE:
	case CURLE_SSL_INVALIDCERTSTATUS:
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
	case CURLE_SSL_CLIENTCERT:
	case CURLE_USE_SSL_FAILED:
		return PROBE_TLS;
	case CURLE_COULDNT_CONNECT:
		return PROBE_TCP;
	case CURLE_RECV_ERROR:
	case CURLE_SEND_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_PROXY:
		return speaks_of_tls(text) ? PROBE_TLS : PROBE_TCP;
	default:
		return PROBE_HTTP;
	}
}

/* What the operator can look at when no answer came. */
static const char *
remedy(enum probe_code code, const char *text)
{
	switch ((int)code) {
	case PROBE_DNS:
		return "; is the host of `server` in the kubeconfig right?";
	case PROBE_TCP:
	case PROBE_TIMEOUT:
		return "; is the API server up, and `server` in the kubeconfig "
		    "right?";
	case PROBE_TLS:
		if (kube_certificate_outdated(text))
			return "; renew it at the API server (its own, or the "
			    "one that signed it), or set this host's clock "
			    "right";
		return "; do the certificates in the kubeconfig belong to this "
		    "server?";
	default:
		return "";
	}
}

static void
no_answer(CURLcode curl, const char *text, struct probe_finding *ret)
{
	enum probe_code code;
	char both[VERDICT_MESSAGE_MAX];

	if (text == NULL || *text == '\0')
		text = curl_easy_strerror(curl);
	code = transport_code(curl, text);
	(void)snprintf(both, sizeof(both), "%.200s%s", text,
	    remedy(code, text));
	classify_own(code, both, ret);
}

/* --- an answer ------------------------------------------------------------ */
static bool
begins(struct slice s, const char *text)
{
	size_t n = strlen(text);

	return s.n >= n && memcmp(s.p, text, n) == 0;
}

/* "ok", or with ?verbose lines of "[+]ping ok". */
static bool
says_ok(struct slice body)
{
	return begins(body, "ok") || begins(body, "[+]");
}

/* The names of the checks on lines "[-]etcd failed: reason withheld". */
static size_t
failing_names(struct slice body, char *ret, size_t size)
{
	const char *p = body.p, *end = body.p + body.n, *line, *stop;
	size_t n = 0, len;

	ret[0] = '\0';
	while (p < end) {
		line = p;
		p = memchr(line, '\n', (size_t)(end - line));
		p = p != NULL ? p + 1 : end;
		if (p - line < 4 || memcmp(line, "[-]", 3) != 0)
			continue;
		line += 3;
		for (stop = line; stop < p && (unsigned char)*stop > ' ';
		    stop++)
			;
		len = (size_t)(stop - line);
		if (n + len + 3 > size)
			break;
		n += (size_t)snprintf(ret + n, size - n, "%s%.*s",
		    n != 0 ? ", " : "", (int)len, line);
	}
	return n;
}

static bool
server_error(const char *path, long status, struct slice body,
    struct probe_finding *ret)
{
	char names[FAILING_NAMES_MAX];

	if (failing_names(body, names, sizeof(names)) != 0)
		return answered(ret, PROBE_NOT_READY, "%s says %ld: failing "
		    "checks: %s", path, status, names);
	/* A server that is shutting down answers with a Status of its own. */
	if (body.n != 0 && memmem(body.p, body.n, "\"Status\"", 8) != NULL)
		return answered(ret, PROBE_NOT_READY, "%s says %ld", path,
		    status);
	return answered(ret, PROBE_HTTP, "%s: HTTP %ld, not by a Kubernetes "
	    "API server; is a load balancer without a backend in between?",
	    path, status);
}

static bool
success(enum probe_endpoint endpoint, struct slice body,
    struct probe_finding *ret)
{
	char version[64];

	if (endpoint == PROBE_VERSION ? classify_member(body, "gitVersion",
	    version, sizeof(version)) : says_ok(body))
		return answered(ret, PROBE_OK, "%s", "");
	return answered(ret, PROBE_HTTP, "%s: HTTP 200, but not what a "
	    "Kubernetes API server says; check `server` in the kubeconfig",
	    paths[endpoint]);
}

bool
classify_answer(enum probe_endpoint endpoint, CURLcode curl,
    const char *error_text, long status, struct slice body,
    struct probe_finding *ret)
{
	const char *path = probe_endpoint_path(endpoint);

	if (curl != CURLE_OK) {
		no_answer(curl, error_text, ret);
		return true;
	}
	if (status == 200)
		return success(endpoint, body, ret);
	if (status == 401)
		return answered(ret, PROBE_AUTH, "%s: HTTP 401: the API server "
		    "does not take these credentials", path);
	if ((status == 404 || status == 403) && endpoint != PROBE_VERSION)
		return false;
	if (status == 403)
		return answered(ret, PROBE_FORBIDDEN, "%s: HTTP 403: the role "
		    "system:public-info-viewer is missing", path);
	if (status == 429)
		return answered(ret, PROBE_THROTTLED, "%s: HTTP 429: the API "
		    "server limits requests", path);
	if (status >= 500)
		return server_error(path, status, body, ret);
	return answered(ret, PROBE_HTTP, "%s: HTTP %ld; check `server` in the "
	    "kubeconfig", path, status);
}

/* --- /version ------------------------------------------------------------- */
bool
classify_member(struct slice json, const char *name, char *ret, size_t size)
{
	char quoted[64];
	const char *p, *end = json.p + json.n, *stop;
	int n = snprintf(quoted, sizeof(quoted), "\"%s\"", name);

	assert(n > 0 && (size_t)n < sizeof(quoted));
	if (json.n == 0 || json.p[0] != '{')
		return false;
	p = memmem(json.p, json.n, quoted, (size_t)n);
	if (p == NULL)
		return false;
	for (p += n; p < end && (*p == ' ' || *p == ':'); p++)
		;
	if (p == end || *p != '"')
		return false;
	p++;
	stop = memchr(p, '"', (size_t)(end - p));
	if (stop == NULL || stop == p || (size_t)(stop - p) >= size)
		return false;
	(void)snprintf(ret, size, "%.*s", (int)(stop - p), p);
	clean(ret);
	return strchr(ret, '\\') == NULL;
}
