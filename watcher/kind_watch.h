/*
 * kind_watch: one kind of one cluster: watched in the whole cluster, or, when
 * that is forbidden, in the configured namespaces (else the context's), until
 * it is allowed again (k8s-watch.md A 22, 23). Gives its owner every object as
 * it comes. Runs in the watcher's loop; it owns the list_watches.
 */
#ifndef SLUICE_KIND_WATCH_H
#define SLUICE_KIND_WATCH_H

#include "watcher/kinds.h"
#include "watcher/kube_object.h"
#include "watcher/list_watch.h"
#include "watcher/watch_fsm.h"
#include "watcher/watch_news.h"

struct kind_watch;

struct kind_watch_ops {
	/* ADDED, MODIFIED, DELETED; in a list ADDED. False: there is no
	 * room for it. */
	bool	(*object)(struct kind_watch *kw, enum kube_event_type type,
		    const struct kube_object *object, void *arg);
	/* A list begins, of one namespace or (SLICE_NONE) all: the mark it
	 * is known by at its end. */
	uint32_t (*list_begin)(struct kind_watch *kw, struct slice namespace,
		    void *arg);
	/* It is whole: what it did not name is gone there. Also when the kind
	 * is not served. */
	void	(*list_end)(struct kind_watch *kw, struct slice namespace,
		    uint32_t mark, void *arg);
	/* The state, its reason or attempt changed. */
	void	(*changed)(struct kind_watch *kw, void *arg);
	void	(*news)(struct kind_watch *kw, const struct watch_news *news,
		    void *arg);
};

/* `env` must outlive it. */
struct kind_watch *kind_watch_new(const struct watch_env *env, unsigned kind,
    const struct kind_watch_ops *ops, void *arg);
void	kind_watch_free(struct kind_watch *kw);
void	kind_watch_start(struct kind_watch *kw);
void	kind_watch_stop(struct kind_watch *kw);

struct kind_watch_view {
	unsigned	 kind;
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
};

unsigned kind_watch_kind(const struct kind_watch *kw);   /* index in `kinds` */
/* Where it is watched in namespaces: how the worst of them stands. */
struct kind_watch_view kind_watch_view(const struct kind_watch *kw);

#endif
