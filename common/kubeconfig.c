#include "common/kubeconfig.h"

#include <stdlib.h>
#include <string.h>

#include "common/kube_entry.h"
#include "common/xmalloc.h"
#include "common/yaml.h"

/* --- one context ---------------------------------------------------------- */

static int
current_context(struct kube_entry_set *set, const char **ret, struct err *err)
{
	struct kube_entry entry;
	size_t i;

	*ret = NULL;
	for (i = 0; i < set->n && *ret == NULL; i++) {
		entry = (struct kube_entry){ .file = &set->files[i],
			.map = set->files[i].root, .what = "file",
			.name = "" };
		if (kube_entry_text(&entry, "current-context", ret, err) < 0)
			return -1;
	}
	return 0;
}

static int
load_context(struct kube_entry_set *set, const char *name,
    const struct kube_policy *policy, struct kube_credentials *c,
    struct err *err)
{
	struct kube_entry context, entry;
	const char *cluster, *user, *namespace;
	int rc;

	rc = kube_entry_find(set, "contexts", "context", name, &context, err);
	if (rc < 0)
		return -1;
	if (rc == 0)
		return err_set(err, "kubeconfig %s: no context named \"%s\"; "
		    "`kubectl config get-contexts` lists them",
		    set->files[0].path, name);
	if (kube_entry_text(&context, "cluster", &cluster, err) < 0 ||
	    kube_entry_text(&context, "user", &user, err) < 0 ||
	    kube_entry_text(&context, "namespace", &namespace, err) < 0)
		return -1;
	if (cluster == NULL)
		return kube_entry_fail(&context, "cluster", err,
		    "names no `cluster`");
	rc = kube_entry_find(set, "clusters", "cluster", cluster, &entry, err);
	if (rc == 0)
		(void)kube_entry_fail(&context, "cluster", err,
				     "names a cluster "
				     "that no entry of `clusters` defines");
	if (rc <= 0 || kube_credentials_cluster(&entry, policy, c, err) < 0)
		return -1;
	c->origin = xasprintf("context %.100s in %.200s", name,
	    context.file->path);
	if (namespace != NULL)
		c->namespace = xstrdup(namespace);
	if (user == NULL)
		return 0;
	rc = kube_entry_find(set, "users", "user", user, &entry, err);
	if (rc == 0)
		(void)kube_entry_fail(&context, "user", err, "names a user "
		    "that no entry of `users` defines");
	if (rc <= 0 || kube_credentials_user(&entry, policy, c, err) < 0)
		return -1;
	return 0;
}

/* Closes the set. */
static int
load_from(struct kube_entry_set *set, const char *context,
    const struct kube_policy *policy, struct kube_credentials *ret,
    struct err *err)
{
	struct kube_credentials c = { 0 };
	int rc = -1;

	if (context == NULL && current_context(set, &context, err) < 0)
		goto out;
	if (context == NULL) {
		(void)err_set(err, "kubeconfig %s: has no current-context; "
		    "set one with `kubectl config use-context NAME` or name "
		    "it under `contexts`", set->files[0].path);
		goto out;
	}
	rc = load_context(set, context, policy, &c, err);
out:
	kube_entry_close(set);
	if (rc == 0)
		*ret = c;
	else
		kube_credentials_free(&c);
	return rc;
}

int
kubeconfig_load(const char *paths, const char *context,
    struct kube_credentials *ret, struct err *err)
{
	struct kube_entry_set set;

	if (kube_entry_open(&set, paths, err) < 0)
		return -1;
	return load_from(&set, context, &kube_policy_operator, ret, err);
}

int
kubeconfig_load_text(const char *text, size_t n, const char *name,
    const char *context, const struct kube_policy *policy,
    struct kube_credentials *ret, struct err *err)
{
	struct kube_entry_set set;

	if (kube_entry_open_text(&set, text, n, name, err) < 0)
		return -1;
	return load_from(&set, context, policy, ret, err);
}

/* --- all contexts --------------------------------------------------------- */

static bool
contexts_have(const struct kubeconfig_contexts *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		if (strcmp(c->names[i], name) == 0)
			return true;
	return false;
}

static int
contexts_of_file(const struct kube_entry_file *file,
    struct kubeconfig_contexts *c, struct err *err)
{
	const struct yaml_node *seq, *name;
	size_t i;

	if (kube_entry_list(file, "contexts", &seq, err) < 0)
		return -1;
	if (seq == NULL)
		return 0;
	for (i = 0; i < seq->count; i++) {
		name = yaml_tree_get(seq->values[i], "name");
		if (name == NULL || name->kind != YAML_KIND_SCALAR ||
		    name->n == 0)
			return err_set(err, "kubeconfig %s:%u: an entry of "
			    "`contexts` has no name", file->path,
			    seq->values[i]->line);
		if (contexts_have(c, name->text))
			continue;
		if (c->n >= KUBECONFIG_CONTEXTS_MAX)
			return err_set(err, "kubeconfig %s: more than %u "
			    "contexts", file->path, KUBECONFIG_CONTEXTS_MAX);
		c->names = xreallocarray(c->names, c->n + 1,
		    sizeof(*c->names));
		c->names[c->n++] = xstrdup(name->text);
	}
	return 0;
}

int
kubeconfig_contexts(const char *paths, struct kubeconfig_contexts *ret,
    struct err *err)
{
	struct kubeconfig_contexts c = { NULL, 0, -1 };
	struct kube_entry_set set;
	const char *current;
	size_t i;
	int rc = 0;

	if (kube_entry_open(&set, paths, err) < 0)
		return -1;
	for (i = 0; i < set.n && rc == 0; i++)
		rc = contexts_of_file(&set.files[i], &c, err);
	if (rc == 0)
		rc = current_context(&set, &current, err);
	if (rc == 0 && current != NULL)
		for (i = 0; i < c.n; i++)
			if (strcmp(c.names[i], current) == 0)
				c.current = (int)i;
	kube_entry_close(&set);
	if (rc == 0)
		*ret = c;
	else
		kubeconfig_contexts_free(&c);
	return rc;
}

void
kubeconfig_contexts_free(struct kubeconfig_contexts *c)
{
	size_t i;

	for (i = 0; i < c->n; i++)
		free(c->names[i]);
	free(c->names);
	*c = (struct kubeconfig_contexts){ NULL, 0, -1 };
}
