/*
 * snapshot_read: the reading side of projection.db, on a connection of its
 * own, used by the store's reader thread only.
 *
 * A snapshot is made in one read transaction: what it holds and the position
 * it stands for (`as_of`) agree. `complete` is false where it may miss
 * something (completeness.h).
 */
#ifndef SLUICE_SNAPSHOT_READ_H
#define SLUICE_SNAPSHOT_READ_H

#include <jansson.h>

#include "common/conf.h"
#include "common/event.h"
#include "store/completeness.h"

struct snapshot_reader;

struct snapshot_reader *snapshot_reader_open(const char *path,
    const struct conf *conf, completeness_cluster_fn cluster_of, void *arg,
    struct err *err) MUST_CHECK;
void	snapshot_reader_close(struct snapshot_reader *r);
/* Another configuration, which must outlive the reader. */
void	snapshot_reader_conf(struct snapshot_reader *r,
	    const struct conf *conf);

/* Appends the answer after its status byte, as query.h says. -1 with *err and
 * nothing appended; err->code EMSGSIZE: more than an answer may hold, EINVAL:
 * not a selector, else sql.h's. */
int	snapshot_read(struct snapshot_reader *r, struct slice tenant,
	    const struct slice *selectors, size_t n, struct buf *answer,
	    struct err *err) MUST_CHECK;
/* The same of one prefix, behind the key `after` (query_wire.h: a page). */
int	snapshot_read_page(struct snapshot_reader *r, struct slice tenant,
	    struct slice selector, struct slice after, struct buf *answer,
	    struct err *err) MUST_CHECK;
/* Whether any of these exact keys has a kept event, as of a position; false
 * is only certain if it is complete. */
struct snapshot_existence {
	struct position	as_of;
	bool		exists;
	bool		complete;
};

int	snapshot_exists(struct snapshot_reader *r, struct slice tenant,
	    const struct slice *keys, size_t n, struct snapshot_existence *ret,
	    struct err *err) MUST_CHECK;
/* The rows of `clusters`, as a JSON array (a new reference). */
json_t	*snapshot_clusters(struct snapshot_reader *r, struct err *err);
/* How many configured clusters have not published again since the gap. */
int	snapshot_incomplete(struct snapshot_reader *r, unsigned int *ret,
	    struct err *err) MUST_CHECK;

#endif
