#include "common/kube_http.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#include "common/macros.h"
#include "common/xmalloc.h"

#define KEEPALIVE_IDLE_S     30L
#define KEEPALIVE_INTERVAL_S 10L
#define KEEPALIVE_COUNT      3
#define USER_TIMEOUT_MS      30000u
#define CONNECT_TIMEOUT_MS   10000L

#define SET(easy, option, value) \
	(curl_easy_setopt((easy), (option), (value)) != CURLE_OK)

/* A dead peer of an idle watch is found by the kernel (k8s-watch.md A 14). */
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

/* --- client certificate --------------------------------------------------- */

static void
format_time(const ASN1_TIME *t, char *buf, size_t size)
{
	struct tm tm = { 0 };

	if (ASN1_TIME_to_tm(t, &tm) != 1 ||
	    strftime(buf, size, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		(void)snprintf(buf, size, "an unreadable date");
}

/* The server would only answer with a TLS alert: say it in words here. */
static int
check_client_certificate(const struct kube_credentials *cred,
    struct err *err)
{
	const char *origin = cred->origin != NULL ? cred->origin :
	    "the kubeconfig";
	BIO *bio = BIO_new_mem_buf(cred->client_cert_pem, -1);
	X509 *cert = bio == NULL ? NULL :
	    PEM_read_bio_X509(bio, NULL, NULL, NULL);
	char when[64];
	int rc = 0;

	if (cert == NULL) {
		rc = err_set(err, "the client certificate of %s is not a PEM "
		    "certificate", origin);
	} else if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0) {
		format_time(X509_get0_notAfter(cert), when, sizeof(when));
		rc = err_set(err, "the client certificate of %s expired on %s; "
		    "renew it", origin, when);
	} else if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0) {
		format_time(X509_get0_notBefore(cert), when, sizeof(when));
		rc = err_set(err, "the client certificate of %s is valid only "
		    "from %s on; check this host's clock", origin, when);
	}
	X509_free(cert);
	BIO_free(bio);
	return rc;
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
		if (check_client_certificate(cred, err) < 0)
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

/* The token file is read anew for every request, so that a rotated token is
 * used at once; the last good one serves while the file is away. */
static int
add_token(const struct kube_credentials *cred, struct curl_slist **headers,
    struct err *err)
{
	char *fresh = NULL, *value;
	const char *token = cred->token;
	struct err e = { 0 };
	int rc;

	if (cred->token_file != NULL) {
		if (kube_credentials_read_token(cred, &fresh, &e) == 0)
			token = fresh;
		else if (token == NULL)
			return err_set(err, "tokenFile: %s", e.text);
	}
	if (token == NULL)
		return 0;
	value = xasprintf("Bearer %s", token);
	rc = add_header(headers, "Authorization", value, err);
	explicit_bzero(value, strlen(value));
	free(value);
	if (fresh != NULL)
		explicit_bzero(fresh, strlen(fresh));
	free(fresh);
	return rc;
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
setup_transfer(CURL *easy, const struct kube_credentials *cred,
    char *error_buffer)
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
	bad |= SET(easy, CURLOPT_PROXY,
	    cred->proxy_url != NULL ? cred->proxy_url : "");
	bad |= SET(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	bad |= SET(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	bad |= SET(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
	bad |= SET(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
	bad |= SET(easy, CURLOPT_SOCKOPTFUNCTION, sockopt_cb);
	/* Never a decoder: a watch may come as several gzip members, which
	 * libcurl refuses (k8s-watch.md A 18). */
	bad |= SET(easy, CURLOPT_ACCEPT_ENCODING, NULL);
	return bad;
}

int
kube_http_setup(CURL *easy, const struct kube_credentials *cred,
    const char *path_and_query, const char *accept,
    struct curl_slist **headers, char *error_buffer, struct err *err)
{
	bool https = strncasecmp(cred->server, "https:", 6) == 0;

	if (setup_transfer(easy, cred, error_buffer))
		return err_set(err, "libcurl refused an option; is it older "
		    "than 7.85?");
	if (setup_url(easy, cred, path_and_query, headers, err) < 0 ||
	    add_header(headers, "Accept", accept, err) < 0)
		return -1;
	/* As client-go: no credentials over a plain connection. */
	if (https && (setup_tls(easy, cred, err) < 0 ||
	    add_token(cred, headers, err) < 0))
		return -1;
	if (SET(easy, CURLOPT_HTTPHEADER, *headers))
		return err_set(err, "libcurl refused the headers");
	return 0;
}
