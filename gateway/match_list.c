#include "gateway/match_list.h"

#include <stdlib.h>

#include "common/xmalloc.h"

#define MATCH_LIST_MIN 16u

static uint64_t
at(const struct match_list *l, uint32_t i)
{
	return l->array[(l->head + i) & (l->size - 1)];
}

static void
make_room(struct match_list *l)
{
	uint32_t i, size = l->size == 0 ? MATCH_LIST_MIN : l->size * 2;
	uint64_t *array;

	if (l->len < l->size)
		return;
	array = xreallocarray(NULL, size, sizeof(*array));
	for (i = 0; i < l->len; i++)
		array[i] = at(l, i);
	free(l->array);
	l->array = array;
	l->size = size;
	l->head = 0;
}

void
match_list_free(struct match_list *l)
{
	free(l->array);
	*l = MATCH_LIST_EMPTY;
}

void
match_list_clear(struct match_list *l)
{
	l->head = 0;
	l->len = 0;
}

void
match_list_append(struct match_list *l, uint64_t position)
{
	if (l->len > 0 && at(l, l->len - 1) >= position)
		return;
	make_room(l);
	l->array[(l->head + l->len) & (l->size - 1)] = position;
	l->len++;
}

void
match_list_prepend(struct match_list *l, uint64_t position)
{
	make_room(l);
	l->head = (l->head - 1) & (l->size - 1);
	l->array[l->head] = position;
	l->len++;
}

uint64_t
match_list_drop(struct match_list *l, uint64_t oldest)
{
	uint64_t dropped = 0;

	while (l->len > 0 && at(l, 0) < oldest) {
		dropped = at(l, 0);
		l->head = (l->head + 1) & (l->size - 1);
		l->len--;
	}
	return dropped;
}

size_t
match_list_after(const struct match_list *l, uint64_t cursor, uint64_t *ret,
    size_t max)
{
	uint32_t lo = 0, hi = l->len, mid;
	size_t n = 0;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (at(l, mid) <= cursor)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < l->len && n < max; lo++)
		ret[n++] = at(l, lo);
	return n;
}
