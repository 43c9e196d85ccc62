/*
 * payload: the watcher's events as items (contract 1 and 3). Pure.
 *
 * An item's slices point into the struct payload it was made in, which lives
 * until payload_clear.
 */
#ifndef SLUICE_PAYLOAD_H
#define SLUICE_PAYLOAD_H

#include "common/event.h"
#include "watcher/inventory.h"
#include "watcher/job_streams.h"
#include "watcher/kind_watch.h"

struct payload {
	struct item	item;
	struct buf	key;
	struct buf	frame;
};

void	payload_clear(struct payload *p);

/* resource:<cluster>/<kind>/<namespace>/<name>; of a cluster-wide object
 * resource:<cluster>/<kind>/<name> */
void	payload_status_update(struct payload *p, const char *cluster,
	    const struct inv_object *o, int64_t now_unix_ms);
void	payload_deleted(struct payload *p, const char *cluster,
	    const struct inv_object *o, int64_t now_unix_ms);
/* workflow:<id>, subject the node */
void	payload_node_update(struct payload *p, const char *cluster,
	    const struct inv_object *o, const struct inv_binding *b,
	    int64_t now_unix_ms);
/* job:<cluster>/<namespace>/<name>: the stream goes from `from` to `to`;
 * `last`: the Job is there. The first of a group is `guarded`. */
struct payload_job_step {
	struct job_step	from, to;
	bool		guarded, last;
};
void	payload_job_state(struct payload *p, const char *cluster,
	    const struct job_stream *s, const struct payload_job_step *step,
	    int64_t now_unix_ms);
/* watcher:<cluster>, subject the kind; previous NULL: none */
void	payload_watcher_state(struct payload *p, const char *cluster,
	    const struct kind_watch_view *view, const char *previous,
	    uint64_t objects, int64_t now_unix_ms);

#endif
