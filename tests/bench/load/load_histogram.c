#include "tests/bench/load/load_histogram.h"

#include <stdio.h>
#include <string.h>

#include "common/macros.h"

#define NS_PER_MS 1e6

void
load_histogram_reset(struct load_histogram *h)
{
	memset(h, 0, sizeof(*h));
}

/* The first STEPS buckets hold one value each; after them every power of two
 * has STEPS/2 ... STEPS - 1 as its leading bits. */
static uint32_t
bucket_of(uint64_t v)
{
	uint32_t shift = 0, half = LOAD_HISTOGRAM_STEPS / 2;

	if (v >= LOAD_HISTOGRAM_STEPS)
		shift = (uint32_t)(63 - __builtin_clzll(v)) - 5;
	return MIN(shift * half + (uint32_t)(v >> shift),
	    LOAD_HISTOGRAM_BUCKETS - 1);
}

/* The largest value that falls into bucket i. */
static double
top_of(uint32_t i)
{
	uint32_t half = LOAD_HISTOGRAM_STEPS / 2, shift = 0;

	if (i >= LOAD_HISTOGRAM_STEPS)
		shift = (i - half) / half;
	return (double)((uint64_t)(i - shift * half + 1) << shift) - 1;
}

void
load_histogram_add(struct load_histogram *h, int64_t ns)
{
	ns = MAX(ns, 0);
	h->count++;
	h->max_ns = MAX(h->max_ns, ns);
	h->buckets[bucket_of((uint64_t)ns)]++;
}

double
load_histogram_ms(const struct load_histogram *h, double share)
{
	uint64_t want = (uint64_t)((double)h->count * share), seen = 0;

	if (h->count == 0)
		return 0;
	for (uint32_t i = 0; i < LOAD_HISTOGRAM_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen > want || seen == h->count)
			return MIN(top_of(i), (double)h->max_ns) / NS_PER_MS;
	}
	return (double)h->max_ns / NS_PER_MS;
}

void
load_histogram_print(const struct load_histogram *h)
{
	printf("\"p50_ms\":%.4f,\"p90_ms\":%.4f,\"p99_ms\":%.4f,"
	    "\"p999_ms\":%.4f,\"max_ms\":%.4f", load_histogram_ms(h, 0.5),
	    load_histogram_ms(h, 0.9), load_histogram_ms(h, 0.99),
	    load_histogram_ms(h, 0.999), (double)h->max_ns / NS_PER_MS);
}
