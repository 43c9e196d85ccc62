#include "gateway/wheel.h"

#include <assert.h>
#include <stdlib.h>

#include "common/macros.h"
#include "common/xmalloc.h"

#define NONE UINT32_MAX

struct wheel_link {
	uint32_t	next;
	uint32_t	prev;
	uint32_t	slot;    /* NONE: in no slot */
};

struct wheel {
	struct wheel_link	*links;
	uint32_t		 count;
	int64_t			 tick;      /* ticks that have passed */
	uint32_t		 heads[WHEEL_SLOTS];
};

struct wheel *
wheel_new(uint32_t count, int64_t now_ms)
{
	struct wheel *w = xcalloc(1, sizeof(*w));
	uint32_t i;

	w->links = xcalloc(count, sizeof(*w->links));
	w->count = count;
	w->tick = now_ms / WHEEL_TICK_MS;
	for (i = 0; i < count; i++)
		w->links[i].slot = NONE;
	for (i = 0; i < WHEEL_SLOTS; i++)
		w->heads[i] = NONE;
	return w;
}

void
wheel_free(struct wheel *w)
{
	if (w == NULL)
		return;
	free(w->links);
	free(w);
}

void
wheel_remove(struct wheel *w, uint32_t id)
{
	struct wheel_link *l = &w->links[id];

	assert(id < w->count);
	if (l->slot == NONE)
		return;
	if (l->prev != NONE)
		w->links[l->prev].next = l->next;
	else
		w->heads[l->slot] = l->next;
	if (l->next != NONE)
		w->links[l->next].prev = l->prev;
	l->slot = NONE;
}

void
wheel_set(struct wheel *w, uint32_t id, int64_t due_ms)
{
	struct wheel_link *l = &w->links[id];
	int64_t tick = (due_ms + WHEEL_TICK_MS - 1) / WHEEL_TICK_MS;

	wheel_remove(w, id);
	tick = MAX(tick, w->tick + 1);
	tick = MIN(tick, w->tick + (int64_t)WHEEL_SLOTS - 1);
	l->slot = (uint32_t)(tick % (int64_t)WHEEL_SLOTS);
	l->prev = NONE;
	l->next = w->heads[l->slot];
	if (l->next != NONE)
		w->links[l->next].prev = id;
	w->heads[l->slot] = id;
}

void
wheel_advance(struct wheel *w, int64_t now_ms,
    void (*cb)(uint32_t id, void *arg), void *arg)
{
	int64_t until = now_ms / WHEEL_TICK_MS;
	uint32_t slot, id;

	/* After a long stop (SIGSTOP, suspend) one round shows everybody. */
	if (until - w->tick > (int64_t)WHEEL_SLOTS)
		w->tick = until - (int64_t)WHEEL_SLOTS;
	while (w->tick < until) {
		w->tick++;
		slot = (uint32_t)(w->tick % (int64_t)WHEEL_SLOTS);
		/* What a callback sets lands in a later slot: this empties. */
		while ((id = w->heads[slot]) != NONE) {
			wheel_remove(w, id);
			cb(id, arg);
		}
	}
}
