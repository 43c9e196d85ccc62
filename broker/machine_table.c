#include "broker/machine_table.h"

#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"

#define SIZE_MIN 256u

static const uint8_t own[EVENT_HASH_SIZE];

void
machine_table_init(struct machine_table *t)
{
	*t = (struct machine_table){ .free_head = MACHINE_NONE };
}

void
machine_table_clear(struct machine_table *t)
{
	free(t->machines);
	machine_table_init(t);
}

static uint32_t
find(const struct machine_table *t, uint32_t head, const uint8_t *part)
{
	uint32_t at = head;

	while (at != MACHINE_NONE &&
	    memcmp(t->machines[at].part, part, EVENT_HASH_SIZE) != 0)
		at = t->machines[at].next;
	return at;
}

struct machine *
machine_table_find(const struct machine_table *t, uint32_t head,
    const uint8_t *part)
{
	uint32_t at = find(t, head, part != NULL ? part : own);

	return at != MACHINE_NONE ? &t->machines[at] : NULL;
}

static uint32_t
take_free(struct machine_table *t)
{
	uint32_t at = t->free_head;

	if (at != MACHINE_NONE) {
		t->free_head = t->machines[at].next;
		return at;
	}
	if (t->used == t->size) {
		t->size = t->size * 2 + SIZE_MIN;
		t->machines = xreallocarray(t->machines, t->size,
		    sizeof(*t->machines));
	}
	return t->used++;
}

/* The stream's own stands first, so that it is found at once however many
 * parts there are. */
struct machine *
machine_table_get(struct machine_table *t, uint32_t *head,
    const uint8_t *part)
{
	const uint8_t *id = part != NULL ? part : own;
	uint32_t at = find(t, *head, id), *link = head;

	if (at != MACHINE_NONE)
		return &t->machines[at];
	at = take_free(t);
	if (part != NULL && *head != MACHINE_NONE)
		link = &t->machines[*head].next;
	t->machines[at] = (struct machine){ .next = *link };
	memcpy(t->machines[at].part, id, EVENT_HASH_SIZE);
	*link = at;
	t->parts += part != NULL;
	return &t->machines[at];
}

void
machine_table_drop(struct machine_table *t, uint32_t *head)
{
	uint32_t at, next;

	for (at = *head; at != MACHINE_NONE; at = next) {
		next = t->machines[at].next;
		t->machines[at].next = t->free_head;
		t->free_head = at;
		t->parts -= memcmp(t->machines[at].part, own,
		    EVENT_HASH_SIZE) != 0;
	}
	*head = MACHINE_NONE;
}
