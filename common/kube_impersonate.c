#include "common/kube_impersonate.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/kube_entry.h"
#include "common/xmalloc.h"
#include "common/yaml.h"

struct lines {
	char	**line;
	size_t	  n;
};

void
kube_impersonate_free(char **lines, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(lines[i]);
	free(lines);
}

/* Takes line. */
static void
add(struct lines *l, char *line)
{
	l->line = xreallocarray(l->line, l->n + 1, sizeof(char *));
	l->line[l->n++] = line;
}

/* The value of a header: one line of text. */
static bool
is_value(const struct yaml_node *node)
{
	if (node->kind != YAML_KIND_SCALAR || node->n > KUBE_ENTRY_TEXT_MAX)
		return false;
	for (size_t i = 0; i < node->n; i++)
		if ((unsigned char)node->text[i] < ' ' ||
		    node->text[i] == 0x7f)
			return false;
	return true;
}

/* The key of an extra as part of a header's name: lower case, and what no
 * name may hold (RFC 7230 token) percent-encoded. */
static char *
escape_key(const struct yaml_node *key)
{
	static const char legal[] = "!#$&'*+-.^_`|~0123456789"
	    "abcdefghijklmnopqrstuvwxyz";
	struct buf b = BUF_EMPTY;

	for (size_t i = 0; i < key->n; i++) {
		unsigned char c = (unsigned char)key->text[i];

		if (c >= 'A' && c <= 'Z')
			c = (unsigned char)(c - 'A' + 'a');
		if (c != '\0' && strchr(legal, c) != NULL)
			buf_addc(&b, (char)c);
		else
			buf_addf(&b, "%%%02X", c);
	}
	return buf_cstr(&b);
}

static int
add_list(struct lines *l, const struct kube_entry *user, const char *key,
    const char *header, const struct yaml_node *list, struct err *err)
{
	if (list->kind != YAML_KIND_LIST)
		return kube_entry_fail(user, key, err,
		    "must be a list of texts");
	for (size_t i = 0; i < list->count; i++) {
		if (!is_value(list->values[i]))
			return kube_entry_fail(user, key, err,
			    "must be a list of texts of one line each");
		if (l->n >= KUBE_IMPERSONATE_MAX)
			return kube_entry_fail(user, key, err,
			    "has more than 1000 values");
		add(l, xasprintf("%s: %s", header, list->values[i]->text));
	}
	return 0;
}

static int
add_extra(struct lines *l, const struct kube_entry *user,
    const struct yaml_node *map, struct err *err)
{
	char *key, *header;
	int rc;

	if (map->kind != YAML_KIND_MAP)
		return kube_entry_fail(user, "as-user-extra", err,
		    "must be a mapping of lists");
	for (size_t i = 0; i < map->count; i++) {
		key = escape_key(map->keys[i]);
		header = xasprintf("Impersonate-Extra-%s", key);
		rc = add_list(l, user, "as-user-extra", header,
		    map->values[i], err);
		free(header);
		free(key);
		if (rc < 0)
			return -1;
	}
	return 0;
}

static const struct yaml_node *
member(const struct kube_entry *user, const char *key)
{
	const struct yaml_node *node = kube_entry_get(user, key);

	if (node == NULL || kube_entry_null(node) ||
	    (node->kind != YAML_KIND_SCALAR && node->count == 0))
		return NULL;
	return node;
}

static int
read_lines(const struct kube_entry *user, struct lines *l, struct err *err)
{
	static const struct { const char *key, *header; } texts[] = {
		{ "as", "Impersonate-User" },
		{ "as-uid", "Impersonate-Uid" },
	};
	const struct yaml_node *node;

	for (size_t i = 0; i < NELEM(texts); i++) {
		node = member(user, texts[i].key);
		if (node == NULL)
			continue;
		if (!is_value(node))
			return kube_entry_fail(user, texts[i].key, err,
			    "must be a text of one line");
		add(l, xasprintf("%s: %s", texts[i].header, node->text));
	}
	node = member(user, "as-groups");
	if (node != NULL && add_list(l, user, "as-groups",
	    "Impersonate-Group", node, err) < 0)
		return -1;
	node = member(user, "as-user-extra");
	return node != NULL ? add_extra(l, user, node, err) : 0;
}

int
kube_impersonate_read(const struct kube_entry *user, char ***ret,
    size_t *ret_n, struct err *err)
{
	struct lines l = { NULL, 0 };

	if (read_lines(user, &l, err) < 0) {
		kube_impersonate_free(l.line, l.n);
		return -1;
	}
	if (l.n > 0 && member(user, "as") == NULL) {
		kube_impersonate_free(l.line, l.n);
		return err_set(err, "kubeconfig %s: user \"%s\": as-uid, "
		    "as-groups and as-user-extra need `as`: add the user to "
		    "act as", user->file->path, user->name);
	}
	*ret = l.line;
	*ret_n = l.n;
	return 0;
}
