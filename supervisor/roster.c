#include "supervisor/roster.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/xmalloc.h"

static void PRINTF(2, 3)
problem(struct roster *r, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->problems = xreallocarray(r->problems, r->n_problems + 1,
	    sizeof(char *));
	r->problems[r->n_problems++] = xstrdup(text);
}

/* Takes id. */
static void
add(struct roster *r, char *id, const char *context, const char *kubeconfig)
{
	r->clusters = xreallocarray(r->clusters, r->n + 1,
	    sizeof(struct conf_cluster));
	r->clusters[r->n++] = (struct conf_cluster){ id, xstrdup(context),
		kubeconfig != NULL ? xstrdup(kubeconfig) : NULL };
}

static int
find_id(const struct roster *r, const char *id)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->clusters[i].id, id) == 0)
			return (int)i;
	return -1;
}

/* A context that `clusters:` names already, from the same kubeconfig. */
static bool
is_named(const struct conf *conf, const char *context)
{
	for (size_t i = 0; i < conf->n_clusters; i++)
		if (strcmp(conf->clusters[i].context, context) == 0 &&
		    conf->clusters[i].kubeconfig == NULL)
			return true;
	return false;
}

static void
add_context(struct roster *r, const struct conf *conf, const char *context)
{
	struct err err;
	char *id;
	int other;

	if (is_named(conf, context))
		return;
	id = conf_slug(context, &err);
	if (id == NULL) {
		problem(r, "%s", err.text);
		return;
	}
	other = find_id(r, id);
	if (other < 0 && r->n < CONF_CLUSTERS_MAX) {
		add(r, id, context, NULL);
		return;
	}
	if (other < 0)
		problem(r, "context \"%s\": more than %u clusters", context,
		    CONF_CLUSTERS_MAX);
	else
		problem(r, "contexts \"%s\" and \"%s\" both get the cluster id "
		    "\"%s\", neither is watched: give one another id in "
		    "sluice.yaml: clusters: [{id: NAME, context: \"%s\"}]",
		    r->clusters[other].context, context, id, context);
	/* Kept as a bar against a third, taken out at the end; what the
	 * operator named himself stays. */
	if (other >= (int)conf->n_clusters) {
		free(r->clusters[other].kubeconfig);
		r->clusters[other].kubeconfig = xstrdup("");
	}
	free(id);
}

static void
drop_barred(struct roster *r)
{
	size_t kept = 0;

	for (size_t i = 0; i < r->n; i++) {
		struct conf_cluster *c = &r->clusters[i];

		if (c->kubeconfig != NULL && c->kubeconfig[0] == '\0') {
			free(c->id);
			free(c->context);
			free(c->kubeconfig);
		} else {
			r->clusters[kept++] = *c;
		}
	}
	r->n = kept;
}

static bool
has_context(const struct kubeconfig_contexts *contexts, const char *name)
{
	for (size_t i = 0; i < contexts->n; i++)
		if (strcmp(contexts->names[i], name) == 0)
			return true;
	return false;
}

static void
add_wanted(struct roster *r, const struct conf *conf,
    const struct kubeconfig_contexts *contexts)
{
	if (conf->contexts == CONF_CONTEXTS_CURRENT) {
		if (contexts->current >= 0)
			add_context(r, conf,
			    contexts->names[contexts->current]);
		else
			problem(r, "kubeconfig %s has no current-context that "
			    "is one of its %zu contexts: set it (kubectl "
			    "config use-context NAME), or write contexts: all, "
			    "or a list of names, in sluice.yaml",
			    conf->kubeconfig, contexts->n);
		return;
	}
	if (conf->contexts == CONF_CONTEXTS_ALL) {
		for (size_t i = 0; i < contexts->n; i++)
			add_context(r, conf, contexts->names[i]);
		return;
	}
	for (size_t i = 0; i < conf->n_context_names; i++) {
		if (has_context(contexts, conf->context_names[i]))
			add_context(r, conf, conf->context_names[i]);
		else
			problem(r, "kubeconfig %s has no context \"%s\" (it "
			    "has %zu): correct contexts: in sluice.yaml; "
			    "kubectl config get-contexts lists them",
			    conf->kubeconfig, conf->context_names[i],
			    contexts->n);
	}
}

void
roster_resolve(struct roster *ret, const struct conf *conf,
    const struct kubeconfig_contexts *contexts)
{
	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < conf->n_clusters; i++)
		add(ret, xstrdup(conf->clusters[i].id),
		    conf->clusters[i].context, conf->clusters[i].kubeconfig);
	if (contexts != NULL)
		add_wanted(ret, conf, contexts);
	drop_barred(ret);
}

int
roster_read(struct roster *ret, const struct conf *conf, struct err *err)
{
	struct kubeconfig_contexts contexts;
	bool none = conf->kubeconfig == NULL ||
	    (conf->contexts == CONF_CONTEXTS_LIST &&
	    conf->n_context_names == 0);

	if (!none && kubeconfig_contexts(conf->kubeconfig, &contexts,
	    err) != 0) {
		roster_resolve(ret, conf, NULL);
		return -1;
	}
	roster_resolve(ret, conf, none ? NULL : &contexts);
	if (!none)
		kubeconfig_contexts_free(&contexts);
	return 0;
}

void
roster_clear(struct roster *r)
{
	conf_clusters_free(r->clusters, r->n);
	for (size_t i = 0; i < r->n_problems; i++)
		free(r->problems[i]);
	free(r->problems);
	memset(r, 0, sizeof(*r));
}

char *
roster_find_binary(const char *directory, const char *role)
{
	char *path = xasprintf("%s/sluice-%s", directory, role);

	if (access(path, X_OK) == 0)
		return path;
	free(path);
	path = xasprintf("%s/sluice-%s", SLUICE_LIBEXECDIR, role);
	if (access(path, X_OK) == 0)
		return path;
	free(path);
	return NULL;
}
