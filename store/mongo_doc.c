#include "store/mongo_doc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mono.h"
#include "common/xmalloc.h"

#define DOLLAR "\xef\xbc\x84"   /* U+FF04 */

void
mongo_write_clear(struct mongo_write *w)
{
	bson_destroy(&w->selector);
	bson_destroy(&w->update);
	bson_destroy(&w->opts);
}

void
mongo_write_init(struct mongo_write *w)
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

uint64_t
mongo_number(const bson_t *document, const char *name)
{
	bson_iter_t iter;
	int64_t n = bson_iter_init_find(&iter, document, name)
	    ? bson_iter_as_int64(&iter) : 0;

	return n > 0 ? (uint64_t)n : 0;
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

void
mongo_filters_begin(bson_t *opts, bson_t *filters, bson_t *filter,
    const char *node)
{
	BSON_APPEND_ARRAY_BEGIN(opts, "arrayFilters", filters);
	BSON_APPEND_DOCUMENT_BEGIN(filters, "0", filter);
	BSON_APPEND_UTF8(filter, "n.id", node);
}

void
mongo_filters_end(bson_t *opts, bson_t *filters, bson_t *filter)
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

	mongo_write_init(ret);
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
	mongo_filters_begin(&ret->opts, &filters, &filter, node);
	append_guard(&filter, "n.data._status.sluice", position);
	mongo_filters_end(&ret->opts, &filters, &filter);
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
mongo_cluster_read(const char *name, const json_t *columns,
    struct position position, struct mongo_cluster *ret)
{
	const json_t *latency = json_object_get(columns, "latency_ms");
	const char *checked = json_string_value(json_object_get(columns,
	    "checked_at"));
	const char *status = json_string_value(json_object_get(columns,
	    "status"));

	*ret = (struct mongo_cluster){
		.name = name,
		.status = status != NULL && status[0] != '\0' ? status : NULL,
		.metadata = json_object_get(columns, "metadata"),
		.has_latency = json_is_integer(latency),
		.latency_ms = json_integer_value(latency),
		.position = position,
	};
	ret->has_check = checked != NULL &&
	    wall_parse(checked, strlen(checked), &ret->checked_unix_ms);
}

void
mongo_cluster_status(struct mongo_write *ret,
    const struct mongo_cluster *cluster, int64_t now_unix_ms)
{
	bson_t set;

	mongo_write_init(ret);
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
