/*
 * inv_set: the entries of an inventory, and the queue of those with something
 * to publish. Pure. It knows when an entry is needed by nobody and whether one
 * has something to say; what the cluster, the store and the broker do to an
 * entry is the inventory's, which alone uses this.
 */
#ifndef SLUICE_INV_SET_H
#define SLUICE_INV_SET_H

#include "watcher/inv_listed.h"
#include "watcher/inv_table.h"
#include "watcher/inventory.h"

struct inv_set {
	struct inv_table	  table;
	struct inv_object	 *first;     /* of the queue, oldest first */
	struct inv_object	**last;
	struct inv_listed	  listed;    /* what was, to its end */
	size_t			  futures;   /* objects that have some */
	struct inventory_counts	  counts;
	int64_t			  now_unix_ms;   /* of the last news */
};

void	inv_set_init(struct inv_set *set);
void	inv_set_clear(struct inv_set *set);   /* frees every entry */

/* Finds the entry, or makes it, empty. */
struct inv_object *inv_set_entry(struct inv_set *set, unsigned kind,
	    struct slice namespace, struct slice name);
/* A walk, from { 0 } until NULL. The entry it gave last may be released;
 * nothing may be added meanwhile. */
struct inv_object *inv_set_next(const struct inv_set *set,
	    struct inv_table_cursor *c);
/* Frees an entry that nobody needs any more, and no other. */
void	inv_set_release(struct inv_set *set, struct inv_object *o);
/* Frees its futures; keeps count of the objects that have some. */
void	inv_set_futures_clear(struct inv_set *set, struct inv_object *o);

/* Queues an entry that has something to publish and is not under way. */
void	inv_set_touch(struct inv_set *set, struct inv_object *o);
/* The first of the queue that still has, or NULL. */
struct inv_object *inv_set_first(struct inv_set *set);
/* Takes that one out of the queue. */
void	inv_set_unqueue(struct inv_set *set);

#endif
