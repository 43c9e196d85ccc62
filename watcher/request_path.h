/*
 * request_path: the paths, with their queries, of a kind's LIST and WATCH
 * (k8s-watch.md A.2, A.4, A 38). Pure. Whatever comes from a server (a token, a
 * version) is escaped, so that it stays inside its parameter.
 */
#ifndef SLUICE_REQUEST_PATH_H
#define SLUICE_REQUEST_PATH_H

#include <stdbool.h>

#include "common/buf.h"
#include "watcher/kinds.h"
#include "watcher/watch_fsm.h"

/* A release's history is up to a megabyte per secret, and no resource that
 * anybody put there (k8s-watch.md A 27). A secret's type never changes, so none
 * ever leaves this selection but by its deletion. */
#define REQUEST_PATH_NO_HELM "type!=helm.sh/release.v1"

#define REQUEST_PATH_PAGE 500   /* items asked for at once */

/* Where a LIST begins. */
struct request_list {
	enum watch_version	 version;
	const char		*last;    /* version last seen, "": none */
	const char		*token;   /* NULL: the first page */
	bool			 whole;   /* all of it in one page */
};

/* What is asked for: a kind, in one namespace or (NULL) in all. */
struct request_place {
	const struct kind	*kind;
	const char		*namespace;
	const char		*fields;   /* fieldSelector, NULL: none */
};

/* All append to *b. */
void	request_path_list(struct buf *b, const struct request_place *place,
	    const struct request_list *list);
void	request_path_watch(struct buf *b, const struct request_place *place,
	    const char *version, unsigned timeout_s);
/* A list by watch: first what exists, then what changes. */
void	request_path_stream(struct buf *b, const struct request_place *place,
	    unsigned timeout_s);
/* Whether the server's history reaches the version: one object at most. */
void	request_path_probe(struct buf *b, const struct request_place *place,
	    const char *version);

#endif
