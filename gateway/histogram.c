#include "gateway/histogram.h"

#include <assert.h>
#include <inttypes.h>

#include "common/macros.h"

void
histogram_observe(struct histogram *h, int64_t ms)
{
	size_t i = 0;

	assert(h->n_bounds <= HISTOGRAM_BUCKETS_MAX);
	ms = MAX(ms, 0);
	while (i < h->n_bounds && ms > h->bounds_ms[i])
		i++;
	h->counts[i]++;
	h->sum_ms += ms;
}

static void
seconds(struct buf *b, int64_t ms)
{
	buf_addf(b, "%" PRId64 ".%03" PRId64, ms / 1000, ms % 1000);
}

void
histogram_print(struct buf *b, const struct histogram *h, const char *name,
    const char *help)
{
	uint64_t total = 0;

	buf_addf(b, "# HELP %s %s\n# TYPE %s histogram\n", name, help, name);
	for (size_t i = 0; i < h->n_bounds; i++) {
		total += h->counts[i];
		buf_addf(b, "%s_bucket{le=\"", name);
		seconds(b, h->bounds_ms[i]);
		buf_addf(b, "\"} %" PRIu64 "\n", total);
	}
	total += h->counts[h->n_bounds];
	buf_addf(b, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n%s_sum ", name, total,
	    name);
	seconds(b, h->sum_ms);
	buf_addf(b, "\n%s_count %" PRIu64 "\n", name, total);
}
