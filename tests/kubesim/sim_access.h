/*
 * sim_access: who may do what: an ordered table of rules, the first that fits
 * decides, and without one the default. Set at run time by /_sim/access:
 *
 *   {"default": "allow", "rules": [{"effect": "deny", "verbs": ["list"],
 *     "resources": ["pods"], "namespaces": ["", "shop"]}]}
 *
 * A member that is left out fits everything; in "namespaces", "" is the whole
 * cluster. Resources may also be paths ("/version"). Pure.
 */
#ifndef SIM_ACCESS_H
#define SIM_ACCESS_H

#include <jansson.h>
#include <stdbool.h>

#include "common/err.h"

#define SIM_ACCESS_RULES_MAX 64

struct sim_access {
	json_t	*doc;            /* checked; NULL: all is allowed */
};

void	sim_access_clear(struct sim_access *a);
/* Takes a reference of the document; -1 names what is wrong with it. */
int	sim_access_set(struct sim_access *a, json_t *doc, struct err *err)
	    MUST_CHECK;
/* New reference. */
json_t	*sim_access_show(const struct sim_access *a);
/* resource: a plural, or a path. ns: "" for the whole cluster. */
bool	sim_access_allows(const struct sim_access *a, const char *verb,
	    const char *resource, const char *ns);

#endif
