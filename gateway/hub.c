#include "gateway/hub.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "gateway/strmap.h"
#include "gateway/topics.h"

#define HUB_LIST_MIN 16u

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
	free(s->list);
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

/* --- lists ------------------------------------------------------------------ */

static uint64_t
list_at(const struct hub_subscription *s, uint32_t i)
{
	return s->list[(s->head + i) & (s->size - 1)];
}

static void
list_drop_evicted(struct hub *h, struct hub_subscription *s)
{
	uint64_t oldest = ring_oldest(h->ring);

	while (s->len > 0 && list_at(s, 0) < oldest) {
		s->lost_through = list_at(s, 0);
		s->head = (s->head + 1) & (s->size - 1);
		s->len--;
	}
}

static void
list_append(struct hub *h, struct hub_subscription *s, uint64_t position)
{
	uint64_t *list;
	uint32_t i, size;

	list_drop_evicted(h, s);
	if (s->len > 0 && list_at(s, s->len - 1) >= position)
		return;   /* another of its selectors matched too */
	if (s->len == s->size) {
		size = s->size == 0 ? HUB_LIST_MIN : s->size * 2;
		list = xreallocarray(NULL, size, sizeof(*list));
		for (i = 0; i < s->len; i++)
			list[i] = list_at(s, i);
		free(s->list);
		s->list = list;
		s->size = size;
		s->head = 0;
	}
	s->list[(s->head + s->len) & (s->size - 1)] = position;
	s->len++;
}

static bool
types_want(const struct hub_subscription *s, struct slice event_type)
{
	size_t i;

	if (s->n_types == 0)
		return true;
	for (i = 0; i < s->n_types; i++)
		if (slice_eq(s->types[i], event_type))
			return true;
	return false;
}

static bool
selectors_want(const struct hub_subscription *s, struct slice tenant,
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
	return types_want(s, event_type) && selectors_want(s, tenant, key);
}

struct fill {
	struct hub			*hub;
	const struct hub_subscription	*s;
	uint64_t			*positions;
	size_t				 n;
	size_t				 size;
};

static void
fill_stream(struct slice tenant, struct slice key, uint64_t first, void *arg)
{
	struct fill *f = arg;
	struct ring_frame frame;

	if (!selectors_want(f->s, tenant, key))
		return;
	for (; first != 0 && ring_get(f->hub->ring, first, &frame);
	    first = frame.next) {
		if (!types_want(f->s, frame.event_type))
			continue;
		if (f->n == f->size) {
			f->size = f->size == 0 ? 64 : f->size * 2;
			f->positions = xreallocarray(f->positions, f->size,
			    sizeof(*f->positions));
		}
		f->positions[f->n++] = first;
	}
}

static int
by_position(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* A new subscription's matches among what the ring has. */
static void
list_fill(struct hub *h, struct hub_subscription *s)
{
	struct fill f = { .hub = h, .s = s };
	size_t i, prefix;
	bool any_prefix = false;

	for (i = 0; i < s->n_selectors; i++) {
		prefix = 0;
		(void)stream_selector_check(s->selectors[i], &prefix, NULL);
		any_prefix = any_prefix || prefix > 0;
	}
	if (any_prefix)
		ring_each_stream(h->ring, fill_stream, &f);
	for (i = 0; i < s->n_selectors && !any_prefix; i++)
		fill_stream(s->tenant, s->selectors[i], ring_stream_first(
		    h->ring, s->tenant, s->selectors[i]), &f);
	if (f.n > 0)
		qsort(f.positions, f.n, sizeof(*f.positions), by_position);
	for (i = 0; i < f.n; i++)
		list_append(h, s, f.positions[i]);
	free(f.positions);
	s->lost_through = ring_oldest(h->ring) - 1;
}

/* --- subscriptions ----------------------------------------------------------- */

static int
by_text(const void *a, const void *b)
{
	const struct slice *x = a, *y = b;
	int c = memcmp(x->p, y->p, MIN(x->n, y->n));

	if (c != 0)
		return c;
	return x->n < y->n ? -1 : x->n > y->n;
}

/* Copies sorted, without repeats; returns how many. */
static size_t
sorted(struct slice *ret, const struct slice *from, size_t n)
{
	size_t i, len = 0;

	if (n == 0)
		return 0;
	memcpy(ret, from, n * sizeof(*ret));
	qsort(ret, n, sizeof(*ret), by_text);
	for (i = 0; i < n; i++)
		if (len == 0 || !slice_eq(ret[len - 1], ret[i]))
			ret[len++] = ret[i];
	return len;
}

/* Points every slice into canon, which holds the same texts in order. */
static void
rebase(struct hub_subscription *s)
{
	const char *p = (const char *)s->canon.data;
	size_t i;

	s->tenant.p = p;
	p += s->tenant.n + 1;
	for (i = 0; i < s->n_selectors; i++) {
		s->selectors[i].p = p;
		p += s->selectors[i].n + 1;
	}
	p++;
	for (i = 0; i < s->n_types; i++) {
		s->types[i].p = p;
		p += s->types[i].n + 1;
	}
}

static void
make_canon(struct hub_subscription *s)
{
	size_t i;

	buf_add(&s->canon, s->tenant.p, s->tenant.n);
	buf_addc(&s->canon, '\0');
	for (i = 0; i < s->n_selectors; i++) {
		buf_add(&s->canon, s->selectors[i].p, s->selectors[i].n);
		buf_addc(&s->canon, '\0');
	}
	buf_addc(&s->canon, '\0');
	for (i = 0; i < s->n_types; i++) {
		buf_add(&s->canon, s->types[i].p, s->types[i].n);
		buf_addc(&s->canon, '\0');
	}
}

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
	s->tenant = tenant;
	s->n_selectors = sorted(s->selectors, selectors, n_selectors);
	s->n_types = sorted(s->types, types, n_types);
	make_canon(s);
	canon = (struct slice){ (const char *)s->canon.data, s->canon.len };
	if (strmap_get(h->by_canon, canon, &id)) {
		subscription_free(s);
		h->arena[id]->clients++;
		return h->arena[id];
	}
	rebase(s);
	s->clients = 1;
	s->first_client = HUB_NONE;
	s->id = arena_add(h, s);
	strmap_put(h->by_canon, canon, s->id);
	for (i = 0; i < s->n_selectors; i++)
		topics_add(h->topics, s->tenant, s->selectors[i], s->id);
	list_fill(h, s);
	return s;
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

/* --- events ------------------------------------------------------------------ */

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
};

static void
dispatch_to(uint32_t id, void *arg)
{
	const struct dispatch *d = arg;
	struct hub_subscription *s = d->hub->arena[id];

	if (!types_want(s, d->event_type))
		return;
	list_append(d->hub, s, d->position);
	hub_mark_dirty(d->hub, s);
}

void
hub_dispatch(struct hub *h, struct slice tenant, struct slice key,
    struct slice event_type, uint64_t position)
{
	struct dispatch d = { h, event_type, position };

	topics_match(h->topics, tenant, key, dispatch_to, &d);
}

static void
clear_list(struct hub_subscription *s, void *arg)
{
	const struct hub *h = arg;

	s->head = 0;
	s->len = 0;
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
	uint32_t lo = 0, hi, mid;
	size_t n = 0;

	list_drop_evicted(h, s);
	hi = s->len;
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (list_at(s, mid) <= cursor)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < s->len && n < max; lo++)
		ret[n++] = list_at(s, lo);
	return n;
}

uint64_t
hub_next(struct hub *h, struct hub_subscription *s, uint64_t cursor)
{
	uint64_t position;

	return hub_list(h, s, cursor, &position, 1) == 1 ? position : 0;
}
