/*
 * completeness: whether an answer from projection.db may miss something, after
 * a gap (projection_db.h). On the snapshot reader's connection and inside its
 * transactions; reader thread only. By kind of stream:
 *   resource, watcher, workflow: until the watcher of the stream's cluster has
 *     said of every configured kind, after the gap, that it is watching, or
 *     that it cannot, may not or will not: behind that word stands all it
 *     knows, and an unreachable cluster does not hide the others;
 *   cluster: until it was checked again, if it is configured;
 *   job, pack-run, run: until the stream's next lifecycle event, unless it has
 *     ended; build, import: until its next event; a stream nothing is known of,
 *     for as long as the journal retains;
 *   a prefix: as long as any of the streams it is known to cover.
 */
#ifndef SLUICE_COMPLETENESS_H
#define SLUICE_COMPLETENESS_H

#include <sqlite3.h>

#include "common/conf.h"
#include "common/event.h"
#include "store/selection.h"

struct completeness;

/* The cluster a workflow is bound to, copied; NULL if it is not known. */
typedef char *(*completeness_cluster_fn)(struct slice tenant,
    struct slice workflow, void *arg);

/* The one row of `checkpoint`. */
struct completeness_at {
	struct position	applied;
	bool		gapped;
	int64_t		gap_change;
	int64_t		gap_unix_ms;
};

/* The connection and the configuration must outlive it. */
struct completeness *completeness_new(sqlite3 *db, const struct conf *conf,
    completeness_cluster_fn cluster_of, void *arg, struct err *err)
    MUST_CHECK;
void	completeness_free(struct completeness *c);
/* Another configuration, which must outlive it too. */
void	completeness_conf(struct completeness *c, const struct conf *conf);

int	completeness_read(struct completeness *c, struct completeness_at *ret,
	    struct err *err) MUST_CHECK;
/* 1 complete, 0 not, -1 error. */
int	completeness_of(struct completeness *c,
	    const struct completeness_at *at, struct slice tenant,
	    const struct selection_range *range, struct err *err) MUST_CHECK;
/* How many configured clusters have not published again since the gap. */
int	completeness_clusters(struct completeness *c,
	    const struct completeness_at *at, unsigned int *ret,
	    struct err *err) MUST_CHECK;
/* The number of a stream's latest kept change; -1 when there is none. */
int	completeness_change(struct completeness *c, struct slice tenant,
	    struct slice key, int64_t *ret, struct err *err) MUST_CHECK;

#endif
