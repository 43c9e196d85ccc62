/*
 * list_watch: LIST and WATCH of one kind in one place: the whole cluster, or
 * one namespace. Drives its watch_fsm with requests, gives its owner
 * (kind_watch) every object as it comes. Runs in the watcher's loop.
 *
 * Silence (`watch.stale`) and a watch that outlives its own end are noticed
 * here; so are lists by watch that never end (k8s-watch.md A 15, A.4).
 */
#ifndef SLUICE_LIST_WATCH_H
#define SLUICE_LIST_WATCH_H

#include "common/conf.h"
#include "watcher/kube_api.h"
#include "watcher/kube_object.h"
#include "watcher/watch_fsm.h"

#define LIST_WATCH_IDLE_MS  (60 * 1000)   /* silence of a list */
#define LIST_WATCH_GRACE_S  10            /* a watch's end may be late */
/* An event too large to be read may have been a deletion: a list follows, but
 * one such object that changes all the time must not cost one a second. */
#define LIST_WATCH_MISSED_MS (60 * 1000)

struct list_watch;

struct list_watch_ops {
	/* ADDED, MODIFIED, DELETED; in a list ADDED. */
	void	(*object)(enum kube_event_type type,
		    const struct kube_object *object, void *arg);
	/* A list begins: the mark it is known by when it ends. */
	uint32_t (*list_begin)(struct list_watch *lw, void *arg);
	/* It is whole: what it did not name is gone. Also when the kind is
	 * not served. A list that skipped an object never ends so. */
	void	(*list_end)(struct list_watch *lw, uint32_t mark, void *arg);
	/* The state, its reason or attempt changed. */
	void	(*changed)(struct list_watch *lw, void *arg);
	/* A watch is open; must not touch requests. */
	void	(*open)(struct list_watch *lw, void *arg);
	/* The server could not be reached. */
	void	(*unreachable)(void *arg);
	/* Something was skipped: one line. */
	void	(*notice)(const char *text, void *arg);
	/* For the figures: bytes of a body; the version was too old. */
	void	(*received)(size_t bytes, void *arg);
	void	(*expired)(void *arg);
};

/* `namespace` NULL: the whole cluster. `conf` and `api` must outlive it. */
struct list_watch *list_watch_new(struct event_base *base,
    struct kube_api *api, const struct conf *conf, unsigned kind,
    const char *namespace, const struct list_watch_ops *ops, void *arg);
void	list_watch_free(struct list_watch *lw);
void	list_watch_start(struct list_watch *lw);
void	list_watch_stop(struct list_watch *lw);
const char *list_watch_namespace(const struct list_watch *lw);

struct list_watch_view {
	enum watch_state state;
	uint32_t	 attempt;
	int64_t		 delay_ms;          /* of the back-off; 0: none */
	const char	*resource_version;  /* "" before the first list */
	const char	*reason;            /* a word, "" when all is well */
	const char	*message;
	long		 code;              /* HTTP, 0: none */
	bool		 listed;            /* one list was whole */
	bool		 tried;             /* one list began and ended */
	bool		 open;              /* a watch was answered, still is */
};

struct list_watch_view list_watch_view(const struct list_watch *lw);

#endif
