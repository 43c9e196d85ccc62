#include "store/mongo_doc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "store/workflow.h"

#define FOLLOW_MAX 10000   /* documents read at once */
#define DOLLAR     "\xef\xbc\x84"   /* U+FF04 */

void
mongo_write_clear(struct mongo_write *w)
{
	bson_destroy(&w->selector);
	bson_destroy(&w->update);
	bson_destroy(&w->opts);
}

static void
write_init(struct mongo_write *w)
{
	bson_init(&w->selector);
	bson_init(&w->update);
	bson_init(&w->opts);
}

/* --- values -------------------------------------------------------------- */

static void
append_array(bson_t *b, const char *name, const json_t *list)
{
	const json_t *value;
	const char *index;
	char text[16];
	bson_t child;
	size_t i;

	(void)bson_append_array_begin(b, name, -1, &child);
	json_array_foreach(list, i, value) {
		(void)bson_uint32_to_string((uint32_t)i, &index, text,
		    sizeof(text));
		mongo_append_json(&child, index, value);
	}
	(void)bson_append_array_end(b, &child);
}

static void
append_object(bson_t *b, const char *name, const json_t *object)
{
	const char *member;
	json_t *value;
	char *safe;
	bson_t child;

	(void)bson_append_document_begin(b, name, -1, &child);
	/* jansson's iterators take a non-const object but do not change it. */
	json_object_foreach((json_t *)(uintptr_t)object, member, value) {
		if (member[0] != '$') {
			mongo_append_json(&child, member, value);
			continue;
		}
		safe = xasprintf("%s%s", DOLLAR, member + 1);
		mongo_append_json(&child, safe, value);
		free(safe);
	}
	(void)bson_append_document_end(b, &child);
}

void
mongo_append_json(bson_t *b, const char *name, const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		append_object(b, name, value);
		break;
	case JSON_ARRAY:
		append_array(b, name, value);
		break;
	case JSON_STRING:
		(void)bson_append_utf8(b, name, -1, json_string_value(value),
		    (int)json_string_length(value));
		break;
	case JSON_INTEGER:
		(void)bson_append_int64(b, name, -1,
		    json_integer_value(value));
		break;
	case JSON_REAL:
		(void)bson_append_double(b, name, -1, json_real_value(value));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		(void)bson_append_bool(b, name, -1, json_is_true(value));
		break;
	case JSON_NULL:
	default:
		(void)bson_append_null(b, name, -1);
		break;
	}
}

void
mongo_append_id(bson_t *b, const char *name, const char *workflow)
{
	bson_oid_t oid;

	if (strlen(workflow) == 24 && bson_oid_is_valid(workflow, 24)) {
		bson_oid_init_from_string(&oid, workflow);
		(void)bson_append_oid(b, name, -1, &oid);
	} else {
		(void)bson_append_utf8(b, name, -1, workflow, -1);
	}
}

static void
append_position(bson_t *b, struct position position)
{
	char epoch[16];
	bson_t child;

	(void)snprintf(epoch, sizeof(epoch), "%08x", position.epoch);
	BSON_APPEND_DOCUMENT_BEGIN(b, "sluice", &child);
	BSON_APPEND_UTF8(&child, "epoch", epoch);
	BSON_APPEND_INT64(&child, "position", (int64_t)position.number);
	(void)bson_append_document_end(b, &child);
}

/* [{<prefix>epoch: {$ne}}, {<prefix>position: {$lt}}] as $or: true also where
 * nothing was written yet. */
static void
append_guard(bson_t *b, const char *prefix, struct position position)
{
	char epoch[16], name[64];
	bson_t either, one, test;

	(void)snprintf(epoch, sizeof(epoch), "%08x", position.epoch);
	BSON_APPEND_ARRAY_BEGIN(b, "$or", &either);
	BSON_APPEND_DOCUMENT_BEGIN(&either, "0", &one);
	(void)snprintf(name, sizeof(name), "%s.epoch", prefix);
	BSON_APPEND_DOCUMENT_BEGIN(&one, name, &test);
	BSON_APPEND_UTF8(&test, "$ne", epoch);
	(void)bson_append_document_end(&one, &test);
	(void)bson_append_document_end(&either, &one);
	BSON_APPEND_DOCUMENT_BEGIN(&either, "1", &one);
	(void)snprintf(name, sizeof(name), "%s.position", prefix);
	BSON_APPEND_DOCUMENT_BEGIN(&one, name, &test);
	BSON_APPEND_INT64(&test, "$lt", (int64_t)position.number);
	(void)bson_append_document_end(&one, &test);
	(void)bson_append_document_end(&either, &one);
	(void)bson_append_array_end(b, &either);
}

/* --- statuses ------------------------------------------------------------ */

/* {arrayFilters: [{n.id: node, …}]}; the filter is left open for more. */
static void
filters_begin(bson_t *opts, bson_t *filters, bson_t *filter, const char *node)
{
	BSON_APPEND_ARRAY_BEGIN(opts, "arrayFilters", filters);
	BSON_APPEND_DOCUMENT_BEGIN(filters, "0", filter);
	BSON_APPEND_UTF8(filter, "n.id", node);
}

static void
filters_end(bson_t *opts, bson_t *filters, bson_t *filter)
{
	(void)bson_append_document_end(filters, filter);
	(void)bson_append_array_end(opts, filters);
}

void
mongo_node_status(struct mongo_write *ret, const char *workflow,
    const char *node, const json_t *status, struct position position,
    int64_t now_unix_ms)
{
	json_t *copy = json_copy((json_t *)(uintptr_t)status);
	bson_t set, whole, filters, filter;
	const char *member;
	json_t *value;

	write_init(ret);
	mongo_append_id(&ret->selector, "_id", workflow);
	BSON_APPEND_UTF8(&ret->selector, "nodes.id", node);
	BSON_APPEND_DOCUMENT_BEGIN(&ret->update, "$set", &set);
	BSON_APPEND_DOCUMENT_BEGIN(&set, "nodes.$[n].data._status", &whole);
	(void)json_object_del(copy, "sluice");
	json_object_foreach(copy, member, value) {
		char *safe = xasprintf("%s%s", member[0] == '$' ? DOLLAR : "",
		    member + (member[0] == '$'));

		mongo_append_json(&whole, safe, value);
		free(safe);
	}
	append_position(&whole, position);
	(void)bson_append_document_end(&set, &whole);
	BSON_APPEND_DATE_TIME(&set, "updated_at", now_unix_ms);
	(void)bson_append_document_end(&ret->update, &set);
	filters_begin(&ret->opts, &filters, &filter, node);
	append_guard(&filter, "n.data._status.sluice", position);
	filters_end(&ret->opts, &filters, &filter);
	json_decref(copy);
}

/* The members KubeOrch's documents have. */
static void
append_metadata(bson_t *set, const json_t *metadata)
{
	static const char *const names[] = { "version", "platform", "provider",
		"region", "node_count", "cpu_capacity", "memory_capacity",
		"storage_classes", "namespaces", "capabilities",
		"last_updated" };
	const json_t *value;
	bson_t child;
	size_t i;

	BSON_APPEND_DOCUMENT_BEGIN(set, "metadata", &child);
	for (i = 0; i < NELEM(names); i++) {
		value = json_object_get(metadata, names[i]);
		if (value != NULL)
			mongo_append_json(&child, names[i], value);
	}
	(void)bson_append_document_end(set, &child);
}

void
mongo_cluster_status(struct mongo_write *ret,
    const struct mongo_cluster *cluster, int64_t now_unix_ms)
{
	bson_t set;

	write_init(ret);
	BSON_APPEND_UTF8(&ret->selector, "name", cluster->name);
	append_guard(&ret->selector, "sluice", cluster->position);
	BSON_APPEND_DOCUMENT_BEGIN(&ret->update, "$set", &set);
	if (cluster->status != NULL)
		BSON_APPEND_UTF8(&set, "status", cluster->status);
	if (cluster->has_check)
		BSON_APPEND_DATE_TIME(&set, "last_check",
		    cluster->checked_unix_ms);
	if (cluster->has_latency)
		BSON_APPEND_INT64(&set, "latency", cluster->latency_ms);
	if (cluster->metadata != NULL)
		append_metadata(&set, cluster->metadata);
	BSON_APPEND_DATE_TIME(&set, "updated_at", now_unix_ms);
	append_position(&set, cluster->position);
	(void)bson_append_document_end(&ret->update, &set);
}

/* --- workflows ----------------------------------------------------------- */

static const char *
node_text(const json_t *node, const char *member)
{
	const char *text = json_string_value(json_object_get(node, member));

	return text != NULL ? text : "";
}

static void
append_node_data(bson_t *b, const char *name, const json_t *node)
{
	bson_t data;

	(void)bson_append_document_begin(b, name, -1, &data);
	BSON_APPEND_UTF8(&data, "name", node_text(node, "name"));
	BSON_APPEND_UTF8(&data, "namespace", node_text(node, "namespace"));
	(void)bson_append_document_end(b, &data);
}

static void
append_node(bson_t *b, const char *name, const json_t *node)
{
	bson_t child;

	(void)bson_append_document_begin(b, name, -1, &child);
	BSON_APPEND_UTF8(&child, "id", node_text(node, "id"));
	BSON_APPEND_UTF8(&child, "type", node_text(node, "type"));
	append_node_data(&child, "data", node);
	(void)bson_append_document_end(b, &child);
}

/* The document, if there is none. */
static void
put_insert(struct mongo_write *w, const char *workflow, const char *tenant,
    const char *cluster, const json_t *nodes, int64_t now_unix_ms)
{
	bson_t insert, list, origin;
	const json_t *node;
	const char *index;
	char text[16];
	size_t i;

	write_init(w);
	mongo_append_id(&w->selector, "_id", workflow);
	BSON_APPEND_DOCUMENT_BEGIN(&w->update, "$setOnInsert", &insert);
	BSON_APPEND_UTF8(&insert, "name", workflow);
	BSON_APPEND_UTF8(&insert, "cluster_id", cluster);
	BSON_APPEND_UTF8(&insert, "status", "published");
	BSON_APPEND_INT32(&insert, "run_count", 1);
	BSON_APPEND_NULL(&insert, "deleted_at");
	BSON_APPEND_DATE_TIME(&insert, "created_at", now_unix_ms);
	BSON_APPEND_DATE_TIME(&insert, "updated_at", now_unix_ms);
	BSON_APPEND_ARRAY_BEGIN(&insert, "nodes", &list);
	json_array_foreach(nodes, i, node) {
		(void)bson_uint32_to_string((uint32_t)i, &index, text,
		    sizeof(text));
		append_node(&list, index, node);
	}
	(void)bson_append_array_end(&insert, &list);
	BSON_APPEND_DOCUMENT_BEGIN(&insert, "sluice", &origin);
	BSON_APPEND_UTF8(&origin, "origin", "api");
	BSON_APPEND_UTF8(&origin, "tenant", tenant);
	(void)bson_append_document_end(&insert, &origin);
	(void)bson_append_document_end(&w->update, &insert);
	BSON_APPEND_BOOL(&w->opts, "upsert", true);
}

/* A document of our own follows what the API says; nodes that are no longer
 * named leave it. */
static void
put_own(struct mongo_write *w, const char *workflow, const char *cluster,
    const json_t *nodes)
{
	bson_t set, pull, which, test, list;
	const json_t *node;
	const char *index;
	char text[16];
	size_t i;

	write_init(w);
	mongo_append_id(&w->selector, "_id", workflow);
	BSON_APPEND_UTF8(&w->selector, "sluice.origin", "api");
	BSON_APPEND_DOCUMENT_BEGIN(&w->update, "$set", &set);
	BSON_APPEND_UTF8(&set, "cluster_id", cluster);
	BSON_APPEND_NULL(&set, "deleted_at");
	(void)bson_append_document_end(&w->update, &set);
	BSON_APPEND_DOCUMENT_BEGIN(&w->update, "$pull", &pull);
	BSON_APPEND_DOCUMENT_BEGIN(&pull, "nodes", &which);
	BSON_APPEND_DOCUMENT_BEGIN(&which, "id", &test);
	BSON_APPEND_ARRAY_BEGIN(&test, "$nin", &list);
	json_array_foreach(nodes, i, node) {
		(void)bson_uint32_to_string((uint32_t)i, &index, text,
		    sizeof(text));
		(void)bson_append_utf8(&list, index, -1,
		    node_text(node, "id"), -1);
	}
	(void)bson_append_array_end(&test, &list);
	(void)bson_append_document_end(&which, &test);
	(void)bson_append_document_end(&pull, &which);
	(void)bson_append_document_end(&w->update, &pull);
}

/* A node the document lacks. */
static void
put_push(struct mongo_write *w, const char *workflow, const json_t *node)
{
	bson_t test, push;

	write_init(w);
	mongo_append_id(&w->selector, "_id", workflow);
	BSON_APPEND_DOCUMENT_BEGIN(&w->selector, "nodes.id", &test);
	BSON_APPEND_UTF8(&test, "$ne", node_text(node, "id"));
	(void)bson_append_document_end(&w->selector, &test);
	BSON_APPEND_DOCUMENT_BEGIN(&w->update, "$push", &push);
	append_node(&push, "nodes", node);
	(void)bson_append_document_end(&w->update, &push);
}

/* A node without data (or null): a status could not be set below it. */
static void
put_data(struct mongo_write *w, const char *workflow, const json_t *node)
{
	bson_t set, filters, filter;

	write_init(w);
	mongo_append_id(&w->selector, "_id", workflow);
	BSON_APPEND_UTF8(&w->selector, "nodes.id", node_text(node, "id"));
	BSON_APPEND_DOCUMENT_BEGIN(&w->update, "$set", &set);
	append_node_data(&set, "nodes.$[n].data", node);
	(void)bson_append_document_end(&w->update, &set);
	filters_begin(&w->opts, &filters, &filter, node_text(node, "id"));
	BSON_APPEND_NULL(&filter, "n.data");
	filters_end(&w->opts, &filters, &filter);
}

/* Which object a node stands for. */
static void
put_object(struct mongo_write *w, const char *workflow, const json_t *node)
{
	bson_t set, filters, filter;

	write_init(w);
	mongo_append_id(&w->selector, "_id", workflow);
	BSON_APPEND_UTF8(&w->selector, "nodes.id", node_text(node, "id"));
	BSON_APPEND_DOCUMENT_BEGIN(&w->update, "$set", &set);
	BSON_APPEND_UTF8(&set, "nodes.$[n].type", node_text(node, "type"));
	BSON_APPEND_UTF8(&set, "nodes.$[n].data.name",
	    node_text(node, "name"));
	BSON_APPEND_UTF8(&set, "nodes.$[n].data.namespace",
	    node_text(node, "namespace"));
	(void)bson_append_document_end(&w->update, &set);
	filters_begin(&w->opts, &filters, &filter, node_text(node, "id"));
	filters_end(&w->opts, &filters, &filter);
}

size_t
mongo_workflow_put(struct mongo_write **ret, const char *workflow,
    const char *tenant, const char *cluster, const json_t *nodes,
    int64_t now_unix_ms)
{
	struct mongo_write *list;
	const json_t *node;
	size_t i, n = 0;

	list = xcalloc(2 + 3 * json_array_size(nodes), sizeof(*list));
	put_insert(&list[n++], workflow, tenant, cluster, nodes, now_unix_ms);
	put_own(&list[n++], workflow, cluster, nodes);
	json_array_foreach(nodes, i, node) {
		put_push(&list[n++], workflow, node);
		put_data(&list[n++], workflow, node);
		put_object(&list[n++], workflow, node);
	}
	*ret = list;
	return n;
}

void
mongo_workflow_delete(struct mongo_write *ret, const char *workflow,
    int64_t now_unix_ms)
{
	bson_t set;

	write_init(ret);
	mongo_append_id(&ret->selector, "_id", workflow);
	BSON_APPEND_UTF8(&ret->selector, "sluice.origin", "api");
	BSON_APPEND_DOCUMENT_BEGIN(&ret->update, "$set", &set);
	BSON_APPEND_DATE_TIME(&set, "deleted_at", now_unix_ms);
	(void)bson_append_document_end(&ret->update, &set);
}

/* --- what is followed ---------------------------------------------------- */

static void
append_not(bson_t *filter, const char *name, const char *value)
{
	bson_t test;

	(void)bson_append_document_begin(filter, name, -1, &test);
	BSON_APPEND_UTF8(&test, "$ne", value);
	(void)bson_append_document_end(filter, &test);
}

void
mongo_follow_query(bson_t *filter, bson_t *opts)
{
	bson_t test, fields;

	bson_init(filter);
	BSON_APPEND_DOCUMENT_BEGIN(filter, "run_count", &test);
	BSON_APPEND_INT32(&test, "$gt", 0);
	(void)bson_append_document_end(filter, &test);
	BSON_APPEND_NULL(filter, "deleted_at");
	append_not(filter, "status", "archived");
	append_not(filter, "sluice.origin", "api");
	bson_init(opts);
	BSON_APPEND_DOCUMENT_BEGIN(opts, "projection", &fields);
	BSON_APPEND_INT32(&fields, "cluster_id", 1);
	BSON_APPEND_INT32(&fields, "nodes.id", 1);
	BSON_APPEND_INT32(&fields, "nodes.type", 1);
	BSON_APPEND_INT32(&fields, "nodes.data.name", 1);
	BSON_APPEND_INT32(&fields, "nodes.data.namespace", 1);
	(void)bson_append_document_end(opts, &fields);
	BSON_APPEND_INT64(opts, "limit", FOLLOW_MAX);
}

/* A text at a dotted path, or NULL. */
static const char *
bson_text(const bson_t *b, const char *path)
{
	bson_iter_t iter, found;

	if (!bson_iter_init(&iter, b) ||
	    !bson_iter_find_descendant(&iter, path, &found) ||
	    !BSON_ITER_HOLDS_UTF8(&found))
		return NULL;
	return bson_iter_utf8(&found, NULL);
}

static void
follow_node(json_t *nodes, const bson_iter_t *at)
{
	const uint8_t *bytes;
	uint32_t n;
	bson_t node;
	json_t *made;

	if (!BSON_ITER_HOLDS_DOCUMENT(at) ||
	    json_array_size(nodes) >= WORKFLOW_NODES_MAX)
		return;
	bson_iter_document(at, &n, &bytes);
	if (!bson_init_static(&node, bytes, n))
		return;
	made = workflow_node_make(bson_text(&node, "id"),
	    bson_text(&node, "type"), bson_text(&node, "data.name"),
	    bson_text(&node, "data.namespace"));
	if (made != NULL)
		(void)json_array_append_new(nodes, made);
}

static char *
follow_id(const bson_t *document)
{
	bson_iter_t iter;
	char oid[25];

	if (!bson_iter_init_find(&iter, document, "_id"))
		return NULL;
	if (BSON_ITER_HOLDS_OID(&iter)) {
		bson_oid_to_string(bson_iter_oid(&iter), oid);
		return xstrdup(oid);
	}
	return BSON_ITER_HOLDS_UTF8(&iter)
	    ? xstrdup(bson_iter_utf8(&iter, NULL)) : NULL;
}

json_t *
mongo_follow_read(const bson_t *document)
{
	const char *cluster_name = bson_text(document, "cluster_id");
	char *cluster, *id;
	json_t *nodes, *workflow = NULL;
	bson_iter_t iter, child;

	cluster = cluster_name != NULL ? workflow_slug(cluster_name) : NULL;
	id = follow_id(document);
	if (cluster != NULL && id != NULL) {
		nodes = json_array();
		if (bson_iter_init_find(&iter, document, "nodes") &&
		    BSON_ITER_HOLDS_ARRAY(&iter) &&
		    bson_iter_recurse(&iter, &child)) {
			while (bson_iter_next(&child))
				follow_node(nodes, &child);
		}
		workflow = json_pack("{s:s, s:s, s:o}", "id", id, "cluster",
		    cluster, "nodes", nodes);
	}
	free(cluster);
	free(id);
	return workflow;
}
