#include "gateway/hub.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "gateway/hub_wish.h"
#include "gateway/strmap.h"
#include "gateway/topics.h"

struct hub {
	const struct ring	 *ring;
	struct hub_subscription	**arena;
	uint32_t		  n_arena;
	uint32_t		 *free_ids;
	uint32_t		  n_free;
	struct strmap		 *by_canon;
	struct topics		 *topics;     /* of ids */
	uint32_t		 *dirty;      /* ids, first come first served */
	uint32_t		  first_dirty;
	uint32_t		  n_dirty;    /* from the array's begin */
	uint32_t		  size_dirty;
	uint64_t		  calls;      /* of hub_each_of */
};

struct hub *
hub_new(const struct ring *ring)
{
	struct hub *h = xcalloc(1, sizeof(*h));

	h->ring = ring;
	h->by_canon = strmap_new();
	h->topics = topics_new();
	return h;
}

static void
subscription_free(struct hub_subscription *s)
{
	if (s == NULL)
		return;
	buf_free(&s->canon);
	match_list_free(&s->list);
	free(s->selectors);
	free(s);
}

void
hub_free(struct hub *h)
{
	uint32_t i;

	if (h == NULL)
		return;
	for (i = 0; i < h->n_arena; i++)
		subscription_free(h->arena[i]);
	topics_free(h->topics);
	free(h->arena);
	free(h->free_ids);
	free(h->dirty);
	strmap_free(h->by_canon);
	free(h);
}

/* --- lists ---------------------------------------------------------------- */

static void
drop_evicted(struct hub *h, struct hub_subscription *s)
{
	uint64_t last = match_list_drop(&s->list, ring_oldest(h->ring));

	if (last != 0)
		s->lost_through = last;
}

bool
hub_wants_type(const struct hub_subscription *s, struct slice event_type)
{
	size_t i;

	if (s->n_types == 0)
		return true;
	for (i = 0; i < s->n_types; i++)
		if (slice_eq(s->types[i], event_type))
			return true;
	return false;
}

bool
hub_wants_stream(const struct hub_subscription *s, struct slice tenant,
    struct slice key)
{
	size_t i;

	if (!slice_eq(s->tenant, tenant))
		return false;
	for (i = 0; i < s->n_selectors; i++)
		if (stream_selector_matches(s->selectors[i], key))
			return true;
	return false;
}

bool
hub_wants(const struct hub_subscription *s, struct slice tenant,
    struct slice key, struct slice event_type)
{
	return hub_wants_type(s, event_type) &&
	    hub_wants_stream(s, tenant, key);
}

/* Of a stream that the subscription names. */
static bool
is_listed(const struct hub_subscription *s, const struct ring_frame *f)
{
	return f->ends || (f->flags & RING_ENDING) != 0 ||
	    hub_wants_type(s, f->event_type);
}

bool
hub_reach(struct hub *h, struct hub_subscription *s, uint64_t cursor)
{
	uint64_t end = MAX(cursor, ring_oldest(h->ring) - 1);
	uint32_t steps = HUB_REACH_STEP / MAX(s->n_selectors, 1u);
	struct ring_frame f;

	drop_evicted(h, s);
	for (; s->lost_through > end && steps > 0;
	    steps--, s->lost_through--) {
		if (ring_get(h->ring, s->lost_through, &f) &&
		    hub_wants_stream(s, f.tenant, f.key) &&
		    is_listed(s, &f))
			match_list_prepend(&s->list, s->lost_through);
	}
	return cursor >= s->lost_through;
}

/* --- keys: by their chains ------------------------------------------------ */

struct fill {
	uint64_t	positions[HUB_REACH_STEP];
	uint32_t	n;
	uint32_t	steps;
};

/* False when there are more frames than may be looked at. */
static bool
fill_key(struct hub *h, const struct hub_subscription *s, struct slice key,
    struct fill *f)
{
	uint64_t at = ring_stream_first(h->ring, s->tenant, key);
	struct ring_frame frame;

	for (; at != 0 && ring_get(h->ring, at, &frame); at = frame.next) {
		if (f->steps++ == HUB_REACH_STEP)
			return false;
		if (is_listed(s, &frame))
			f->positions[f->n++] = at;
	}
	return true;
}

static int
by_position(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* All of a few frames of some keys, however far apart they stand. */
static bool
fill_keys(struct hub *h, struct hub_subscription *s)
{
	struct fill f = { .n = 0 };
	size_t i, prefix;

	for (i = 0; i < s->n_selectors; i++) {
		prefix = 0;
		(void)stream_selector_check(s->selectors[i], &prefix, NULL);
		if (prefix > 0 || !fill_key(h, s, s->selectors[i], &f))
			return false;
	}
	if (f.n > 0)
		qsort(f.positions, f.n, sizeof(f.positions[0]), by_position);
	for (i = 0; i < f.n; i++)
		match_list_append(&s->list, f.positions[i]);
	return true;
}

/* A new subscription's matches among what the ring has: all of them, or the
 * newest; who needs more reaches back for it. */
static void
list_fill(struct hub *h, struct hub_subscription *s)
{
	s->lost_through = ring_tip(h->ring).number;
	if (fill_keys(h, s))
		s->lost_through = ring_oldest(h->ring) - 1;
	else
		(void)hub_reach(h, s, 0);
}

/* --- subscriptions -------------------------------------------------------- */

static uint32_t
arena_add(struct hub *h, struct hub_subscription *s)
{
	uint32_t id;

	if (h->n_free > 0) {
		id = h->free_ids[--h->n_free];
	} else {
		id = h->n_arena++;
		h->arena = xreallocarray(h->arena, h->n_arena,
		    sizeof(struct hub_subscription *));
		h->free_ids = xreallocarray(h->free_ids, h->n_arena,
		    sizeof(*h->free_ids));
	}
	h->arena[id] = s;
	return id;
}

struct hub_subscription *
hub_acquire(struct hub *h, struct slice tenant,
    const struct slice *selectors, size_t n_selectors,
    const struct slice *types, size_t n_types)
{
	struct hub_subscription *s = xcalloc(1, sizeof(*s));
	struct slice canon;
	uint32_t id;
	size_t i;

	assert(n_selectors <= HUB_SELECTORS_MAX && n_types <= HUB_TYPES_MAX);
	hub_wish_set(s, tenant, selectors, n_selectors, types, n_types);
	canon = (struct slice){ (const char *)s->canon.data, s->canon.len };
	if (strmap_get(h->by_canon, canon, &id)) {
		subscription_free(s);
		h->arena[id]->clients++;
		return h->arena[id];
	}
	hub_wish_own(s);
	s->clients = 1;
	s->first_client = s->last_client = s->last_waiting = HUB_NONE;
	s->id = arena_add(h, s);
	strmap_put(h->by_canon, canon, s->id);
	for (i = 0; i < s->n_selectors; i++)
		topics_add(h->topics, s->tenant, s->selectors[i], s->id);
	list_fill(h, s);
	return s;
}

struct hub_subscription *
hub_get(const struct hub *h, uint32_t id)
{
	return id < h->n_arena ? h->arena[id] : NULL;
}

void
hub_keys_json(struct buf *b, const struct hub_subscription *s)
{
	size_t i;

	buf_addc(b, '[');
	for (i = 0; i < s->n_selectors; i++) {
		if (i > 0)
			buf_addc(b, ',');
		buf_json_string(b, s->selectors[i]);
	}
	buf_addc(b, ']');
}

bool
hub_release(struct hub *h, struct hub_subscription *s)
{
	uint32_t i;
	size_t k;

	if (--s->clients > 0)
		return false;
	for (k = 0; k < s->n_selectors; k++)
		topics_remove(h->topics, s->tenant, s->selectors[k], s->id);
	strmap_remove(h->by_canon, (struct slice){
	    (const char *)s->canon.data, s->canon.len });
	for (i = h->first_dirty; s->dirty && i < h->n_dirty; i++)
		if (h->dirty[i] == s->id) {
			memmove(h->dirty + i, h->dirty + i + 1,
			    (--h->n_dirty - i) * sizeof(*h->dirty));
			break;
		}
	h->arena[s->id] = NULL;
	h->free_ids[h->n_free++] = s->id;
	subscription_free(s);
	return true;
}

size_t
hub_count(const struct hub *h)
{
	return h->n_arena - h->n_free;
}

void
hub_each(struct hub *h, void (*cb)(struct hub_subscription *s, void *arg),
    void *arg)
{
	uint32_t i;

	for (i = 0; i < h->n_arena; i++)
		if (h->arena[i] != NULL)
			cb(h->arena[i], arg);
}

/* --- events --------------------------------------------------------------- */

void
hub_mark_dirty(struct hub *h, struct hub_subscription *s)
{
	if (s->dirty)
		return;
	s->dirty = true;
	if (h->n_dirty == h->size_dirty && h->first_dirty > 0) {
		h->n_dirty -= h->first_dirty;
		memmove(h->dirty, h->dirty + h->first_dirty,
		    h->n_dirty * sizeof(*h->dirty));
		h->first_dirty = 0;
	}
	if (h->n_dirty == h->size_dirty) {
		h->size_dirty = h->size_dirty == 0 ? 64 : h->size_dirty * 2;
		h->dirty = xreallocarray(h->dirty, h->size_dirty,
		    sizeof(*h->dirty));
	}
	h->dirty[h->n_dirty++] = s->id;
}

size_t
hub_dirty(const struct hub *h)
{
	return h->n_dirty - h->first_dirty;
}

struct hub_subscription *
hub_next_dirty(struct hub *h)
{
	struct hub_subscription *s;

	if (h->first_dirty == h->n_dirty) {
		h->first_dirty = h->n_dirty = 0;
		return NULL;
	}
	s = h->arena[h->dirty[h->first_dirty++]];
	s->dirty = false;
	return s;
}

struct dispatch {
	struct hub	*hub;
	struct slice	 event_type;
	uint64_t	 position;
	bool		 ending;
};

static void
dispatch_to(uint32_t id, void *arg)
{
	const struct dispatch *d = arg;
	struct hub_subscription *s = d->hub->arena[id];

	if (!d->ending && !hub_wants_type(s, d->event_type))
		return;
	drop_evicted(d->hub, s);
	/* Another of its selectors may have matched, too: it is in it once. */
	match_list_append(&s->list, d->position);
	hub_mark_dirty(d->hub, s);
}

void
hub_dispatch(struct hub *h, struct slice tenant, struct slice key,
    struct slice event_type, bool ending, uint64_t position)
{
	struct dispatch d = { h, event_type, position, ending };

	topics_match(h->topics, tenant, key, dispatch_to, &d);
}

struct each_of {
	struct hub	*hub;
	void		(*cb)(struct hub_subscription *s, void *arg);
	void		*arg;
};

static void
each_of_cb(uint32_t id, void *arg)
{
	const struct each_of *e = arg;
	struct hub_subscription *s = e->hub->arena[id];

	/* Another of its selectors may have matched, too. */
	if (s->called == e->hub->calls)
		return;
	s->called = e->hub->calls;
	e->cb(s, e->arg);
}

void
hub_each_of(struct hub *h, struct slice tenant, struct slice key,
    void (*cb)(struct hub_subscription *s, void *arg), void *arg)
{
	struct each_of e = { h, cb, arg };

	h->calls++;
	topics_match(h->topics, tenant, key, each_of_cb, &e);
}

static void
clear_list(struct hub_subscription *s, void *arg)
{
	const struct hub *h = arg;

	match_list_clear(&s->list);
	s->lost_through = ring_oldest(h->ring) - 1;
}

void
hub_cleared(struct hub *h)
{
	hub_each(h, clear_list, h);
}

size_t
hub_list(struct hub *h, struct hub_subscription *s, uint64_t cursor,
    uint64_t *ret, size_t max)
{
	drop_evicted(h, s);
	return match_list_after(&s->list, cursor, ret, max);
}

uint64_t
hub_next(struct hub *h, struct hub_subscription *s, uint64_t cursor)
{
	uint64_t position;

	return hub_list(h, s, cursor, &position, 1) == 1 ? position : 0;
}
