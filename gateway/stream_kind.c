#include "gateway/stream_kind.h"

#include <string.h>

#include "gateway/sse_frame.h"

/* Contract, section 2. */
static const struct stream_kind kinds[STREAM_TYPE_MAX] = {
	[STREAM_JOB] = { {
		{ "job.state_changed", 0 },
		{ "job.progress", 0 },
		{ "job.log", 0 },
		{ "job.artifact", 0 },
	} },
	[STREAM_PACK_RUN] = { {
		{ "pack_run.state_changed", 0 },
		{ "pack_run.step", 0 },
		{ "pack_run.progress", 0 },
		{ "pack_run.log", 0 },
		{ "pack_run.artifact", 0 },
	} },
	[STREAM_RUN] = { {
		{ "run.state_changed", 0 },
		{ "run.progress", 0 },
		{ "run.event", 0 },
	} },
	[STREAM_WORKFLOW] = { {
		{ "node_update", 0 },
		{ "workflow_sync", 0 },
	} },
	[STREAM_RESOURCE] = { {
		{ "status_update", 0 },
		{ "resource.deleted", ITEM_DELETED },
	} },
	[STREAM_POD_LOGS] = { { { "log", 0 } } },
	[STREAM_BUILD] = { {
		{ "log", 0 },
		{ "progress", 0 },
		{ "complete", 0 },
		{ "failed", 0 },
		{ "cancelled", 0 },
	} },
	[STREAM_IMPORT] = { {
		{ "log", 0 },
		{ "progress", 0 },
		{ "complete", 0 },
		{ "failed", 0 },
		{ "cancelled", 0 },
	} },
	[STREAM_CLUSTER] = { {
		{ "cluster.health", 0 },
		{ "cluster.status_changed", 0 },
		{ "cluster.metadata_updated", 0 },
	} },
	[STREAM_WATCHER] = { { { "watcher.state_changed", 0 } } },
	[STREAM_ALERTS] = { {
		{ "alert_fired", 0 },
		{ "alert_resolved", 0 },
		{ "new_notification", 0 },
	} },
	[STREAM_NOTIFICATIONS] = { {
		{ "alert_fired", 0 },
		{ "alert_resolved", 0 },
		{ "new_notification", 0 },
	} },
};

const struct stream_kind *
stream_kind(enum stream_type type)
{
	return &kinds[type];
}

const struct stream_kind_event *
stream_kind_event(enum stream_type type, struct slice event_type)
{
	const struct stream_kind *k = stream_kind(type);
	size_t i;

	for (i = 0; i < STREAM_KIND_EVENTS_MAX; i++)
		if (k->events[i].name != NULL &&
		    slice_is(event_type, k->events[i].name))
			return &k->events[i];
	return NULL;
}

bool
stream_kind_admits(enum stream_type type, struct slice event_type)
{
	if (sse_name_reserved(event_type))
		return false;
	if (event_type.n > 2 && memcmp(event_type.p, "x.", 2) == 0)
		return true;
	return stream_kind_event(type, event_type) != NULL;
}

enum stream_type
stream_kind_of(struct slice selector)
{
	const char *colon = memchr(selector.p, ':', selector.n);
	struct slice name = selector;
	int i;

	if (colon != NULL)
		name.n = (size_t)(colon - selector.p);
	for (i = 0; i < STREAM_TYPE_MAX; i++)
		if (slice_is(name, stream_type_name((enum stream_type)i)))
			return (enum stream_type)i;
	return STREAM_TYPE_MAX;
}
