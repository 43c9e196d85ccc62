/*
 * sim_watch_open: the opening of a watch: which one a request asks for, and
 * every refusal; and what it shares with sim_watch.c, which keeps watches
 * going. Nobody else needs it.
 */
#ifndef SIM_WATCH_OPEN_H
#define SIM_WATCH_OPEN_H

#include <sys/queue.h>

#include "common/mono.h"
#include "tests/kubesim/sim_line.h"
#include "tests/kubesim/sim_snapshot.h"
#include "tests/kubesim/sim_watch.h"

#define SIM_WATCH_MAGIC 0x3a7c45eeu

struct watch {
	unsigned		 magic;
	TAILQ_ENTRY(watch)	 entry;
	struct sim_watches	*all;
	struct sim_conn		*conn;
	enum sim_kind		 kind;
	char			 ns[SIM_NAME_MAX + 1];
	enum sim_form		 form;
	struct sim_selector	*selector;
	struct sim_snapshot	*initial;        /* still being sent */
	size_t			 next;           /* item of it */
	uint64_t		 above;          /* seen: only newer is sent */
	bool			 live;           /* has all until now */
	bool			 filling;        /* not again meanwhile */
	bool			 mark_end;       /* of the initial events */
	bool			 bookmarks;
	bool			 members;        /* each line a gzip member */
	bool			 warned;         /* bookmark before the end */
	struct mono		 deadline;
	struct mono		 next_bookmark;
};

struct sim_watches {
	struct sim		*sim;
	TAILQ_HEAD(watch_list, watch) list[SIM_KIND_MAX];
	struct event		*tick;
	/* The present event's line in each form, made when asked for. */
	struct sim_text		*line[SIM_FORM_MAX];
	size_t			 n;
	uint64_t		 dropped;
};

/* Frees it when its connection is gone. */
void	sim_watch_gone(struct sim_conn *c, void *ctx);
/* There is room: goes on with what was there, then with what happened since,
 * until it is live. The watch may be gone after it. */
void	sim_watch_room(struct sim_conn *c, void *ctx);

#endif
