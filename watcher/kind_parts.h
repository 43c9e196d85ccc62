/*
 * kind_parts: how a kind stands that is watched in namespaces, of how it
 * stands in each. Pure; for kind_watch.
 *
 * As the worst of them does. Where all are watched, objects that had to be
 * skipped come before what an operator knows already: that it is allowed in
 * these namespaces only.
 */
#ifndef SLUICE_KIND_PARTS_H
#define SLUICE_KIND_PARTS_H

#include "watcher/list_watch.h"

/* "in namespace X: " and a whole message of a watch_reason. */
#define KIND_PARTS_TEXT_MAX 600u

struct kind_part {
	const char		*namespace;
	struct list_watch_view	 view;
};

/* n >= 1. Its message is that of the worst; kind_parts_text says more. */
struct list_watch_view kind_parts_view(const struct kind_part *parts,
    size_t n);
/* Names the namespace, or all of them; cut when it does not fit. */
void	kind_parts_text(const struct kind_part *parts, size_t n,
	    char text[KIND_PARTS_TEXT_MAX]);

#endif
