/*
 * list_slot: the first lists of a host's clusters are spread: at most ten of
 * its watchers begin theirs at a time (the supervisor's LIST_SLOT). Asks for
 * the slot and says when the kinds may begin. Gives it back when its owner, the
 * watcher, says that each of them was tried once (list_slot_return), or by
 * itself when that takes too long for those who wait. Runs in the watcher's
 * loop.
 *
 * Only for the first lists. They are what meets at one time by nature: a start
 * of the service begins all of them at once, each with its whole cluster to be
 * judged and published. A list that follows later takes no slot:
 * - after an API server's death a watch goes on where it was; a list follows
 *   only where its version is gone. Each kind comes back by its own back-off,
 *   which is spread (watch_fsm), and list_gate lets three of a cluster list at
 *   a time: this is what an API server is spared by;
 * - clusters fail one by one, not all of a host's; where it is this host's
 *   network that failed, their back-offs spread them, and what was published
 *   before is not published again;
 * - with a slot a cluster that is well would wait behind ten that are dead,
 *   just when its own watch has to be mended.
 */
#ifndef SLUICE_LIST_SLOT_H
#define SLUICE_LIST_SLOT_H

#include "common/role.h"

struct list_slot;

struct list_slot_ops {
	void	(*begin)(void *arg);      /* once: the kinds may list */
	void	(*returned)(void *arg);   /* the slot was given back */
};

/* Asks at once. */
struct list_slot *list_slot_new(struct role *role,
    const struct list_slot_ops *ops, void *arg);
void	list_slot_free(struct list_slot *s);
/* The supervisor's LIST_SLOT; one it cannot read ends the process. */
void	list_slot_message(struct list_slot *s, const void *payload, size_t n);
/* Every kind was tried; does nothing when it is not held. */
void	list_slot_return(struct list_slot *s);
/* The process leaves: one that is granted now goes back at once. */
void	list_slot_stop(struct list_slot *s);

#endif
