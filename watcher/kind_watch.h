/*
 * kind_watch: one kind of one cluster: drives its watch_fsm with requests,
 * gives its owner every object as it comes. Runs in the watcher's loop.
 */
#ifndef SLUICE_KIND_WATCH_H
#define SLUICE_KIND_WATCH_H

#include "watcher/kinds.h"
#include "watcher/kube_api.h"
#include "watcher/kube_object.h"
#include "watcher/watch_fsm.h"

#define KIND_WATCH_STALE_MS     (150 * 1000)  /* k8s-watch.md A 15 */
#define KIND_WATCH_LIST_IDLE_MS (60 * 1000)
#define KIND_WATCH_TIMEOUT_S    300           /* to 600 */

struct kind_watch;

struct kind_watch_ops {
	/* ADDED, MODIFIED, DELETED; in a list ADDED. */
	void	(*object)(struct kind_watch *kw, enum kube_event_type type,
		    const struct kube_object *object, void *arg);
	void	(*list_begin)(struct kind_watch *kw, void *arg);
	/* The list is whole: what it did not name is gone. Also after 404. */
	void	(*list_end)(struct kind_watch *kw, void *arg);
	/* The state, its reason or attempt changed. */
	void	(*changed)(struct kind_watch *kw, void *arg);
	/* It may have been the address or the credentials, and a request
	 * follows: the time to read them again. */
	void	(*renew)(struct kind_watch *kw, void *arg);
	/* The server could not be reached. */
	void	(*unreachable)(struct kind_watch *kw, void *arg);
	/* Something was skipped or refused: one line. */
	void	(*notice)(struct kind_watch *kw, const char *text, void *arg);
};

struct kind_watch *kind_watch_new(struct event_base *base,
    struct kube_api *api, unsigned kind, int64_t backoff_base_ms,
    int64_t backoff_max_ms, const struct kind_watch_ops *ops, void *arg);
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
	long		 code;              /* HTTP, 0: none */
	bool		 listed;            /* one list was whole */
	bool		 tried;             /* one list began and ended */
};

struct kind_watch_view kind_watch_view(const struct kind_watch *kw);

#endif
