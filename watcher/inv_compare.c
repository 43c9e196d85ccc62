#include "watcher/inv_compare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "watcher/inv_object.h"

static bool
in_scope(const struct inv_compare *c, const struct inv_object *o)
{
	return o->kind == c->kind && (c->namespace.p == NULL ||
	    slice_eq(inv_object_namespace(o), c->namespace));
}

static void
suspect(struct inv_compare *c, struct slice namespace, struct slice name,
    const uint8_t uid[16], uint64_t version, enum inv_suspicion what)
{
	struct inv_suspect *s;
	size_t size = namespace.n + name.n + 2;

	if (c->n == INV_COMPARE_SUSPECTS_MAX)
		return;
	s = &c->suspects[c->n++];
	s->path = xmalloc(size);
	(void)snprintf(s->path, size, "%.*s/%.*s", (int)namespace.n,
	    namespace.p != NULL ? namespace.p : "", (int)name.n, name.p);
	s->namespace_len = (uint16_t)namespace.n;
	s->what = what;
	s->again = false;
	memcpy(s->uid, uid, sizeof(s->uid));
	s->version = version;
}

void
inv_compare_clear(struct inv_compare *c)
{
	while (c->n > 0)
		free(c->suspects[--c->n].path);
	c->again = false;
}

void
inv_compare_begin(struct inv_compare *c, struct inventory *inv, unsigned kind,
    struct slice namespace)
{
	struct inv_table_cursor cursor = { 0 };
	struct inv_object *o;

	inv_compare_clear(c);
	c->kind = kind;
	c->namespace = namespace;
	while ((o = inventory_next(inv, &cursor)) != NULL)
		if (in_scope(c, o))
			o->compared = o->behind = false;
}

static bool
same(const struct inv_object *o, const uint8_t uid[16])
{
	return o != NULL && o->present &&
	    memcmp(o->uid, uid, sizeof(o->uid)) == 0;
}

/* What is here is that object, and not older than the list has it. */
static bool
knows(const struct inv_object *o, const uint8_t uid[16], uint64_t version)
{
	return same(o, uid) && o->version >= version;
}

static struct slice
namespace_of(const struct inv_suspect *s)
{
	return (struct slice){ s->path, s->namespace_len };
}

static struct slice
name_of(const struct inv_suspect *s)
{
	return slice_str(s->path + s->namespace_len + 1);
}

static void
named_again(struct inv_compare *c, const struct kube_object *object)
{
	struct inv_suspect *s;
	uint8_t uid[16];
	size_t i;

	for (i = 0; i < c->n; i++) {
		s = &c->suspects[i];
		if (!slice_eq(name_of(s), object->name) ||
		    !slice_eq(namespace_of(s), object->namespace))
			continue;
		(void)inv_object_uid(object->uid, uid);
		if (memcmp(s->uid, uid, sizeof(uid)) == 0 &&
		    (s->what != INV_BEHIND ||
		    inv_object_version(object->resource_version) < s->version))
			s->again = true;
	}
}

void
inv_compare_item(struct inv_compare *c, struct inventory *inv,
    const struct kube_object *object)
{
	struct inv_object *o = inventory_find(inv, c->kind,
	    object->namespace, object->name);
	uint64_t version = inv_object_version(object->resource_version);
	uint8_t uid[16];

	if (c->again) {
		named_again(c, object);
		return;
	}
	(void)inv_object_uid(object->uid, uid);
	if (o != NULL)
		o->compared = true;
	if (!knows(o, uid, version))
		suspect(c, object->namespace, object->name, uid, version,
		    INV_MISSING);
	else if (version > 0)
		o->behind = version < o->version;
}

bool
inv_compare_end(struct inv_compare *c, struct inventory *inv,
    struct slice version)
{
	uint64_t at = inv_object_version(version);
	struct inv_table_cursor cursor = { 0 };
	struct inv_object *o;

	while ((o = inventory_next(inv, &cursor)) != NULL) {
		if (!in_scope(c, o) || !o->present || o->version > at ||
		    (o->compared && !o->behind))
			continue;
		suspect(c, inv_object_namespace(o), inv_object_name(o), o->uid,
		    o->version, o->compared ? INV_BEHIND : INV_SURPLUS);
	}
	return c->n > 0;
}

static bool
differs(const struct inv_compare *c, const struct inventory *inv,
    const struct inv_suspect *s)
{
	const struct inv_object *o = inventory_find(inv, c->kind,
	    namespace_of(s), name_of(s));

	if (s->what == INV_MISSING)
		return !knows(o, s->uid, s->version);
	return same(o, s->uid) && o->version == s->version;
}

bool
inv_compare_again(struct inv_compare *c, const struct inventory *inv)
{
	size_t i, kept = 0;

	for (i = 0; i < c->n; i++)
		if (differs(c, inv, &c->suspects[i]))
			c->suspects[kept++] = c->suspects[i];
		else
			free(c->suspects[i].path);
	c->n = kept;
	c->again = true;
	return c->n > 0;
}

bool
inv_compare_differs(const struct inv_compare *c, const struct inventory *inv)
{
	const struct inv_suspect *s;
	size_t i;

	for (i = 0; i < c->n; i++) {
		s = &c->suspects[i];
		if (s->again == (s->what != INV_SURPLUS) && differs(c, inv, s))
			return true;
	}
	return false;
}
