/*
 * selection: a snapshot's selectors as disjoint ranges of keys in ascending
 * order, so that one pass over the index gives every wanted event once and in
 * order. Pure.
 */
#ifndef SLUICE_SELECTION_H
#define SLUICE_SELECTION_H

#include "common/event.h"

struct selection_range {
	struct slice	text;     /* the key, or what keys must begin with */
	bool		prefix;
};

/* Slices point into the selectors given. */
struct selection {
	struct selection_range	*ranges;
	size_t			 n;
	struct slice		*named;    /* exact keys, ascending */
	size_t			 n_named;
};

/* -1 with *err saying which selector is not one. */
int	selection_make(const struct slice *selectors, size_t n,
	    struct selection *ret, struct err *err) MUST_CHECK;
void	selection_clear(struct selection *s);
/* The key was asked for by its exact name. */
bool	selection_names(const struct selection *s, struct slice key);

#endif
