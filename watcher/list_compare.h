/*
 * list_compare: from time to time (`watch.compare`) asks for the metadata of
 * what a kind's watch should have told, and says when the inventory differs
 * (k8s-watch.md A 33: no watch is right for ever). When: compare_turn. Runs in
 * the watcher's loop, beside the watch, as one of the lists that list_gate lets
 * through.
 */
#ifndef SLUICE_LIST_COMPARE_H
#define SLUICE_LIST_COMPARE_H

#include "watcher/list_watch.h"
#include "watcher/request_path.h"

#define LIST_COMPARE_GRACE_MS (10 * 1000)   /* for what is on its way */

struct list_compare;

struct list_compare_ops {
	/* A watch is open: there is something to compare. */
	bool	(*watches)(void *arg);
	/* Called from the loop; may cancel it. False: no watch goes on, and
	 * nothing was done. */
	bool	(*differs)(void *arg);
	/* A request of it is over. */
	void	(*ended)(void *arg);
};

/* NULL: the configuration wants none; the others then do nothing. `env` and
 * `place` must outlive it. */
struct list_compare *list_compare_new(const struct watch_env *env,
    unsigned kind, const struct request_place *place,
    const struct list_compare_ops *ops, void *arg);
void	list_compare_free(struct list_compare *c);
/* A whole list is there, and a watch goes on from it. */
void	list_compare_start(struct list_compare *c);
/* The server may have been away: if it has lost its data meanwhile, and wrote
 * as many versions since, the watch never tells. That takes one with few
 * objects: a large one's versions are not caught up with so quickly. */
void	list_compare_outage(struct list_compare *c);
/* The watch is open (again): what is owed after an outage comes soon. */
void	list_compare_open(struct list_compare *c);
/* A list begins: what was asked for is of no use. */
void	list_compare_cancel(struct list_compare *c);

#endif
