#include "gateway/stream_kind.h"

#include <string.h>

#include "gateway/sse_frame.h"

/* Events of machines: their state stands in a member of data, or is their
 * name. */
#define STATE(name, machine) \
	{ name, ITEM_LIFECYCLE, LIFECYCLE_OF_##machine, "state", NULL }
#define PART(name, machine, part) \
	{ name, ITEM_PART, LIFECYCLE_OF_##machine, "state", part }
#define END(name) \
	{ name, ITEM_LIFECYCLE, LIFECYCLE_OF_BUILD, NULL, NULL }
#define PLAIN(name)        { name, 0, LIFECYCLE_OF_NOTHING, NULL, NULL }
#define FLAGGED(name, f)   { name, f, LIFECYCLE_OF_NOTHING, NULL, NULL }

/* Contract, section 2. */
static const struct stream_kind kinds[STREAM_TYPE_MAX] = {
	[STREAM_JOB] = { .events = {
		STATE("job.state_changed", JOB),
		PLAIN("job.progress"),
		FLAGGED("job.log", ITEM_LAST),
		PLAIN("job.artifact"),
	} },
	[STREAM_PACK_RUN] = { .events = {
		STATE("pack_run.state_changed", PACK_RUN),
		PART("pack_run.step", STEP, "step_id"),
		PLAIN("pack_run.progress"),
		FLAGGED("pack_run.log", ITEM_LAST),
		PLAIN("pack_run.artifact"),
	} },
	[STREAM_RUN] = { .events = {
		STATE("run.state_changed", RUN),
		PLAIN("run.progress"),
		PLAIN("run.event"),
	} },
	[STREAM_WORKFLOW] = { .events = {
		PLAIN("node_update"),
		PLAIN("workflow_sync"),
	} },
	[STREAM_RESOURCE] = { .events = {
		PLAIN("status_update"),
		FLAGGED("resource.deleted", ITEM_DELETED),
	} },
	[STREAM_POD_LOGS] = { .events = { FLAGGED("log", ITEM_LAST) },
		.log_ends = true },
	[STREAM_BUILD] = { .events = {
		FLAGGED("log", ITEM_LAST),
		PLAIN("progress"),
		END("complete"),
		END("failed"),
		END("cancelled"),
	} },
	[STREAM_IMPORT] = { .events = {
		FLAGGED("log", ITEM_LAST),
		PLAIN("progress"),
		END("complete"),
		END("failed"),
		END("cancelled"),
	} },
	[STREAM_CLUSTER] = { .events = {
		PLAIN("cluster.health"),
		PLAIN("cluster.status_changed"),
		PLAIN("cluster.metadata_updated"),
	} },
	[STREAM_WATCHER] = { .events = { PLAIN("watcher.state_changed") } },
	[STREAM_ALERTS] = { .events = {
		PLAIN("alert_fired"),
		PLAIN("alert_resolved"),
		PLAIN("new_notification"),
	} },
	[STREAM_NOTIFICATIONS] = { .events = {
		PLAIN("alert_fired"),
		PLAIN("alert_resolved"),
		PLAIN("new_notification"),
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

bool
stream_kind_all_end(const struct slice *selectors, size_t n)
{
	size_t i, prefix = 0;

	for (i = 0; i < n; i++) {
		(void)stream_selector_check(selectors[i], &prefix, NULL);
		if (prefix > 0 ||
		    !stream_type_ends(stream_kind_of(selectors[i])))
			return false;
	}
	return true;
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
