/*
 * request_path: the paths, with their queries, of a kind's LIST and WATCH
 * (k8s-watch.md A.1, A.2). Pure. Whatever comes from a server (a token, a
 * version) is escaped, so that it stays inside its parameter.
 */
#ifndef SLUICE_REQUEST_PATH_H
#define SLUICE_REQUEST_PATH_H

#include "common/buf.h"
#include "watcher/kinds.h"
#include "watcher/watch_fsm.h"

#define REQUEST_PATH_PAGE 500   /* items asked for at once */

/* Where a LIST begins. */
struct request_list {
	enum watch_version	 version;
	const char		*last;    /* version last seen, "": none */
	const char		*token;   /* NULL: the first page */
};

/* Both append to *b. */
void	request_path_list(struct buf *b, const struct kind *kind,
	    const struct request_list *list);
void	request_path_watch(struct buf *b, const struct kind *kind,
	    const char *version, unsigned timeout_s);

#endif
