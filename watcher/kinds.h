/*
 * kinds: the kinds a watcher can follow, as a table: where the API server
 * keeps them and which rule judges them. Fourteen rows are static; those of
 * the operator (`watch.custom`) are put behind them once, at the start, before
 * anybody looks. Pure but for that.
 *
 * Secrets and configmaps are asked for as metadata only, and nothing else is
 * accepted as an answer: what they hold must never reach this process
 * (k8s-watch.md A.5).
 */
#ifndef SLUICE_KINDS_H
#define SLUICE_KINDS_H

#include <stdbool.h>

#include "common/conf.h"
#include "watcher/kube_status.h"

#define KINDS_MAX 32u   /* bits of a set */

/* What an answer of metadata only calls itself. */
#define KINDS_METADATA      "PartialObjectMetadata"
#define KINDS_METADATA_LIST "PartialObjectMetadataList"
/* No plain JSON behind it: a server that cannot transform would then send the
 * whole secret. Servers from 1.37 on leave managedFields out when asked so;
 * older ones ignore the parameter (k8s-watch.md A 30). */
#define KINDS_DROP "drop=metadata.managedFields"
#define KINDS_ACCEPT_AS(what) \
	"application/json;as=" what ";g=meta.k8s.io;v=v1;" KINDS_DROP
#define KINDS_METADATA_ACCEPT KINDS_ACCEPT_AS(KINDS_METADATA_LIST)
/* What an operator reads of any other, and of a server that has none. */
#define KINDS_NO_METADATA "the API server cannot send the metadata alone, " \
	"and the whole is not asked for; leave this kind out of watch.kinds"
#define KINDS_REFUSED "the answer is not the metadata that was asked for, " \
	"and was thrown away unread; a proxy before the API server must pass " \
	"on the Accept header; or leave this kind out of watch.kinds"

struct kind {
	const char	*name;      /* short: in keys and in `watch.kinds` */
	const char	*kind;      /* as the API server writes it */
	const char	*group;     /* "" = core */
	const char	*version;
	const char	*resource;
	const char	*list_accept;
	const char	*watch_accept;
	kube_status_rule rule;
	bool		 metadata;  /* only that is asked for and accepted */
};

extern const struct kind *const kinds;
extern unsigned kinds_n;

/* What the operator says of kinds: `watch.custom`, `watch.no_address`. */
void	kinds_configure(const struct conf *conf);
/* Puts the operator's kinds behind the static ones, in place of those of an
 * earlier call. The texts must live as long as the process. */
void	kinds_set_custom(const struct conf_kind *list, size_t n);
/* Index in the table; -1: not one of these. */
int	kinds_find(struct slice name);

#endif
