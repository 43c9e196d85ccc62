#include "common/kube_exec.h"

#include <stdlib.h>
#include <string.h>

#include "common/kube_entry.h"
#include "common/kube_pem.h"
#include "common/xmalloc.h"
#include "common/yaml.h"

#define GROUP     "client.authentication.k8s.io/"
#define EXTENSION "client.authentication.k8s.io/exec"

void
kube_exec_free(struct kube_exec *x)
{
	if (x == NULL)
		return;
	for (size_t i = 0; i < x->n_args; i++)
		kube_pem_wipe(x->args[i]);
	for (size_t i = 0; i < x->n_env; i++)
		kube_pem_wipe(x->env[i]);
	free(x->args);
	free(x->env);
	free(x->api_version);
	free(x->command);
	free(x->install_hint);
	free(x);
}

/* --- the section ---------------------------------------------------------- */

static int
read_version(const struct kube_entry *exec, bool *ret_v1, char **ret,
    struct err *err)
{
	const char *version;

	if (kube_entry_text(exec, "apiVersion", &version, err) < 0)
		return -1;
	if (version == NULL)
		return kube_entry_fail(exec, "apiVersion", err, "`exec` has no "
		    "apiVersion; add apiVersion: " GROUP "v1");
	*ret_v1 = strcmp(version, GROUP "v1") == 0;
	if (!*ret_v1 && strcmp(version, GROUP "v1beta1") != 0)
		return kube_entry_fail(exec, "apiVersion", err, "`exec` has "
		    "an apiVersion that is not known; " GROUP "v1 and " GROUP
		    "v1beta1 are (update the plugin, and write the "
		    "kubeconfig again with its own command)");
	*ret = xstrdup(version);
	return 0;
}

static int
check_mode(const struct kube_entry *exec, bool v1, struct err *err)
{
	const char *mode;

	if (kube_entry_text(exec, "interactiveMode", &mode, err) < 0)
		return -1;
	if (mode == NULL && v1)
		return kube_entry_fail(exec, "interactiveMode", err, "`exec` "
		    "has no interactiveMode, which v1 requires; add "
		    "interactiveMode: Never");
	if (mode == NULL || strcmp(mode, "Never") == 0 ||
	    strcmp(mode, "IfAvailable") == 0)
		return 0;
	if (strcmp(mode, "Always") == 0)
		return kube_entry_fail(exec, "interactiveMode", err, "the "
		    "`exec` plugin asks for a terminal (interactiveMode: "
		    "Always), and a service has none; use a plugin that "
		    "needs no user, a token or a client certificate");
	return kube_entry_fail(exec, "interactiveMode", err,
	    "interactiveMode must be Never, IfAvailable or Always");
}

static int
list_of(const struct kube_entry *exec, const char *key, unsigned max,
    const struct yaml_node **ret, struct err *err)
{
	const struct yaml_node *node = kube_entry_get(exec, key);

	*ret = NULL;
	if (node == NULL || kube_entry_null(node))
		return 0;
	if (node->kind != YAML_KIND_LIST || node->count > max)
		return kube_entry_fail(exec, key, err,
		    "must be a list (of at most 1000)");
	*ret = node;
	return 0;
}

static bool
is_text(const struct yaml_node *node)
{
	return node != NULL && node->kind == YAML_KIND_SCALAR &&
	    node->n <= KUBE_ENTRY_TEXT_MAX &&
	    memchr(node->text, '\0', node->n) == NULL;
}

static int
read_args(const struct kube_entry *exec, struct kube_exec *x, struct err *err)
{
	const struct yaml_node *list;

	if (list_of(exec, "args", KUBE_EXEC_ARGS_MAX, &list, err) < 0)
		return -1;
	if (list == NULL)
		return 0;
	x->args = xcalloc(list->count + 1, sizeof(char *));
	for (size_t i = 0; i < list->count; i++) {
		if (!is_text(list->values[i]))
			return kube_entry_fail(exec, "args", err,
			    "args must be a list of texts");
		x->args[x->n_args++] = xstrdup(list->values[i]->text);
	}
	return 0;
}

static int
read_env(const struct kube_entry *exec, struct kube_exec *x, struct err *err)
{
	const struct yaml_node *list, *name, *value;

	if (list_of(exec, "env", KUBE_EXEC_ENV_MAX, &list, err) < 0)
		return -1;
	if (list == NULL)
		return 0;
	x->env = xcalloc(list->count + 1, sizeof(char *));
	for (size_t i = 0; i < list->count; i++) {
		name = yaml_tree_get(list->values[i], "name");
		value = yaml_tree_get(list->values[i], "value");
		if (!is_text(name) || name->n == 0 ||
		    strchr(name->text, '=') != NULL ||
		    (value != NULL && !is_text(value)))
			return kube_entry_fail(exec, "env", err, "env must be "
			    "a list of {name: NAME, value: TEXT}");
		x->env[x->n_env++] = xasprintf("%s=%s", name->text,
		    value != NULL && !kube_entry_null(value) ? value->text :
		    "");
	}
	return 0;
}

static int
read_exec(const struct kube_entry *exec, struct kube_exec *x, struct err *err)
{
	const char *command, *hint;
	bool v1 = false;

	if (read_version(exec, &v1, &x->api_version, err) < 0 ||
	    check_mode(exec, v1, err) < 0 ||
	    kube_entry_text(exec, "command", &command, err) < 0 ||
	    kube_entry_text(exec, "installHint", &hint, err) < 0 ||
	    kube_entry_bool(exec, "provideClusterInfo",
	    &x->provide_cluster_info, err) < 0 ||
	    read_args(exec, x, err) < 0 || read_env(exec, x, err) < 0)
		return -1;
	if (command == NULL)
		return kube_entry_fail(exec, "command", err,
		    "`exec` has no command");
	/* Without a slash it is looked for in PATH, by who runs it. */
	x->command = strchr(command, '/') != NULL ?
	    kube_pem_path(exec, command) : xstrdup(command);
	if (hint != NULL)
		x->install_hint = xstrdup(hint);
	return 0;
}

int
kube_exec_read(const struct kube_entry *user, struct kube_exec **ret,
    struct err *err)
{
	const struct yaml_node *node = kube_entry_get(user, "exec");
	struct kube_entry exec = *user;
	struct kube_exec *x;

	if (node == NULL || kube_entry_null(node)) {
		*ret = NULL;
		return 0;
	}
	if (node->kind != YAML_KIND_MAP)
		return kube_entry_fail(user, "exec", err,
		    "`exec` must be a mapping");
	exec.map = node;
	x = xcalloc(1, sizeof(*x));
	if (read_exec(&exec, x, err) < 0) {
		kube_exec_free(x);
		return -1;
	}
	*ret = x;
	return 0;
}

/* --- what the cluster says to plugins ------------------------------------- */

/* A number as JSON has them: YAML knows more, which then are texts. */
static bool
is_number(const char *p)
{
	p += *p == '-';
	if (*p == '0')
		p++;
	else if (*p >= '1' && *p <= '9')
		p += strspn(p, "0123456789");
	else
		return false;
	if (*p == '.') {
		p++;
		if (strspn(p, "0123456789") == 0)
			return false;
		p += strspn(p, "0123456789");
	}
	return *p == '\0';
}

static void
json_text(struct buf *b, const struct yaml_node *node)
{
	buf_json_string(b, (struct slice){ node->text, node->n });
}

void
kube_exec_json(struct buf *b, const struct yaml_node *node)
{
	bool map = node->kind == YAML_KIND_MAP;

	if (node->kind == YAML_KIND_SCALAR) {
		if (kube_entry_null(node) && node->plain)
			buf_adds(b, "null");
		else if (node->plain && (kube_entry_is(node, "true") ||
		    kube_entry_is(node, "false") ||
		    (is_number(node->text) && strlen(node->text) == node->n)))
			buf_adds(b, node->text);
		else
			json_text(b, node);
		return;
	}
	buf_addc(b, map ? '{' : '[');
	for (size_t i = 0; i < node->count; i++) {
		if (i > 0)
			buf_addc(b, ',');
		if (map) {
			json_text(b, node->keys[i]);
			buf_addc(b, ':');
		}
		kube_exec_json(b, node->values[i]);
	}
	buf_addc(b, map ? '}' : ']');
}

char *
kube_exec_config(const struct kube_entry *cluster)
{
	const struct yaml_node *list = kube_entry_get(cluster, "extensions");
	const struct yaml_node *name, *value;
	struct buf b = BUF_EMPTY;

	if (list == NULL || list->kind != YAML_KIND_LIST)
		return NULL;
	for (size_t i = 0; i < list->count; i++) {
		name = yaml_tree_get(list->values[i], "name");
		value = yaml_tree_get(list->values[i], "extension");
		if (name == NULL || value == NULL ||
		    name->kind != YAML_KIND_SCALAR ||
		    !kube_entry_is(name, EXTENSION))
			continue;
		kube_exec_json(&b, value);
		return buf_cstr(&b);
	}
	return NULL;
}
