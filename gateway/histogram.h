/*
 * histogram: how often a time was how long, in the buckets of a table, as
 * Prometheus has it. Pure: plain numbers.
 */
#ifndef SLUICE_HISTOGRAM_H
#define SLUICE_HISTOGRAM_H

#include <stdint.h>

#include "common/buf.h"

#define HISTOGRAM_BUCKETS_MAX 16u

struct histogram {
	const int64_t	*bounds_ms;   /* ascending; each is in its bucket */
	size_t		 n_bounds;    /* at most HISTOGRAM_BUCKETS_MAX */
	uint64_t	 counts[HISTOGRAM_BUCKETS_MAX + 1];   /* + the rest */
	int64_t		 sum_ms;
};

/* A negative time (a clock was set) counts as 0. */
void	histogram_observe(struct histogram *h, int64_t ms);
/* The lines of `name` (in seconds: so it should end), behind HELP and TYPE. */
void	histogram_print(struct buf *b, const struct histogram *h,
	    const char *name, const char *help);

#endif
