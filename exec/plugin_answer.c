#include "exec/plugin_answer.h"

#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#include "common/kube_certificate.h"
#include "common/mono.h"
#include "common/xmalloc.h"

/* A member that is a text; an empty one counts as not given. */
static int
member(const json_t *status, const char *key, char **ret, struct err *err)
{
	const json_t *value = json_object_get(status, key);

	if (value == NULL || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return err_set(err, "status.%s is not a text", key);
	if (strlen(json_string_value(value)) != json_string_length(value))
		return err_set(err, "status.%s has a NUL in it", key);
	if (json_string_length(value) > 0)
		*ret = xstrdup(json_string_value(value));
	return 0;
}

static int
take_expiry(const json_t *status, int64_t *ret, struct err *err)
{
	const json_t *value = json_object_get(status, "expirationTimestamp");

	if (value == NULL || json_is_null(value))
		return 0;
	if (!json_is_string(value) || !wall_parse(json_string_value(value),
	    json_string_length(value), ret))
		return err_set(err, "status.expirationTimestamp is not a time "
		    "(RFC 3339)");
	return 0;
}

static bool
is_one_line(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text <= ' ' || *text == 0x7f)
			return false;
	return true;
}

static int
check(const struct exec_credential *c, struct err *err)
{
	if ((c->cert_pem == NULL) != (c->key_pem == NULL))
		return err_set(err, "status has only one of "
		    "clientCertificateData and clientKeyData");
	if (c->token == NULL && c->cert_pem == NULL)
		return err_set(err, "status has neither a token nor a client "
		    "certificate");
	if (c->token != NULL && !is_one_line(c->token))
		return err_set(err, "status.token has white space in it");
	if (c->cert_pem != NULL &&
	    (strstr(c->cert_pem, "-----BEGIN ") == NULL ||
	    strstr(c->key_pem, "-----BEGIN ") == NULL))
		return err_set(err, "clientCertificateData or clientKeyData "
		    "is not PEM");
	return 0;
}

static int
take(const json_t *root, const char *api_version, struct exec_credential *c,
    struct err *err)
{
	const char *kind = json_string_value(json_object_get(root, "kind"));
	const char *version = json_string_value(json_object_get(root,
	    "apiVersion"));
	const json_t *status = json_object_get(root, "status");

	if (kind == NULL || strcmp(kind, "ExecCredential") != 0)
		return err_set(err, "it printed no ExecCredential");
	if (version == NULL || strcmp(version, api_version) != 0)
		return err_set(err, "it printed apiVersion %.60s, but the "
		    "kubeconfig says %.60s: update the plugin, or write the "
		    "kubeconfig again with its own command",
		    version != NULL ? version : "nothing", api_version);
	if (!json_is_object(status))
		return err_set(err, "it printed an ExecCredential without "
		    "status");
	if (member(status, "token", &c->token, err) < 0 ||
	    member(status, "clientCertificateData", &c->cert_pem, err) < 0 ||
	    member(status, "clientKeyData", &c->key_pem, err) < 0 ||
	    take_expiry(status, &c->expires_unix_ms, err) < 0)
		return -1;
	return check(c, err);
}

int
plugin_answer_parse(const char *text, size_t n, const char *api_version,
    struct exec_credential *ret, struct err *err)
{
	struct exec_credential c = { 0 };
	json_error_t where;
	json_t *root = json_loadb(text, n, 0, &where);
	int rc;

	/* Not jansson's words: they may quote what stands there. */
	if (root == NULL)
		return err_set(err, n == 0 ? "it printed nothing" :
		    "it printed what is not JSON (line %d)", where.line);
	rc = take(root, api_version, &c, err);
	json_decref(root);
	if (rc < 0)
		exec_credential_free(&c);
	else
		*ret = c;
	return rc;
}

int
plugin_answer_limit(struct exec_credential *c, int64_t now_unix_ms,
    struct err *err)
{
	char when[MONO_RFC3339_SIZE];
	int64_t end;

	if (c->cert_pem != NULL) {
		if (kube_certificate_end(c->cert_pem, &end, err) < 0)
			return -1;
		if (c->expires_unix_ms == 0 || end < c->expires_unix_ms)
			c->expires_unix_ms = end;
	}
	if (c->expires_unix_ms == 0 || now_unix_ms < c->expires_unix_ms)
		return 0;
	(void)wall_format(c->expires_unix_ms, when);
	return err_set(err, "what it gave expired already, at %s; is its cache "
	    "stale, or this host's clock wrong?", when);
}
