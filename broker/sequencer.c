#include "broker/sequencer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/macros.h"
#include "common/xmalloc.h"

#define SEQUENCER_MAGIC 0x53455155u
#define NONE            UINT32_MAX
#define INDEX_MIN       1024u
#define NAME_MAX_BYTES  (EVENT_TENANT_MAX + 1 + EVENT_KEY_MAX)

enum stream_flag {
	STREAM_ENDED   = 1 << 0,   /* terminal event seen: for good */
	STREAM_DELETED = 1 << 1,   /* until its next event */
};

/* Entries stand in one array and never move while they live (a save walks it
 * by index); `name` NULL: free, `last` then links to the next free one. */
struct stream {
	char		*name;      /* tenant, NUL, key */
	uint64_t	 seq;
	uint64_t	 last;
	struct position	 lifecycle;
	uint64_t	 hash;
	uint16_t	 name_len;
	uint8_t		 state;
	uint8_t		 flags;
};

struct sequencer {
	uint32_t	 magic;
	uint32_t	 max_streams;
	uint64_t	 seed;
	struct stream	*streams;
	uint32_t	 used;       /* array members in use or free-listed */
	uint32_t	 size;
	uint32_t	 free_head;
	uint32_t	 count;
	uint32_t	*index;      /* open addressing, linear probing */
	uint32_t	 mask;
	uint32_t	 epoch;
	uint64_t	 next;
	uint64_t	 oldest;
	uint64_t	 forgotten_through;
	uint32_t	 sweep_at;
	uint32_t	 sweep_left; /* entries still to be looked at */
};

struct sequencer *
sequencer_new(uint32_t max_streams, uint64_t hash_seed)
{
	struct sequencer *s = xcalloc(1, sizeof(*s));

	s->magic = SEQUENCER_MAGIC;
	s->max_streams = max_streams;
	s->seed = hash_seed;
	s->free_head = NONE;
	s->mask = INDEX_MIN - 1;
	s->index = xreallocarray(NULL, INDEX_MIN, sizeof(*s->index));
	memset(s->index, 0xff, INDEX_MIN * sizeof(*s->index));
	s->next = 1;
	return s;
}

void
sequencer_free(struct sequencer *s)
{
	if (s == NULL)
		return;
	assert(s->magic == SEQUENCER_MAGIC);
	for (uint32_t i = 0; i < s->used; i++)
		free(s->streams[i].name);
	free(s->streams);
	free(s->index);
	s->magic = 0;
	free(s);
}

void
sequencer_begin_epoch(struct sequencer *s, uint32_t epoch, uint64_t next)
{
	assert(next >= s->next && epoch != 0);
	s->epoch = epoch;
	s->next = next;
}

struct position
sequencer_tip(const struct sequencer *s)
{
	return (struct position){ s->epoch, s->next - 1 };
}

/* --- the table ----------------------------------------------------------- */

static uint64_t
mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15u;
	return h ^ (h >> 32);
}

/* Keyed, so that a publisher cannot choose names that collide. */
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
hash_name(const struct sequencer *s, struct slice tenant, struct slice key)
{
	return hash_bytes(hash_bytes(s->seed, tenant.p, tenant.n), key.p,
	    key.n);
}

static bool
begins_with(const struct stream *st, struct slice tenant, struct slice begin)
{
	return st->name_len >= tenant.n + 1 + begin.n &&
	    memcmp(st->name, tenant.p, tenant.n) == 0 &&
	    st->name[tenant.n] == '\0' &&
	    memcmp(st->name + tenant.n + 1, begin.p, begin.n) == 0;
}

static bool
name_is(const struct stream *st, struct slice tenant, struct slice key)
{
	return st->name_len == tenant.n + 1 + key.n &&
	    begins_with(st, tenant, key);
}

static struct stream *
find(struct sequencer *s, struct slice tenant, struct slice key,
    uint64_t hash)
{
	for (uint32_t i = (uint32_t)hash & s->mask;; i = (i + 1) & s->mask) {
		uint32_t at = s->index[i];

		if (at == NONE)
			return NULL;
		if (s->streams[at].hash == hash &&
		    name_is(&s->streams[at], tenant, key))
			return &s->streams[at];
	}
}

static void
index_put(struct sequencer *s, uint32_t at)
{
	uint32_t i = (uint32_t)s->streams[at].hash & s->mask;

	while (s->index[i] != NONE)
		i = (i + 1) & s->mask;
	s->index[i] = at;
}

static void
index_grow(struct sequencer *s)
{
	uint32_t size = (s->mask + 1) * 2;

	free(s->index);
	s->index = xreallocarray(NULL, size, sizeof(*s->index));
	memset(s->index, 0xff, size * sizeof(*s->index));
	s->mask = size - 1;
	for (uint32_t at = 0; at < s->used; at++) {
		if (s->streams[at].name != NULL)
			index_put(s, at);
	}
}

/* Linear probing without tombstones: what follows the hole moves up. */
static void
index_remove(struct sequencer *s, uint32_t at)
{
	uint32_t hole = (uint32_t)s->streams[at].hash & s->mask, i;

	while (s->index[hole] != at)
		hole = (hole + 1) & s->mask;
	for (i = (hole + 1) & s->mask; s->index[i] != NONE;
	    i = (i + 1) & s->mask) {
		uint32_t home =
		    (uint32_t)s->streams[s->index[i]].hash & s->mask;

		if (((i - home) & s->mask) >= ((i - hole) & s->mask)) {
			s->index[hole] = s->index[i];
			hole = i;
		}
	}
	s->index[hole] = NONE;
}

static struct stream *
insert(struct sequencer *s, struct slice tenant, struct slice key,
    uint64_t hash)
{
	struct stream *st;
	uint32_t at;

	if (s->count >= (s->mask + 1) / 2)
		index_grow(s);
	if (s->free_head != NONE) {
		at = s->free_head;
		s->free_head = (uint32_t)s->streams[at].last;
	} else {
		if (s->used == s->size) {
			s->size = s->size * 2 + 256;
			s->streams = xreallocarray(s->streams, s->size,
			    sizeof(*s->streams));
		}
		at = s->used++;
	}
	st = &s->streams[at];
	*st = (struct stream){ .hash = hash,
		.name_len = (uint16_t)(tenant.n + 1 + key.n) };
	st->name = xmalloc(st->name_len);
	memcpy(st->name, tenant.p, tenant.n);
	st->name[tenant.n] = '\0';
	memcpy(st->name + tenant.n + 1, key.p, key.n);
	index_put(s, at);
	s->count++;
	return st;
}

static void
forget(struct sequencer *s, uint32_t at)
{
	struct stream *st = &s->streams[at];

	if (st->last > s->forgotten_through)
		s->forgotten_through = st->last;
	index_remove(s, at);
	free(st->name);
	st->name = NULL;
	st->last = s->free_head;
	s->free_head = at;
	s->count--;
}

/* --- sequencing ---------------------------------------------------------- */

/* How many streams of the group are new; exact, since at the limit one new
 * stream with many items must not count as many. */
static size_t
count_new(struct sequencer *s, const struct item *items, size_t n)
{
	size_t count = 0, earlier;

	for (size_t i = 0; i < n; i++) {
		if (find(s, items[i].tenant, items[i].key, hash_name(s,
		    items[i].tenant, items[i].key)) != NULL)
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

int
sequencer_judge(struct sequencer *s, const struct item *items, size_t n,
    struct record_exception *ret)
{
	assert(s->magic == SEQUENCER_MAGIC);
	for (size_t i = 0; i < n; i++) {
		const struct item *item = &items[i];
		struct position current = { 0, 0 };
		const struct stream *st;
		uint8_t state = 0;

		if ((item->flags & ITEM_GUARDED) == 0)
			continue;
		st = find(s, item->tenant, item->key, hash_name(s,
		    item->tenant, item->key));
		if (st != NULL) {
			current = st->lifecycle;
			state = st->state;
		}
		if (position_eq(current, item->guard))
			continue;
		ret->code = RECORD_GUARD_LOST;
		ret->position = current;
		ret->state = state;
		return -1;
	}
	if (s->count + n > s->max_streams &&
	    s->count + count_new(s, items, n) > s->max_streams) {
		ret->code = RECORD_LIMIT;
		ret->position = (struct position){ 0, 0 };
		ret->state = 0;
		return -1;
	}
	return 0;
}

static void
apply(struct stream *st, const struct item *item)
{
	st->seq = item->seq;
	st->last = item->position.number;
	st->flags &= (uint8_t)~STREAM_DELETED;
	if ((item->flags & ITEM_LIFECYCLE) != 0) {
		st->lifecycle = item->position;
		st->state = item->state;
	}
	if ((item->flags & ITEM_TERMINAL) != 0)
		st->flags |= STREAM_ENDED;
	if ((item->flags & ITEM_DELETED) != 0)
		st->flags |= STREAM_DELETED;
}

void
sequencer_append(struct sequencer *s, struct item *item)
{
	uint64_t hash = hash_name(s, item->tenant, item->key);
	struct stream *st;

	assert(s->magic == SEQUENCER_MAGIC && s->epoch != 0);
	st = find(s, item->tenant, item->key, hash);
	if (st == NULL)
		st = insert(s, item->tenant, item->key, hash);
	item->seq = st->seq + 1;
	item->position = (struct position){ s->epoch, s->next++ };
	apply(st, item);
}

void
sequencer_replay(struct sequencer *s, const struct item *item)
{
	uint64_t hash = hash_name(s, item->tenant, item->key);
	struct stream *st;

	assert(s->magic == SEQUENCER_MAGIC);
	st = find(s, item->tenant, item->key, hash);
	if (st == NULL)
		st = insert(s, item->tenant, item->key, hash);
	if (item->position.number > st->last)
		apply(st, item);
	s->epoch = item->position.epoch;
	if (item->position.number >= s->next)
		s->next = item->position.number + 1;
}

bool
sequencer_find(struct sequencer *s, struct slice tenant, struct slice key,
    struct sequencer_stream *ret)
{
	const struct stream *st = find(s, tenant, key, hash_name(s, tenant,
	    key));

	if (st == NULL)
		return false;
	ret->seq = st->seq;
	ret->last = st->last;
	ret->lifecycle = st->lifecycle;
	ret->state = st->state;
	ret->ended = st->flags != 0;
	return true;
}

bool
sequencer_scan(const struct sequencer *s, size_t *cursor, size_t steps,
    struct slice tenant, const struct slice *prefixes, size_t n,
    uint64_t *last)
{
	for (; *cursor < s->used && steps > 0; (*cursor)++, steps--) {
		const struct stream *st = &s->streams[*cursor];

		if (st->name == NULL || st->last <= *last)
			continue;
		for (size_t i = 0; i < n; i++) {
			if (begins_with(st, tenant, prefixes[i])) {
				*last = st->last;
				break;
			}
		}
	}
	return *cursor < s->used;
}

/* --- forgetting ---------------------------------------------------------- */

void
sequencer_set_oldest(struct sequencer *s, uint64_t oldest)
{
	if (oldest == s->oldest)
		return;
	/* One more round from where it is: a journal that turns over faster
	 * than a round takes must not starve the entries at the end. */
	s->oldest = oldest;
	s->sweep_left = s->used;
}

bool
sequencer_sweep(struct sequencer *s, size_t steps)
{
	for (; s->sweep_left > 0 && steps > 0; steps--) {
		const struct stream *st;

		if (s->sweep_at >= s->used)
			s->sweep_at = 0;
		st = &s->streams[s->sweep_at];
		if (st->name != NULL && st->flags != 0 &&
		    st->last < s->oldest)
			forget(s, s->sweep_at);
		s->sweep_at++;
		s->sweep_left--;
	}
	return s->sweep_left > 0;
}

uint64_t
sequencer_forgotten_through(const struct sequencer *s)
{
	return s->forgotten_through;
}

void
sequencer_set_forgotten_through(struct sequencer *s, uint64_t number)
{
	if (number > s->forgotten_through)
		s->forgotten_through = number;
}

size_t
sequencer_streams(const struct sequencer *s)
{
	return s->count;
}

/* --- state files --------------------------------------------------------- */

size_t
sequencer_save(const struct sequencer *s, size_t *cursor, size_t max,
    struct buf *b)
{
	size_t n = 0;

	for (; *cursor < s->used && n < max; (*cursor)++) {
		const struct stream *st = &s->streams[*cursor];

		if (st->name == NULL)
			continue;
		buf_str16(b, st->name, st->name_len);
		buf_u64(b, st->seq);
		buf_u64(b, st->last);
		buf_u32(b, st->lifecycle.epoch);
		buf_u64(b, st->lifecycle.number);
		buf_u8(b, st->state);
		buf_u8(b, st->flags);
		n++;
	}
	return n;
}

int
sequencer_load(struct sequencer *s, struct rd *r)
{
	struct slice name, tenant, key;
	struct stream in = { 0 }, *st;
	const char *nul;
	uint64_t hash;

	name = rd_str16(r);
	in.seq = rd_u64(r);
	in.last = rd_u64(r);
	in.lifecycle.epoch = rd_u32(r);
	in.lifecycle.number = rd_u64(r);
	in.state = rd_u8(r);
	in.flags = rd_u8(r);
	nul = r->failed || name.n == 0 || name.n > NAME_MAX_BYTES ? NULL :
	    memchr(name.p, '\0', name.n);
	if (nul == NULL)
		return -1;
	tenant = (struct slice){ name.p, (size_t)(nul - name.p) };
	key = (struct slice){ nul + 1, name.n - tenant.n - 1 };
	hash = hash_name(s, tenant, key);
	st = find(s, tenant, key, hash);
	if (st == NULL)
		st = insert(s, tenant, key, hash);
	in.name = st->name;
	in.name_len = st->name_len;
	in.hash = hash;
	*st = in;
	return 0;
}
