#include "broker/group_limits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/macros.h"

static_assert(EVENT_BATCH_MAX <= MACHINE_PARTS_MAX,
    "a stream that is new has room for a whole group");

/* The first item of a new stream that there is no room for, n: there is room
 * for all. Exact, since at the limit one new stream with many items must not
 * count as many. */
static size_t
first_without_room(const struct group_limits *l, const struct item *items,
    size_t n)
{
	size_t count = l->streams->count, earlier;

	for (size_t i = 0; i < n; i++) {
		if (stream_table_find(l->streams, items[i].tenant,
		    items[i].key) != NULL)
			continue;
		for (earlier = 0; earlier < i; earlier++) {
			if (slice_eq(items[earlier].key, items[i].key) &&
			    slice_eq(items[earlier].tenant, items[i].tenant))
				break;
		}
		if (earlier == i && ++count > l->max_streams)
			return i;
	}
	return n;
}

static int
compare_slices(struct slice a, struct slice b)
{
	size_t n = MIN(a.n, b.n);
	int order = n != 0 ? memcmp(a.p, b.p, n) : 0;

	return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

static int
compare_streams(const struct item *a, const struct item *b)
{
	int order = compare_slices(a->tenant, b->tenant);

	return order != 0 ? order : compare_slices(a->key, b->key);
}

static int
compare_parts(const void *x, const void *y)
{
	const struct item *a = *(const struct item *const *)x;
	const struct item *b = *(const struct item *const *)y;
	int order = compare_streams(a, b);

	return order != 0 ? order : memcmp(a->part, b->part, EVENT_HASH_SIZE);
}

/* The parts of a group that their streams do not have yet, each once, those of
 * one stream together. */
struct new_parts {
	const struct item	*items[EVENT_BATCH_MAX];
	size_t			 n;
};

static void
find_new_parts(const struct group_limits *l, const struct item *items,
    size_t n, struct new_parts *ret)
{
	size_t kept = 0;

	assert(n <= NELEM(ret->items));
	ret->n = 0;
	for (size_t i = 0; i < n; i++) {
		const struct table_stream *st;

		if ((items[i].flags & ITEM_PART) == 0)
			continue;
		st = stream_table_find(l->streams, items[i].tenant,
		    items[i].key);
		if (st == NULL || machine_table_find(l->machines,
		    st->machines, items[i].part) == NULL)
			ret->items[ret->n++] = &items[i];
	}
	qsort(ret->items, ret->n, sizeof(ret->items[0]), compare_parts);
	for (size_t i = 0; i < ret->n; i++) {
		if (i == 0 || compare_parts(&ret->items[i - 1],
		    &ret->items[i]) != 0)
			ret->items[kept++] = ret->items[i];
	}
	ret->n = kept;
}

/* An item of a stream that would have too many parts; NULL: there is none. */
static const struct item *
over_in_stream(const struct group_limits *l, const struct new_parts *fresh)
{
	size_t end;

	for (size_t i = 0; i < fresh->n; i = end) {
		const struct item *first = fresh->items[i];
		const struct table_stream *st = stream_table_find(l->streams,
		    first->tenant, first->key);

		for (end = i + 1; end < fresh->n &&
		    compare_streams(first, fresh->items[end]) == 0; end++)
			continue;
		if (st != NULL && st->parts + (end - i) > MACHINE_PARTS_MAX)
			return first;
	}
	return NULL;
}

/* There is at least one. */
static const struct item *
first_of(const struct new_parts *fresh)
{
	const struct item *first = fresh->items[0];

	for (size_t i = 1; i < fresh->n; i++)
		first = MIN(first, fresh->items[i]);
	return first;
}

/* Whether a limit could be met if all parts of the group were new. */
static bool
parts_are_near(const struct group_limits *l, const struct item *items,
    size_t n)
{
	size_t parts = 0;

	for (size_t i = 0; i < n; i++) {
		const struct table_stream *st;

		if ((items[i].flags & ITEM_PART) == 0)
			continue;
		parts++;
		st = stream_table_find(l->streams, items[i].tenant,
		    items[i].key);
		if (st != NULL && st->parts + n > MACHINE_PARTS_MAX)
			return true;
	}
	return parts != 0 && l->machines->parts + parts > l->max_parts;
}

static enum record_code
judge_parts(const struct group_limits *l, const struct item *items, size_t n,
    uint32_t *ret_item)
{
	const struct item *over;
	struct new_parts fresh;

	if (!parts_are_near(l, items, n))
		return RECORD_APPENDED;
	/* Once for the whole group: a part is found by a walk of its stream's
	 * list, and of both there may be a thousand. */
	find_new_parts(l, items, n, &fresh);
	over = over_in_stream(l, &fresh);
	if (over != NULL) {
		*ret_item = (uint32_t)(over - items);
		return RECORD_PARTS_LIMIT;
	}
	/* Only new ones are refused: what is there must be able to end, or
	 * nothing would ever make room. */
	if (fresh.n == 0 || l->machines->parts + fresh.n <= l->max_parts)
		return RECORD_APPENDED;
	*ret_item = (uint32_t)(first_of(&fresh) - items);
	return RECORD_ALL_PARTS_LIMIT;
}

enum record_code
group_limits_judge(const struct group_limits *l, const struct item *items,
    size_t n, uint32_t *ret_item)
{
	enum record_code code = judge_parts(l, items, n, ret_item);
	size_t over;

	if (code != RECORD_APPENDED || l->streams->count + n <= l->max_streams)
		return code;
	over = first_without_room(l, items, n);
	if (over == n)
		return RECORD_APPENDED;
	*ret_item = (uint32_t)over;
	return RECORD_LIMIT;
}
