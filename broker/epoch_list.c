#include "broker/epoch_list.h"

#include <string.h>

/* How many begin at `number` or before. */
static size_t
begun(const struct epoch_list *l, uint64_t number)
{
	size_t n = l->n;

	while (n > 0 && l->begins[n - 1].first > number)
		n--;
	return n;
}

void
epoch_list_add(struct epoch_list *l, uint32_t epoch, uint64_t first)
{
	size_t at = begun(l, first);

	if (at > 0 && l->begins[at - 1].epoch == epoch)
		return;
	if (at > 0 && l->begins[at - 1].first == first) {
		l->begins[at - 1].epoch = epoch;
		return;
	}
	if (l->n == EPOCH_LIST_MAX) {
		if (at == 0)
			return;
		memmove(l->begins, l->begins + 1,
		    --l->n * sizeof(l->begins[0]));
		at--;
	}
	memmove(l->begins + at + 1, l->begins + at,
	    (l->n - at) * sizeof(l->begins[0]));
	l->begins[at] = (struct epoch_begin){ epoch, first };
	l->n++;
}

uint32_t
epoch_list_of(const struct epoch_list *l, uint64_t number)
{
	size_t n = begun(l, number);

	if (l->n == 0)
		return 0;
	return l->begins[n > 0 ? n - 1 : 0].epoch;
}
