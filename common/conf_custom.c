/* watch.custom: the kinds an operator adds to those this program knows. What
 * is written becomes part of paths and stream keys, so every text is held to
 * the API's own grammar. */
#include "common/conf_value.h"

#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"

#define LABEL_MAX 63u    /* RFC 1123 */
#define NAME_MAX  100u   /* so that every key fits into contract 2's 512 */
#define EXAMPLE   "{group: example.com, version: v1, resource: widgets, " \
	"kind: Widget}"

/* a-z 0-9 and, inside, '-' (with dots: also '.'); not empty. */
static bool
is_label(const char *text, bool dots)
{
	size_t n = strlen(text);

	if (n == 0 || n > (dots ? NAME_MAX : LABEL_MAX) ||
	    strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-.") != n ||
	    (!dots && strchr(text, '.') != NULL))
		return false;
	return strchr("-.", text[0]) == NULL && strchr("-.", text[n - 1]) ==
	    NULL;
}

static bool
is_kind(const char *text)
{
	size_t n = strlen(text);

	return n <= LABEL_MAX && text[0] >= 'A' && text[0] <= 'Z' &&
	    strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "0123456789") == n;
}

static int
read_member(const struct conf_value *v, const char *name, struct conf_kind *k)
{
	const char *text;
	char **place = NULL;
	bool good = false;

	text = conf_value_scalar(v, "a text, such as in " EXAMPLE);
	if (text == NULL)
		return -1;
	if (strcmp(name, "group") == 0) {
		place = &k->group;
		good = text[0] == '\0' || is_label(text, true);
	} else if (strcmp(name, "version") == 0) {
		place = &k->version;
		good = is_label(text, false);
	} else if (strcmp(name, "resource") == 0) {
		place = &k->resource;
		good = is_label(text, false);
	} else if (strcmp(name, "kind") == 0) {
		place = &k->kind;
		good = is_kind(text);
	}
	if (place == NULL)
		return conf_value_wrong(v, "unknown member \"%s\"; a custom "
		    "kind has group, version, resource and kind", name);
	if (!good)
		return conf_value_wrong(v, "%s \"%s\" is none the API admits; "
		    "write it as kubectl api-resources shows it, such as "
		    EXAMPLE, name, text);
	*place = xstrdup(text);
	return 0;
}

/* Whole objects of these hold what must not be read (doc/k8s-watch.md A.5). */
static bool
is_sealed(const struct conf_kind *k)
{
	return k->group[0] == '\0' && (strcmp(k->resource, "secrets") == 0 ||
	    strcmp(k->resource, "configmaps") == 0);
}

static int
read_kind(const struct conf_value *v, struct conf_kind *k)
{
	struct conf_value member = *v;

	if (v->node->kind != YAML_KIND_MAP)
		return conf_value_wrong(v, "a custom kind is a map: " EXAMPLE);
	for (size_t i = 0; i < v->node->count; i++) {
		member.node = v->node->values[i];
		if (read_member(&member, v->node->keys[i]->text, k) != 0)
			return -1;
	}
	if (k->group == NULL || k->version == NULL || k->resource == NULL ||
	    k->kind == NULL)
		return conf_value_wrong(v, "a custom kind needs group, "
		    "version, resource and kind: " EXAMPLE);
	if (is_sealed(k))
		return conf_value_wrong(v, "%s may be watched as metadata "
		    "only; write secret or configmap in watch.kinds",
		    k->resource);
	k->name = k->group[0] == '\0' ? xstrdup(k->resource) :
	    xasprintf("%s.%s", k->resource, k->group);
	if (strlen(k->name) > NAME_MAX)
		return conf_value_wrong(v, "\"%s\" is longer than %u bytes",
		    k->name, NAME_MAX);
	if (conf_word_index(v->key->words, k->name) >= 0)
		return conf_value_wrong(v, "\"%s\" is the name of another "
		    "kind; write it in watch.kinds", k->name);
	return 0;
}

int
conf_read_custom(const struct conf_value *v)
{
	size_t n = v->node->count, done = 0;
	struct conf_kind *list, **place = conf_value_at(v, v->key->off);
	struct conf_value item = *v;

	if (v->node->kind != YAML_KIND_LIST || n > CONF_CUSTOM_MAX)
		return conf_value_wrong(v, "must be a list of at most %u "
		    "kinds, such as [" EXAMPLE "]", CONF_CUSTOM_MAX);
	list = xcalloc(n, sizeof(*list));
	for (; done < n; done++) {
		item.node = v->node->values[done];
		if (read_kind(&item, &list[done]) != 0)
			goto fail;
		for (size_t i = 0; i < done; i++)
			if (strcmp(list[i].name, list[done].name) == 0) {
				(void)conf_value_wrong(&item, "names \"%s\" "
				    "twice; remove one", list[i].name);
				goto fail;
			}
	}
	conf_custom_free(*place, *(size_t *)conf_value_at(v, v->key->off2));
	*place = list;
	memcpy(conf_value_at(v, v->key->off2), &n, sizeof(n));
	return 0;
fail:
	conf_custom_free(list, n);
	return -1;
}
