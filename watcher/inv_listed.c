#include "watcher/inv_listed.h"

#include <stdlib.h>

#include "common/xmalloc.h"

static bool
same(const struct inv_listed_part *part, struct slice namespace)
{
	if (part->namespace == NULL || namespace.p == NULL)
		return part->namespace == NULL && namespace.p == NULL;
	return slice_is(namespace, part->namespace);
}

static struct inv_listed_part *
part_of(struct inv_listed *l, unsigned kind, struct slice namespace)
{
	struct inv_listed_kind *k = &l->kinds[kind];
	size_t i;

	for (i = 0; i < k->n; i++)
		if (same(&k->parts[i], namespace))
			return &k->parts[i];
	k->parts = xreallocarray(k->parts, k->n + 1, sizeof(*k->parts));
	k->parts[k->n] = (struct inv_listed_part){
		namespace.p == NULL ? NULL : slice_dup(namespace),
		false, false };
	return &k->parts[k->n++];
}

void
inv_listed_begin(struct inv_listed *l, unsigned kind, struct slice namespace)
{
	part_of(l, kind, namespace)->listing = true;
}

void
inv_listed_end(struct inv_listed *l, unsigned kind, struct slice namespace)
{
	struct inv_listed_part *part = part_of(l, kind, namespace);

	part->listed = true;
	part->listing = false;
}

void
inv_listed_clear(struct inv_listed *l)
{
	unsigned kind;
	size_t i;

	for (kind = 0; kind < KINDS_MAX; kind++) {
		for (i = 0; i < l->kinds[kind].n; i++)
			free(l->kinds[kind].parts[i].namespace);
		free(l->kinds[kind].parts);
		l->kinds[kind] = (struct inv_listed_kind){ NULL, 0 };
	}
}

static bool
covered(const struct inv_listed *l, unsigned kind, struct slice namespace,
    bool at_rest)
{
	const struct inv_listed_kind *k = &l->kinds[kind];
	const struct inv_listed_part *part;

	for (part = k->parts; part < k->parts + k->n; part++)
		if (part->listed && !(at_rest && part->listing) &&
		    (part->namespace == NULL || same(part, namespace)))
			return true;
	return false;
}

bool
inv_listed_has(const struct inv_listed *l, unsigned kind,
    struct slice namespace)
{
	return covered(l, kind, namespace, false);
}

bool
inv_listed_at_rest(const struct inv_listed *l, unsigned kind,
    struct slice namespace)
{
	return covered(l, kind, namespace, true);
}
