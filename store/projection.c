#include "store/projection.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "store/data_json.h"

/* Whole names of one stream type; STREAM_TYPE_MAX stands for every type. */
static const struct {
	enum stream_type	 type;
	const char		*event_type;
	enum slot		 slot;
} slot_table[] = {
	{ STREAM_TYPE_MAX, "watcher.state_changed", SLOT_STATE },
	{ STREAM_JOB, "job.state_changed", SLOT_STATE },
	{ STREAM_JOB, "job.progress", SLOT_PROGRESS },
	{ STREAM_JOB, "job.log", SLOT_LOG },
	{ STREAM_JOB, "job.artifact", SLOT_ARTIFACT },
	{ STREAM_PACK_RUN, "pack_run.state_changed", SLOT_STATE },
	{ STREAM_PACK_RUN, "pack_run.step", SLOT_STEP },
	{ STREAM_PACK_RUN, "pack_run.progress", SLOT_PROGRESS },
	{ STREAM_PACK_RUN, "pack_run.log", SLOT_LOG },
	{ STREAM_PACK_RUN, "pack_run.artifact", SLOT_ARTIFACT },
	{ STREAM_RUN, "run.state_changed", SLOT_STATE },
	{ STREAM_RUN, "run.progress", SLOT_PROGRESS },
	{ STREAM_WORKFLOW, "node_update", SLOT_NODE },
	{ STREAM_RESOURCE, "status_update", SLOT_STATUS },
	{ STREAM_RESOURCE, "resource.deleted", SLOT_STATUS },
	{ STREAM_POD_LOGS, "log", SLOT_LOG },
	{ STREAM_BUILD, "log", SLOT_LOG },
	{ STREAM_BUILD, "progress", SLOT_PROGRESS },
	{ STREAM_BUILD, "complete", SLOT_STATE },
	{ STREAM_BUILD, "failed", SLOT_STATE },
	{ STREAM_BUILD, "cancelled", SLOT_STATE },
	{ STREAM_IMPORT, "log", SLOT_LOG },
	{ STREAM_IMPORT, "progress", SLOT_PROGRESS },
	{ STREAM_IMPORT, "complete", SLOT_STATE },
	{ STREAM_IMPORT, "failed", SLOT_STATE },
	{ STREAM_IMPORT, "cancelled", SLOT_STATE },
	{ STREAM_CLUSTER, "cluster.health", SLOT_HEALTH },
	{ STREAM_CLUSTER, "cluster.status_changed", SLOT_STATE },
	{ STREAM_CLUSTER, "cluster.metadata_updated", SLOT_METADATA },
};

enum slot
projection_slot(enum stream_type type, struct slice event_type)
{
	size_t i;

	for (i = 0; i < NELEM(slot_table); i++) {
		if ((slot_table[i].type == type ||
		    slot_table[i].type == STREAM_TYPE_MAX) &&
		    slice_is(event_type, slot_table[i].event_type))
			return slot_table[i].slot;
	}
	return SLOT_NONE;
}

/* A text member of `data`, copied and cut to what a subject may have; it may
 * contain NUL. */
static bool
data_member(const struct item *item, const char *member, char **ret_text,
    struct slice *ret)
{
	json_t *root = data_json(item), *value;
	struct slice text;

	*ret_text = NULL;
	value = json_object_get(root, member);
	if (json_is_string(value)) {
		text = (struct slice){ json_string_value(value),
			MIN(json_string_length(value),
			(size_t)EVENT_SUBJECT_MAX) };
		*ret_text = slice_dup(text);
		*ret = (struct slice){ *ret_text, text.n };
	}
	json_decref(root);
	return *ret_text != NULL;
}

static void
place_by_member(const struct item *item, const char *member,
    struct placement *ret)
{
	if (!data_member(item, member, &ret->text, &ret->subject))
		ret->subject = item->subject;
}

void
projection_place(const struct item *item, struct placement *ret)
{
	enum stream_type type;

	*ret = (struct placement){ .slot = SLOT_NONE };
	if (stream_key_check(item->key, &type, NULL) == -1)
		return;
	ret->type = type;
	ret->slot = projection_slot(type, item->event_type);
	switch (ret->slot) {
	case SLOT_STATE:
		if (slice_is(item->event_type, "watcher.state_changed"))
			place_by_member(item, "kind", ret);
		break;
	case SLOT_PROGRESS:
		ret->subject = item->subject;
		break;
	case SLOT_STEP:
		ret->subject = item->subject;
		if (item->subject.n == 0)
			place_by_member(item, "step_id", ret);
		break;
	case SLOT_ARTIFACT:
		place_by_member(item, "id", ret);
		break;
	case SLOT_NODE:
		ret->subject = item->subject;
		if (item->subject.n == 0)
			place_by_member(item, "node_id", ret);
		break;
	case SLOT_NONE:
	case SLOT_HEALTH:
	case SLOT_METADATA:
	case SLOT_STATUS:
	case SLOT_LOG:
	case SLOT_MAX:
	default:
		break;
	}
}

void
placement_clear(struct placement *p)
{
	free(p->text);
	*p = (struct placement){ .slot = SLOT_NONE };
}

bool
projection_newer(struct position have, struct position next)
{
	return have.epoch != next.epoch || next.number > have.number;
}

struct slice
stream_key_name(struct slice key)
{
	const char *colon = key.n > 0 ? memchr(key.p, ':', key.n) : NULL;

	if (colon == NULL)
		return SLICE_NONE;
	return (struct slice){ colon + 1,
	    key.n - (size_t)(colon + 1 - key.p) };
}
