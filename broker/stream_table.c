#include "broker/stream_table.h"

#include <stdlib.h>
#include <string.h>

#include "broker/machine_table.h"
#include "common/xmalloc.h"

#define INDEX_MIN 1024u

void
stream_table_init(struct stream_table *t, uint64_t seed)
{
	*t = (struct stream_table){ .seed = seed,
		.free_head = STREAM_TABLE_NONE, .mask = INDEX_MIN - 1 };
	t->index = xreallocarray(NULL, INDEX_MIN, sizeof(*t->index));
	memset(t->index, 0xff, INDEX_MIN * sizeof(*t->index));
}

void
stream_table_clear(struct stream_table *t)
{
	for (uint32_t i = 0; i < t->used; i++)
		free(t->streams[i].name);
	free(t->streams);
	free(t->index);
	*t = (struct stream_table){ .free_head = STREAM_TABLE_NONE };
}

/* --- names --------------------------------------------------------------- */

static uint64_t
mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15u;
	return h ^ (h >> 32);
}

static uint64_t
hash_bytes(uint64_t h, const char *p, size_t n)
{
	uint64_t word;

	h = mix(h, n);
	for (; n >= 8; p += 8, n -= 8) {
		memcpy(&word, p, 8);
		h = mix(h, word);
	}
	word = 0;
	if (n != 0)
		memcpy(&word, p, n);
	return mix(mix(h, word), h >> 17);
}

static uint64_t
hash_name(const struct stream_table *t, struct slice tenant, struct slice key)
{
	return hash_bytes(hash_bytes(t->seed, tenant.p, tenant.n), key.p,
	    key.n);
}

bool
stream_table_begins_with(const struct table_stream *st, struct slice tenant,
    struct slice begin)
{
	return st->name_len >= tenant.n + 1 + begin.n &&
	    memcmp(st->name, tenant.p, tenant.n) == 0 &&
	    st->name[tenant.n] == '\0' &&
	    memcmp(st->name + tenant.n + 1, begin.p, begin.n) == 0;
}

static bool
name_is(const struct table_stream *st, struct slice tenant, struct slice key)
{
	return st->name_len == tenant.n + 1 + key.n &&
	    stream_table_begins_with(st, tenant, key);
}

/* --- the index ----------------------------------------------------------- */

static struct table_stream *
find(const struct stream_table *t, struct slice tenant, struct slice key,
    uint64_t hash)
{
	for (uint32_t i = (uint32_t)hash & t->mask;; i = (i + 1) & t->mask) {
		uint32_t at = t->index[i];

		if (at == STREAM_TABLE_NONE)
			return NULL;
		if (t->streams[at].hash == hash &&
		    name_is(&t->streams[at], tenant, key))
			return &t->streams[at];
	}
}

static void
index_put(struct stream_table *t, uint32_t at)
{
	uint32_t i = (uint32_t)t->streams[at].hash & t->mask;

	while (t->index[i] != STREAM_TABLE_NONE)
		i = (i + 1) & t->mask;
	t->index[i] = at;
}

static void
index_grow(struct stream_table *t)
{
	uint32_t size = (t->mask + 1) * 2;

	free(t->index);
	t->index = xreallocarray(NULL, size, sizeof(*t->index));
	memset(t->index, 0xff, size * sizeof(*t->index));
	t->mask = size - 1;
	for (uint32_t at = 0; at < t->used; at++) {
		if (t->streams[at].name != NULL)
			index_put(t, at);
	}
}

/* Linear probing without tombstones: what follows the hole moves up. */
static void
index_remove(struct stream_table *t, uint32_t at)
{
	uint32_t hole = (uint32_t)t->streams[at].hash & t->mask, i;

	while (t->index[hole] != at)
		hole = (hole + 1) & t->mask;
	for (i = (hole + 1) & t->mask; t->index[i] != STREAM_TABLE_NONE;
	    i = (i + 1) & t->mask) {
		uint32_t home =
		    (uint32_t)t->streams[t->index[i]].hash & t->mask;

		if (((i - home) & t->mask) >= ((i - hole) & t->mask)) {
			t->index[hole] = t->index[i];
			hole = i;
		}
	}
	t->index[hole] = STREAM_TABLE_NONE;
}

/* --- entries ------------------------------------------------------------- */

static uint32_t
take_free(struct stream_table *t)
{
	uint32_t at = t->free_head;

	if (at != STREAM_TABLE_NONE) {
		t->free_head = (uint32_t)t->streams[at].last;
		return at;
	}
	if (t->used == t->size) {
		t->size = t->size * 2 + 256;
		t->streams = xreallocarray(t->streams, t->size,
		    sizeof(*t->streams));
	}
	return t->used++;
}

static struct table_stream *
insert(struct stream_table *t, struct slice tenant, struct slice key,
    uint64_t hash)
{
	struct table_stream *st;
	uint32_t at;

	if (t->count >= (t->mask + 1) / 2)
		index_grow(t);
	at = take_free(t);
	st = &t->streams[at];
	*st = (struct table_stream){ .hash = hash, .machines = MACHINE_NONE,
		.name_len = (uint16_t)(tenant.n + 1 + key.n) };
	st->name = xmalloc(st->name_len);
	memcpy(st->name, tenant.p, tenant.n);
	st->name[tenant.n] = '\0';
	memcpy(st->name + tenant.n + 1, key.p, key.n);
	index_put(t, at);
	t->count++;
	return st;
}

struct table_stream *
stream_table_find(const struct stream_table *t, struct slice tenant,
    struct slice key)
{
	return find(t, tenant, key, hash_name(t, tenant, key));
}

struct table_stream *
stream_table_get(struct stream_table *t, struct slice tenant,
    struct slice key)
{
	uint64_t hash = hash_name(t, tenant, key);
	struct table_stream *st = find(t, tenant, key, hash);

	return st != NULL ? st : insert(t, tenant, key, hash);
}

void
stream_table_remove(struct stream_table *t, uint32_t at)
{
	struct table_stream *st = &t->streams[at];

	index_remove(t, at);
	free(st->name);
	st->name = NULL;
	st->last = t->free_head;
	t->free_head = at;
	t->count--;
}

uint32_t
stream_table_number(const struct stream_table *t,
    const struct table_stream *st)
{
	return (uint32_t)(st - t->streams);
}
