#include "broker/group_limits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/macros.h"

/* How many streams of the group are new; exact, since at the limit one new
 * stream with many items must not count as many. */
static size_t
count_new(const struct group_limits *l, const struct item *items, size_t n)
{
	size_t count = 0, earlier;

	for (size_t i = 0; i < n; i++) {
		if (stream_table_find(l->streams, items[i].tenant,
		    items[i].key) != NULL)
			continue;
		for (earlier = 0; earlier < i; earlier++) {
			if (slice_eq(items[earlier].key, items[i].key) &&
			    slice_eq(items[earlier].tenant, items[i].tenant))
				break;
		}
		if (earlier == i)
			count++;
	}
	return count;
}

/* The same for parts, of the stream of items[at]; only what is at the limit
 * pays for it. */
static bool
parts_fit(const struct group_limits *l, const struct table_stream *st,
    const struct item *items, size_t n)
{
	size_t count = st->parts, earlier;

	for (size_t i = 0; i < n; i++) {
		if ((items[i].flags & ITEM_PART) == 0 ||
		    stream_table_find(l->streams, items[i].tenant,
		    items[i].key) != st || machine_table_find(l->machines,
		    st->machines, items[i].part) != NULL)
			continue;
		for (earlier = 0; earlier < i; earlier++) {
			if ((items[earlier].flags & ITEM_PART) != 0 &&
			    memcmp(items[earlier].part, items[i].part,
			    EVENT_HASH_SIZE) == 0 &&
			    slice_eq(items[earlier].key, items[i].key) &&
			    slice_eq(items[earlier].tenant, items[i].tenant))
				break;
		}
		if (earlier == i)
			count++;
	}
	return count <= MACHINE_PARTS_MAX;
}

static int
compare_slices(struct slice a, struct slice b)
{
	size_t n = MIN(a.n, b.n);
	int order = n != 0 ? memcmp(a.p, b.p, n) : 0;

	return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

static int
compare_parts(const void *x, const void *y)
{
	const struct item *a = *(const struct item *const *)x;
	const struct item *b = *(const struct item *const *)y;
	int order = compare_slices(a->tenant, b->tenant);

	if (order == 0)
		order = compare_slices(a->key, b->key);
	if (order == 0)
		order = memcmp(a->part, b->part, EVENT_HASH_SIZE);
	return order;
}

/* How many parts of the group no stream has yet, each once. */
static size_t
count_new_parts(const struct group_limits *l, const struct item *items,
    size_t n)
{
	const struct item *fresh[EVENT_BATCH_MAX];
	size_t n_fresh = 0, count = 0;

	assert(n <= NELEM(fresh));
	for (size_t i = 0; i < n; i++) {
		const struct table_stream *st;

		if ((items[i].flags & ITEM_PART) == 0)
			continue;
		st = stream_table_find(l->streams, items[i].tenant,
		    items[i].key);
		if (st == NULL || machine_table_find(l->machines,
		    st->machines, items[i].part) == NULL)
			fresh[n_fresh++] = &items[i];
	}
	qsort(fresh, n_fresh, sizeof(fresh[0]), compare_parts);
	for (size_t i = 0; i < n_fresh; i++)
		count += i == 0 || compare_parts(&fresh[i - 1],
		    &fresh[i]) != 0;
	return count;
}

enum record_code
group_limits_judge(const struct group_limits *l, const struct item *items,
    size_t n, uint32_t *ret_item)
{
	size_t parts = 0;

	for (size_t i = 0; i < n; i++) {
		const struct table_stream *st;

		if ((items[i].flags & ITEM_PART) == 0)
			continue;
		parts++;
		st = stream_table_find(l->streams, items[i].tenant,
		    items[i].key);
		if (st == NULL || st->parts + n <= MACHINE_PARTS_MAX ||
		    parts_fit(l, st, items, n))
			continue;
		*ret_item = (uint32_t)i;
		return RECORD_PARTS_LIMIT;
	}
	if (l->streams->count + n > l->max_streams &&
	    l->streams->count + count_new(l, items, n) > l->max_streams)
		return RECORD_LIMIT;
	/* Only new ones are refused: what is there must be able to end, or
	 * nothing would ever make room. */
	if (parts != 0 && l->machines->parts + parts > l->max_parts &&
	    l->machines->parts + count_new_parts(l, items, n) > l->max_parts)
		return RECORD_ALL_PARTS_LIMIT;
	return RECORD_APPENDED;
}
