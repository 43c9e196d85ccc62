/*
 * view: what of an event's `data` the operators' tables and MongoDB show.
 * Pure: values in, values out; jansson on one event's data (at most EVENT_MAX).
 *
 * The strings of a struct view point into `root` or into the item and live
 * until view_clear(). A text that is absent is NULL, a number VIEW_NO_NUMBER.
 */
#ifndef SLUICE_VIEW_H
#define SLUICE_VIEW_H

#include <jansson.h>

#include "common/event.h"
#include "common/resource_key.h"
#include "store/projection.h"

#define VIEW_NO_NUMBER INT64_MIN

enum view_kind {
	VIEW_NONE,
	VIEW_RESOURCE,          /* status_update: a row of `resources` */
	VIEW_RESOURCE_GONE,     /* resource.deleted: the row leaves */
	VIEW_NODE,              /* node_update: a row of `workflow_nodes` */
	VIEW_CLUSTER,           /* cluster.health, cluster.status_changed */
	VIEW_CLUSTER_METADATA,  /* cluster.metadata_updated */
	VIEW_WATCHER,           /* watcher.state_changed: a row of `watchers` */
	VIEW_MAX
};

struct view {
	enum view_kind		 kind;
	json_t			*root;       /* owned */
	struct resource_key	 resource;   /* RESOURCE, RESOURCE_GONE */
	struct slice		 id;         /* workflow, or cluster */
	const char		*node;       /* NODE */
	const char		*type;       /* NODE, WATCHER: the kind */
	const char		*name;       /* CLUSTER */
	const char		*state;      /* cluster: status */
	const char		*health;
	const char		*reason;
	const char		*message;
	const char		*resource_version;
	const char		*uid;
	const char		*checked_at;
	const char		*version;
	int64_t			 latency_ms;
	int64_t			 failures;
	char			*json;    /* owned: the whole status, or data */
};

/* Fills *ret; kind VIEW_NONE when the event shows in no table, or its data is
 * not as the contract says. */
void	view_of(const struct item *item, struct view *ret);
void	view_clear(struct view *v);

#endif
