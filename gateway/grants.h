/*
 * grants: which streams somebody may read, or write: the patterns of a token,
 * compiled once. Pure.
 *
 * A pattern is what a subscription may name (the contract, section 2): a key,
 * or a prefix that ends in "/" "*" or ":*"; and "*" alone, every stream.
 * Nothing is granted that no pattern covers.
 */
#ifndef SLUICE_GRANTS_H
#define SLUICE_GRANTS_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"

#define GRANTS_MAX 64u   /* patterns */

/* All zero: nothing. */
struct grants {
	char	**patterns;
	size_t	  n;
};

/* -1 with *err if it is no pattern, or one too many. */
int	grants_add(struct grants *g, struct slice pattern, struct err *err)
	    MUST_CHECK;
void	grants_clear(struct grants *g);
/* `selector`, a checked key or prefix, is covered whole by one pattern. */
bool	grants_cover(const struct grants *g, struct slice selector);

#endif
