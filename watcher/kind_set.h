/*
 * kind_set: the kinds of one cluster that are watched, as one: which they are
 * (`watch.kinds`, `watch.custom`), started and stopped together, and what is
 * said of all of them. Runs in the watcher's loop; it owns the kind_watches.
 */
#ifndef SLUICE_KIND_SET_H
#define SLUICE_KIND_SET_H

#include "common/conf.h"
#include "watcher/kind_watch.h"

struct kind_set;

/* `ops` are those of every kind_watch. A kind this version does not know is
 * logged and left out. `api`, `conf` and `inv` (which comparisons read) must
 * outlive it. */
struct kind_set *kind_set_new(struct event_base *base, struct kube_api *api,
    const struct conf *conf, struct inventory *inv,
    const struct kind_watch_ops *ops, void *arg);
void	kind_set_free(struct kind_set *set);
void	kind_set_start(struct kind_set *set);
void	kind_set_stop(struct kind_set *set);

/* Every kind's first list was tried, with whatever result. */
bool	kind_set_tried(const struct kind_set *set);
/* How each stands, in the order of the table; room for KINDS_MAX. Returns how
 * many. */
unsigned kind_set_views(const struct kind_set *set,
	    struct kind_watch_view *views);

/* What an operator reads of them: the word of the first kind that is not
 * watching, and why. */
struct kind_set_summary {
	const char	*state;      /* static text */
	char		 text[768];
};

/* Pure. `objects` by index of the kinds table. */
void	kind_set_summary(const struct kind_watch_view *views, unsigned n,
	    const uint64_t *objects, struct kind_set_summary *ret);

#endif
