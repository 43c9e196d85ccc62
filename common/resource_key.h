/*
 * resource_key: the stream key of an object that a watcher follows, and its
 * parts: resource:<cluster>/<kind>/<namespace>/<name> (doc/contract.md 2); a
 * cluster-wide object has no namespace there. Pure. Watcher and store.
 */
#ifndef SLUICE_RESOURCE_KEY_H
#define SLUICE_RESOURCE_KEY_H

#include <stdbool.h>

#include "common/buf.h"

struct resource_key {
	struct slice	cluster;
	struct slice	kind;
	struct slice	namespace;   /* empty: cluster-wide */
	struct slice	name;        /* as key_name made it */
};

/* Slices of `key`; false if it is of another form (KubeOrch's
 * resource:<hex24>). */
bool	resource_key_parse(struct slice key, struct resource_key *ret);

#endif
