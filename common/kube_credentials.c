#include "common/kube_credentials.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/buf.h"
#include "common/kube_entry.h"
#include "common/macros.h"
#include "common/xmalloc.h"
#include "common/yaml.h"

/* --- values --------------------------------------------------------------- */

static int
base64_value(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

/* Standard base64; white space (folded YAML) is skipped. NULL if malformed. */
static char *
base64_decode(const char *text)
{
	size_t n = strlen(text), len = 0, pad = 0, digits = 0, i;
	char *out = xmalloc(n / 4 * 3 + 4);
	uint32_t acc = 0;
	int v;

	for (i = 0; i < n; i++) {
		if (strchr(" \t\r\n", text[i]) != NULL)
			continue;
		if (text[i] == '=') {
			pad++;
			continue;
		}
		v = base64_value((unsigned char)text[i]);
		if (v < 0 || pad > 0)
			break;
		acc = acc << 6 | (uint32_t)v;
		if (++digits % 4 == 0) {
			out[len++] = (char)(acc >> 16 & 0xff);
			out[len++] = (char)(acc >> 8 & 0xff);
			out[len++] = (char)(acc & 0xff);
		}
	}
	if (i < n || (digits + pad) % 4 != 0 || pad > 2 ||
	    memchr(out, '\0', len) != NULL) {
		explicit_bzero(out, len);
		free(out);
		return NULL;
	}
	if (digits % 4 == 2)
		out[len++] = (char)(acc >> 4 & 0xff);
	if (digits % 4 == 3) {
		out[len++] = (char)(acc >> 10 & 0xff);
		out[len++] = (char)(acc >> 2 & 0xff);
	}
	out[len] = '\0';
	return out;
}

/* A path of the file is relative to the file that names it. */
static char *
entry_path(const struct kube_entry *entry, const char *path)
{
	const char *slash = strrchr(entry->file->path, '/');

	if (path[0] == '/' || slash == NULL)
		return xstrdup(path);
	return xasprintf("%.*s/%s", (int)(slash - entry->file->path),
	    entry->file->path, path);
}

/* `<key>-data` (base64) or the file `<key>` names; NULL when neither is. */
static int
entry_pem(const struct kube_entry *entry, const char *key, char **ret,
    struct err *err)
{
	const char *path, *data;
	char data_key[64], *full, *text, *pem = NULL;
	struct err e = { 0 };
	size_t n;

	(void)snprintf(data_key, sizeof(data_key), "%s-data", key);
	if (kube_entry_text(entry, key, &path, err) < 0 ||
	    kube_entry_text(entry, data_key, &data, err) < 0)
		return -1;
	if (path != NULL && data != NULL)
		return kube_entry_fail(
		    entry, key, err,
		    "a certificate or key is "
		    "given both as a file and as -data; remove one");
	if (data != NULL) {
		pem = base64_decode(data);
		if (pem == NULL)
			return kube_entry_fail(
			    entry, data_key, err,
			    "-data is not "
			    "base64; encode the PEM file with `base64 -w0`");
	} else if (path != NULL) {
		full = entry_path(entry, path);
		if (kube_entry_read(full, KUBE_ENTRY_TEXT_MAX, &text, &n, &e) ==
		    0)
			pem = text;
		else
			(void)err_set(err, "kubeconfig %s:%u: %s \"%s\": "
			    "%s: %s", entry->file->path,
			    kube_entry_get(entry, key)->line, entry->what,
			    entry->name, key, e.text);
		free(full);
		if (pem == NULL)
			return -1;
	}
	if (pem != NULL && strstr(pem, "-----BEGIN ") == NULL) {
		explicit_bzero(pem, strlen(pem));
		free(pem);
		return kube_entry_fail(entry, data != NULL ? data_key : key, err,
		    "is not PEM: `-----BEGIN ...` is missing");
	}
	*ret = pem;
	return 0;
}

/* --- the cluster ---------------------------------------------------------- */

/* Where host and port stand in "scheme://host[:port]/..." that passed
 * check_server(). */
static void
server_authority(const char *server, struct slice *ret_host,
    const char **ret_port)
{
	const char *p = strstr(server, "://") + 3;
	size_t n = p[0] == '[' ? strcspn(p, "]") + 1 : strcspn(p, ":/");

	*ret_host = (struct slice){ p, n };
	*ret_port = p[n] == ':' ? p + n + 1 : NULL;
}

static const char *
check_server(const char *server)
{
	const char *rest, *port, *p;
	struct slice host;

	for (p = server; *p != '\0'; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f)
			return "`server` has white space or control "
			    "characters in it";
	if (strncasecmp(server, "https://", 8) == 0)
		rest = server + 8;
	else if (strncasecmp(server, "http://", 7) == 0)
		rest = server + 7;
	else
		return "`server` must begin with https:// (or http://)";
	if (memchr(rest, '@', strcspn(rest, "/?#")) != NULL)
		return "`server` must not hold a user name or password; "
		    "credentials belong under users";
	if (rest[0] == '[' && rest[strcspn(rest, "]/")] != ']')
		return "`server` has an unclosed [ in its host";
	server_authority(server, &host, &port);
	if (host.n == 0)
		return "`server` has no host";
	if (port != NULL && (strspn(port, "0123456789") == 0 ||
	    strspn(port, "0123456789") > 5 ||
	    port[strspn(port, "0123456789")] > '/' ||
	    strtoul(port, NULL, 10) > 65535))
		return "`server` has no valid port after its host";
	return NULL;
}

/* No query, no fragment, no slash at the end: paths are joined to it. */
static char *
clean_server(const char *server)
{
	size_t n = strcspn(server, "?#");

	while (n > 0 && server[n - 1] == '/')
		n--;
	return xstrndup(server, n);
}

/* libcurl has no knob for SNI alone: the URL gets the name, and this entry
 * leads the connection to the real host (see kube_http). */
static struct curl_slist *
make_connect_to(const char *server, const char *name)
{
	struct curl_slist *node = xcalloc(1, sizeof(*node));
	struct slice host;
	const char *port;
	int n;

	server_authority(server, &host, &port);
	n = port == NULL ? 3 : (int)strspn(port, "0123456789");
	if (port == NULL)
		port = "443";
	node->data = xasprintf("%s:%.*s:%.*s:%.*s", name, n, port,
	    (int)host.n, host.p, n, port);
	return node;
}

static int
check_tls_name(const struct kube_entry *entry, const char *name,
    struct err *err)
{
	if (name[strspn(name, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")] != '\0')
		return kube_entry_fail(entry, "tls-server-name", err,
		    "`tls-server-name` must be a host name");
	return 0;
}

int
kube_credentials_cluster(const struct kube_entry *entry,
    struct kube_credentials *c, struct err *err)
{
	const char *server, *name, *proxy, *problem;

	if (kube_entry_text(entry, "server", &server, err) < 0 ||
	    kube_entry_text(entry, "tls-server-name", &name, err) < 0 ||
	    kube_entry_text(entry, "proxy-url", &proxy, err) < 0 ||
	    kube_entry_bool(entry, "insecure-skip-tls-verify", &c->insecure,
	    err) < 0 || kube_entry_bool(entry, "disable-compression",
	    &c->disable_compression, err) < 0 ||
	    entry_pem(entry, "certificate-authority", &c->ca_pem, err) < 0)
		return -1;
	if (server == NULL)
		return kube_entry_fail(entry, "server", err,
				      "has no `server`; add "
				      "server: https://HOST:PORT");
	problem = check_server(server);
	if (problem != NULL)
		return kube_entry_fail(entry, "server", err, problem);
	if (c->insecure && c->ca_pem != NULL)
		return kube_entry_fail(entry, "insecure-skip-tls-verify", err,
		    "insecure-skip-tls-verify together with a certificate "
		    "authority; remove one");
	c->server = clean_server(server);
	if (name != NULL && strncasecmp(server, "https:", 6) == 0) {
		if (check_tls_name(entry, name, err) < 0)
			return -1;
		c->tls_server_name = xstrdup(name);
		c->connect_to = make_connect_to(c->server, name);
	}
	if (proxy != NULL) {
		if (strncmp(proxy, "http://", 7) != 0 &&
		    strncmp(proxy, "https://", 8) != 0 &&
		    strncmp(proxy, "socks5://", 9) != 0)
			return kube_entry_fail(entry, "proxy-url", err,
			    "`proxy-url` must begin with http://, https:// "
			    "or socks5://");
		c->proxy_url = xstrdup(proxy);
	}
	return 0;
}

/* --- the user ------------------------------------------------------------- */

#define ALTERNATIVES "; use a token (`kubectl create token`), a tokenFile or " \
	"a client certificate for this context, or leave it out with " \
	"`contexts: [...]`"

static int
refuse_unsupported(const struct kube_entry *entry, struct err *err)
{
	static const struct {
		const char *key, *problem;
	} refused[] = {
		{ "exec", "credentials from an `exec` plugin are not "
		    "supported yet" ALTERNATIVES },
		{ "auth-provider", "credentials from an `auth-provider` are "
		    "not supported (Kubernetes removed them in 1.26)"
		    ALTERNATIVES },
		{ "username", "user name and password are not supported "
		    "(Kubernetes removed them in 1.19)" ALTERNATIVES },
		{ "password", "user name and password are not supported "
		    "(Kubernetes removed them in 1.19)" ALTERNATIVES },
		{ "as", "impersonation (`as`) is not supported yet"
		    ALTERNATIVES },
		{ "as-uid", "impersonation (`as-uid`) is not supported yet"
		    ALTERNATIVES },
		{ "as-groups", "impersonation (`as-groups`) is not supported "
		    "yet" ALTERNATIVES },
		{ "as-user-extra", "impersonation (`as-user-extra`) is not "
		    "supported yet" ALTERNATIVES },
	};
	const struct yaml_node *node;
	size_t i;

	for (i = 0; i < NELEM(refused); i++) {
		node = kube_entry_get(entry, refused[i].key);
		if (node != NULL && !kube_entry_null(node))
			return kube_entry_fail(entry, refused[i].key, err,
			    refused[i].problem);
	}
	return 0;
}

/* Reads the token file once, so that a wrong path is found at start; the
 * text stays as the last good token. */
static int
load_token_file(const struct kube_entry *entry, const char *path,
    struct kube_credentials *c, struct err *err)
{
	struct err e = { 0 };

	c->token_file = entry_path(entry, path);
	if (kube_credentials_read_token(c, &c->token, &e) < 0)
		return err_set(err, "kubeconfig %s:%u: user \"%s\": "
		    "tokenFile: %s", entry->file->path,
		    kube_entry_get(entry, "tokenFile")->line, entry->name,
		    e.text);
	return 0;
}

int
kube_credentials_user(const struct kube_entry *entry,
    struct kube_credentials *c, struct err *err)
{
	const char *token, *token_file;

	if (refuse_unsupported(entry, err) < 0 ||
	    kube_entry_text(entry, "token", &token, err) < 0 ||
	    kube_entry_text(entry, "tokenFile", &token_file, err) < 0 ||
	    entry_pem(entry, "client-certificate", &c->client_cert_pem,
	    err) < 0 ||
	    entry_pem(entry, "client-key", &c->client_key_pem, err) < 0)
		return -1;
	if ((c->client_cert_pem == NULL) != (c->client_key_pem == NULL))
		return kube_entry_fail(entry, c->client_key_pem == NULL ?
		    "client-certificate-data" : "client-key-data", err,
		    c->client_key_pem == NULL ?
		    "a client certificate without its client-key" :
		    "a client-key without its client-certificate");
	if (token_file != NULL)
		return load_token_file(entry, token_file, c, err);
	if (token != NULL)
		c->token = xstrdup(token);
	return 0;
}

/* --- token and life ------------------------------------------------------- */

int
kube_credentials_read_token(const struct kube_credentials *c,
    char **ret_token, struct err *err)
{
	char *text, *token, *p;
	size_t n;

	if (kube_entry_read(c->token_file, KUBE_ENTRY_TEXT_MAX, &text, &n, err) <
	    0)
		return -1;
	p = text + strspn(text, " \t\r\n");
	for (n = strlen(p); n > 0 && strchr(" \t\r\n", p[n - 1]) != NULL; n--)
		;
	token = xstrndup(p, n);
	explicit_bzero(text, strlen(text));
	free(text);
	if (n == 0) {
		free(token);
		return err_set(err, "%s: is empty; a bearer token is expected",
		    c->token_file);
	}
	*ret_token = token;
	return 0;
}

static void
wipe(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
}

void
kube_credentials_free(struct kube_credentials *c)
{
	free(c->origin);
	free(c->server);
	free(c->namespace);
	free(c->ca_pem);
	wipe(c->client_cert_pem);
	wipe(c->client_key_pem);
	wipe(c->token);
	free(c->token_file);
	free(c->tls_server_name);
	wipe(c->proxy_url);
	if (c->connect_to != NULL)
		free(c->connect_to->data);
	free(c->connect_to);
	*c = (struct kube_credentials){ 0 };
}
