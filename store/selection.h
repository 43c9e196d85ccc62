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

/* The key is the range's, or begins with its prefix (and goes on). */
bool	selection_covers(const struct selection_range *range,
	    struct slice key);
/* What "<type>:" at the front says; STREAM_TYPE_MAX if it names none. */
enum stream_type	selection_type(const struct selection_range *range);
/* The cluster a resource or watcher range lies in; false: it may be any. */
bool	selection_cluster(const struct selection_range *range,
	    struct slice *ret);
/* The first text after all that begin with the prefix, in `buf`, which has
 * room for the prefix's length. */
struct slice	selection_end(struct slice prefix, char *buf);

#endif
