/*
 * ask_patience: how long a LIST or a WATCH is waited for, and what it means
 * when that is over. Pure: list_ask has the timers and says when they ran out.
 *
 * silence: no byte came (`watch.stale`; a fifth of it, 30 s where a watch has
 * 150, for a list by watch: k8s-watch.md A.4).
 * limit: a list that hardly comes (`watch.slow_list`), a watch that outlives
 * its own end, a list by watch that never ends (A 15). And one that had to
 * skip an event: it may have been a deletion, so a list follows; but one such
 * object that changes all the time must not cost a list a second.
 */
#ifndef SLUICE_ASK_PATIENCE_H
#define SLUICE_ASK_PATIENCE_H

#include "common/conf.h"
#include "common/mono.h"
#include "watcher/watch_outcome.h"

#define ASK_PATIENCE_GRACE_S     10           /* a watch's end may be late */
#define ASK_PATIENCE_LIST_BYTES (64u * 1024)  /* of one in `slow_list` */

enum ask_what { ASK_LIST, ASK_WATCH, ASK_STREAM };

struct ask_patience {
	const struct conf	*conf;
	enum ask_what		 what;
	struct mono		 missed;  /* an event, first; ns 0: none */
	size_t			 window;  /* bytes of a list, lately */
};

/* `conf` must outlive it. */
void	ask_patience_init(struct ask_patience *p, const struct conf *conf);
/* A request begins. What a list shows makes good for what was missed. */
void	ask_patience_begin(struct ask_patience *p, enum ask_what what);
/* What the server is told: `watch.timeout`, to twice that. */
unsigned ask_patience_timeout_s(const struct ask_patience *p,
	    uint32_t random);
/* The list by watch is whole, and the watch from here on. */
void	ask_patience_follow(struct ask_patience *p);

/* In ms; -1: silence alone is no trouble of a list. */
int64_t	ask_patience_silence(const struct ask_patience *p);
/* In ms from `now`; of a WATCH the server was told to end it after `timeout_s`
 * (of the others it is not looked at). */
int64_t	ask_patience_limit(const struct ask_patience *p, unsigned timeout_s,
	    struct mono now);

/* So many bytes of a list came. */
void	ask_patience_heard(struct ask_patience *p, size_t n);
/* An event was skipped: the limit is to be armed anew if this is true. */
bool	ask_patience_missed(struct ask_patience *p, struct mono now);

/* The silence is over; `open`: the request was answered. */
void	ask_patience_silent(const struct ask_patience *p, bool open,
	    struct watch_outcome *o);
/* The limit is. False: a list came on well, and has as long again. */
bool	ask_patience_over(struct ask_patience *p, struct watch_outcome *o)
	    MUST_CHECK;

#endif
