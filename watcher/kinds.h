/*
 * kinds: the kinds a watcher can follow, as a static table: where the API
 * server keeps them and which rule judges them. Pure.
 */
#ifndef SLUICE_KINDS_H
#define SLUICE_KINDS_H

#include "common/buf.h"
#include "watcher/kube_status.h"

#define KINDS_MAX 32u   /* bits of a set */

struct kind {
	const char	*name;      /* short: in keys and in `watch.kinds` */
	const char	*kind;      /* as the API server writes it */
	const char	*group;     /* "" = core */
	const char	*version;
	const char	*resource;
	const char	*list_accept;
	const char	*watch_accept;
	kube_status_rule rule;
};

extern const struct kind kinds[];
extern const unsigned kinds_n;

/* Index in the table; -1: not one of these. */
int	kinds_find(struct slice name);

#endif
