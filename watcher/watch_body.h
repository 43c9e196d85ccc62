/*
 * watch_body: what comes as the body of a WATCH: its frames into objects, the
 * version it has come to, and what ended it. Pure (its buffers apart).
 *
 * The version follows every event and bookmark. An event or bookmark older
 * than the last one means that the server's history went back (an etcd
 * restored, a replay): only a list helps (k8s-watch.md A 38). A watch that
 * begins as a list (WatchList, A.4) first brings what exists, in no order of
 * versions: until the bookmark that ends this, the version stays what it was.
 *
 * Of a kind that is watched as metadata only, whatever is not that is refused
 * (A.5). An object whose name no key can hold is skipped and counted.
 */
#ifndef SLUICE_WATCH_BODY_H
#define SLUICE_WATCH_BODY_H

#include "watcher/kube_object.h"
#include "watcher/watch_stream.h"

enum watch_body_end {
	WATCH_BODY_OPEN,
	WATCH_BODY_ERROR,    /* the server says: `error` */
	WATCH_BODY_BAD,      /* no event, or not what was asked: `err` */
	WATCH_BODY_BACK,     /* its history went back: `err` */
};

struct watch_body {
	struct watch_stream	 stream;     /* `oversized`: of this watch */
	char			 version[KUBE_UID_MAX + 1];
	bool			 metadata;   /* accept nothing else */
	bool			 initial;    /* what exists is still coming */
	bool			 events;     /* this watch brought one */
	uint64_t		 unfit;      /* objects of it, skipped */
	enum watch_body_end	 end;
	struct kube_error	 error;
	struct err		 err;
};

struct watch_body_ops {
	void	(*object)(enum kube_event_type type,
		    const struct kube_object *object, void *arg);
	/* What exists is whole. */
	void	(*listed)(void *arg);
};

/* All zero is a good start. Begins the next watch; the version stays. */
void	watch_body_begin(struct watch_body *b, bool initial);
void	watch_body_reset(struct watch_body *b);   /* releases the buffers */
/* False: the watch is over, `end` says why; the rest of the bytes is lost. */
bool	watch_body_feed(struct watch_body *b, const char *p, size_t n,
	    const struct watch_body_ops *ops, void *arg);

/* a is a lower version than b (k8s-watch.md A 32: decimal, of any length);
 * false when one of them is no number. */
bool	watch_body_older(struct slice a, struct slice b);

#endif
