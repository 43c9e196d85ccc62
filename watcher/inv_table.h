/*
 * inv_table: a hash table of the inventory's objects by (kind, namespace,
 * name); it doubles when it is full. Names come from strangers: the hash has a
 * key of the table's own. Pure but for that key, which is random. It makes the
 * entries; who removes one frees it, and clearing the table frees none.
 */
#ifndef SLUICE_INV_TABLE_H
#define SLUICE_INV_TABLE_H

#include <stddef.h>

#include "common/sip.h"

struct inv_object;

struct inv_table {
	struct inv_object	**buckets;
	size_t			  n_buckets;    /* a power of two */
	size_t			  n;            /* entries */
	struct sip_key		  key;
};

void	inv_table_init(struct inv_table *t);
void	inv_table_clear(struct inv_table *t);

/* The entry, or NULL. */
struct inv_object *inv_table_find(const struct inv_table *t, unsigned kind,
	    struct slice namespace, struct slice name);
/* Finds the entry, or makes it, empty. The lengths are bounded by
 * kube_object. */
struct inv_object *inv_table_entry(struct inv_table *t, unsigned kind,
	    struct slice namespace, struct slice name);
void	inv_table_remove(struct inv_table *t, struct inv_object *o);

/* A walk, from { 0 } until NULL. The object it gave last may be removed and
 * freed; nothing may be added meanwhile. */
struct inv_table_cursor {
	size_t			 bucket;
	struct inv_object	*next;
};

struct inv_object *inv_table_next(const struct inv_table *t,
	    struct inv_table_cursor *c);

#endif
