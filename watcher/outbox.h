/*
 * outbox: brings the inventory's unpublished changes, those of the job streams,
 * and the states of the kinds' watches, to the broker. Registers the publisher,
 * waits for what the store knows (store_ask), then publishes only differences;
 * objects before states. Runs in the watcher's loop.
 */
#ifndef SLUICE_OUTBOX_H
#define SLUICE_OUTBOX_H

#include "common/publisher.h"
#include "common/role.h"
#include "watcher/figures.h"
#include "watcher/inventory.h"
#include "watcher/job_streams.h"
#include "watcher/kind_watch.h"

#define OUTBOX_BYTES_MAX (4u * 1024 * 1024)   /* queued in the publisher */

struct outbox;

/* Registered with the broker: the process may say READY. */
typedef void (*outbox_registered_cb)(void *arg);

/* `inv`, `jobs` (NULL: they are no streams) and `figures` must outlive it. */
struct outbox *outbox_new(struct role *role, struct inventory *inv,
    struct job_streams *jobs, struct figures *figures,
    outbox_registered_cb registered, void *arg, struct err *err) MUST_CHECK;
void	outbox_free(struct outbox *o);

/* Something in the inventory or the job streams may be unpublished. Cheap. */
void	outbox_kick(struct outbox *o);
/* Publishes the present state of a kind's watch. */
void	outbox_watcher_state(struct outbox *o,
	    const struct kind_watch_view *view);
void	outbox_bindings_changed(struct outbox *o);
/* RESYNC: everything anew, as `sync`; what the store holds beyond it becomes
 * deletions; states announced from here on follow those. */
void	outbox_resync(struct outbox *o);
/* For the operator: what of the bindings could not be used, or "". */
const char *outbox_trouble(const struct outbox *o);
/* Everything handed over was answered and nothing is left. */
bool	outbox_idle(struct outbox *o);

#endif
