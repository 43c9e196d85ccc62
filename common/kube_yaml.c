#include "common/kube_yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/kubeconfig.h"
#include "common/xmalloc.h"

#define FILES_MAX     32u
#define PATH_TEXT_MAX 4096u

/* --- nodes ---------------------------------------------------------------- */

size_t
kube_yaml_line(const yaml_node_t *node)
{
	return node->start_mark.line + 1;
}

bool
kube_yaml_is(const yaml_node_t *node, const char *text)
{
	return node->type == YAML_SCALAR_NODE &&
	    node->data.scalar.length == strlen(text) &&
	    memcmp(node->data.scalar.value, text,
	    node->data.scalar.length) == 0;
}

/* A plain null, ~ or nothing counts as not given. */
bool
kube_yaml_null(const yaml_node_t *node)
{
	if (node->type != YAML_SCALAR_NODE)
		return false;
	if (node->data.scalar.length == 0)
		return true;
	return node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	    (kube_yaml_is(node, "null") || kube_yaml_is(node, "~") ||
	    kube_yaml_is(node, "Null") || kube_yaml_is(node, "NULL"));
}

yaml_node_t *
kube_yaml_get(struct kube_yaml_file *file, yaml_node_t *map, const char *key)
{
	yaml_node_pair_t *pair;
	yaml_node_t *name;

	if (map == NULL || map->type != YAML_MAPPING_NODE)
		return NULL;
	for (pair = map->data.mapping.pairs.start;
	    pair < map->data.mapping.pairs.top; pair++) {
		name = yaml_document_get_node(&file->doc, pair->key);
		if (name != NULL && kube_yaml_is(name, key))
			return yaml_document_get_node(&file->doc,
			    pair->value);
	}
	return NULL;
}

/* --- files ---------------------------------------------------------------- */

/* Reads at most `max` bytes; the text gets a NUL behind it. The message has
 * no remedy: the caller knows what the file is for. */
int
kube_yaml_read(const char *path, size_t max, char **ret_text, size_t *ret_n,
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

static int
parse_file(struct kube_yaml_file *file, struct err *err)
{
	yaml_parser_t parser;
	yaml_node_t *root;
	char *text;
	size_t n;
	int ok;

	if (kube_yaml_read(file->path, KUBECONFIG_FILE_MAX, &text, &n, err) < 0)
		return -1;
	if (yaml_parser_initialize(&parser) == 0)
		abort();
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, n);
	ok = yaml_parser_load(&parser, &file->doc);
	if (ok == 0)
		(void)err_set(err, "%s:%zu: is not YAML: %s; kubectl config "
		    "view --kubeconfig=FILE shows the same problem",
		    file->path, parser.problem_mark.line + 1,
		    parser.problem != NULL ? parser.problem : "unreadable");
	yaml_parser_delete(&parser);
	explicit_bzero(text, n);
	free(text);
	if (ok == 0)
		return -1;
	root = yaml_document_get_root_node(&file->doc);
	if (root != NULL && root->type != YAML_MAPPING_NODE &&
	    !kube_yaml_null(root)) {
		(void)err_set(err, "%s:%zu: is not a kubeconfig: a mapping "
		    "with clusters, users and contexts is expected",
		    file->path, kube_yaml_line(root));
		yaml_document_delete(&file->doc);
		return -1;
	}
	return 0;
}

void
kube_yaml_close(struct kube_yaml_set *set)
{
	size_t i;

	for (i = 0; i < set->n; i++) {
		yaml_document_delete(&set->files[i].doc);
		free(set->files[i].path);
	}
	free(set->files);
	*set = (struct kube_yaml_set){ NULL, 0 };
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
set_has(const struct kube_yaml_set *set, const char *path)
{
	size_t i;

	for (i = 0; i < set->n; i++)
		if (strcmp(set->files[i].path, path) == 0)
			return true;
	return false;
}

/* Adds one file; a missing one is skipped, as kubectl does. */
static int
set_add(struct kube_yaml_set *set, char *path, struct err *err)
{
	struct kube_yaml_file file = { .path = path };
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
kube_yaml_open(struct kube_yaml_set *set, const char *paths, struct err *err)
{
	const char *p = paths;
	size_t n;

	*set = (struct kube_yaml_set){ NULL, 0 };
	for (;;) {
		n = strcspn(p, ":");
		if (n >= PATH_TEXT_MAX) {
			kube_yaml_close(set);
			return err_set(err, "kubeconfig: a path longer than "
			    "%u bytes", PATH_TEXT_MAX);
		}
		if (n > 0 && set_add(set, expand_home(p, n), err) < 0) {
			kube_yaml_close(set);
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

/* --- entries -------------------------------------------------------------- */

/* The list `list` of one file; NULL when it has none. */
int
kube_yaml_list(struct kube_yaml_file *file, const char *list, yaml_node_t **ret,
    struct err *err)
{
	yaml_node_t *node;

	node =
	    kube_yaml_get(file, yaml_document_get_root_node(&file->doc), list);
	if (node != NULL && kube_yaml_null(node))
		node = NULL;
	if (node != NULL && node->type != YAML_SEQUENCE_NODE)
		return err_set(err, "kubeconfig %s:%zu: `%s` must be a list "
		    "of named entries", file->path, kube_yaml_line(node), list);
	*ret = node;
	return 0;
}

/* Finds `name` in one file's list. 1 found, 0 not, -1 given twice. */
static int
file_find(struct kube_yaml_file *file, const char *list, const char *name,
    yaml_node_t **ret, struct err *err)
{
	yaml_node_t *seq, *item, *key;
	yaml_node_item_t *it;
	int found = 0;

	if (kube_yaml_list(file, list, &seq, err) < 0)
		return -1;
	if (seq == NULL)
		return 0;
	for (it = seq->data.sequence.items.start;
	    it < seq->data.sequence.items.top; it++) {
		item = yaml_document_get_node(&file->doc, *it);
		key = kube_yaml_get(file, item, "name");
		if (key == NULL || !kube_yaml_is(key, name))
			continue;
		if (found++ > 0)
			return err_set(err, "kubeconfig %s:%zu: `%s` has a "
			    "second entry named \"%s\"; remove one",
			    file->path, kube_yaml_line(key), list, name);
		*ret = item;
	}
	return found;
}

/* The first file that has the name wins whole. 1 found, 0 not, -1 error. */
int
kube_yaml_find(struct kube_yaml_set *set, const char *list, const char *what,
    const char *name, struct kube_yaml_entry *ret, struct err *err)
{
	yaml_node_t *item = NULL, *map;
	size_t i;
	int rc;

	for (i = 0; i < set->n; i++) {
		rc = file_find(&set->files[i], list, name, &item, err);
		if (rc == 0)
			continue;
		if (rc < 0)
			return -1;
		map = kube_yaml_get(&set->files[i], item, what);
		if (map != NULL && map->type != YAML_MAPPING_NODE &&
		    !kube_yaml_null(map))
			return err_set(err, "kubeconfig %s:%zu: %s \"%s\": "
			    "`%s` must be a mapping", set->files[i].path,
			    kube_yaml_line(map), what, name, what);
		*ret = (struct kube_yaml_entry){.file = &set->files[i],
						.map = map,
						.what = what,
						.name = name};
		return 1;
	}
	return 0;
}

/* A string member; NULL when not given. The text belongs to the document. */
int
kube_yaml_text(const struct kube_yaml_entry *entry, const char *key,
	       const char **ret, struct err *err)
{
	yaml_node_t *node = kube_yaml_get(entry->file, entry->map, key);

	*ret = NULL;
	if (node == NULL || kube_yaml_null(node))
		return 0;
	if (node->type != YAML_SCALAR_NODE)
		return err_set(err, "kubeconfig %s:%zu: %s \"%s\": `%s` must "
		    "be a string", entry->file->path, kube_yaml_line(node),
		    entry->what, entry->name, key);
	if (node->data.scalar.length > KUBE_YAML_TEXT_MAX ||
	    memchr(node->data.scalar.value, '\0',
	    node->data.scalar.length) != NULL)
		return err_set(err, "kubeconfig %s:%zu: %s \"%s\": `%s` is "
		    "too long or has a NUL in it", entry->file->path,
		    kube_yaml_line(node), entry->what, entry->name, key);
	*ret = (const char *)node->data.scalar.value;
	return 0;
}

int
kube_yaml_bool(const struct kube_yaml_entry *entry, const char *key, bool *ret,
    struct err *err)
{
	const char *text;

	*ret = false;
	if (kube_yaml_text(entry, key, &text, err) < 0)
		return -1;
	if (text == NULL || strcasecmp(text, "false") == 0)
		return 0;
	if (strcasecmp(text, "true") != 0)
		return err_set(err, "kubeconfig %s:%zu: %s \"%s\": `%s` must "
		    "be true or false", entry->file->path,
		    kube_yaml_line(kube_yaml_get(entry->file, entry->map, key)),
		    entry->what, entry->name, key);
	*ret = true;
	return 0;
}

int
kube_yaml_fail(const struct kube_yaml_entry *entry, const char *key,
	       struct err *err, const char *problem)
{
	yaml_node_t *node = kube_yaml_get(entry->file, entry->map, key);

	if (node == NULL)
		return err_set(err, "kubeconfig %s: %s \"%s\": %s",
		    entry->file->path, entry->what, entry->name, problem);
	return err_set(err, "kubeconfig %s:%zu: %s \"%s\": %s",
	    entry->file->path, kube_yaml_line(node), entry->what, entry->name,
	    problem);
}
