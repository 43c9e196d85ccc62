/*
 * load_histogram: latencies counted in buckets of 1.6 % width, from a
 * nanosecond to hours. Pure. Process: sse_load.
 */
#ifndef LOAD_HISTOGRAM_H
#define LOAD_HISTOGRAM_H

#include <stdint.h>

#define LOAD_HISTOGRAM_STEPS   64u            /* per power of two */
#define LOAD_HISTOGRAM_BUCKETS (44u * LOAD_HISTOGRAM_STEPS)

struct load_histogram {
	uint64_t	count;
	int64_t		max_ns;
	uint64_t	buckets[LOAD_HISTOGRAM_BUCKETS];
};

void	load_histogram_reset(struct load_histogram *h);
/* Below zero counts as zero, beyond the last bucket as the last. */
void	load_histogram_add(struct load_histogram *h, int64_t ns);
/* Milliseconds at or below which `share` (0 to 1) of all lie; 0 of none. */
double	load_histogram_ms(const struct load_histogram *h, double share);
/* Prints "p50_ms":..., "p90_ms", "p99_ms", "p999_ms", "max_ms". */
void	load_histogram_print(const struct load_histogram *h);

#endif
