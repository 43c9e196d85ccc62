/*
 * cluster_objects: what lists and watches tell of the cluster's objects,
 * brought to where it is kept: the inventory, the job streams and the figures,
 * which it makes and owns. Statuses that time alone changes are judged again
 * when that is due.
 *
 * Runs in the watcher's loop.
 */
#ifndef SLUICE_CLUSTER_OBJECTS_H
#define SLUICE_CLUSTER_OBJECTS_H

#include "common/role.h"
#include "watcher/figures.h"
#include "watcher/inventory.h"
#include "watcher/job_streams.h"

struct cluster_objects;

/* Time has changed statuses, which may be unpublished now. */
typedef void (*cluster_objects_due_cb)(void *arg);

/* `role` must outlive it. */
struct cluster_objects *cluster_objects_new(struct role *role,
	    cluster_objects_due_cb due, void *arg);
void	cluster_objects_free(struct cluster_objects *o);

struct inventory *cluster_objects_inventory(const struct cluster_objects *o);
struct figures	 *cluster_objects_figures(const struct cluster_objects *o);
/* NULL: Jobs are no streams (`watch.jobs_as_streams`), or not watched. */
struct job_streams *cluster_objects_jobs(const struct cluster_objects *o);

/* As kind_watch tells them; `kind` is an index of the table of kinds. False:
 * there is no room for it. */
bool	 cluster_objects_event(struct cluster_objects *o, unsigned kind,
	    enum kube_event_type type, const struct kube_object *object);
uint32_t cluster_objects_list_begin(struct cluster_objects *o, unsigned kind,
	    struct slice namespace);
void	 cluster_objects_list_end(struct cluster_objects *o, unsigned kind,
	    struct slice namespace, uint32_t mark);

#endif
