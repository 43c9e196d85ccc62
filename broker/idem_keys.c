#include "broker/idem_keys.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"

#define NONE     UINT32_MAX
#define RING_MIN 1024u

/* A ring in the order they came: head..tail are ordinals, a row's place is
 * ordinal & ring_mask; the index finds a place by hash. */
struct idem_keys {
	struct idem_key	*ring;
	uint64_t	 head;
	uint64_t	 tail;
	uint32_t	 ring_mask;
	uint32_t	 max;
	uint32_t	*index;
	uint32_t	 index_mask;
	uint64_t	 seed;
};

static void
index_alloc(struct idem_keys *k)
{
	uint32_t size = (k->ring_mask + 1) * 2;

	free(k->index);
	k->index = xreallocarray(NULL, size, sizeof(*k->index));
	memset(k->index, 0xff, size * sizeof(*k->index));
	k->index_mask = size - 1;
}

struct idem_keys *
idem_keys_new(uint32_t max, uint64_t hash_seed)
{
	struct idem_keys *k = xcalloc(1, sizeof(*k));

	k->max = max;
	k->seed = hash_seed;
	k->ring_mask = RING_MIN - 1;
	k->ring = xcalloc(RING_MIN, sizeof(*k->ring));
	index_alloc(k);
	return k;
}

void
idem_keys_free(struct idem_keys *k)
{
	if (k == NULL)
		return;
	free(k->ring);
	free(k->index);
	free(k);
}

size_t
idem_keys_count(const struct idem_keys *k)
{
	return (size_t)(k->tail - k->head);
}

/* --- the index ----------------------------------------------------------- */

static uint32_t
key_home(const struct idem_keys *k, const uint8_t idem[EVENT_HASH_SIZE])
{
	uint64_t a, b;

	memcpy(&a, idem, 8);
	memcpy(&b, idem + 8, 8);
	a = (a ^ k->seed) * 0x9e3779b97f4a7c15u;
	a = (a ^ b ^ (a >> 32)) * 0xff51afd7ed558ccdu;
	return (uint32_t)(a >> 32) & k->index_mask;
}

struct idem_key *
idem_keys_find(struct idem_keys *k, const uint8_t idem[EVENT_HASH_SIZE])
{
	for (uint32_t i = key_home(k, idem);; i = (i + 1) & k->index_mask) {
		uint32_t place = k->index[i];

		if (place == NONE)
			return NULL;
		if (memcmp(k->ring[place].idem, idem, EVENT_HASH_SIZE) == 0)
			return &k->ring[place];
	}
}

static void
index_put(struct idem_keys *k, uint32_t place)
{
	uint32_t i = key_home(k, k->ring[place].idem);

	while (k->index[i] != NONE)
		i = (i + 1) & k->index_mask;
	k->index[i] = place;
}

static void
index_remove(struct idem_keys *k, uint32_t place)
{
	uint32_t hole = key_home(k, k->ring[place].idem), i;

	while (k->index[hole] != place)
		hole = (hole + 1) & k->index_mask;
	for (i = (hole + 1) & k->index_mask; k->index[i] != NONE;
	    i = (i + 1) & k->index_mask) {
		uint32_t home = key_home(k, k->ring[k->index[i]].idem);

		if (((i - home) & k->index_mask) >=
		    ((i - hole) & k->index_mask)) {
			k->index[hole] = k->index[i];
			hole = i;
		}
	}
	k->index[hole] = NONE;
}

/* --- the ring ------------------------------------------------------------ */

static void
ring_grow(struct idem_keys *k)
{
	uint32_t old_mask = k->ring_mask, size = (old_mask + 1) * 2;
	struct idem_key *ring = xcalloc(size, sizeof(*ring));

	for (uint64_t o = k->head; o < k->tail; o++)
		ring[o & (size - 1)] = k->ring[o & old_mask];
	free(k->ring);
	k->ring = ring;
	k->ring_mask = size - 1;
	index_alloc(k);
	for (uint64_t o = k->head; o < k->tail; o++)
		index_put(k, (uint32_t)(o & k->ring_mask));
}

void
idem_keys_push(struct idem_keys *k, const struct idem_key *key)
{
	uint32_t place;

	if (k->max == 0)
		return;
	if (idem_keys_full(k))
		idem_keys_drop_oldest(k);
	if (k->tail - k->head > k->ring_mask)
		ring_grow(k);
	place = (uint32_t)(k->tail & k->ring_mask);
	k->ring[place] = *key;
	index_put(k, place);
	k->tail++;
}

bool
idem_keys_full(const struct idem_keys *k)
{
	return k->max > 0 && k->tail - k->head >= k->max;
}

void
idem_keys_restore_oldest(struct idem_keys *k, const struct idem_key *key)
{
	uint32_t place;

	assert(k->head > 0 && k->tail - k->head <= k->ring_mask);
	k->head--;
	place = (uint32_t)(k->head & k->ring_mask);
	k->ring[place] = *key;
	index_put(k, place);
}

const struct idem_key *
idem_keys_oldest(const struct idem_keys *k)
{
	return k->head < k->tail ? &k->ring[k->head & k->ring_mask] : NULL;
}

const struct idem_key *
idem_keys_newest(const struct idem_keys *k)
{
	return k->head < k->tail ? &k->ring[(k->tail - 1) & k->ring_mask] :
	    NULL;
}

void
idem_keys_drop_oldest(struct idem_keys *k)
{
	assert(k->head < k->tail);
	index_remove(k, (uint32_t)(k->head & k->ring_mask));
	k->head++;
}

void
idem_keys_drop_newest(struct idem_keys *k)
{
	assert(k->head < k->tail);
	index_remove(k, (uint32_t)((k->tail - 1) & k->ring_mask));
	k->tail--;
}

const struct idem_key *
idem_keys_next(const struct idem_keys *k, uint64_t *cursor)
{
	if (*cursor < k->head)
		*cursor = k->head;
	if (*cursor >= k->tail)
		return NULL;
	return &k->ring[(*cursor)++ & k->ring_mask];
}
