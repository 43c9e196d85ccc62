#include "watcher/store_answer.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "common/macros.h"
#include "common/resource_key.h"
#include "watcher/inv_object.h"
#include "watcher/json_scan.h"

/* --- what streams show ---------------------------------------------------- */

static bool
skip_prefix(struct slice *s, const char *prefix)
{
	size_t n = strlen(prefix);

	if (s->n < n || memcmp(s->p, prefix, n) != 0)
		return false;
	*s = (struct slice){ s->p + n, s->n - n };
	return true;
}

static bool
my_key(struct slice text, const char *cluster, struct resource_key *ret)
{
	return resource_key_parse(text, ret) &&
	    slice_is(ret->cluster, cluster) &&
	    ret->namespace.n <= KUBE_NAME_MAX && ret->name.n <= KUBE_NAME_MAX;
}

static void
apply_node(struct inventory *inv, const char *cluster,
    const struct item *item)
{
	enum { N_TYPE, N_STATUS, N_CLUSTER, N_NAMESPACE, N_NAME, N_UID, N_MAX };
	static const struct json_want want_resource[] = {
		{ "cluster_id", N_CLUSTER, NULL, 0 },
		{ "namespace", N_NAMESPACE, NULL, 0 },
		{ "name", N_NAME, NULL, 0 },
		{ "uid", N_UID, NULL, 0 },
	};
	static const struct json_want want[] = {
		{ "type", N_TYPE, NULL, 0 },
		{ "status", N_STATUS, NULL, 0 },
		{ "resource", -1, want_resource, NELEM(want_resource) },
	};
	struct inv_node node = { item->tenant, item->key, item->subject,
	    SLICE_NONE };
	struct slice v[N_MAX];
	char name[KEY_NAME_SIZE];
	int kind;

	if (!skip_prefix(&node.workflow, "workflow:") ||
	    !json_scan(item_data(item), want, NELEM(want), v, N_MAX) ||
	    v[N_STATUS].p == NULL || !json_scan_is(v[N_CLUSTER], cluster))
		return;
	kind = kinds_find(json_scan_text(v[N_TYPE]));
	node.uid = json_scan_text(v[N_UID]);
	if (kind >= 0)
		(void)inventory_stored_node(inv, (unsigned)kind,
		    json_scan_text(v[N_NAMESPACE]),
		    kube_object_name(v[N_NAME], name), &node, v[N_STATUS]);
}

void
store_answer_item(struct inventory *inv, const char *cluster,
    const struct item *item)
{
	static const struct json_want want[] = { { "status", 0, NULL, 0 } };
	struct resource_key key;
	struct slice status;
	int kind;

	if (slice_is(item->event_type, "node_update")) {
		apply_node(inv, cluster, item);
		return;
	}
	if (!slice_is(item->event_type, "status_update") ||
	    !my_key(item->key, cluster, &key) ||
	    !json_scan(item_data(item), want, 1, &status, 1) ||
	    status.p == NULL)
		return;
	kind = kinds_find(key.kind);
	if (kind >= 0)
		inventory_stored(inv, (unsigned)kind, key.namespace, key.name,
		    status);
}

/* --- bindings ------------------------------------------------------------- */

static struct slice
member(const json_t *object, const char *name)
{
	const json_t *v = json_object_get(object, name);

	if (!json_is_string(v))
		return SLICE_NONE;
	return (struct slice){ json_string_value(v), json_string_length(v) };
}

static bool
fits(struct slice s, size_t max)
{
	return s.p != NULL && s.n <= max && memchr(s.p, '\0', s.n) == NULL;
}

static bool
names_stream(struct slice workflow)
{
	char key[EVENT_KEY_MAX + 1];
	int n;

	if (!fits(workflow, EVENT_NAME_MAX))
		return false;
	n = snprintf(key, sizeof(key), "workflow:%.*s", (int)workflow.n,
	    workflow.p);
	return stream_key_check((struct slice){ key, (size_t)n }, NULL,
	    NULL) == 0;
}

/* For a log, whatever the bytes are. */
static void
add_printable(char *buf, size_t size, const char *label, struct slice text)
{
	size_t n = strlen(buf), i;

	n += (size_t)snprintf(buf + n, size - n, "%s\"", label);
	for (i = 0; i < text.n && n + 6 < size; i++)
		buf[n++] = text.p[i] > ' ' && text.p[i] <= '~' ?
		    text.p[i] : '?';
	(void)snprintf(buf + n, size - n, "%s\"", i < text.n ? "..." : "");
}

static void
unusable(struct store_answer_refused *refused, struct slice workflow,
    struct slice node)
{
	char *buf = refused->which;
	size_t half = sizeof(refused->which) / 2;

	if (refused->unusable++ > 0)
		return;
	add_printable(buf, half, "workflow ", workflow);
	add_printable(buf, sizeof(refused->which), ", node ", node);
}

static void
bind_one(struct inventory *inv, const json_t *row,
    struct store_answer_refused *refused)
{
	char text[KEY_NAME_SIZE];
	struct slice name = key_name_make(member(row, "name"), text);
	struct slice node = member(row, "node");
	struct slice namespace = member(row, "namespace");
	struct slice workflow = member(row, "workflow");
	struct slice tenant = member(row, "tenant");
	int kind = kinds_find(member(row, "kind"));

	/* Of a kind this watcher does not follow: nothing to say. */
	if (kind < 0)
		return;
	if (name.p == NULL || !fits(namespace, KUBE_NAME_MAX) ||
	    !names_stream(workflow) || !fits(node, EVENT_SUBJECT_MAX) ||
	    !fits(tenant, EVENT_TENANT_MAX)) {
		unusable(refused, workflow, node);
		return;
	}
	if (inventory_bind(inv, (unsigned)kind, namespace, name, tenant,
	    workflow, node) || refused->crowded++ > 0)
		return;
	(void)snprintf(refused->example, sizeof(refused->example),
	    "%s %.*s/%.*s", kinds[kind].name, (int)namespace.n, namespace.p,
	    (int)name.n, name.p);
}

bool
store_answer_bindings(struct inventory *inv, struct slice json,
    struct store_answer_refused *ret)
{
	json_t *root = json_loadb(json.p, json.n, 0, NULL), *row;
	const json_t *list = json_object_get(root, "bindings");
	struct store_answer_refused refused = { 0 };
	bool good = json_is_array(list);
	size_t i;

	if (good) {
		inventory_bind_begin(inv);
		json_array_foreach(list, i, row)
			bind_one(inv, row, &refused);
		inventory_bind_end(inv);
		*ret = refused;
	}
	json_decref(root);
	return good;
}
