/*
 * list_pages: the LIST of a kind over all its pages: their bytes into objects,
 * where the next page begins, and the version of the whole. Pure.
 *
 * All pages carry page one's resourceVersion: the watch starts there. The
 * server's token is bounded before it is kept. Of a kind that is listed as
 * metadata only, whatever does not call itself that before its first item is
 * refused, and wiped (k8s-watch.md A.5).
 *
 * An object too large to be read is skipped, whichever it is: by a list with
 * such a one nothing is swept. One whose name no key can hold is skipped as
 * well, but nobody knew it before: it is in no sweep's way.
 */
#ifndef SLUICE_LIST_PAGES_H
#define SLUICE_LIST_PAGES_H

#include "common/list_stream.h"
#include "watcher/kube_object.h"

#define LIST_PAGES_TOKEN_MAX (16u * 1024)

struct list_pages {
	struct list_stream	 stream;    /* of the page under way */
	char			*token;     /* of the next one, or NULL */
	char			 version[KUBE_UID_MAX + 1];   /* of page one */
	bool			 metadata_only; /* refuse all else */
	uint64_t		 oversized; /* skipped, of all whole pages */
	uint64_t		 unfit;     /* likewise, for their names */
};

typedef void (*list_pages_cb)(const struct kube_object *object, void *arg);

/* All zero, but for metadata_only, is a good start. Releases everything: the
 * next page is the first. */
void	list_pages_reset(struct list_pages *l);
/* Objects skipped since then, of either sort. */
uint64_t list_pages_skipped(const struct list_pages *l);
/* Bytes of a page, as they arrive. -1 with *err: no list, or an object in it
 * that cannot be one; the page is lost. */
int	list_pages_feed(struct list_pages *l, const char *p, size_t n,
	    list_pages_cb cb, void *arg, struct err *err) MUST_CHECK;
/* The page's bytes are all there; the next one may follow. -1 with *err: it is
 * cut, or does not say what it must. */
int	list_pages_end(struct list_pages *l, bool *ret_more, struct err *err)
	    MUST_CHECK;

#endif
