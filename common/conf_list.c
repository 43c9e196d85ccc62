#include "common/conf_value.h"

#include <stdlib.h>
#include <string.h>

#include "common/address.h"
#include "common/xmalloc.h"

#define STRINGS_MAX 1000u   /* members of any list in the file */
#define NAMESPACE_MAX 63u   /* RFC 1123 */

/* --- lists --------------------------------------------------------------- */

typedef int (*check_fn)(const struct conf_value *v, const char *text);

static int
check_context(const struct conf_value *v, const char *text)
{
	if (strlen(text) > 1024)
		return conf_value_wrong(v,
		    "a context name of %zu bytes is too long",
		    strlen(text));
	return 0;
}

static int
check_origin(const struct conf_value *v, const char *text)
{
	const char *host = NULL;

	if (strncmp(text, "http://", 7) == 0)
		host = text + 7;
	else if (strncmp(text, "https://", 8) == 0)
		host = text + 8;
	if (host == NULL || *host == '\0' || strlen(text) > 300 ||
	    strpbrk(host, "/ *\"\\?#") != NULL)
		return conf_value_wrong(v,
		    "\"%s\" is not an origin; write it exactly as "
		    "a browser sends it, such as https://ui.example.org",
		    text);
	return 0;
}

static int
check_network(const struct conf_value *v, const char *text)
{
	struct address_network network;

	if (!address_network_parse(slice_str(text), &network))
		return conf_value_wrong(v, "\"%.80s\" is no address and no "
		    "network; write one such as 192.0.2.10, 10.0.0.0/8 or "
		    "2001:db8::/32, all bits behind the prefix 0", text);
	return 0;
}

static int
check_kind(const struct conf_value *v, const char *text)
{
	if (conf_word_index(v->key->words, text) < 0)
		return conf_value_wrong(v,
		    "kind \"%s\" is not watched by this version; "
		    "it knows: %s", text, v->key->words);
	return 0;
}

/* A DNS label (RFC 1123), as Kubernetes wants it. */
static int
check_namespace(const struct conf_value *v, const char *text)
{
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-");

	if (n == 0 || n > NAMESPACE_MAX || text[n] != '\0' ||
	    text[0] == '-' || text[n - 1] == '-')
		return conf_value_wrong(v, "\"%.80s\" is no namespace: at most "
		    "%u lower-case letters, digits and '-' between them", text,
		    NAMESPACE_MAX);
	return 0;
}

/* A list of different texts into (strings, count). */
static int
read_strings(const struct conf_value *v, check_fn check, size_t off,
    size_t off_count)
{
	size_t n = v->node->count, done = 0;
	char **list = xcalloc(n, sizeof(char *));
	char ***place = conf_value_at(v, off);
	struct conf_value item = *v;
	const char *text;

	if (n > STRINGS_MAX) {
		free(list);
		return conf_value_wrong(v,
		    "has more than %u members", STRINGS_MAX);
	}
	for (; done < n; done++) {
		item.node = v->node->values[done];
		text = conf_value_scalar(&item, "a word");
		if (text == NULL || check(&item, text) != 0)
			goto fail;
		for (size_t i = 0; i < done; i++)
			if (strcmp(list[i], text) == 0) {
				(void)conf_value_wrong(&item,
				    "names \"%s\" twice; "
				    "remove one", text);
				goto fail;
			}
		list[done] = xstrdup(text);
	}
	conf_strings_free(*place, *(size_t *)conf_value_at(v, off_count));
	*place = list;
	memcpy(conf_value_at(v, off_count), &n, sizeof(n));
	return 0;
fail:
	conf_strings_free(list, done);
	return -1;
}

static int
read_list(const struct conf_value *v, check_fn check, const char *want)
{
	if (v->node->kind != YAML_KIND_LIST)
		return conf_value_wrong(v, "must be a list, such as %s", want);
	return read_strings(v, check, v->key->off, v->key->off2);
}

int
conf_read_origins(const struct conf_value *v)
{
	return read_list(v, check_origin, "[https://ui.example.org]");
}

int
conf_read_networks(const struct conf_value *v)
{
	return read_list(v, check_network, "[10.0.0.0/8]");
}

int
conf_read_kinds(const struct conf_value *v)
{
	return read_list(v, check_kind, "[deployment, pod]");
}

int
conf_read_namespaces(const struct conf_value *v)
{
	if (v->node->kind == YAML_KIND_LIST &&
	    v->node->count > CONF_NAMESPACES_MAX)
		return conf_value_wrong(v, "has more than %u members",
		    CONF_NAMESPACES_MAX);
	return read_list(v, check_namespace, "[shop, billing]");
}

int
conf_read_contexts(const struct conf_value *v)
{
	enum conf_contexts which = CONF_CONTEXTS_LIST;
	size_t none = 0;
	char ***names = conf_value_at(v, v->key->off2);
	int i;

	if (v->node->kind == YAML_KIND_LIST) {
		if (read_strings(v, check_context, v->key->off2,
		    v->key->off3) != 0)
			return -1;
	} else {
		i = v->node->kind == YAML_KIND_SCALAR
		    ? conf_word_index(v->key->words, v->node->text) : -1;
		if (i < 0)
			return conf_value_wrong(v,
			    "must be current, all, or a list of "
			    "context names such as [prod, dev]");
		conf_strings_free(*names,
		    *(size_t *)conf_value_at(v, v->key->off3));
		*names = NULL;
		memcpy(conf_value_at(v, v->key->off3), &none, sizeof(none));
		which = (enum conf_contexts)i;
	}
	memcpy(conf_value_at(v, v->key->off), &which, sizeof(which));
	return 0;
}

/* --- clusters ------------------------------------------------------------ */

static int
read_cluster_member(const struct conf_value *v, const char *name,
    struct conf_cluster *c)
{
	const char *text = conf_value_scalar(v, "a text");

	if (text == NULL)
		return -1;
	if (strcmp(name, "id") == 0) {
		if (!slug_valid(slice_str(text)))
			return conf_value_wrong(v,
			    "id \"%s\": write 1 to 63 of a-z 0-9 . "
			    "- and begin with a letter or digit", text);
		c->id = xstrdup(text);
	} else if (strcmp(name, "context") == 0) {
		if (check_context(v, text) != 0)
			return -1;
		c->context = xstrdup(text);
	} else if (strcmp(name, "kubeconfig") == 0) {
		c->kubeconfig = conf_read_path_list(v, text);
		if (c->kubeconfig == NULL)
			return -1;
	} else {
		return conf_value_wrong(v,
		    "unknown member \"%s\"; a cluster has id, "
		    "context and kubeconfig", name);
	}
	return 0;
}

static int
read_cluster(const struct conf_value *v, struct conf_cluster *c)
{
	const struct yaml_node *node = v->node;
	struct conf_value member = *v;
	struct err err;

	if (node->kind == YAML_KIND_MAP) {
		for (size_t i = 0; i < node->count; i++) {
			member.node = node->values[i];
			if (read_cluster_member(&member, node->keys[i]->text,
			    c) != 0)
				return -1;
		}
	} else {
		member.node = node;
		if (read_cluster_member(&member, "context", c) != 0)
			return -1;
	}
	if (c->id == NULL && c->context == NULL)
		return conf_value_wrong(v,
		    "a cluster needs an id or a context; write "
		    "{id: prod, context: NAME}");
	if (c->context == NULL)
		c->context = xstrdup(c->id);
	if (c->id == NULL) {
		c->id = conf_slug(c->context, &err);
		if (c->id == NULL)
			return conf_value_wrong(v, "%s", err.text);
	}
	return 0;
}

int
conf_read_clusters(const struct conf_value *v)
{
	size_t n = v->node->count, done = 0;
	struct conf_cluster *list, **place = conf_value_at(v, v->key->off);
	struct conf_value item = *v;

	if (v->node->kind != YAML_KIND_LIST || n > CONF_CLUSTERS_MAX)
		return conf_value_wrong(v,
		    "must be a list of at most %u clusters, such "
		    "as [{id: prod, context: NAME}]", CONF_CLUSTERS_MAX);
	list = xcalloc(n, sizeof(*list));
	for (; done < n; done++) {
		item.node = v->node->values[done];
		if (read_cluster(&item, &list[done]) != 0)
			goto fail;
		for (size_t i = 0; i < done; i++)
			if (strcmp(list[i].id, list[done].id) == 0) {
				(void)conf_value_wrong(&item,
				    "contexts \"%s\" and \"%s\" "
				    "both get the id \"%s\"; give one of them "
				    "another: {id: NAME, context: \"%s\"}",
				    list[i].context, list[done].context,
				    list[i].id, list[done].context);
				goto fail;
			}
	}
	conf_clusters_free(*place, *(size_t *)conf_value_at(v, v->key->off2));
	*place = list;
	memcpy(conf_value_at(v, v->key->off2), &n, sizeof(n));
	return 0;
fail:
	conf_clusters_free(list, n);
	return -1;
}
