#include "common/kube_credentials.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/buf.h"
#include "common/kube_entry.h"
#include "common/kube_exec.h"
#include "common/kube_impersonate.h"
#include "common/kube_pem.h"
#include "common/kube_server.h"
#include "common/text.h"
#include "common/xmalloc.h"
#include "common/yaml.h"

/* --- the cluster ---------------------------------------------------------- */

/* libcurl has no knob for SNI alone: the URL gets the name, and this entry
 * leads the connection to the real host (see kube_http). */
static struct curl_slist *
make_connect_to(const char *server, const char *name)
{
	struct curl_slist *node = xcalloc(1, sizeof(*node));
	struct slice host;
	const char *port;
	int n;

	kube_server_authority(server, &host, &port);
	n = port == NULL ? 3 : (int)strspn(port, "0123456789");
	if (port == NULL)
		port = "443";
	node->data = xasprintf("%s:%.*s:%.*s:%.*s", name, n, port,
	    (int)host.n, host.p, n, port);
	return node;
}

static int
take_tls_name(const struct kube_entry *entry, const char *name,
    struct kube_credentials *c, struct err *err)
{
	if (name[0] == '\0' || name[strspn(name, "abcdefghijklmnopqrstuvwxyz"
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")] != '\0')
		return kube_entry_fail(entry, "tls-server-name", err,
		    "`tls-server-name` must be a host name");
	c->tls_server_name = xstrdup(name);
	c->connect_to = make_connect_to(c->server, name);
	return 0;
}

static int
take_proxy(const struct kube_entry *entry, const char *proxy,
    struct kube_credentials *c, struct err *err)
{
	if (strncmp(proxy, "http://", 7) != 0 &&
	    strncmp(proxy, "https://", 8) != 0 &&
	    strncmp(proxy, "socks5://", 9) != 0 &&
	    strncmp(proxy, "socks5h://", 10) != 0)
		return kube_entry_fail(entry, "proxy-url", err, "`proxy-url` "
		    "must begin with http://, https:// or socks5://");
	/* Go's socks5 lets the proxy resolve names: libcurl's socks5h. */
	c->proxy_url = strncmp(proxy, "socks5://", 9) == 0 ?
	    xasprintf("socks5h://%s", proxy + 9) : xstrdup(proxy);
	return 0;
}

static int
take_server(const struct kube_entry *entry, struct kube_credentials *c,
    struct err *err)
{
	const char *server, *problem;

	if (kube_entry_text(entry, "server", &server, err) < 0)
		return -1;
	if (server == NULL)
		return kube_entry_fail(entry, "server", err,
		    "has no `server`; add server: https://HOST:PORT");
	problem = kube_server_check(server);
	if (problem != NULL)
		return kube_entry_fail(entry, "server", err, problem);
	c->server = kube_server_clean(server);
	return 0;
}

int
kube_credentials_cluster(const struct kube_entry *entry,
    const struct kube_policy *policy, struct kube_credentials *c,
    struct err *err)
{
	const char *name, *proxy;

	c->untrusted = policy->untrusted;
	if (kube_policy_cluster(policy, entry, err) < 0 ||
	    kube_entry_text(entry, "tls-server-name", &name, err) < 0 ||
	    kube_entry_text(entry, "proxy-url", &proxy, err) < 0 ||
	    kube_entry_bool(entry, "insecure-skip-tls-verify", &c->insecure,
	    err) < 0 || kube_entry_bool(entry, "disable-compression",
	    &c->disable_compression, err) < 0 ||
	    kube_pem_entry(entry, "certificate-authority", &c->ca_pem,
	    &c->ca_file, err) < 0 || take_server(entry, c, err) < 0)
		return -1;
	if (c->insecure && c->ca_pem != NULL)
		return kube_entry_fail(entry, "insecure-skip-tls-verify", err,
		    "insecure-skip-tls-verify together with a certificate "
		    "authority; remove one");
	if (name != NULL && strncasecmp(c->server, "https:", 6) == 0 &&
	    take_tls_name(entry, name, c, err) < 0)
		return -1;
	if (proxy != NULL && take_proxy(entry, proxy, c, err) < 0)
		return -1;
	c->exec_config = kube_exec_config(entry);
	return 0;
}

/* --- the user ------------------------------------------------------------- */

#define ALTERNATIVES "; use an exec plugin, a token (`kubectl create " \
	"token`), a tokenFile or a client certificate for this context, or " \
	"leave it out with `contexts: [...]`"

static int
refuse_unsupported(const struct kube_entry *entry, struct err *err)
{
	static const struct {
		const char *key, *problem;
	} refused[] = {
		{ "auth-provider", "credentials from an `auth-provider` are "
		    "not supported (Kubernetes removed them in 1.26)"
		    ALTERNATIVES },
		{ "username", "user name and password are not supported "
		    "(Kubernetes removed them in 1.19)" ALTERNATIVES },
		{ "password", "user name and password are not supported "
		    "(Kubernetes removed them in 1.19)" ALTERNATIVES },
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

	c->token_file = kube_pem_path(entry, path);
	if (kube_credentials_reread_token(c, &e) < 0)
		return err_set(err, "kubeconfig %s:%u: user \"%s\": "
		    "tokenFile: %s", entry->file->path,
		    kube_entry_get(entry, "tokenFile")->line, entry->name,
		    e.text);
	return 0;
}

static int
take_certificate(const struct kube_entry *entry, struct kube_credentials *c,
    struct err *err)
{
	if (kube_pem_entry(entry, "client-certificate", &c->client_cert_pem,
	    &c->client_cert_file, err) < 0 ||
	    kube_pem_entry(entry, "client-key", &c->client_key_pem,
	    &c->client_key_file, err) < 0)
		return -1;
	if ((c->client_cert_pem == NULL) == (c->client_key_pem == NULL))
		return 0;
	return kube_entry_fail(entry, c->client_key_pem == NULL ?
	    "client-certificate-data" : "client-key-data", err,
	    c->client_key_pem == NULL ?
	    "a client certificate without its client-key" :
	    "a client-key without its client-certificate");
}

int
kube_credentials_user(const struct kube_entry *entry,
    const struct kube_policy *policy, struct kube_credentials *c,
    struct err *err)
{
	const char *token, *token_file;

	if (kube_policy_user(policy, entry, err) < 0 ||
	    refuse_unsupported(entry, err) < 0 ||
	    kube_entry_text(entry, "token", &token, err) < 0 ||
	    kube_entry_text(entry, "tokenFile", &token_file, err) < 0 ||
	    take_certificate(entry, c, err) < 0 ||
	    kube_impersonate_read(entry, &c->impersonate, &c->n_impersonate,
	    err) < 0 || kube_exec_read(entry, &c->exec, err) < 0)
		return -1;
	/* As client-go: the plugin is not asked where there is a token. */
	if (token != NULL || token_file != NULL) {
		kube_exec_free(c->exec);
		c->exec = NULL;
	}
	if (token_file != NULL)
		return load_token_file(entry, token_file, c, err);
	if (token != NULL)
		c->token = xstrdup(token);
	return 0;
}

/* --- files read again ----------------------------------------------------- */

int
kube_credentials_reread_token(struct kube_credentials *c, struct err *err)
{
	char *text, *p;
	size_t n;

	if (kube_entry_read(c->token_file, KUBE_ENTRY_TEXT_MAX, &text, &n,
	    err) < 0)
		return -1;
	p = text + strspn(text, " \t\r\n");
	for (n = strlen(p); n > 0 && strchr(" \t\r\n", p[n - 1]) != NULL; n--)
		;
	if (n == 0) {
		free(text);
		return err_set(err, "%s: is empty; a bearer token is expected",
		    c->token_file);
	}
	kube_pem_wipe(c->token);
	c->token = xstrndup(p, n);
	kube_pem_wipe(text);
	return 0;
}

/* Puts the file's text into *pem; 1 when it is another. */
static int
exchange(char **pem, char *fresh)
{
	int changed = strcmp(*pem, fresh) != 0;

	kube_pem_wipe(*pem);
	*pem = fresh;
	return changed;
}

int
kube_credentials_reread_files(struct kube_credentials *c,
    kube_credentials_pair_check check, struct err *err)
{
	const char *files[3] = { c->ca_file, c->client_cert_file,
		c->client_key_file };
	char **texts[3] = { &c->ca_pem, &c->client_cert_pem,
		&c->client_key_pem };
	char *fresh[3] = { NULL, NULL, NULL };
	int changed = 0, rc = 0;
	size_t i;

	for (i = 0; i < NELEM(files) && rc == 0; i++)
		if (files[i] != NULL)
			rc = kube_pem_file(files[i], &fresh[i], err);
	/* Between the two writes of a rotation they do not fit together. */
	if (rc == 0 && (fresh[1] != NULL || fresh[2] != NULL))
		rc = check(fresh[1] != NULL ? fresh[1] : c->client_cert_pem,
		    fresh[2] != NULL ? fresh[2] : c->client_key_pem, err);
	for (i = 0; i < NELEM(files); i++) {
		if (rc == 0 && fresh[i] != NULL)
			changed |= exchange(texts[i], fresh[i]);
		else
			kube_pem_wipe(fresh[i]);
	}
	return rc < 0 ? -1 : changed;
}

/* --- life ----------------------------------------------------------------- */

bool
kube_credentials_same_tls(const struct kube_credentials *a,
    const struct kube_credentials *b)
{
	return text_same(a->server, b->server) &&
	    text_same(a->ca_pem, b->ca_pem) &&
	    text_same(a->client_cert_pem, b->client_cert_pem) &&
	    text_same(a->client_key_pem, b->client_key_pem) &&
	    text_same(a->tls_server_name, b->tls_server_name) &&
	    text_same(a->proxy_url, b->proxy_url) && a->insecure == b->insecure;
}

void
kube_credentials_free(struct kube_credentials *c)
{
	free(c->origin);
	free(c->server);
	free(c->namespace);
	free(c->ca_pem);
	free(c->ca_file);
	kube_pem_wipe(c->client_cert_pem);
	free(c->client_cert_file);
	kube_pem_wipe(c->client_key_pem);
	free(c->client_key_file);
	kube_pem_wipe(c->token);
	free(c->token_file);
	free(c->tls_server_name);
	kube_pem_wipe(c->proxy_url);
	kube_impersonate_free(c->impersonate, c->n_impersonate);
	kube_exec_free(c->exec);
	free(c->exec_config);
	if (c->connect_to != NULL)
		free(c->connect_to->data);
	free(c->connect_to);
	*c = (struct kube_credentials){ 0 };
}
