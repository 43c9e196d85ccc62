/*
 * inv_listed: of which parts of the cluster an inventory has seen a whole
 * list: per kind of all namespaces, or of some. Pure; owned by inv_set. What
 * stands nowhere in such a list does not exist; of the rest nothing is known.
 */
#ifndef SLUICE_INV_LISTED_H
#define SLUICE_INV_LISTED_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "watcher/kinds.h"

struct inv_listed_part {
	char	*namespace;   /* NULL: all */
	bool	 listed;      /* once, to its end */
	bool	 listing;     /* a list began and has not ended */
};

struct inv_listed_kind {
	struct inv_listed_part	*parts;
	size_t			 n;
};

struct inv_listed {
	struct inv_listed_kind	kinds[KINDS_MAX];   /* all zero: none */
};

/* SLICE_NONE: all namespaces. */
void	inv_listed_begin(struct inv_listed *l, unsigned kind,
	    struct slice namespace);
void	inv_listed_end(struct inv_listed *l, unsigned kind,
	    struct slice namespace);
void	inv_listed_clear(struct inv_listed *l);   /* contents */

/* A whole list has covered this namespace ("": of the cluster itself). */
bool	inv_listed_has(const struct inv_listed *l, unsigned kind,
	    struct slice namespace);
/* And no further list that covers it is under way. */
bool	inv_listed_at_rest(const struct inv_listed *l, unsigned kind,
	    struct slice namespace);

#endif
