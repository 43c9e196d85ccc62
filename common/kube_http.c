#include "common/kube_http.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "common/kube_certificate.h"
#include "common/kube_pem.h"
#include "common/kube_proxy.h"
#include "common/kube_server.h"
#include "common/macros.h"
#include "common/xmalloc.h"

#define KEEPALIVE_IDLE_S     30L
#define KEEPALIVE_INTERVAL_S 10L
#define KEEPALIVE_COUNT      3
#define USER_TIMEOUT_MS      30000u
#define CONNECT_TIMEOUT_MS   10000L

#define SET(easy, option, value) \
	(curl_easy_setopt((easy), (option), (value)) != CURLE_OK)

/* A dead peer of an idle watch is found by the kernel (doc/k8s-watch.md A.3
 * 14). */
static int
sockopt_cb(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	int count = KEEPALIVE_COUNT;
	unsigned int ms = USER_TIMEOUT_MS;

	(void)arg;
	(void)purpose;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
	return CURL_SOCKOPT_OK;
}

/* libcurl's own sockets would outlive an exec. */
static curl_socket_t
opensocket_cb(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
	(void)arg;
	(void)purpose;
	return socket(address->family, address->socktype | SOCK_CLOEXEC,
	    address->protocol);
}

/* The address of a stranger's server is known only here: a name may lead
 * anywhere, and to another place each time. */
static curl_socket_t
opensocket_stranger_cb(void *arg, curlsocktype purpose,
    struct curl_sockaddr *address)
{
	if (kube_server_forbidden_address(&address->addr))
		return CURL_SOCKET_BAD;
	return opensocket_cb(arg, purpose, address);
}

/* --- options -------------------------------------------------------------- */

static bool
set_blob(CURL *easy, CURLoption option, char *pem)
{
	struct curl_blob blob = { pem, strlen(pem), CURL_BLOB_COPY };

	return SET(easy, option, &blob);
}

static int
setup_tls(CURL *easy, const struct kube_credentials *cred, struct err *err)
{
	bool bad = SET(easy, CURLOPT_SSL_VERIFYPEER, cred->insecure ? 0L : 1L);

	bad |= SET(easy, CURLOPT_SSL_VERIFYHOST, cred->insecure ? 0L : 2L);
	if (cred->ca_pem != NULL) {
		/* Only this authority: not the system's as well. */
		bad |= SET(easy, CURLOPT_CAINFO, NULL);
		bad |= SET(easy, CURLOPT_CAPATH, NULL);
		bad |= set_blob(easy, CURLOPT_CAINFO_BLOB, cred->ca_pem);
	}
	if (cred->client_cert_pem != NULL && cred->client_key_pem != NULL) {
		if (kube_certificate_check(cred->client_cert_pem,
		    cred->origin != NULL ? cred->origin : "the kubeconfig",
		    err) < 0)
			return -1;
		bad |= SET(easy, CURLOPT_SSLCERTTYPE, "PEM");
		bad |= SET(easy, CURLOPT_SSLKEYTYPE, "PEM");
		bad |= set_blob(easy, CURLOPT_SSLCERT_BLOB,
		    cred->client_cert_pem);
		bad |= set_blob(easy, CURLOPT_SSLKEY_BLOB,
		    cred->client_key_pem);
	}
	if (bad)
		return err_set(err, "libcurl refused the TLS settings");
	return 0;
}

static int
add_header(struct curl_slist **headers, const char *name, const char *value,
    struct err *err)
{
	struct curl_slist *list;
	const char *p;
	char *line;

	for (p = value; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return err_set(err, "%s: a control character in its "
			    "value; check the token of the kubeconfig", name);
	line = xasprintf("%s: %s", name, value);
	list = curl_slist_append(*headers, line);
	explicit_bzero(line, strlen(line));
	free(line);
	if (list == NULL)
		abort();
	*headers = list;
	return 0;
}

static int
add_token(const struct kube_credentials *cred, struct curl_slist **headers,
    struct err *err)
{
	char *value;
	int rc;

	if (cred->token == NULL)
		return 0;
	value = xasprintf("Bearer %s", cred->token);
	rc = add_header(headers, "Authorization", value, err);
	kube_pem_wipe(value);
	return rc;
}

static void
add_impersonation(const struct kube_credentials *cred,
    struct curl_slist **headers)
{
	struct curl_slist *list;

	for (size_t i = 0; i < cred->n_impersonate; i++) {
		list = curl_slist_append(*headers, cred->impersonate[i]);
		if (list == NULL)
			abort();
		*headers = list;
	}
}

/* With tls-server-name the URL carries that name (libcurl takes SNI and the
 * name to verify from there), CONNECT_TO leads to the real host, and Host:
 * says what it would have said. */
static int
setup_url(CURL *easy, const struct kube_credentials *cred,
    const char *path_and_query, struct curl_slist **headers, struct err *err)
{
	const char *authority, *after, *port;
	char *url, *host;
	bool bad;
	int rc = 0;

	if (cred->tls_server_name == NULL) {
		url = xasprintf("%s%s", cred->server, path_and_query);
	} else {
		if (cred->connect_to == NULL)
			return err_set(err, "tls-server-name without an "
			    "address to connect to");
		authority = strstr(cred->server, "://") + 3;
		after = authority + strcspn(authority, "/");
		port = authority[0] == '[' ? strchr(authority, ']') :
		    authority;
		port += strcspn(port, ":/");
		url = xasprintf("https://%s%.*s%s%s", cred->tls_server_name,
		    (int)(after - port), port, after, path_and_query);
		host = xstrndup(authority, (size_t)(after - authority));
		rc = add_header(headers, "Host", host, err);
		free(host);
	}
	bad = SET(easy, CURLOPT_URL, url);
	bad |= SET(easy, CURLOPT_CONNECT_TO, cred->connect_to);
	free(url);
	if (rc == 0 && bad)
		return err_set(err, "libcurl refused the address %s",
		    cred->server);
	return rc;
}

static bool
setup_transfer(CURL *easy, char *error_buffer)
{
	bool bad = SET(easy, CURLOPT_HTTPGET, 1L);

	if (error_buffer != NULL) {
		error_buffer[0] = '\0';
		bad |= SET(easy, CURLOPT_ERRORBUFFER, error_buffer);
	}
	bad |= SET(easy, CURLOPT_NOSIGNAL, 1L);
	bad |= SET(easy, CURLOPT_FOLLOWLOCATION, 0L);
	bad |= SET(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	bad |= SET(easy, CURLOPT_USERAGENT, "sluice/" SLUICE_VERSION);
	bad |= SET(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	bad |= SET(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	bad |= SET(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	bad |= SET(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
	bad |= SET(easy, CURLOPT_SOCKOPTFUNCTION, sockopt_cb);
	/* Never a decoder: a watch may come as several gzip members, which
	 * libcurl refuses (doc/k8s-watch.md A.3 18). */
	bad |= SET(easy, CURLOPT_ACCEPT_ENCODING, NULL);
	return bad;
}

static const char *
either_env(const char *upper, const char *lower)
{
	const char *value = getenv(upper);

	return value != NULL && *value != '\0' ? value : getenv(lower);
}

/* Never libcurl's own reading of the environment: it differs from kubectl's,
 * and with tls-server-name it would judge the wrong name. */
static int
setup_proxy(CURL *easy, const struct kube_credentials *cred, struct err *err)
{
	char *proxy = cred->proxy_url != NULL ? xstrdup(cred->proxy_url) :
	    kube_proxy_for(cred->server, either_env("HTTPS_PROXY",
	    "https_proxy"), either_env("HTTP_PROXY", "http_proxy"),
	    either_env("NO_PROXY", "no_proxy"));
	bool direct = *proxy == '\0', bad;

	bad = SET(easy, CURLOPT_PROXY, proxy);
	bad |= SET(easy, CURLOPT_NOPROXY, "");
	/* Through a proxy the address that is connected is the operator's. */
	bad |= SET(easy, CURLOPT_OPENSOCKETFUNCTION, cred->untrusted &&
	    direct ? opensocket_stranger_cb : opensocket_cb);
	kube_pem_wipe(proxy);
	if (bad)
		return err_set(err, "libcurl refused the proxy of %s",
		    cred->server);
	return 0;
}

int
kube_http_setup(CURL *easy, const struct kube_credentials *cred,
    const char *path_and_query, const char *accept,
    struct curl_slist **headers, char *error_buffer, struct err *err)
{
	bool https = strncasecmp(cred->server, "https:", 6) == 0;

	if (setup_transfer(easy, error_buffer))
		return err_set(err, "libcurl refused an option; is it older "
		    "than 7.85?");
	if (setup_proxy(easy, cred, err) < 0 ||
	    setup_url(easy, cred, path_and_query, headers, err) < 0 ||
	    add_header(headers, "Accept", accept, err) < 0)
		return -1;
	/* As client-go: no credentials over a plain connection. */
	if (https && (setup_tls(easy, cred, err) < 0 ||
	    add_token(cred, headers, err) < 0))
		return -1;
	if (https)
		add_impersonation(cred, headers);
	if (SET(easy, CURLOPT_HTTPHEADER, *headers))
		return err_set(err, "libcurl refused the headers");
	return 0;
}
