/*
 * list_ask: one request after the other for a kind in one place: a page of a
 * LIST, a WATCH, a list by watch. Reads the bodies, gives its owner
 * (list_watch) every object as it comes, and one outcome at the end; what
 * follows is the owner's to say. How long it waits: ask_patience. Runs in the
 * watcher's loop.
 */
#ifndef SLUICE_LIST_ASK_H
#define SLUICE_LIST_ASK_H

#include "common/conf.h"
#include "watcher/kube_api.h"
#include "watcher/request_path.h"
#include "watcher/watch_news.h"
#include "watcher/watch_outcome.h"

struct list_ask;

struct list_ask_ops {
	/* ADDED, MODIFIED, DELETED; in a list ADDED. False: there is no
	 * room for it: a watch ends so, a list when it is whole. */
	bool	(*object)(enum kube_event_type type,
		    const struct kube_object *object, void *arg);
	/* The answer is 200 so far; must not touch requests. */
	void	(*answered)(void *arg);
	/* What exists has come by watch, `oversized` of it was skipped; the
	 * request goes on: list_ask_follow. */
	void	(*listed)(uint64_t oversized, void *arg);
	/* A watch brought an event, or a bookmark. */
	void	(*alive)(void *arg);
	void	(*news)(const struct watch_news *news, void *arg);
	/* The request is over; may ask again. */
	void	(*done)(const struct watch_outcome *outcome, void *arg);
};

/* `api`, `conf` and `place` must outlive it. */
struct list_ask *list_ask_new(struct event_base *base, struct kube_api *api,
    const struct conf *conf, const struct request_place *place,
    const struct list_ask_ops *ops, void *arg);
void	list_ask_free(struct list_ask *a);

/* Each begins a request; `done` may come from within (no credentials). */
/* The next page, or the first: list_ask_forget begins anew. */
void	list_ask_list(struct list_ask *a, enum watch_version version,
	    bool whole);
void	list_ask_forget(struct list_ask *a);   /* the list so far */
void	list_ask_watch(struct list_ask *a);
void	list_ask_stream(struct list_ask *a);

/* The stream is the watch from here on. */
void	list_ask_follow(struct list_ask *a);
/* The connection is silent: the next request takes another (kube_get). */
void	list_ask_leave_connection(struct list_ask *a, struct mono since);
/* Since when it is, 0: it is not, or the next request has begun. */
struct mono list_ask_silent(const struct list_ask *a);
/* The last byte of the last request, or its beginning. */
struct mono list_ask_heard(const struct list_ask *a);
void	list_ask_drop(struct list_ask *a);     /* without `done` */

const char *list_ask_version(const struct list_ask *a);  /* "": none yet */
bool	list_ask_open(const struct list_ask *a);   /* a watch was answered */

#endif
