/*
 * stream_search: what is kept of these streams, and what is gone (contract 4,
 * `evicted`; common/query_wire.h, QUERY_LAST): keys are looked up, prefixes
 * are compared with every stream there is, in slices. Pure.
 *
 * It never says less than the truth about what is at or before the tip of its
 * beginning: a stream that was forgotten, or may have been, counts with the
 * last position forgotten at all, and one that goes on during the search with
 * its newest. The same of what is gone before the `oldest` it names, which is
 * that of its first look.
 */
#ifndef SLUICE_STREAM_SEARCH_H
#define SLUICE_STREAM_SEARCH_H

#include "broker/sequencer.h"
#include "common/query_wire.h"

struct stream_search {
	struct query_last	answer;     /* when the search is complete */
	struct buf		names;      /* what the slices point into */
	struct slice		tenant;
	struct slice		keys[QUERY_LAST_SELECTORS_MAX];
	size_t			n_keys;
	struct slice		prefixes[QUERY_LAST_SELECTORS_MAX];
	size_t			n_prefixes;
	size_t			cursor;
	bool			settled;    /* the keys were looked up */
	bool			forgotten;  /* one of them may have been */
	bool			open;       /* one of them has not ended, or
					     * not its log */
	/* Where the keys stand in the question. */
	uint8_t			places[QUERY_LAST_SELECTORS_MAX];
};

/* Reads the question behind its head. -1: it is not one; nothing to free. */
int	stream_search_begin(struct stream_search *v,
	    const struct sequencer *s, struct rd *question);
/* Settles about `steps` events that are gone, or makes as many comparisons;
 * true = the answer is complete. */
bool	stream_search_step(struct stream_search *v, struct sequencer *s,
	    size_t steps);
void	stream_search_end(struct stream_search *v);

#endif
