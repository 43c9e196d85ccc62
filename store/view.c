#include "store/view.h"

#include <stdlib.h>
#include <string.h>

#include "store/data_json.h"

#define NUMBER_MAX 9007199254740992.0   /* 2^53: exact in a real, too */

static const struct {
	enum stream_type	 type;
	const char		*event_type;
	enum view_kind		 kind;
} view_table[] = {
	{ STREAM_RESOURCE, "status_update", VIEW_RESOURCE },
	{ STREAM_RESOURCE, "resource.deleted", VIEW_RESOURCE_GONE },
	{ STREAM_WORKFLOW, "node_update", VIEW_NODE },
	{ STREAM_CLUSTER, "cluster.health", VIEW_CLUSTER },
	{ STREAM_CLUSTER, "cluster.status_changed", VIEW_CLUSTER },
	{ STREAM_CLUSTER, "cluster.metadata_updated", VIEW_CLUSTER_METADATA },
	{ STREAM_WATCHER, "watcher.state_changed", VIEW_WATCHER },
};

static enum view_kind
view_kind_of(const struct item *item)
{
	enum stream_type type;
	size_t i;

	if (stream_key_check(item->key, &type, NULL) == -1)
		return VIEW_NONE;
	for (i = 0; i < NELEM(view_table); i++) {
		if (view_table[i].type == type &&
		    slice_is(item->event_type, view_table[i].event_type))
			return view_table[i].kind;
	}
	return VIEW_NONE;
}

static const char *
text_of(const json_t *object, const char *member)
{
	return json_string_value(json_object_get(object, member));
}

static int64_t
number_of(const json_t *object, const char *member)
{
	const json_t *value = json_object_get(object, member);

	if (json_is_integer(value))
		return json_integer_value(value);
	if (json_is_real(value) && json_real_value(value) >= -NUMBER_MAX &&
	    json_real_value(value) <= NUMBER_MAX)
		return (int64_t)json_real_value(value);
	return VIEW_NO_NUMBER;
}

/* The members status_update and node_update have in common. */
static void
view_status(struct view *v)
{
	const json_t *status = json_object_get(v->root, "status");
	const json_t *resource = json_object_get(v->root, "resource");

	v->state = text_of(status, "state");
	v->health = text_of(status, "health");
	v->reason = text_of(status, "reason");
	v->message = text_of(status, "message");
	v->type = text_of(v->root, "type");
	v->resource_version = text_of(v->root, "resource_version");
	v->uid = text_of(v->root, "uid");
	if (v->uid == NULL)
		v->uid = text_of(resource, "uid");
	if (json_is_object(status))
		v->json = json_dumps(status, JSON_COMPACT);
}

static bool
view_resource(const struct item *item, struct view *v)
{
	if (!resource_key_parse(item->key, &v->resource))
		return false;
	view_status(v);
	return true;
}

static bool
view_node(const struct item *item, struct view *v)
{
	v->id = stream_key_name(item->key);
	v->node = text_of(v->root, "node_id");
	view_status(v);
	return v->node != NULL && v->json != NULL;
}

static bool
view_cluster(const struct item *item, struct view *v)
{
	const json_t *error = json_object_get(v->root, "error");

	v->id = stream_key_name(item->key);
	v->name = text_of(v->root, "name");
	v->state = text_of(v->root, "status");
	v->reason = text_of(error, "code");
	v->message = text_of(error, "message");
	v->checked_at = text_of(v->root, "checked_at");
	v->version = text_of(v->root, "version");
	v->latency_ms = number_of(v->root, "latency_ms");
	v->failures = number_of(v->root, "consecutive_failures");
	return v->state != NULL;
}

static bool
view_metadata(const struct item *item, struct view *v)
{
	v->id = stream_key_name(item->key);
	v->version = text_of(v->root, "version");
	v->json = json_dumps(v->root, JSON_COMPACT);
	return v->json != NULL;
}

static bool
view_watcher(const struct item *item, struct view *v)
{
	v->id = stream_key_name(item->key);
	v->type = text_of(v->root, "kind");
	v->state = text_of(v->root, "state");
	v->reason = text_of(v->root, "reason");
	return v->type != NULL && v->state != NULL;
}

void
view_of(const struct item *item, struct view *ret)
{
	bool good = false;

	*ret = (struct view){ .kind = view_kind_of(item),
	    .latency_ms = VIEW_NO_NUMBER, .failures = VIEW_NO_NUMBER };
	if (ret->kind == VIEW_NONE)
		return;
	ret->root = data_json(item);
	switch (ret->kind) {
	case VIEW_RESOURCE:
	case VIEW_RESOURCE_GONE:
		good = view_resource(item, ret);
		break;
	case VIEW_NODE:
		good = view_node(item, ret);
		break;
	case VIEW_CLUSTER:
		good = view_cluster(item, ret);
		break;
	case VIEW_CLUSTER_METADATA:
		good = view_metadata(item, ret);
		break;
	case VIEW_WATCHER:
		good = view_watcher(item, ret);
		break;
	case VIEW_NONE:
	case VIEW_MAX:
	default:
		break;
	}
	if (!good)
		view_clear(ret);
}

void
view_clear(struct view *v)
{
	json_decref(v->root);
	free(v->json);
	*v = (struct view){ .kind = VIEW_NONE };
}
