#include "exec/plugin_info.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/kube_exec.h"
#include "common/kube_pem.h"
#include "common/xmalloc.h"

#define INFO "KUBERNETES_EXEC_INFO"

static void
text_member(struct buf *b, const char *key, const char *text)
{
	if (text == NULL)
		return;
	buf_addf(b, ",\"%s\":\"", key);
	buf_json_text(b, text, strlen(text));
	buf_addc(b, '"');
}

static void
cluster_members(struct buf *b, const struct kube_credentials *cred)
{
	char *ca = cred->ca_pem != NULL ? kube_pem_to_base64(cred->ca_pem) :
	    NULL;

	buf_adds(b, ",\"cluster\":{\"server\":\"");
	buf_json_text(b, cred->server, strlen(cred->server));
	buf_addc(b, '"');
	text_member(b, "tls-server-name", cred->tls_server_name);
	if (cred->insecure)
		buf_adds(b, ",\"insecure-skip-tls-verify\":true");
	text_member(b, "certificate-authority-data", ca);
	text_member(b, "proxy-url", cred->proxy_url);
	if (cred->disable_compression)
		buf_adds(b, ",\"disable-compression\":true");
	buf_addf(b, ",\"config\":%s}", cred->exec_config != NULL ?
	    cred->exec_config : "null");
	free(ca);
}

char *
plugin_info_json(const struct kube_credentials *cred)
{
	struct buf b = BUF_EMPTY;

	buf_addf(&b, "{\"kind\":\"ExecCredential\",\"apiVersion\":\"%s\","
	    "\"spec\":{\"interactive\":false", cred->exec->api_version);
	if (cred->exec->provide_cluster_info)
		cluster_members(&b, cred);
	buf_adds(&b, "}}");
	return buf_cstr(&b);
}

/* --- environment ---------------------------------------------------------- */

static bool
same_name(const char *a, const char *b)
{
	size_t n = strcspn(a, "=");

	return strncmp(a, b, n) == 0 && b[n] == '=';
}

static bool
is_overlaid(const struct kube_exec *exec, const char *entry)
{
	if (same_name(entry, INFO "="))
		return true;
	for (size_t i = 0; i < exec->n_env; i++)
		if (same_name(exec->env[i], entry))
			return true;
	return false;
}

char **
plugin_info_environment(const struct kube_credentials *cred,
    char *const *environment)
{
	const struct kube_exec *exec = cred->exec;
	char **env, *info;
	size_t n = 0, k = 0;

	while (environment[n] != NULL)
		n++;
	env = xcalloc(n + exec->n_env + 2, sizeof(char *));
	for (size_t i = 0; i < n; i++)
		if (!is_overlaid(exec, environment[i]))
			env[k++] = xstrdup(environment[i]);
	for (size_t i = 0; i < exec->n_env; i++)
		env[k++] = xstrdup(exec->env[i]);
	info = plugin_info_json(cred);
	env[k] = xasprintf(INFO "=%s", info);
	free(info);
	return env;
}

void
plugin_info_free(char **environment)
{
	for (size_t i = 0; environment[i] != NULL; i++)
		kube_pem_wipe(environment[i]);
	free(environment);
}

/* --- the file ------------------------------------------------------------- */

static bool
is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
	    access(path, X_OK) == 0;
}

static int
no_program(const struct kube_exec *exec, const char *path, struct err *err)
{
	const char *hint = exec->install_hint != NULL ? exec->install_hint :
	    "install it, or write its whole path into the kubeconfig";

	if (strchr(exec->command, '/') != NULL)
		return err_set(err, "the exec plugin %.150s is not there, or "
		    "not executable for the user sluice runs as: %.200s",
		    exec->command, hint);
	return err_set(err, "the exec plugin %.80s is not in PATH (%.120s): "
	    "%.200s", exec->command, path, hint);
}

int
plugin_info_command(const struct kube_exec *exec, const char *path,
    char ret[PLUGIN_INFO_PATH_MAX], struct err *err)
{
	const char *p = path;
	size_t n;
	int len;

	if (strchr(exec->command, '/') != NULL) {
		len = snprintf(ret, PLUGIN_INFO_PATH_MAX, "%s",
		    exec->command);
		return len < (int)PLUGIN_INFO_PATH_MAX && is_program(ret) ?
		    0 : no_program(exec, path, err);
	}
	for (;;) {
		n = strcspn(p, ":");
		len = snprintf(ret, PLUGIN_INFO_PATH_MAX, "%.*s/%s",
		    (int)n, p, exec->command);
		/* Not from where we happen to stand: absolute places only. */
		if (p[0] == '/' && len < (int)PLUGIN_INFO_PATH_MAX &&
		    is_program(ret))
			return 0;
		if (p[n] == '\0')
			return no_program(exec, path, err);
		p += n + 1;
	}
}
