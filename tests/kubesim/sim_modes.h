/*
 * sim_modes: which API server this one is: how old, with which features, and
 * with which known defects of servers and proxies. Read and set by
 * /_sim/modes; one table (sim_modes.c) holds names, values and defaults.
 */
#ifndef SIM_MODES_H
#define SIM_MODES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

enum sim_transform {
	SIM_TRANSFORM_ON,        /* as=PartialObjectMetadata is honoured */
	SIM_TRANSFORM_REFUSED,   /* 406: no such transform here */
	SIM_TRANSFORM_IGNORED    /* the whole object is sent: a proxy's bug */
};

enum sim_watchlist {
	SIM_WATCHLIST_ON,
	SIM_WATCHLIST_OFF,       /* 422: the feature gate is off */
	SIM_WATCHLIST_IGNORED,   /* an old server: the parameter is unknown */
	SIM_WATCHLIST_ENDLESS,   /* a proxy that drops the end's bookmark */
	SIM_WATCHLIST_ERROR,     /* an etcd too old: 200, then ERROR */
	SIM_WATCHLIST_GZIP       /* each flush is a gzip member of its own */
};

enum sim_discovery { SIM_DISCOVERY_V2, SIM_DISCOVERY_LEGACY };

/* `int` where the table's type is a word: an enum above. */
struct sim_modes {
	int		transform;
	int		watchlist;
	int		discovery;
	int		gzip;            /* 1: lists above 128 KiB */
	int		drop;            /* 1: drop=metadata.managedFields */
	int		ping;            /* 1: those of HTTP/2 are ignored */
	int64_t		goaway_percent;  /* of requests by HTTP/2 */
	int64_t		streams;         /* at once, of new connections */
	int64_t		minor;           /* of the version */
	int64_t		too_large_ms;    /* a list's wait for its version */
	int64_t		watch_min_s;     /* the server's own timeoutSeconds */
	int64_t		bookmark_ms;
	int64_t		before_end_ms;   /* the last bookmark's lead */
	int64_t		page_max;        /* 0: pages as the limit says */
	uint32_t	unserved;        /* kinds: 404, not in discovery */
	uint32_t	silent;          /* kinds: too old is a clean end */
	uint32_t	uncached;        /* kinds: no bookmarks, as events */
	uint32_t	path_names;      /* kinds: named as those of RBAC */
};

void	sim_modes_init(struct sim_modes *m);
/* Takes a document member by member; -1 names what is wrong with it. */
int	sim_modes_set(struct sim_modes *m, json_t *doc, struct err *err)
	    MUST_CHECK;
json_t	*sim_modes_show(const struct sim_modes *m);

#endif
