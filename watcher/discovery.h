/*
 * discovery: does an API server serve a kind? A 404 may come from anything on
 * the way, so the server's own list of what it serves decides (k8s-watch.md
 * A 24, 31). Pure: paths to ask, answers to judge where they lie: megabytes
 * from the network never become a tree.
 *
 * Aggregated discovery (v2) takes one question; a server that does not have it
 * answers with its groups, and is asked for the resources of one.
 */
#ifndef SLUICE_DISCOVERY_H
#define SLUICE_DISCOVERY_H

#include "common/buf.h"
#include "watcher/kinds.h"

#define DISCOVERY_BODY_MAX (8u * 1024 * 1024)
#define DISCOVERY_ACCEPT \
	"application/json;g=apidiscovery.k8s.io;v=v2;" \
	"as=APIGroupDiscoveryList,application/json"

enum discovery_verdict {
	DISCOVERY_SERVED,
	DISCOVERY_UNSERVED,
	DISCOVERY_OUTSIDE,     /* served, but in no namespace */
	DISCOVERY_ASK_GROUP,   /* discovery_path_group tells */
	DISCOVERY_UNKNOWN,     /* the answer is no discovery */
};

void	discovery_path(struct buf *b, const struct kind *kind);
void	discovery_path_group(struct buf *b, const struct kind *kind);
/* The body of an answer 200 to either. */
enum discovery_verdict discovery_judge(struct slice body,
	    const struct kind *kind);

#endif
