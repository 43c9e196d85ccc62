#include "watcher/discovery.h"

#include "common/macros.h"
#include "watcher/json_scan.h"

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

/* The member of the array whose string `name` is `text`; SLICE_NONE: none. */
static struct slice
find(struct slice array, const char *name, const char *text)
{
	const struct json_want want[] = { { name, 0, NULL, 0 } };
	const char *cursor = NULL;
	struct slice row, value;

	while (json_scan_next(array, &cursor, &row)) {
		json_scan_again(row, want, NELEM(want), &value, 1);
		if (json_scan_is(value, text))
			return row;
	}
	return SLICE_NONE;
}

static bool
is_array(struct slice value)
{
	return value.n > 0 && value.p[0] == '[';
}

/* By its row; who says nothing of its scope may mean either. */
static enum discovery_verdict
verdict(struct slice resource)
{
	enum { SCOPE, NAMESPACED, SLOTS };
	static const struct json_want want[] = {
		{ "scope", SCOPE, NULL, 0 },
		{ "namespaced", NAMESPACED, NULL, 0 },
	};
	struct slice v[SLOTS];

	if (resource.p == NULL)
		return DISCOVERY_UNSERVED;
	json_scan_again(resource, want, NELEM(want), v, SLOTS);
	if (json_scan_is(v[SCOPE], "Cluster") ||
	    slice_is(v[NAMESPACED], "false"))
		return DISCOVERY_OUTSIDE;
	return DISCOVERY_SERVED;
}

/* One group's version, and what it says of the kind; UNSERVED: nothing. */
static enum discovery_verdict
judge_version(struct slice version, const struct kind *kind)
{
	enum { FRESHNESS, RESOURCES, SLOTS };
	static const struct json_want want[] = {
		{ "freshness", FRESHNESS, NULL, 0 },
		{ "resources", RESOURCES, NULL, 0 },
	};
	struct slice v[SLOTS];

	json_scan_again(version, want, NELEM(want), v, SLOTS);
	/* Of an aggregated server that is away, an old answer. */
	if (json_scan_is(v[FRESHNESS], "Stale"))
		return DISCOVERY_UNKNOWN;
	return verdict(find(v[RESOURCES], "resource", kind->resource));
}

/* APIGroupDiscoveryList: everything at once. */
static enum discovery_verdict
judge_aggregated(struct slice items, const struct kind *kind)
{
	enum { NAME, VERSIONS, SLOTS };
	static const struct json_want want_metadata[] = {
		{ "name", NAME, NULL, 0 },
	};
	static const struct json_want want[] = {
		{ "metadata", -1, want_metadata, NELEM(want_metadata) },
		{ "versions", VERSIONS, NULL, 0 },
	};
	const char *cursor = NULL;
	struct slice row, version, v[SLOTS];
	enum discovery_verdict found;

	while (json_scan_next(items, &cursor, &row)) {
		json_scan_again(row, want, NELEM(want), v, SLOTS);
		/* The core group has no name. */
		if (kind->group[0] != '\0' &&
		    !json_scan_is(v[NAME], kind->group))
			continue;
		version = find(v[VERSIONS], "version", kind->version);
		if (version.p == NULL)
			continue;
		found = judge_version(version, kind);
		if (found != DISCOVERY_UNSERVED)
			return found;
	}
	return DISCOVERY_UNSERVED;
}

/* APIGroupList: is there such a version of the group? */
static enum discovery_verdict
judge_groups(struct slice groups, const struct kind *kind)
{
	static const struct json_want want[] = { { "versions", 0, NULL, 0 } };
	struct slice group = find(groups, "name", kind->group), versions;

	json_scan_again(group, want, NELEM(want), &versions, 1);
	return find(versions, "version", kind->version).p != NULL ?
	    DISCOVERY_ASK_GROUP : DISCOVERY_UNSERVED;
}

/* APIVersions: the core group's. */
static enum discovery_verdict
judge_versions(struct slice versions, const struct kind *kind)
{
	const char *cursor = NULL;
	struct slice version;

	while (json_scan_next(versions, &cursor, &version))
		if (json_scan_is(version, kind->version))
			return DISCOVERY_ASK_GROUP;
	return DISCOVERY_UNSERVED;
}

enum discovery_verdict
discovery_judge(struct slice body, const struct kind *kind)
{
	enum { KIND, ITEMS, GROUPS, VERSIONS, RESOURCES, SLOTS };
	static const struct json_want want[] = {
		{ "kind", KIND, NULL, 0 }, { "items", ITEMS, NULL, 0 },
		{ "groups", GROUPS, NULL, 0 },
		{ "versions", VERSIONS, NULL, 0 },
		{ "resources", RESOURCES, NULL, 0 },
	};
	struct slice v[SLOTS];

	if (!json_scan(body, want, NELEM(want), v, SLOTS))
		return DISCOVERY_UNKNOWN;
	if (json_scan_is(v[KIND], "APIGroupDiscoveryList") &&
	    is_array(v[ITEMS]))
		return judge_aggregated(v[ITEMS], kind);
	if (json_scan_is(v[KIND], "APIGroupList") && is_array(v[GROUPS]))
		return judge_groups(v[GROUPS], kind);
	if (json_scan_is(v[KIND], "APIVersions") && is_array(v[VERSIONS]))
		return judge_versions(v[VERSIONS], kind);
	if (json_scan_is(v[KIND], "APIResourceList") &&
	    is_array(v[RESOURCES]))
		return verdict(find(v[RESOURCES], "name", kind->resource));
	return DISCOVERY_UNKNOWN;
}
