/* The configuration of who writes none: the table's defaults, and those that
 * hang on the user, the environment and systemd. */
#include "common/conf_table.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/xmalloc.h"

static void
set_default(const struct conf_key *key, void *base)
{
	struct conf_report r = { .out = stderr, .name = "(default)" };
	struct yaml_node *node;
	struct err err;

	if (key->def == NULL || key->type == CONF_TYPE_FIXED)
		return;
	node = yaml_tree_read(key->def, strlen(key->def), NULL, &err);
	assert(node != NULL);
	if (conf_value_read(&r, key, key->path, node, base) != 0)
		abort();   /* the table contradicts itself */
	yaml_tree_free(node);
}

/* A directory from the environment: the first of a list (systemd), if it is
 * absolute; NULL otherwise. */
static char *
directory_from(const char *variable)
{
	const char *value = getenv(variable);
	char *path;

	if (value == NULL || value[0] != '/')
		return NULL;
	path = xstrndup(value, strcspn(value, ":"));
	for (size_t n = strlen(path); n > 1 && path[n - 1] == '/';)
		path[--n] = '\0';
	return path;
}

static char *
default_state_directory(void)
{
	char *path = directory_from("STATE_DIRECTORY"), *base;

	if (path != NULL)
		return path;
	if (geteuid() == 0)
		return xstrdup("/var/lib/sluice");
	base = directory_from("XDG_STATE_HOME");
	if (base == NULL)
		base = conf_expand_home("~/.local/state");
	if (base == NULL)
		return xstrdup("/var/lib/sluice");
	path = xasprintf("%s/sluice", base);
	free(base);
	return path;
}

char *
conf_default_runtime_directory(const struct conf *conf)
{
	char *path = directory_from("RUNTIME_DIRECTORY");

	return path != NULL ? path : xasprintf("%s/run",
	    conf->state_directory);
}

/* The members of a list as in KUBECONFIG made absolute: children may stand in
 * another directory. NULL when it names nothing. */
static char *
absolute_list(const char *list)
{
	char here[CONF_PATH_MAX], *path;
	struct buf b = BUF_EMPTY;
	size_t n;

	if (getcwd(here, sizeof(here)) == NULL)
		here[0] = '\0';
	for (; *list != '\0'; list += n + (list[n] == ':')) {
		n = strcspn(list, ":");
		if (n == 0)
			continue;
		if (b.len != 0)
			buf_addc(&b, ':');
		if (*list != '/')
			buf_addf(&b, "%s/", here);
		buf_add(&b, list, n);
	}
	path = b.len != 0 ? xstrdup(buf_cstr(&b)) : NULL;
	buf_free(&b);
	return path;
}

/* What kubelet puts into every pod (kube_entry reads a directory as that). */
#define SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount"

/* kubectl's rule: $KUBECONFIG, else ~/.kube/config if it is there, else the
 * pod's service account. */
static char *
default_kubeconfig(void)
{
	const char *list = getenv("KUBECONFIG");
	char *path;

	if (list != NULL && list[0] != '\0')
		return absolute_list(list);
	path = conf_expand_home("~/.kube/config");
	if (path != NULL && access(path, F_OK) != 0) {
		free(path);
		path = NULL;
	}
	if (path == NULL && getenv("KUBERNETES_SERVICE_HOST") != NULL &&
	    access(SERVICE_ACCOUNT "/token", F_OK) == 0)
		path = xstrdup(SERVICE_ACCOUNT);
	return path;
}

void
conf_init(struct conf *conf)
{
	struct conf_stream *row = &conf->streams[STREAM_TYPE_MAX];

	memset(conf, 0, sizeof(*conf));
	for (size_t i = 0; i < conf_keys_count; i++)
		set_default(&conf_keys[i], conf);
	for (size_t i = 0; i < conf_stream_keys_count; i++)
		set_default(&conf_stream_keys[i], row);
	for (size_t i = 0; i < STREAM_TYPE_MAX; i++)
		conf->streams[i] = *row;
	conf->state_directory = default_state_directory();
	conf->runtime_directory = conf_default_runtime_directory(conf);
	conf->kubeconfig = default_kubeconfig();
	conf->journal.sync_ms = 100;
}
