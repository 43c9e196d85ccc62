/*
 * watcher_metrics: what the watchers count, for /metrics: read from the files
 * they keep in the runtime directory (common/watch_figures), when it is asked
 * for. A file that its watcher no longer renews is left out. Any gateway gives
 * the same figures.
 */
#ifndef SLUICE_WATCHER_METRICS_H
#define SLUICE_WATCHER_METRICS_H

#include "common/conf.h"

/* Appends them as Prometheus text; nothing when there are none. */
void	watcher_metrics_print(struct buf *b, const struct conf *conf,
	    int64_t now_unix_ms);

#endif
