#include "store/workflow.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/event.h"
#include "common/key_name.h"
#include "common/xmalloc.h"

#define SLUG_MAX 63u
#define KIND_MAX 100u

/* The short names a watched object's key may have (contract 2). */
static const char *const kinds[] = {
	"deployment", "service", "statefulset", "daemonset", "job", "cronjob",
	"ingress", "configmap", "secret", "pvc", "pod", "replicaset", "hpa",
	"networkpolicy",
};

/* RESOURCE.GROUP, as a kind of `watch.custom` is named. Whether a watcher
 * follows it is the watcher's to say. */
static bool
kind_custom(const char *type)
{
	size_t n = strlen(type);

	return n <= KIND_MAX && strchr(type, '.') != NULL &&
	    strspn(type, "abcdefghijklmnopqrstuvwxyz0123456789-.") == n &&
	    strchr("-.", type[0]) == NULL && strchr("-.", type[n - 1]) == NULL;
}

static bool
kind_known(const char *type)
{
	size_t i;

	for (i = 0; i < NELEM(kinds); i++) {
		if (strcmp(type, kinds[i]) == 0)
			return true;
	}
	return kind_custom(type);
}

static bool
printable(const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	}
	return true;
}

static bool
plain_name(const char *name)
{
	size_t i, n = strlen(name);

	if (n == 0 || n > WORKFLOW_NAME_MAX ||
	    !isalnum((unsigned char)name[0]))
		return false;
	for (i = 0; i < n; i++) {
		if (!isalnum((unsigned char)name[i]) &&
		    strchr("-._:", name[i]) == NULL)
			return false;
	}
	return true;
}

/* What the API server admits: of custom kinds (RBAC's are such to us) any name
 * that can stand in its path, if a watcher can make a key of it. */
static bool
name_valid(const char *type, const char *name)
{
	char key[KEY_NAME_SIZE];

	if (!kind_custom(type))
		return plain_name(name);
	return key_name_make(slice_str(name), key).p != NULL &&
	    printable(name) && strchr(name, '%') == NULL &&
	    strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* More than so many tell nobody more. */
static void
problem(json_t *problems, const char *path, const char *text)
{
	if (json_array_size(problems) >= WORKFLOW_PROBLEMS_MAX)
		return;
	(void)json_array_append_new(problems, json_pack("{s:s, s:s}", "path",
	    path, "problem", text));
}

static void
node_problem(json_t *problems, size_t i, const char *member, const char *text)
{
	char *path = xasprintf("nodes[%zu]%s%s", i,
	    member[0] != '\0' ? "." : "", member);

	problem(problems, path, text);
	free(path);
}

static const char *
member(const json_t *object, const char *name, const char *fallback)
{
	const json_t *value = json_object_get(object, name);

	return value == NULL || json_is_null(value) ? fallback
						    : json_string_value(value);
}

json_t *
workflow_node_make(const char *id, const char *type, const char *name,
    const char *namespace)
{
	if (id == NULL || id[0] == '\0' || strlen(id) > EVENT_SUBJECT_MAX ||
	    !printable(id) || type == NULL || !kind_known(type) ||
	    name == NULL || !name_valid(type, name))
		return NULL;
	if (namespace == NULL || namespace[0] == '\0')
		namespace = "default";
	if (!plain_name(namespace))
		return NULL;
	return json_pack("{s:s, s:s, s:s, s:s}", "id", id, "type", type,
	    "name", name, "namespace", namespace);
}

static void
node_parse(const json_t *node, size_t i, json_t *nodes, json_t *seen,
    json_t *problems)
{
	const char *id = member(node, "id", NULL);
	const char *type = member(node, "type", NULL);
	const char *name = member(node, "name", NULL);
	const char *namespace = member(node, "namespace", "default");
	json_t *made;

	if (!json_is_object(node)) {
		node_problem(problems, i, "", "must be an object");
		return;
	}
	if (id == NULL || id[0] == '\0' || strlen(id) > EVENT_SUBJECT_MAX ||
	    !printable(id))
		node_problem(problems, i, "id", "must be a text of 1 to 512"
		    " bytes without control characters");
	else if (json_object_get(seen, id) != NULL)
		node_problem(problems, i, "id", "stands twice");
	else
		(void)json_object_set_new(seen, id, json_true());
	if (type == NULL || !kind_known(type))
		node_problem(problems, i, "type", "must be one of deployment,"
		    " service, statefulset, daemonset, job, cronjob, ingress,"
		    " configmap, secret, pvc, pod, replicaset, hpa,"
		    " networkpolicy, or the RESOURCE.GROUP of a custom"
		    " kind");
	if (name == NULL || (type != NULL && !name_valid(type, name)))
		node_problem(problems, i, "name", "must be the name of a"
		    " Kubernetes object");
	if (namespace == NULL || !plain_name(namespace))
		node_problem(problems, i, "namespace", "must be the name of a"
		    " namespace");
	made = workflow_node_make(id, type, name, namespace);
	if (made != NULL)
		(void)json_array_append_new(nodes, made);
}

static json_t *
nodes_parse(const json_t *list, json_t *problems)
{
	json_t *nodes = json_array(), *seen = json_object();
	const json_t *node;
	size_t i;

	if (!json_is_array(list)) {
		problem(problems, "nodes", "must be an array");
	} else if (json_array_size(list) > WORKFLOW_NODES_MAX) {
		problem(problems, "nodes", "must have at most 500 members");
	} else {
		json_array_foreach(list, i, node) {
			node_parse(node, i, nodes, seen, problems);
		}
	}
	json_decref(seen);
	return nodes;
}

bool
workflow_id_valid(const char *id)
{
	enum stream_type type;
	char *key;
	int rc;

	if (id == NULL || strlen(id) > EVENT_NAME_MAX)
		return false;
	key = xasprintf("workflow:%s", id);
	rc = stream_key_check(slice_str(key), &type, NULL);
	free(key);
	return rc == 0;
}

int
workflow_parse(const json_t *request, struct workflow *ret, json_t *problems)
{
	const char *id = member(request, "id", NULL);
	const char *tenant = member(request, "tenant", EVENT_TENANT_DEFAULT);
	const char *cluster = member(request, "cluster", NULL);
	json_t *nodes = nodes_parse(json_object_get(request, "nodes"),
	    problems);

	if (!workflow_id_valid(id))
		problem(problems, "id", "must be letters, digits and ._~:/-,"
		    " beginning with a letter or digit, at most 512");
	if (tenant == NULL || tenant[0] == '\0' ||
	    strlen(tenant) > EVENT_TENANT_MAX)
		problem(problems, "tenant", "must be a text of 1 to 63 bytes");
	if (cluster == NULL || !slug_valid(slice_str(cluster)))
		problem(problems, "cluster", "must be the id of a cluster:"
		    " lower-case letters, digits, '.' and '-', at most 63");
	if (json_array_size(problems) > 0) {
		json_decref(nodes);
		return -1;
	}
	ret->id = xstrdup(id);
	ret->tenant = xstrdup(tenant);
	ret->cluster = xstrdup(cluster);
	ret->nodes = nodes;
	return 0;
}

void
workflow_clear(struct workflow *w)
{
	free(w->tenant);
	free(w->id);
	free(w->cluster);
	json_decref(w->nodes);
	*w = (struct workflow){ 0 };
}

char *
workflow_slug(const char *name)
{
	char *slug = xstrndup(name, SLUG_MAX);
	char *p;

	for (p = slug; *p != '\0'; p++) {
		*p = (char)tolower((unsigned char)*p);
		if (!islower((unsigned char)*p) &&
		    !isdigit((unsigned char)*p) && *p != '.')
			*p = '-';
	}
	if (!slug_valid(slice_str(slug))) {
		free(slug);
		return NULL;
	}
	return slug;
}
