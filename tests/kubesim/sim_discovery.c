#include "tests/kubesim/sim_discovery.h"

#include <string.h>

#include "tests/kubesim/sim_accept.h"
#include "tests/kubesim/sim_kinds.h"

#define V2_TYPE "application/json;g=apidiscovery.k8s.io;v=v2;" \
	"as=APIGroupDiscoveryList"

static const char *const verbs[] = { "create", "delete", "get", "list",
    "patch", "update", "watch" };

/* Every group with the one version of it that is served. */
static const struct group {
	const char	*name;
	const char	*version;
} groups[] = {
	{ "", "v1" }, { "apps", "v1" }, { "autoscaling", "v2" },
	{ "batch", "v1" }, { "networking.k8s.io", "v1" },
	{ "storage.k8s.io", "v1" },
};

static bool
in_group(struct sim *sim, int kind, const struct group *g)
{
	return !(sim->modes.unserved & SIM_BIT(kind)) &&
	    strcmp(sim_kinds_row((enum sim_kind)kind)->group, g->name) == 0;
}

static bool
served(struct sim *sim, const struct group *g)
{
	for (int k = 0; k < SIM_KIND_MAX; k++)
		if (in_group(sim, k, g))
			return true;
	return false;
}

static json_t *
all_verbs(void)
{
	json_t *list = json_array();

	for (size_t i = 0; i < NELEM(verbs); i++)
		(void)json_array_append_new(list, json_string(verbs[i]));
	return list;
}

static json_t *
short_names(const struct sim_kind_row *row)
{
	json_t *list = json_array();

	if (row->alias != NULL)
		(void)json_array_append_new(list, json_string(row->alias));
	return list;
}

static json_t *
group_version(const struct group *g)
{
	return json_sprintf("%s%s%s", g->name, g->name[0] != '\0' ? "/" : "",
	    g->version);
}

/* ---- aggregated ---- */

static json_t *
v2_resource(const struct sim_kind_row *row)
{
	return json_pack("{s:s, s:{s:s, s:s, s:s}, s:s, s:s, s:o, s:o}",
	    "resource", row->plural, "responseKind", "group", row->group,
	    "version", row->version, "kind", row->kind, "scope",
	    row->namespaced ? "Namespaced" : "Cluster", "singularResource",
	    row->name, "verbs", all_verbs(), "shortNames", short_names(row));
}

static json_t *
v2_group(struct sim *sim, const struct group *g)
{
	json_t *resources = json_array(), *group;

	for (int k = 0; k < SIM_KIND_MAX; k++)
		if (in_group(sim, k, g))
			(void)json_array_append_new(resources, v2_resource(
			    sim_kinds_row((enum sim_kind)k)));
	group = json_pack("{s:{s:n}, s:[{s:s, s:o, s:s}]}", "metadata",
	    "creationTimestamp", "versions", "version", g->version,
	    "resources", resources, "freshness", "Current");
	if (g->name[0] != '\0')
		(void)json_object_set_new(json_object_get(group, "metadata"),
		    "name", json_string(g->name));
	return group;
}

static void
reply_v2(struct sim_conn *c, bool core)
{
	struct sim *sim = sim_conn_sim(c);
	json_t *items = json_array(), *doc;

	for (size_t i = 0; i < NELEM(groups); i++)
		if ((groups[i].name[0] == '\0') == core &&
		    served(sim, &groups[i]))
			(void)json_array_append_new(items,
			    v2_group(sim, &groups[i]));
	doc = json_pack("{s:s, s:s, s:{}, s:o}", "kind",
	    "APIGroupDiscoveryList", "apiVersion", "apidiscovery.k8s.io/v2",
	    "metadata", "items", items);
	sim_conn_reply_typed(c, 200, V2_TYPE, doc);
}

/* ---- one document each ---- */

static json_t *
group_entry(const struct group *g)
{
	return json_pack("{s:s, s:[{s:o, s:s}], s:{s:o, s:s}}", "name",
	    g->name, "versions", "groupVersion", group_version(g), "version",
	    g->version, "preferredVersion", "groupVersion", group_version(g),
	    "version", g->version);
}

static void
reply_groups(struct sim_conn *c)
{
	struct sim *sim = sim_conn_sim(c);
	json_t *list = json_array();

	for (size_t i = 1; i < NELEM(groups); i++)
		if (served(sim, &groups[i]))
			(void)json_array_append_new(list,
			    group_entry(&groups[i]));
	sim_conn_reply_json(c, 200, json_pack("{s:s, s:s, s:o}", "kind",
	    "APIGroupList", "apiVersion", "v1", "groups", list));
}

static void
reply_core_versions(struct sim_conn *c)
{
	sim_conn_reply_json(c, 200, json_pack("{s:s, s:[s], s:[{s:s, s:s}]}",
	    "kind", "APIVersions", "versions", "v1",
	    "serverAddressByClientCIDRs", "clientCIDR", "0.0.0.0/0",
	    "serverAddress", "127.0.0.1"));
}

static void
reply_group(struct sim_conn *c, const struct group *g)
{
	json_t *doc = group_entry(g);

	(void)json_object_set_new(doc, "kind", json_string("APIGroup"));
	(void)json_object_set_new(doc, "apiVersion", json_string("v1"));
	sim_conn_reply_json(c, 200, doc);
}

static void
reply_resources(struct sim_conn *c, const struct group *g)
{
	struct sim *sim = sim_conn_sim(c);
	json_t *list = json_array();
	const struct sim_kind_row *row;

	for (int k = 0; k < SIM_KIND_MAX; k++) {
		if (!in_group(sim, k, g))
			continue;
		row = sim_kinds_row((enum sim_kind)k);
		(void)json_array_append_new(list, json_pack(
		    "{s:s, s:s, s:b, s:s, s:o, s:o}", "name", row->plural,
		    "singularName", row->name, "namespaced", row->namespaced,
		    "kind", row->kind, "verbs", all_verbs(), "shortNames",
		    short_names(row)));
	}
	sim_conn_reply_json(c, 200, json_pack("{s:s, s:o, s:o}", "kind",
	    "APIResourceList", "groupVersion", group_version(g), "resources",
	    list));
}

/* ---- paths ---- */

/* rest: "apps" or "apps/v1" of "/apis/..."; "v1" of "/api/...". */
static bool
handle_below(struct sim_conn *c, const char *rest, bool core)
{
	struct sim *sim = sim_conn_sim(c);
	const struct group *g;
	size_t n;

	for (size_t i = 0; i < NELEM(groups); i++) {
		g = &groups[i];
		n = strlen(g->name);
		if ((n == 0) != core || strncmp(rest, g->name, n) != 0 ||
		    !served(sim, g))
			continue;
		if (!core && rest[n] == '\0') {
			reply_group(c, g);
			return true;
		}
		if ((core || rest[n] == '/') &&
		    strcmp(rest + n + (core ? 0 : 1), g->version) == 0) {
			reply_resources(c, g);
			return true;
		}
	}
	return false;
}

bool
sim_discovery_handle(struct sim_conn *c, const char *path)
{
	struct sim *sim = sim_conn_sim(c);
	bool core = strcmp(path, "/api") == 0;

	if (core || strcmp(path, "/apis") == 0) {
		if (sim->modes.discovery == SIM_DISCOVERY_V2 &&
		    sim_accept_discovery(sim_conn_request(c)->accept))
			reply_v2(c, core);
		else if (core)
			reply_core_versions(c);
		else
			reply_groups(c);
		return true;
	}
	if (strncmp(path, "/apis/", 6) == 0)
		return handle_below(c, path + 6, false);
	return strncmp(path, "/api/", 5) == 0 &&
	    handle_below(c, path + 5, true);
}
