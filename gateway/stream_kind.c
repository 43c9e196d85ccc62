#include "gateway/stream_kind.h"

#include <string.h>

#include "gateway/sse_frame.h"

#define F(name)      (1u << FINAL_##name)
#define FINALS_JOB   (F(SUCCEEDED) | F(FAILED) | F(CANCELED) | F(TIMED_OUT))
#define FINALS_BUILD (F(COMPLETE) | F(FAILED) | F(CANCELLED))

static const char *const final_names[FINAL_MAX] = {
	[FINAL_SUCCEEDED] = "succeeded",
	[FINAL_PARTIALLY_SUCCEEDED] = "partially_succeeded",
	[FINAL_FAILED] = "failed",
	[FINAL_CANCELED] = "canceled",
	[FINAL_TIMED_OUT] = "timed_out",
	[FINAL_COMPLETE] = "complete",
	[FINAL_CANCELLED] = "cancelled",
};

/* Contract, section 3, state machines. */
static const struct {
	const char		*word;
	enum stream_final	 final;
} aliases[] = {
	{ "completed", FINAL_SUCCEEDED },
	{ "success", FINAL_SUCCEEDED },
	{ "cancelled", FINAL_CANCELED },
	{ "timedout", FINAL_TIMED_OUT },
	{ "timed-out", FINAL_TIMED_OUT },
	{ "error", FINAL_FAILED },
};

/* Contract, section 2. */
static const struct stream_kind kinds[STREAM_TYPE_MAX] = {
	[STREAM_JOB] = { {
		{ "job.state_changed", ITEM_LIFECYCLE },
		{ "job.progress", 0 },
		{ "job.log", ITEM_LAST },
		{ "job.artifact", 0 },
	}, FINALS_JOB, false },
	[STREAM_PACK_RUN] = { {
		{ "pack_run.state_changed", ITEM_LIFECYCLE },
		{ "pack_run.step", 0 },
		{ "pack_run.progress", 0 },
		{ "pack_run.log", ITEM_LAST },
		{ "pack_run.artifact", 0 },
	}, FINALS_JOB, false },
	[STREAM_RUN] = { {
		{ "run.state_changed", ITEM_LIFECYCLE },
		{ "run.progress", 0 },
		{ "run.event", 0 },
	}, FINALS_JOB | F(PARTIALLY_SUCCEEDED), false },
	[STREAM_WORKFLOW] = { {
		{ "node_update", 0 },
		{ "workflow_sync", 0 },
	}, 0, false },
	[STREAM_RESOURCE] = { {
		{ "status_update", 0 },
		{ "resource.deleted", ITEM_DELETED },
	}, 0, false },
	[STREAM_POD_LOGS] = { { { "log", ITEM_LAST } }, F(COMPLETE), true },
	[STREAM_BUILD] = { {
		{ "log", ITEM_LAST },
		{ "progress", 0 },
		{ "complete", ITEM_LIFECYCLE },
		{ "failed", ITEM_LIFECYCLE },
		{ "cancelled", ITEM_LIFECYCLE },
	}, FINALS_BUILD, false },
	[STREAM_IMPORT] = { {
		{ "log", ITEM_LAST },
		{ "progress", 0 },
		{ "complete", ITEM_LIFECYCLE },
		{ "failed", ITEM_LIFECYCLE },
		{ "cancelled", ITEM_LIFECYCLE },
	}, FINALS_BUILD, false },
	[STREAM_CLUSTER] = { {
		{ "cluster.health", 0 },
		{ "cluster.status_changed", 0 },
		{ "cluster.metadata_updated", 0 },
	}, 0, false },
	[STREAM_WATCHER] = { { { "watcher.state_changed", 0 } }, 0, false },
	[STREAM_ALERTS] = { {
		{ "alert_fired", 0 },
		{ "alert_resolved", 0 },
		{ "new_notification", 0 },
	}, 0, false },
	[STREAM_NOTIFICATIONS] = { {
		{ "alert_fired", 0 },
		{ "alert_resolved", 0 },
		{ "new_notification", 0 },
	}, 0, false },
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

static enum stream_final
final_by_word(unsigned int finals, struct slice word)
{
	size_t i;

	for (i = 1; i < FINAL_MAX; i++)
		if ((finals & (1u << i)) != 0 && slice_is(word, final_names[i]))
			return (enum stream_final)i;
	for (i = 0; i < NELEM(aliases); i++)
		if ((finals & (1u << aliases[i].final)) != 0 &&
		    slice_is(word, aliases[i].word))
			return aliases[i].final;
	return FINAL_NONE;
}

enum stream_final
stream_kind_final(enum stream_type type, struct slice event_type,
    struct slice state)
{
	const struct stream_kind_event *row = stream_kind_event(type,
	    event_type);
	unsigned int finals = kinds[type].finals;

	if (row == NULL || (row->flags & ITEM_LIFECYCLE) == 0)
		return FINAL_NONE;
	/* Of builds and imports the name says it. */
	return final_by_word(finals, finals == FINALS_BUILD ? event_type :
	    state);
}

const char *
stream_kind_final_name(uint8_t state)
{
	unsigned int final = state & ~STREAM_KIND_LOGS_OPEN;

	return final > FINAL_NONE && final < FINAL_MAX ? final_names[final] :
	    "unknown";
}

bool
stream_kind_all_end(const struct slice *selectors, size_t n)
{
	size_t i, prefix = 0;

	for (i = 0; i < n; i++) {
		(void)stream_selector_check(selectors[i], &prefix, NULL);
		if (prefix > 0 ||
		    kinds[stream_kind_of(selectors[i])].finals == 0)
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
