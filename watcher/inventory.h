/*
 * inventory: every object a watcher knows, and what of it is still to be
 * published. Pure: no socket, no clock, no database; the outbox drives it.
 *
 * One entry per (kind, namespace, name). It is there while the object exists,
 * while the store still shows it, while a workflow's node is bound to it, or
 * while something about it is unpublished. Per entry: the latest status, the
 * hash of the published one, at most one pending deletion. So further states
 * collapse in place while an entry is under way, never across a deletion, and
 * memory is bounded by the number of objects.
 *
 * The objects themselves are inv_object's, kept and queued by inv_set in the
 * hash table of inv_table.
 *
 * A status that only time changes (kube_status.h) is computed ahead when the
 * object is seen, so that its bytes need not be kept.
 */
#ifndef SLUICE_INVENTORY_H
#define SLUICE_INVENTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "watcher/inv_table.h"
#include "watcher/kinds.h"
#include "watcher/kube_object.h"
#include "watcher/kube_status.h"

/* Bytes of a status from the store: what kube_status can write, each byte of
 * its texts escaped. */
#define INVENTORY_STATUS_MAX ((KUBE_STATUS_REASON_MAX + \
	KUBE_STATUS_MESSAGE_MAX) * 6 + KUBE_STATUS_FIELDS_MAX + 512)

struct inv_binding;
struct inv_object;
struct inventory;

/* max: entries that what the cluster says may make; 0: any number. */
struct inventory *inventory_new(uint32_t max);
void	inventory_free(struct inventory *inv);

/* --- what the cluster says ------------------------------------------------ */
/* The object exists and looks like this. False: it is new, and there are
 * as many entries as there may be; nothing has changed. */
bool	inventory_seen(struct inventory *inv, unsigned kind,
	    const struct kube_object *object, int64_t now_unix_ms);
/* The API server deleted it (its last state is in `object`). */
void	inventory_deleted(struct inventory *inv, unsigned kind,
	    const struct kube_object *object, int64_t now_unix_ms);
/* Mark and sweep: what of the namespace (SLICE_NONE: of all) was not seen
 * between the two is gone. Lists of several may be under way: the mark that
 * begin gives tells end what its own named. */
uint32_t inventory_list_begin(struct inventory *inv, unsigned kind,
	    struct slice namespace);
void	inventory_list_end(struct inventory *inv, unsigned kind,
	    struct slice namespace, uint32_t mark);
/* Applies the statuses that are due. */
void	inventory_tick(struct inventory *inv, int64_t now_unix_ms);
/* When the next one is (0: never). */
int64_t	inventory_due(const struct inventory *inv);

/* The entry, or NULL; a walk as inv_table's. For inv_compare. */
struct inv_object *inventory_find(const struct inventory *inv, unsigned kind,
	    struct slice namespace, struct slice name);
struct inv_object *inventory_next(const struct inventory *inv,
	    struct inv_table_cursor *cursor);

/* --- what the store says -------------------------------------------------- */
/* The stream of the object shows this raw status. It counts only for objects
 * this inventory has not published itself. */
void	inventory_stored(struct inventory *inv, unsigned kind,
	    struct slice namespace, struct slice name, struct slice status);
struct inv_node {
	struct slice	tenant, workflow, node;
	struct slice	uid;      /* of the object it shows, or none */
};

/* Likewise a workflow's node that stands for this object; false: it is not
 * bound to it. */
bool	inventory_stored_node(struct inventory *inv, unsigned kind,
	    struct slice namespace, struct slice name,
	    const struct inv_node *node, struct slice status);
/* Everything seen is to be published, changed or not. */
void	inventory_sync_all(struct inventory *inv);

/* --- bindings ------------------------------------------------------------- */
/* begin, bind each, end: what was not named is unbound. */
void	inventory_bind_begin(struct inventory *inv);
/* False when the object has INV_OBJECT_BINDINGS_MAX already. */
bool	inventory_bind(struct inventory *inv, unsigned kind,
	    struct slice namespace, struct slice name, struct slice tenant,
	    struct slice workflow, struct slice node);
void	inventory_bind_end(struct inventory *inv);
typedef void (*inventory_workflow_cb)(const struct inv_binding *binding,
    void *arg);
void	inventory_workflows(struct inventory *inv, inventory_workflow_cb cb,
	    void *arg);

/* --- publishing ----------------------------------------------------------- */
/* The first object with something to publish, NULL when there is none. It
 * stays first until inventory_sent. */
struct inv_object *inventory_first(struct inventory *inv);
/* Handed to the publisher: counts as published and is under way until
 * inventory_answered. Refused, it counts as unpublished, and is queued again
 * as soon as it has changed since it was handed over. */
void	inventory_sent(struct inventory *inv, struct inv_object *o);
void	inventory_answered(struct inventory *inv, struct inv_object *o,
	    bool accepted);

struct inventory_counts {
	uint64_t	objects[KINDS_MAX];   /* that exist */
	uint64_t	waiting[KINDS_MAX];   /* queued or under way */
	uint64_t	entries;
	uint64_t	bindings;
};

const struct inventory_counts *inventory_counts(const struct inventory *inv);

#endif
