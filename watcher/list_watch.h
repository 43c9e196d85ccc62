/*
 * list_watch: LIST and WATCH of one kind in one place: the whole cluster, or
 * one namespace. Makes the requests (list_ask) that its watch_fsm says, feeds
 * it with what came of them, gives its owner (kind_watch) every object as it
 * comes. Runs in the watcher's loop.
 */
#ifndef SLUICE_LIST_WATCH_H
#define SLUICE_LIST_WATCH_H

#include "common/conf.h"
#include "watcher/inventory.h"
#include "watcher/kube_api.h"
#include "watcher/kube_object.h"
#include "watcher/list_gate.h"
#include "watcher/watch_fsm.h"
#include "watcher/watch_news.h"

struct list_watch;

struct list_watch_ops {
	/* ADDED, MODIFIED, DELETED; in a list ADDED. False: there is no
	 * room for it. */
	bool	(*object)(struct list_watch *lw, enum kube_event_type type,
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
	void	(*news)(const struct watch_news *news, void *arg);
};

/* What all kinds of a cluster share; must outlive them. */
struct watch_env {
	struct event_base	*base;
	struct kube_api		*api;
	struct list_gate	*gate;
	const struct conf	*conf;
	struct inventory	*inv;       /* to compare with */
};

/* `namespace` NULL: the whole cluster. */
struct list_watch *list_watch_new(const struct watch_env *env, unsigned kind,
    const char *namespace, const struct list_watch_ops *ops, void *arg);
void	list_watch_free(struct list_watch *lw);
void	list_watch_start(struct list_watch *lw);
void	list_watch_stop(struct list_watch *lw);
/* Others watched in its place until now: what they told last may be newer than
 * its list. Lists anew if it watches; does nothing if not. */
void	list_watch_alone(struct list_watch *lw);
const char *list_watch_namespace(const struct list_watch *lw);

struct list_watch_view {
	enum watch_state state;
	uint32_t	 attempt;
	int64_t		 delay_ms;          /* of the back-off; 0: none */
	const char	*resource_version;  /* "" before the first list */
	const char	*reason;            /* a word, "" when all is well */
	const char	*message;
	const char	*audit;             /* Audit-Id of what failed, or "" */
	long		 code;              /* HTTP, 0: none */
	bool		 listed;            /* one list was whole */
	bool		 skipped;           /* not all of it can be shown */
	bool		 tried;             /* one list began and ended */
	bool		 open;              /* a watch was answered, still is */
};

struct list_watch_view list_watch_view(const struct list_watch *lw);

#endif
