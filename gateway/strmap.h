/*
 * strmap: byte string -> number, for names that come from the network: keyed
 * hash (SipHash-1-3, random key per process), so that nobody can choose names
 * that collide.
 *
 * Pure but for the random key. Keys are copied. The owner bounds the count.
 */
#ifndef SLUICE_STRMAP_H
#define SLUICE_STRMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

struct strmap;

struct strmap	*strmap_new(void);
void		 strmap_free(struct strmap *m);
bool		 strmap_get(const struct strmap *m, struct slice key,
		    uint32_t *ret_value);
/* Adds or replaces. */
void		 strmap_put(struct strmap *m, struct slice key, uint32_t value);
void		 strmap_remove(struct strmap *m, struct slice key);
size_t		 strmap_count(const struct strmap *m);

#endif
