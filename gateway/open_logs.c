#include "gateway/open_logs.h"

#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "gateway/strmap.h"

struct slot {
	struct open_log	 log;
	uint32_t	 heap_at;    /* of a free slot: the next free one */
};

#define NO_SLOT UINT32_MAX

struct open_logs {
	struct slot	*slots;
	uint32_t	*heap;       /* of slots: whose time is over first */
	uint32_t	 n;          /* in the heap */
	uint32_t	 n_slots;    /* those that were ever used */
	uint32_t	 size;       /* of both arrays */
	uint32_t	 first_free;
	struct strmap	*by_name;    /* tenant NUL key -> slot */
};

struct open_logs *
open_logs_new(void)
{
	struct open_logs *l = xcalloc(1, sizeof(*l));

	l->first_free = NO_SLOT;
	l->by_name = strmap_new();
	return l;
}

void
open_logs_free(struct open_logs *l)
{
	if (l == NULL)
		return;
	for (uint32_t i = 0; i < l->n; i++) {
		free(l->slots[l->heap[i]].log.tenant);
		free(l->slots[l->heap[i]].log.key);
	}
	free(l->slots);
	free(l->heap);
	strmap_free(l->by_name);
	free(l);
}

static struct slice
name_of(struct buf *b, struct slice tenant, struct slice key)
{
	buf_add(b, tenant.p, tenant.n);
	buf_addc(b, '\0');
	buf_add(b, key.p, key.n);
	return (struct slice){ (const char *)b->data, b->len };
}

/* Asked for every event: no allocation. */
static bool
find(const struct open_logs *l, struct slice tenant, struct slice key,
    uint32_t *ret)
{
	char name[EVENT_TENANT_MAX + 1 + EVENT_KEY_MAX];

	if (l->n == 0 || tenant.n > EVENT_TENANT_MAX || key.n > EVENT_KEY_MAX)
		return false;
	memcpy(name, tenant.p, tenant.n);
	name[tenant.n] = '\0';
	memcpy(name + tenant.n + 1, key.p, key.n);
	return strmap_get(l->by_name, (struct slice){ name,
	    tenant.n + 1 + key.n }, ret);
}

/* --- the heap ------------------------------------------------------------- */

static int64_t
until(const struct open_logs *l, uint32_t at)
{
	return l->slots[l->heap[at]].log.until_ms;
}

static void
put(struct open_logs *l, uint32_t at, uint32_t slot)
{
	l->heap[at] = slot;
	l->slots[slot].heap_at = at;
}

static void
swap(struct open_logs *l, uint32_t a, uint32_t b)
{
	uint32_t slot = l->heap[a];

	put(l, a, l->heap[b]);
	put(l, b, slot);
}

/* What stands at `at` has changed: moves it to where it belongs. */
static void
settle(struct open_logs *l, uint32_t at)
{
	uint32_t child;

	for (; at > 0 && until(l, at) < until(l, (at - 1) / 2);
	    at = (at - 1) / 2)
		swap(l, at, (at - 1) / 2);
	for (; (child = 2 * at + 1) < l->n; at = child) {
		if (child + 1 < l->n && until(l, child + 1) < until(l, child))
			child++;
		if (until(l, at) <= until(l, child))
			return;
		swap(l, at, child);
	}
}

/* --- in and out ----------------------------------------------------------- */

static uint32_t
slot_new(struct open_logs *l)
{
	uint32_t slot = l->first_free;

	if (slot != NO_SLOT) {
		l->first_free = l->slots[slot].heap_at;
		return slot;
	}
	if (l->n_slots == l->size) {
		l->size = l->size == 0 ? 16 : l->size * 2;
		l->slots = xreallocarray(l->slots, l->size, sizeof(*l->slots));
		l->heap = xreallocarray(l->heap, l->size, sizeof(*l->heap));
	}
	return l->n_slots++;
}

/* Its texts are the caller's. */
static struct open_log
take_slot(struct open_logs *l, uint32_t slot)
{
	struct open_log gone = l->slots[slot].log;
	uint32_t at = l->slots[slot].heap_at;
	struct buf b = BUF_EMPTY;

	strmap_remove(l->by_name, name_of(&b, slice_str(gone.tenant),
	    slice_str(gone.key)));
	buf_free(&b);
	l->slots[slot].heap_at = l->first_free;
	l->first_free = slot;
	l->n--;
	if (at < l->n) {
		put(l, at, l->heap[l->n]);
		settle(l, at);
	}
	return gone;
}

void
open_logs_add(struct open_logs *l, struct slice tenant, struct slice key,
    uint8_t state, struct position position, int64_t until_ms)
{
	struct buf b = BUF_EMPTY;
	struct open_log *log;
	uint32_t slot;

	if (!find(l, tenant, key, &slot)) {
		slot = slot_new(l);
		l->slots[slot].log = (struct open_log){
		    .tenant = slice_dup(tenant), .key = slice_dup(key),
		    .until_ms = INT64_MAX };
		strmap_put(l->by_name, name_of(&b, tenant, key), slot);
		buf_free(&b);
		put(l, l->n++, slot);
	}
	log = &l->slots[slot].log;
	log->state = state;
	log->position = position;
	log->until_ms = until_ms;
	settle(l, l->slots[slot].heap_at);
}

void
open_logs_line(struct open_logs *l, struct slice tenant, struct slice key,
    struct position position)
{
	uint32_t slot;

	if (find(l, tenant, key, &slot))
		l->slots[slot].log.position = position;
}

bool
open_logs_has(const struct open_logs *l, struct slice tenant,
    struct slice key)
{
	uint32_t slot;

	return find(l, tenant, key, &slot);
}

const struct open_log *
open_logs_get(const struct open_logs *l, struct slice tenant,
    struct slice key)
{
	uint32_t slot;

	return find(l, tenant, key, &slot) ? &l->slots[slot].log : NULL;
}

void
open_logs_all_due(struct open_logs *l, int64_t now_ms)
{
	for (uint32_t i = 0; i < l->n; i++)
		l->slots[l->heap[i]].log.until_ms = now_ms;
}

size_t
open_logs_count(const struct open_logs *l)
{
	return l->n;
}

void
open_logs_remove(struct open_logs *l, struct slice tenant, struct slice key)
{
	struct open_log gone;
	uint32_t slot;

	if (!find(l, tenant, key, &slot))
		return;
	gone = take_slot(l, slot);
	free(gone.tenant);
	free(gone.key);
}

bool
open_logs_take(struct open_logs *l, int64_t now_ms, struct open_log *ret)
{
	if (l->n == 0 || (until(l, 0) > now_ms && l->n <= OPEN_LOGS_MAX))
		return false;
	*ret = take_slot(l, l->heap[0]);
	return true;
}
