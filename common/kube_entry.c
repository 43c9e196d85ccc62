#include "common/kube_entry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/kube_policy.h"
#include "common/kubeconfig.h"
#include "common/xmalloc.h"
#include "common/yaml.h"

#define FILES_MAX     32u
#define PATH_TEXT_MAX 4096u
#define NAMESPACE_MAX 4096u

/* --- nodes ---------------------------------------------------------------- */

bool
kube_entry_is(const struct yaml_node *node, const char *text)
{
	return node->kind == YAML_KIND_SCALAR && node->n == strlen(text) &&
	    memcmp(node->text, text, node->n) == 0;
}

bool
kube_entry_null(const struct yaml_node *node)
{
	if (node->kind != YAML_KIND_SCALAR)
		return false;
	if (node->n == 0)
		return true;
	return node->plain &&
	    (kube_entry_is(node, "null") || kube_entry_is(node, "~") ||
	    kube_entry_is(node, "Null") || kube_entry_is(node, "NULL"));
}

const struct yaml_node *
kube_entry_get(const struct kube_entry *entry, const char *key)
{
	return yaml_tree_get(entry->map, key);
}

/* --- files ---------------------------------------------------------------- */

/* Reads at most `max` bytes; the text gets a NUL behind it. The message has
 * no remedy: the caller knows what the file is for. */
int
kube_entry_read(const char *path, size_t max, char **ret_text, size_t *ret_n,
    struct err *err)
{
	struct stat st;
	char *text;
	ssize_t got;
	size_t n = 0;
	int fd, code;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return err_errno(err, errno, "%s", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		(void)close(fd);
		return err_set(err, "%s: is not a regular file", path);
	}
	text = xmalloc(max + 2);
	for (;;) {
		got = read(fd, text + n, max + 1 - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		n += (size_t)got;
		if (n > max)
			break;
	}
	code = errno;
	(void)close(fd);
	if (got < 0 || n > max) {
		explicit_bzero(text, n);
		free(text);
		if (got < 0)
			return err_errno(err, code, "%s", path);
		return err_set(err, "%s: larger than %zu bytes", path, max);
	}
	text[n] = '\0';
	*ret_text = text;
	*ret_n = n;
	return 0;
}

/* --- a pod's service account ---------------------------------------------- */

#define SAFE "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" \
	"0123456789.:-_/"

/* The environment's value, or NULL where it is none that fits. */
static const char *
safe_env(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' &&
	    value[strspn(value, SAFE)] == '\0' ? value : NULL;
}

/* The namespace of the pod, or NULL. To be freed. */
static char *
account_namespace(const char *directory)
{
	char *path = xasprintf("%s/namespace", directory), *text = NULL;
	size_t n;

	if (kube_entry_read(path, NAMESPACE_MAX, &text, &n, NULL) == 0) {
		text[strcspn(text, " \t\r\n")] = '\0';
		if (text[0] == '\0' || text[strspn(text, SAFE)] != '\0') {
			free(text);
			text = NULL;
		}
	}
	free(path);
	return text;
}

/* What kubelet puts into every pod (token, ca.crt, namespace; token and CA are
 * rotated), and where the API server is, as the kubeconfig of one context
 * named in-cluster. */
static int
service_account_text(const char *directory, char **ret, struct err *err)
{
	const char *host = safe_env("KUBERNETES_SERVICE_HOST");
	const char *port = safe_env("KUBERNETES_SERVICE_PORT");
	char *ca, *namespace;
	bool v6;

	if (directory[strspn(directory, SAFE)] != '\0')
		return err_set(err, "%s: a directory with this name cannot be "
		    "a service account's", directory);
	if (host == NULL || port == NULL)
		return err_set(err, "%s: is a directory; as a pod's service "
		    "account it needs KUBERNETES_SERVICE_HOST and "
		    "KUBERNETES_SERVICE_PORT in the environment", directory);
	v6 = strchr(host, ':') != NULL;
	namespace = account_namespace(directory);
	ca = xasprintf("%s/ca.crt", directory);
	*ret = xasprintf("current-context: in-cluster\n"
	    "contexts: [{name: in-cluster, context: {cluster: in-cluster, "
	    "user: in-cluster, namespace: \"%s\"}}]\n"
	    "clusters: [{name: in-cluster, cluster: {server: "
	    "\"https://%s%s%s:%s\"%s%s%s}}]\n"
	    "users: [{name: in-cluster, user: {tokenFile: \"%s/token\"}}]\n",
	    namespace != NULL ? namespace : "default", v6 ? "[" : "", host,
	    v6 ? "]" : "", port,
	    access(ca, F_OK) == 0 ? ", certificate-authority: \"" : "",
	    access(ca, F_OK) == 0 ? ca : "",
	    access(ca, F_OK) == 0 ? "\"" : "", directory);
	free(ca);
	free(namespace);
	return 0;
}

/* --- parsing -------------------------------------------------------------- */

static int
parse_text(struct kube_entry_file *file, const char *text, size_t n,
    struct err *err)
{
	struct err e = { 0 };
	unsigned line = 0;

	file->root = yaml_tree_read(text, n, &line, &e);
	if (file->root == NULL && strncmp(e.text, "not YAML", 8) == 0)
		return err_set(err, "%s:%u: is %s; kubectl config view "
		    "--kubeconfig=FILE shows the same problem", file->path,
		    line, e.text);
	if (file->root == NULL)
		return err_set(err, "%s:%u: %s", file->path, line, e.text);
	if (file->root->kind != YAML_KIND_MAP &&
	    !kube_entry_null(file->root)) {
		(void)err_set(err, "%s:%u: is not a kubeconfig: a mapping "
		    "with clusters, users and contexts is expected",
		    file->path, file->root->line);
		yaml_tree_free(file->root);
		return -1;
	}
	return 0;
}

static int
parse_file(struct kube_entry_file *file, struct err *err)
{
	struct stat st;
	char *text;
	size_t n;
	int rc;

	if (stat(file->path, &st) == 0 && S_ISDIR(st.st_mode)) {
		if (service_account_text(file->path, &text, err) < 0)
			return -1;
		n = strlen(text);
	} else if (kube_entry_read(file->path, KUBECONFIG_FILE_MAX, &text, &n,
	    err) < 0) {
		return -1;
	}
	rc = parse_text(file, text, n, err);
	explicit_bzero(text, n);
	free(text);
	return rc;
}

void
kube_entry_close(struct kube_entry_set *set)
{
	size_t i;

	for (i = 0; i < set->n; i++) {
		yaml_tree_free(set->files[i].root);
		free(set->files[i].path);
	}
	free(set->files);
	*set = (struct kube_entry_set){ NULL, 0 };
}

static char *
expand_home(const char *p, size_t n)
{
	const char *home = getenv("HOME");

	if (n >= 2 && p[0] == '~' && p[1] == '/' && home != NULL)
		return xasprintf("%s%.*s", home, (int)(n - 1), p + 1);
	return xstrndup(p, n);
}

static bool
set_has(const struct kube_entry_set *set, const char *path)
{
	size_t i;

	for (i = 0; i < set->n; i++)
		if (strcmp(set->files[i].path, path) == 0)
			return true;
	return false;
}

/* Adds one file; a missing one is skipped, as kubectl does. */
static int
set_add(struct kube_entry_set *set, char *path, struct err *err)
{
	struct kube_entry_file file = { .path = path };
	struct err e = { 0 };

	if (set_has(set, path)) {
		free(path);
		return 0;
	}
	if (set->n >= FILES_MAX) {
		free(path);
		return err_set(err, "more than %u kubeconfig files",
		    FILES_MAX);
	}
	if (access(path, F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR)) {
		free(path);
		return 0;
	}
	if (parse_file(&file, &e) < 0) {
		if (e.code != 0)
			(void)err_set(err, "kubeconfig %s; make it readable "
			    "for the user sluice runs as, or set `kubeconfig` "
			    "to another file", e.text);
		else
			(void)err_set(err, "kubeconfig %s", e.text);
		if (err != NULL)
			err->code = e.code;
		free(path);
		return -1;
	}
	set->files = xreallocarray(set->files, set->n + 1,
	    sizeof(*set->files));
	set->files[set->n++] = file;
	return 0;
}

int
kube_entry_open(struct kube_entry_set *set, const char *paths, struct err *err)
{
	const char *p = paths;
	size_t n;

	*set = (struct kube_entry_set){ NULL, 0 };
	for (;;) {
		n = strcspn(p, ":");
		if (n >= PATH_TEXT_MAX) {
			kube_entry_close(set);
			return err_set(err, "kubeconfig: a path longer than "
			    "%u bytes", PATH_TEXT_MAX);
		}
		if (n > 0 && set_add(set, expand_home(p, n), err) < 0) {
			kube_entry_close(set);
			return -1;
		}
		if (p[n] == '\0')
			break;
		p += n + 1;
	}
	if (set->n == 0) {
		(void)err_set(err, "kubeconfig %s: no such file; set "
		    "`kubeconfig` (or KUBECONFIG) to an existing file, or "
		    "`kubeconfig: none`", paths);
		if (err != NULL)
			err->code = ENOENT;
		return -1;
	}
	return 0;
}

int
kube_entry_open_text(struct kube_entry_set *set, const char *text, size_t n,
    const char *name, struct err *err)
{
	struct kube_entry_file file = { .path = xstrdup(name) };
	struct err e = { 0 };

	if (n > KUBE_POLICY_TEXT_MAX) {
		(void)err_set(&e, "%s: larger than %u bytes", name,
		    KUBE_POLICY_TEXT_MAX);
	} else if (parse_text(&file, text, n, &e) == 0) {
		*set = (struct kube_entry_set){ xmemdup(&file, sizeof(file)),
			1 };
		return 0;
	}
	free(file.path);
	return err_set(err, "kubeconfig %s", e.text);
}

/* --- entries -------------------------------------------------------------- */

/* The list `list` of one file; NULL when it has none. */
int
kube_entry_list(const struct kube_entry_file *file, const char *list,
    const struct yaml_node **ret, struct err *err)
{
	const struct yaml_node *node = yaml_tree_get(file->root, list);

	if (node != NULL && kube_entry_null(node))
		node = NULL;
	if (node != NULL && node->kind != YAML_KIND_LIST)
		return err_set(err, "kubeconfig %s:%u: `%s` must be a list "
		    "of named entries", file->path, node->line, list);
	*ret = node;
	return 0;
}

/* Finds `name` in one file's list. 1 found, 0 not, -1 given twice. */
static int
file_find(const struct kube_entry_file *file, const char *list,
    const char *name, const struct yaml_node **ret, struct err *err)
{
	const struct yaml_node *seq, *key;
	int found = 0;
	size_t i;

	if (kube_entry_list(file, list, &seq, err) < 0)
		return -1;
	if (seq == NULL)
		return 0;
	for (i = 0; i < seq->count; i++) {
		key = yaml_tree_get(seq->values[i], "name");
		if (key == NULL || !kube_entry_is(key, name))
			continue;
		if (found++ > 0)
			return err_set(err, "kubeconfig %s:%u: `%s` has a "
			    "second entry named \"%s\"; remove one",
			    file->path, key->line, list, name);
		*ret = seq->values[i];
	}
	return found;
}

/* The first file that has the name wins whole. 1 found, 0 not, -1 error. */
int
kube_entry_find(const struct kube_entry_set *set, const char *list,
    const char *what, const char *name, struct kube_entry *ret,
    struct err *err)
{
	const struct yaml_node *item = NULL, *map;
	size_t i;
	int rc;

	for (i = 0; i < set->n; i++) {
		rc = file_find(&set->files[i], list, name, &item, err);
		if (rc == 0)
			continue;
		if (rc < 0)
			return -1;
		map = yaml_tree_get(item, what);
		if (map != NULL && map->kind != YAML_KIND_MAP &&
		    !kube_entry_null(map))
			return err_set(err, "kubeconfig %s:%u: %s \"%s\": "
			    "`%s` must be a mapping", set->files[i].path,
			    map->line, what, name, what);
		*ret = (struct kube_entry){ .file = &set->files[i],
			.map = map, .what = what, .name = name };
		return 1;
	}
	return 0;
}

/* A string member; NULL when not given. The text belongs to the document. */
int
kube_entry_text(const struct kube_entry *entry, const char *key,
	       const char **ret, struct err *err)
{
	const struct yaml_node *node = kube_entry_get(entry, key);

	*ret = NULL;
	if (node == NULL || kube_entry_null(node))
		return 0;
	if (node->kind != YAML_KIND_SCALAR)
		return err_set(err, "kubeconfig %s:%u: %s \"%s\": `%s` must "
		    "be a string", entry->file->path, node->line,
		    entry->what, entry->name, key);
	if (node->n > KUBE_ENTRY_TEXT_MAX ||
	    memchr(node->text, '\0', node->n) != NULL)
		return err_set(err, "kubeconfig %s:%u: %s \"%s\": `%s` is "
		    "too long or has a NUL in it", entry->file->path,
		    node->line, entry->what, entry->name, key);
	*ret = node->text;
	return 0;
}

int
kube_entry_bool(const struct kube_entry *entry, const char *key, bool *ret,
    struct err *err)
{
	const char *text;

	*ret = false;
	if (kube_entry_text(entry, key, &text, err) < 0)
		return -1;
	if (text == NULL || strcasecmp(text, "false") == 0)
		return 0;
	if (strcasecmp(text, "true") != 0)
		return err_set(err, "kubeconfig %s:%u: %s \"%s\": `%s` must "
		    "be true or false", entry->file->path,
		    kube_entry_get(entry, key)->line,
		    entry->what, entry->name, key);
	*ret = true;
	return 0;
}

int
kube_entry_fail(const struct kube_entry *entry, const char *key,
	       struct err *err, const char *problem)
{
	const struct yaml_node *node = kube_entry_get(entry, key);

	if (node == NULL)
		return err_set(err, "kubeconfig %s: %s \"%s\": %s",
		    entry->file->path, entry->what, entry->name, problem);
	return err_set(err, "kubeconfig %s:%u: %s \"%s\": %s",
	    entry->file->path, node->line, entry->what, entry->name,
	    problem);
}
