#include "store/mongo_follow.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/xmalloc.h"
#include "store/workflow.h"

#define FOLLOW_MAX 10000   /* documents read at once */

/* --- the question -------------------------------------------------------- */

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

/* --- a document ---------------------------------------------------------- */

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

/* NULL: there is none that could be shown. */
static void
explain(const char *id, const char *cluster, char why[MONGO_FOLLOW_WHY_MAX])
{
	if (id == NULL)
		(void)snprintf(why, MONGO_FOLLOW_WHY_MAX, "a document of "
		    "workflows whose _id is neither an ObjectId nor a text");
	else if (cluster == NULL)
		(void)snprintf(why, MONGO_FOLLOW_WHY_MAX, "workflows, _id "
		    "%.60s: cluster_id names no cluster", id);
	else
		(void)snprintf(why, MONGO_FOLLOW_WHY_MAX, "workflows, _id "
		    "\"%.60s\": it cannot stand in a stream's key", id);
}

json_t *
mongo_follow_read(const bson_t *document, char why[MONGO_FOLLOW_WHY_MAX])
{
	const char *cluster_name = bson_text(document, "cluster_id");
	char *cluster, *id;
	json_t *nodes, *workflow = NULL;
	bson_iter_t iter, child;

	cluster = cluster_name != NULL ? workflow_slug(cluster_name) : NULL;
	id = follow_id(document);
	if (cluster != NULL && workflow_id_valid(id)) {
		nodes = json_array();
		if (bson_iter_init_find(&iter, document, "nodes") &&
		    BSON_ITER_HOLDS_ARRAY(&iter) &&
		    bson_iter_recurse(&iter, &child)) {
			while (bson_iter_next(&child))
				follow_node(nodes, &child);
		}
		workflow = json_pack("{s:s, s:s, s:o}", "id", id, "cluster",
		    cluster, "nodes", nodes);
	} else {
		explain(id, cluster, why);
	}
	free(cluster);
	free(id);
	return workflow;
}
