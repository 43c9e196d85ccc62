/*
 * projection: the rules by which the store keeps, of every stream, the latest
 * event per (slot, subject). Pure: values in, values out.
 *
 * Source of the rules: doc/contract.md section 3, row `snapshot`.
 *
 * slot      event types                                   subject
 * STATE     *.state_changed (watcher: per kind),          none (watcher: kind)
 *           cluster.status_changed, complete, failed,
 *           cancelled of build and import
 * PROGRESS  *.progress, progress                          the event's
 * STEP      pack_run.step                                 step_id
 * ARTIFACT  *.artifact                                    data.id
 * HEALTH    cluster.health                                none
 * METADATA  cluster.metadata_updated                      none
 * STATUS    status_update, resource.deleted (shared)      none
 * NODE      node_update                                   node_id
 * LOG       *.log, log: the last PROJECTION_LOGS          order of arrival
 *
 * Everything else (run.event, workflow_sync, alerts, notifications) is passed
 * on by the gateways and not kept here.
 */
#ifndef SLUICE_PROJECTION_H
#define SLUICE_PROJECTION_H

#include "common/event.h"

#define PROJECTION_LOGS 100u   /* kept log events per stream */

/* Stored in projection.db and the order inside one stream's snapshot: append
 * only, before LOG a new number needs a new schema version. */
enum slot {
	SLOT_NONE,
	SLOT_STATE,
	SLOT_PROGRESS,
	SLOT_STEP,
	SLOT_ARTIFACT,
	SLOT_HEALTH,
	SLOT_METADATA,
	SLOT_STATUS,
	SLOT_NODE,
	SLOT_LOG,
	SLOT_MAX
};

/* Where an event is kept. */
struct placement {
	enum slot	 slot;
	enum stream_type type;         /* with a slot */
	struct slice	 subject;      /* of the item, or of `text` */
	char		*text;         /* owned; see placement_clear */
};

/* The slot of an event type in a stream of this type. */
enum slot	 projection_slot(enum stream_type type,
		    struct slice event_type);
/* Slot and subject of an item (for LOG the subject is left empty: the caller
 * numbers them). Reads `data` only where the subject stands nowhere else. */
void		 projection_place(const struct item *item,
		    struct placement *ret);
void		 placement_clear(struct placement *p);

/* Whether an event at `next` may replace what stands for `have`: never back in
 * time. Positions grow over epochs; only a journal that was taken away by hand
 * makes them begin again, always under another epoch, and what arrives under
 * another epoch arrives later. */
bool		 projection_newer(struct position have, struct position next);

/* What follows "<type>:". */
struct slice	 stream_key_name(struct slice key);

#endif
