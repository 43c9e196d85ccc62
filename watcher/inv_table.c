#include "watcher/inv_table.h"

#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "watcher/inv_object.h"

#define BUCKETS_MIN 256u

/* --- the table ------------------------------------------------------------ */

void
inv_table_init(struct inv_table *t)
{
	t->n_buckets = BUCKETS_MIN;
	t->buckets = xcalloc(t->n_buckets, sizeof(*t->buckets));
	t->n = 0;
	sip_key_random(&t->key);
}

void
inv_table_clear(struct inv_table *t)
{
	free(t->buckets);
	*t = (struct inv_table){ 0 };
}

static void
grow(struct inv_table *t)
{
	size_t n = t->n_buckets * 2, i;
	struct inv_object **buckets = xcalloc(n, sizeof(*buckets)), *o;

	for (i = 0; i < t->n_buckets; i++)
		while ((o = t->buckets[i]) != NULL) {
			t->buckets[i] = o->next;
			o->next = buckets[o->hash & (n - 1)];
			buckets[o->hash & (n - 1)] = o;
		}
	free(t->buckets);
	t->buckets = buckets;
	t->n_buckets = n;
}

/* --- its entries ---------------------------------------------------------- */

static uint32_t
key_hash(const struct inv_table *t, unsigned kind, struct slice namespace,
    struct slice name)
{
	struct sip_key key = t->key;
	uint64_t h;

	key.k0 ^= sip_hash(&t->key, namespace);
	key.k1 += kind;
	h = sip_hash(&key, name);
	return (uint32_t)(h ^ h >> 32);
}

static bool
is_key(const struct inv_object *o, unsigned kind, struct slice namespace,
    struct slice name)
{
	return o->kind == kind &&
	    slice_eq(inv_object_namespace(o), namespace) &&
	    slice_eq(inv_object_name(o), name);
}

static struct inv_object *
lookup(const struct inv_table *t, uint32_t hash, unsigned kind,
    struct slice namespace, struct slice name)
{
	struct inv_object *o = t->buckets[hash & (t->n_buckets - 1)];

	while (o != NULL && (o->hash != hash ||
	    !is_key(o, kind, namespace, name)))
		o = o->next;
	return o;
}

struct inv_object *
inv_table_find(const struct inv_table *t, unsigned kind,
    struct slice namespace, struct slice name)
{
	return lookup(t, key_hash(t, kind, namespace, name), kind, namespace,
	    name);
}

struct inv_object *
inv_table_entry(struct inv_table *t, unsigned kind, struct slice namespace,
    struct slice name)
{
	uint32_t hash = key_hash(t, kind, namespace, name);
	struct inv_object *o = lookup(t, hash, kind, namespace, name);
	struct inv_object **bucket;

	if (o != NULL)
		return o;
	if (t->n >= t->n_buckets)
		grow(t);
	bucket = &t->buckets[hash & (t->n_buckets - 1)];
	o = xcalloc(1, sizeof(*o) + namespace.n + name.n + 2);
	o->hash = hash;
	o->kind = (uint8_t)kind;
	o->namespace_len = (uint16_t)namespace.n;
	if (namespace.n > 0)
		memcpy(o->path, namespace.p, namespace.n);
	o->path[namespace.n] = '/';
	memcpy(o->path + namespace.n + 1, name.p, name.n);
	o->next = *bucket;
	*bucket = o;
	t->n++;
	return o;
}

void
inv_table_remove(struct inv_table *t, struct inv_object *o)
{
	struct inv_object **link = &t->buckets[o->hash & (t->n_buckets - 1)];

	while (*link != o)
		link = &(*link)->next;
	*link = o->next;
	t->n--;
}

struct inv_object *
inv_table_next(const struct inv_table *t, struct inv_table_cursor *c)
{
	struct inv_object *o;

	while (c->next == NULL && c->bucket < t->n_buckets)
		c->next = t->buckets[c->bucket++];
	o = c->next;
	if (o != NULL)
		c->next = o->next;
	return o;
}
