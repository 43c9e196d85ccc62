#include "tests/kubesim/sim_kinds.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/macros.h"
#include "common/mono.h"
#include "common/xmalloc.h"
#include "tests/kubesim/sim_patch.h"
#include "tests/kubesim/sim_template.h"

static const struct sim_kind_row rows[SIM_KIND_MAX] = {
	[SIM_DEPLOYMENT] = {
		.name = "deployment", .kind = "Deployment",
		.plural = "deployments", .group = "apps", .version = "v1",
		.namespaced = true,
		.bookmark_tail = ",\"spec\":{\"selector\":null,\"template\":"
		    "{\"metadata\":{},\"spec\":{\"containers\":null}},"
		    "\"strategy\":{}},\"status\":{}",
		.labels = sim_template_app_labels,
		.tail = sim_template_deployment,
		.touch = sim_template_touch_replicas,
		.absorb = sim_template_absorb_replicas,
	},
	[SIM_REPLICASET] = {
		.name = "replicaset", .kind = "ReplicaSet",
		.plural = "replicasets", .group = "apps", .version = "v1",
		.namespaced = true,
		.bookmark_tail = ",\"spec\":{\"selector\":null,\"template\":"
		    "{\"metadata\":{},\"spec\":{\"containers\":null}}},"
		    "\"status\":{\"replicas\":0}",
		.labels = sim_template_hash_labels,
		.tail = sim_template_replicaset,
		.touch = sim_template_touch_replicas,
		.absorb = sim_template_absorb_replicas,
	},
	[SIM_POD] = {
		.name = "pod", .kind = "Pod", .plural = "pods", .group = "",
		.version = "v1", .namespaced = true,
		.bookmark_tail = ",\"spec\":{\"containers\":null},"
		    "\"status\":{}",
		.labels = sim_template_hash_labels,
		.tail = sim_template_pod,
		.touch = sim_template_touch_pod,
	},
	[SIM_NODE] = {
		.name = "node", .kind = "Node", .plural = "nodes",
		.group = "", .version = "v1",
		.bookmark_tail = ",\"spec\":{},\"status\":{}",
		.labels = sim_template_node_labels,
		.tail = sim_template_node,
	},
	[SIM_NAMESPACE] = {
		.name = "namespace", .kind = "Namespace",
		.plural = "namespaces", .group = "", .version = "v1",
		.bookmark_tail = ",\"spec\":{},\"status\":{}",
		.labels = sim_template_namespace_labels,
		.tail = sim_template_namespace,
	},
	[SIM_STORAGECLASS] = {
		.name = "storageclass", .kind = "StorageClass",
		.plural = "storageclasses", .group = "storage.k8s.io",
		.version = "v1", .bookmark_tail = ",\"provisioner\":\"\"",
		.labels = sim_template_storageclass_labels,
		.tail = sim_template_storageclass,
	},
};

const struct sim_kind_row *
sim_kinds_row(enum sim_kind kind)
{
	assert(kind < SIM_KIND_MAX);
	return &rows[kind];
}

int
sim_kinds_by_name(const char *name)
{
	for (int k = 0; k < SIM_KIND_MAX; k++)
		if (strcmp(rows[k].name, name) == 0 ||
		    strcmp(rows[k].plural, name) == 0 ||
		    strcmp(rows[k].kind, name) == 0)
			return k;
	return -1;
}

int
sim_kinds_by_path(const char *group, const char *version, const char *plural)
{
	for (int k = 0; k < SIM_KIND_MAX; k++)
		if (strcmp(rows[k].group, group) == 0 &&
		    strcmp(rows[k].version, version) == 0 &&
		    strcmp(rows[k].plural, plural) == 0)
			return k;
	return -1;
}

const char *
sim_kinds_api_version(enum sim_kind kind)
{
	static char text[SIM_KIND_MAX][64];
	const struct sim_kind_row *row = sim_kinds_row(kind);
	struct buf b = BUF_EMPTY;

	if (text[kind][0] == '\0') {
		buf_addf(&b, "%s%s%s", row->group,
		    row->group[0] != '\0' ? "/" : "", row->version);
		assert(b.len < sizeof(text[kind]));
		memcpy(text[kind], b.data, b.len);
		buf_free(&b);
	}
	return text[kind];
}

/* ---- metadata ---- */

static void
add_owner(struct buf *b, const struct sim_object *o)
{
	const struct sim_object *w = o->owner;

	if (w == NULL)
		return;
	buf_addf(b, ",\"ownerReferences\":[{\"apiVersion\":\"%s\","
	    "\"kind\":\"%s\",\"name\":\"%s\",\"uid\":\"%s\","
	    "\"controller\":true,\"blockOwnerDeletion\":true}]",
	    sim_kinds_api_version(w->kind), rows[w->kind].kind, w->name,
	    w->uid);
}

static void
add_metadata(struct buf *b, const struct sim_object *o,
    const struct sim_state *st)
{
	char created[MONO_RFC3339_SIZE], deleted[MONO_RFC3339_SIZE];

	sim_template_time(o->created_ms, created);
	buf_addf(b, "\"name\":\"%s\"", o->name);
	if (o->kind == SIM_POD && o->owner != NULL)
		buf_addf(b, ",\"generateName\":\"%s-\"", o->owner->name);
	if (rows[o->kind].namespaced)
		buf_addf(b, ",\"namespace\":\"%s\"", o->ns);
	buf_addf(b, ",\"uid\":\"%s\",\"resourceVersion\":\"%llu\"", o->uid,
	    (unsigned long long)st->rv);
	if (o->kind == SIM_DEPLOYMENT || o->kind == SIM_REPLICASET ||
	    o->kind == SIM_POD)
		buf_addf(b, ",\"generation\":%u", st->generation);
	buf_addf(b, ",\"creationTimestamp\":\"%s\"", created);
	if (st->deleting_ms != 0) {
		sim_template_time(st->deleting_ms, deleted);
		buf_addf(b, ",\"deletionTimestamp\":\"%s\","
		    "\"deletionGracePeriodSeconds\":30", deleted);
	}
	rows[o->kind].labels(b, o, st);
	add_owner(b, o);
}

/* ---- the whole object ---- */

static struct sim_blob *
blob_make(const struct buf *b, const struct sim_blob *marks)
{
	struct sim_blob *blob = xmalloc(sizeof(*blob) + b->len + 1);

	*blob = *marks;
	blob->refs = 1;
	blob->len = b->len;
	memcpy(blob->text, b->data, b->len);
	blob->text[b->len] = '\0';
	return blob;
}

static void
begin(struct buf *b, const struct sim_object *o, struct sim_blob *marks)
{
	buf_addf(b, "{\"kind\":\"%s\",\"apiVersion\":\"%s\",",
	    rows[o->kind].kind, sim_kinds_api_version(o->kind));
	marks->body = b->len;
	buf_adds(b, "\"metadata\":{");
}

static void
render_template(struct buf *b, const struct sim_object *o,
    const struct sim_state *st, struct sim_blob *marks)
{
	begin(b, o, marks);
	add_metadata(b, o, st);
	marks->managed = b->len;
	sim_template_managed(b, o, st);
	marks->managed_len = b->len - marks->managed;
	buf_addc(b, '}');
	marks->meta_end = b->len;
	rows[o->kind].tail(b, o, st);
	buf_addc(b, '}');
}

static void
add_dump(struct buf *b, const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	if (text == NULL)
		abort();
	buf_adds(b, text);
	free(text);
}

/* Members of an object, each with a comma before it unless it is the first. */
static void
add_members(struct buf *b, json_t *object, bool comma)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value) {
		buf_adds(b, comma ? ",\"" : "\"");
		buf_json_text(b, key, strlen(key));
		buf_adds(b, "\":");
		add_dump(b, value);
		comma = true;
	}
}

/* The same layout from a document, so that the marks stay true. */
static void
render_document(struct buf *b, const struct sim_object *o, json_t *doc,
    struct sim_blob *marks)
{
	json_t *metadata = json_object_get(doc, "metadata");
	json_t *managed = json_incref(
	    json_object_get(metadata, "managedFields"));

	(void)json_object_del(metadata, "managedFields");
	begin(b, o, marks);
	add_members(b, metadata, false);
	marks->managed = b->len;
	if (managed != NULL) {
		buf_adds(b, ",\"managedFields\":");
		add_dump(b, managed);
	}
	marks->managed_len = b->len - marks->managed;
	buf_addc(b, '}');
	marks->meta_end = b->len;
	(void)json_object_del(doc, "metadata");
	(void)json_object_del(doc, "kind");
	(void)json_object_del(doc, "apiVersion");
	add_members(b, doc, true);
	buf_addc(b, '}');
	json_decref(managed);
}

json_t *
sim_kinds_document(const struct sim_object *o, const struct sim_state *st,
    bool bare)
{
	struct sim_blob marks = { 0 };
	struct buf b = BUF_EMPTY;
	json_t *doc;

	render_template(&b, o, st, &marks);
	doc = json_loadb((const char *)b.data, b.len, JSON_ALLOW_NUL, NULL);
	buf_free(&b);
	assert(doc != NULL);
	if (!bare && st->overlay != NULL)
		sim_patch_merge(doc, st->overlay);
	return doc;
}

struct sim_blob *
sim_kinds_render(const struct sim_object *o, const struct sim_state *st)
{
	struct sim_blob marks = { 0 }, *blob;
	struct buf b = BUF_EMPTY;
	json_t *doc;

	if (st->overlay == NULL) {
		render_template(&b, o, st, &marks);
	} else {
		doc = sim_kinds_document(o, st, false);
		render_document(&b, o, doc, &marks);
		json_decref(doc);
	}
	blob = blob_make(&b, &marks);
	buf_free(&b);
	return blob;
}
