#include "store/run_handover.h"

#include <assert.h>

void
run_handover_clear(struct run_handover *h)
{
	while (h->taken < h->n)
		run_progress_clear(&h->runs[h->taken++]);
	h->n = h->taken = 0;
	h->more = false;
}

size_t
run_handover_room(const struct run_handover *h)
{
	return RUN_HANDOVER_MAX - h->n;
}

void
run_handover_put(struct run_handover *h, struct run_progress *p)
{
	assert(h->n < RUN_HANDOVER_MAX);
	h->runs[h->n++] = *p;
	*p = (struct run_progress){ .tenant = NULL };
}

void
run_handover_more(struct run_handover *h, bool more)
{
	h->more = more;
}

bool
run_handover_wanted(const struct run_handover *h)
{
	return h->more && h->n == 0;
}

bool
run_handover_take(struct run_handover *h, struct run_progress *ret)
{
	if (h->taken == h->n)
		return false;
	*ret = h->runs[h->taken++];
	if (h->taken == h->n)
		h->taken = h->n = 0;
	return true;
}
