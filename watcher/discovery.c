#include "watcher/discovery.h"

#include <jansson.h>
#include <string.h>

void
discovery_path(struct buf *b, const struct kind *kind)
{
	buf_adds(b, kind->group[0] == '\0' ? "/api" : "/apis");
}

void
discovery_path_group(struct buf *b, const struct kind *kind)
{
	if (kind->group[0] == '\0')
		buf_addf(b, "/api/%s", kind->version);
	else
		buf_addf(b, "/apis/%s/%s", kind->group, kind->version);
}

/* --- judging -------------------------------------------------------------- */

static bool
is(const json_t *object, const char *member, const char *text)
{
	const json_t *v = json_object_get(object, member);

	return json_is_string(v) && strcmp(json_string_value(v), text) == 0;
}

/* The member of the array whose `name` is `text`, or NULL. */
static const json_t *
find(const json_t *array, const char *name, const char *text)
{
	const json_t *row;
	size_t i;

	json_array_foreach(array, i, row)
		if (is(row, name, text))
			return row;
	return NULL;
}

static enum discovery_verdict
verdict(bool served)
{
	return served ? DISCOVERY_SERVED : DISCOVERY_UNSERVED;
}

/* APIGroupDiscoveryList: everything at once. */
static enum discovery_verdict
judge_aggregated(const json_t *root, const struct kind *kind)
{
	const json_t *items = json_object_get(root, "items"), *row, *version;
	size_t i;

	if (!json_is_array(items))
		return DISCOVERY_UNKNOWN;
	json_array_foreach(items, i, row) {
		/* The core group has no name. */
		if (kind->group[0] != '\0' && !is(json_object_get(row,
		    "metadata"), "name", kind->group))
			continue;
		version = find(json_object_get(row, "versions"), "version",
		    kind->version);
		if (version == NULL)
			continue;
		/* Of an aggregated server that is away, an old answer. */
		if (is(version, "freshness", "Stale"))
			return DISCOVERY_UNKNOWN;
		if (find(json_object_get(version, "resources"), "resource",
		    kind->resource) != NULL)
			return DISCOVERY_SERVED;
	}
	return DISCOVERY_UNSERVED;
}

/* APIGroupList: is there such a version of the group? */
static enum discovery_verdict
judge_groups(const json_t *root, const struct kind *kind)
{
	const json_t *groups = json_object_get(root, "groups");
	const json_t *group = find(groups, "name", kind->group);

	if (!json_is_array(groups))
		return DISCOVERY_UNKNOWN;
	return find(json_object_get(group, "versions"), "version",
	    kind->version) != NULL ? DISCOVERY_ASK_GROUP : DISCOVERY_UNSERVED;
}

/* APIVersions: the core group's. */
static enum discovery_verdict
judge_versions(const json_t *root, const struct kind *kind)
{
	const json_t *versions = json_object_get(root, "versions"), *v;
	size_t i;

	if (!json_is_array(versions))
		return DISCOVERY_UNKNOWN;
	json_array_foreach(versions, i, v)
		if (json_is_string(v) &&
		    strcmp(json_string_value(v), kind->version) == 0)
			return DISCOVERY_ASK_GROUP;
	return DISCOVERY_UNSERVED;
}

static enum discovery_verdict
judge(const json_t *root, const struct kind *kind)
{
	const json_t *resources = json_object_get(root, "resources");

	if (is(root, "kind", "APIGroupDiscoveryList"))
		return judge_aggregated(root, kind);
	if (is(root, "kind", "APIGroupList"))
		return judge_groups(root, kind);
	if (is(root, "kind", "APIVersions"))
		return judge_versions(root, kind);
	if (is(root, "kind", "APIResourceList") && json_is_array(resources))
		return verdict(find(resources, "name", kind->resource) !=
		    NULL);
	return DISCOVERY_UNKNOWN;
}

enum discovery_verdict
discovery_judge(struct slice body, const struct kind *kind)
{
	json_t *root = body.n == 0 ? NULL :
	    json_loadb(body.p, body.n, 0, NULL);
	enum discovery_verdict v = judge(root, kind);

	json_decref(root);
	return v;
}
