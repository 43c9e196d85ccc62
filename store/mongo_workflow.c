#include "store/mongo_workflow.h"

#include <stdlib.h>

#include "common/xmalloc.h"

/* --- a node -------------------------------------------------------------- */

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

/* --- the steps of a put -------------------------------------------------- */

/* A write to the workflow's document. */
static void
workflow_write(struct mongo_write *w, const char *workflow)
{
	mongo_write_init(w);
	mongo_append_id(&w->selector, "_id", workflow);
}

/* One to a node the document has; the $set is left open. */
static void
node_set_begin(struct mongo_write *w, const char *workflow,
    const json_t *node, bson_t *set)
{
	workflow_write(w, workflow);
	BSON_APPEND_UTF8(&w->selector, "nodes.id", node_text(node, "id"));
	BSON_APPEND_DOCUMENT_BEGIN(&w->update, "$set", set);
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

	workflow_write(w, workflow);
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

	workflow_write(w, workflow);
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

	workflow_write(w, workflow);
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

	node_set_begin(w, workflow, node, &set);
	append_node_data(&set, "nodes.$[n].data", node);
	(void)bson_append_document_end(&w->update, &set);
	mongo_filters_begin(&w->opts, &filters, &filter,
	    node_text(node, "id"));
	BSON_APPEND_NULL(&filter, "n.data");
	mongo_filters_end(&w->opts, &filters, &filter);
}

/* Which object a node stands for. */
static void
put_object(struct mongo_write *w, const char *workflow, const json_t *node)
{
	bson_t set, filters, filter;

	node_set_begin(w, workflow, node, &set);
	BSON_APPEND_UTF8(&set, "nodes.$[n].type", node_text(node, "type"));
	BSON_APPEND_UTF8(&set, "nodes.$[n].data.name",
	    node_text(node, "name"));
	BSON_APPEND_UTF8(&set, "nodes.$[n].data.namespace",
	    node_text(node, "namespace"));
	(void)bson_append_document_end(&w->update, &set);
	mongo_filters_begin(&w->opts, &filters, &filter,
	    node_text(node, "id"));
	mongo_filters_end(&w->opts, &filters, &filter);
}

/* --- what is written ----------------------------------------------------- */

static size_t
put_nodes(struct mongo_write *list, const struct mongo_workflow *workflow)
{
	const json_t *node;
	size_t i, n = 0;

	put_own(&list[n++], workflow->id, workflow->cluster, workflow->nodes);
	json_array_foreach(workflow->nodes, i, node) {
		put_push(&list[n++], workflow->id, node);
		put_data(&list[n++], workflow->id, node);
	}
	return n;
}

static size_t
put_objects(struct mongo_write *list, const struct mongo_workflow *workflow)
{
	const json_t *node;
	size_t i, n = 0;

	json_array_foreach(workflow->nodes, i, node)
		put_object(&list[n++], workflow->id, node);
	return n;
}

size_t
mongo_workflow_put(struct mongo_write **ret, enum mongo_put step,
    const struct mongo_workflow *workflow, int64_t now_unix_ms)
{
	struct mongo_write *list = xcalloc_aligned(
	    _Alignof(struct mongo_write),
	    1 + 2 * json_array_size(workflow->nodes), sizeof(*list));

	*ret = list;
	switch (step) {
	case MONGO_PUT_NODES:
		return put_nodes(list, workflow);
	case MONGO_PUT_OBJECTS:
		return put_objects(list, workflow);
	case MONGO_PUT_DOCUMENT:
	case MONGO_PUT_MAX:
	default:
		put_insert(list, workflow->id, workflow->tenant,
		    workflow->cluster, workflow->nodes, now_unix_ms);
		return 1;
	}
}

void
mongo_workflow_delete(struct mongo_write *ret, const char *workflow,
    int64_t now_unix_ms)
{
	bson_t set;

	workflow_write(ret, workflow);
	BSON_APPEND_UTF8(&ret->selector, "sluice.origin", "api");
	BSON_APPEND_DOCUMENT_BEGIN(&ret->update, "$set", &set);
	BSON_APPEND_DATE_TIME(&set, "deleted_at", now_unix_ms);
	(void)bson_append_document_end(&ret->update, &set);
}
