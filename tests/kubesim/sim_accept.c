#include "tests/kubesim/sim_accept.h"

#include <string.h>
#include <strings.h>

#include "common/macros.h"

#define VALUE_MAX 64

/* One clause: its type, and the parameters that matter. */
struct clause {
	char	type[VALUE_MAX];
	char	as[VALUE_MAX];
	char	group[VALUE_MAX];
	char	version[VALUE_MAX];
	char	drop[VALUE_MAX];
};

/* The text without blanks around it; what is too long becomes "". */
static void
copy_trimmed(char to[VALUE_MAX], const char *from, size_t n)
{
	while (n != 0 && (*from == ' ' || *from == '\t')) {
		from++;
		n--;
	}
	while (n != 0 && (from[n - 1] == ' ' || from[n - 1] == '\t'))
		n--;
	if (n >= VALUE_MAX)
		n = 0;
	memcpy(to, from, n);
	to[n] = '\0';
}

static void
take_parameter(struct clause *c, const char *text, size_t n)
{
	const char *equal = memchr(text, '=', n);
	char name[VALUE_MAX], value[VALUE_MAX];

	if (equal == NULL)
		return;
	copy_trimmed(name, text, (size_t)(equal - text));
	copy_trimmed(value, equal + 1, n - (size_t)(equal - text) - 1);
	if (strcmp(name, "as") == 0)
		memcpy(c->as, value, sizeof(value));
	else if (strcmp(name, "g") == 0)
		memcpy(c->group, value, sizeof(value));
	else if (strcmp(name, "v") == 0)
		memcpy(c->version, value, sizeof(value));
	else if (strcmp(name, "drop") == 0)
		memcpy(c->drop, value, sizeof(value));
}

/* Reads the clause at *at and moves behind it; false at the end. */
static bool
next_clause(const char **at, struct clause *ret)
{
	const char *p = *at;
	size_t n;

	if (*p == '\0')
		return false;
	memset(ret, 0, sizeof(*ret));
	n = strcspn(p, ",;");
	copy_trimmed(ret->type, p, n);
	for (p += n; *p == ';'; p += n) {
		p++;
		n = strcspn(p, ",;");
		take_parameter(ret, p, n);
	}
	*at = *p == ',' ? p + 1 : p;
	return true;
}

static bool
is_json(const struct clause *c)
{
	return strcasecmp(c->type, "application/json") == 0 ||
	    strcmp(c->type, "*/*") == 0 ||
	    strcasecmp(c->type, "application/*") == 0;
}

/* False: the clause asks for what this server has not. */
static bool
servable(const struct clause *c, const struct sim_modes *m)
{
	bool partial = strncmp(c->as, "PartialObjectMetadata", 21) == 0;

	if (!is_json(c))
		return false;
	if (c->as[0] == '\0' || m->transform == SIM_TRANSFORM_IGNORED)
		return true;
	if (strcmp(c->group, "meta.k8s.io") != 0 ||
	    strcmp(c->version, "v1") != 0)
		return false;
	if (m->transform != SIM_TRANSFORM_ON)
		return false;
	return strcmp(c->as, "Table") == 0 || (partial &&
	    (c->as[21] == '\0' || strcmp(c->as + 21, "List") == 0));
}

enum sim_verdict
sim_accept_parse(const char *header, enum sim_shape shape,
    const struct sim_modes *m, struct sim_accept *ret)
{
	const char *wanted = shape == SIM_COLLECTION ?
	    "PartialObjectMetadataList" : "PartialObjectMetadata";
	struct clause c = { 0 };
	bool json = false;

	*ret = (struct sim_accept){ 0 };
	if (header[0] == '\0')
		return SIM_ACCEPT_OK;
	while (next_clause(&header, &c)) {
		json = json || is_json(&c);
		if (!servable(&c, m))
			continue;
		ret->drop_managed = m->drop &&
		    strcmp(c.drop, "metadata.managedFields") == 0;
		if (c.as[0] == '\0' || m->transform == SIM_TRANSFORM_IGNORED)
			return SIM_ACCEPT_OK;
		ret->table = strcmp(c.as, "Table") == 0;
		if (ret->table)
			return SIM_ACCEPT_OK;
		ret->partial = true;
		return strcmp(c.as, wanted) == 0 ? SIM_ACCEPT_OK :
		    SIM_ACCEPT_WRONG_KIND;
	}
	return json ? SIM_ACCEPT_UNKNOWN_KIND : SIM_ACCEPT_NONE;
}

bool
sim_accept_discovery(const char *header)
{
	struct clause c = { 0 };

	while (next_clause(&header, &c))
		if (is_json(&c) &&
		    strcmp(c.group, "apidiscovery.k8s.io") == 0 &&
		    strcmp(c.version, "v2") == 0 &&
		    strcmp(c.as, "APIGroupDiscoveryList") == 0)
			return true;
	return false;
}

bool
sim_accept_gzip(const char *header)
{
	struct clause c = { 0 };

	while (next_clause(&header, &c))
		if (strcasecmp(c.type, "gzip") == 0)
			return true;
	return false;
}

bool
sim_accept_pretty(const char *user_agent)
{
	static const char *const people[] = { "curl", "Wget", "Mozilla/5.0" };

	for (size_t i = 0; i < NELEM(people); i++)
		if (strncmp(user_agent, people[i], strlen(people[i])) == 0)
			return true;
	return false;
}
