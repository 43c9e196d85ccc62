#include "broker/trail.h"

#include <assert.h>
#include <stdlib.h>

#include "broker/stream_table.h"
#include "common/macros.h"
#include "common/xmalloc.h"

#define TRAIL_MIN 1024u

static uint32_t *
at(const struct trail *t, uint64_t i)
{
	return &t->streams[(t->head + i) & (t->size - 1)];
}

void
trail_free(struct trail *t)
{
	free(t->streams);
	*t = (struct trail){ 0 };
}

void
trail_clear(struct trail *t)
{
	t->head = 0;
	t->n = 0;
}

static void
grow(struct trail *t)
{
	uint32_t size = t->size == 0 ? TRAIL_MIN : t->size * 2;
	uint32_t *streams = xreallocarray(NULL, size, sizeof(*streams));

	for (uint32_t i = 0; i < t->n; i++)
		streams[i] = *at(t, i);
	free(t->streams);
	t->streams = streams;
	t->size = size;
	t->head = 0;
}

bool
trail_is_full(const struct trail *t)
{
	return t->n == TRAIL_MAX;
}

bool
trail_knows(const struct trail *t, uint64_t position)
{
	return t->n > 0 && position < t->first + t->n;
}

bool
trail_jumps(const struct trail *t, uint64_t position)
{
	return t->n > 0 && position > t->first + t->n;
}

void
trail_add(struct trail *t, uint64_t position, uint32_t stream)
{
	if (trail_knows(t, position))
		return;
	if (trail_jumps(t, position))
		trail_clear(t);
	if (t->n == 0)
		t->first = position;
	assert(!trail_is_full(t));
	if (t->n == t->size)
		grow(t);
	*at(t, t->n++) = stream;
}

bool
trail_take(struct trail *t, uint64_t before, uint64_t *ret_position,
    uint32_t *ret_stream)
{
	if (t->n == 0 || t->first >= before)
		return false;
	*ret_position = t->first++;
	*ret_stream = *at(t, 0);
	t->head = (t->head + 1) & (t->size - 1);
	t->n--;
	return true;
}

size_t
trail_read(const struct trail *t, uint64_t *position, uint32_t *ret,
    size_t max)
{
	uint64_t end = t->first + t->n;
	size_t n = 0;

	*position = MAX(*position, t->first);
	for (; n < max && *position + n < end; n++)
		ret[n] = *at(t, *position + n - t->first);
	return n;
}

void
trail_renumber(struct trail *t, const uint32_t *map, size_t n)
{
	for (uint32_t i = 0; i < t->n; i++) {
		uint32_t *stream = at(t, i);

		*stream = *stream < n ? map[*stream] : STREAM_TABLE_NONE;
	}
}
