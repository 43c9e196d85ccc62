/*
 * cluster_set: the clusters that health checks: those of the configuration,
 * and those taken out of it whose last job still runs.
 *
 * It owns the clusters and their places in the schedule, which must outlive
 * it. No clock, socket or libevent: times are given to it. Process: health,
 * loop only.
 */
#ifndef SLUICE_CLUSTER_SET_H
#define SLUICE_CLUSTER_SET_H

#include "common/conf.h"
#include "common/query.h"
#include "health/checked_cluster.h"
#include "health/schedule.h"

struct cluster_set;

struct cluster_set *cluster_set_new(struct schedule *schedule);
void	cluster_set_free(struct cluster_set *set);

/* Makes the clusters those of the configuration. One that got another
 * kubeconfig or context is replaced, and keeps its status until checked. */
void	cluster_set_match(struct cluster_set *set, const struct conf *conf,
	    struct mono now);
/* The configured one of that id, or NULL. */
struct checked_cluster *cluster_set_find(const struct cluster_set *set,
	    struct slice id);
/* Walks the configured ones: *cursor begins at 0; NULL at the end. Nothing may
 * be added or removed meanwhile. */
struct checked_cluster *cluster_set_next(const struct cluster_set *set,
	    size_t *cursor);
/* Its job has ended and the schedule knows: true when it was to go and is
 * gone. */
bool	cluster_set_ended(struct cluster_set *set, struct checked_cluster *c);

/* What was last published of them, as the store has it: their status from
 * here on. An item that is unreadable ends it. */
void	cluster_set_seed(struct cluster_set *set,
	    const struct query_snapshot *snapshot);
/* "3 clusters, 2 connected, 1 error"; cut at `size`. */
void	cluster_set_summary(const struct cluster_set *set, char *buf,
	    size_t size);

#endif
