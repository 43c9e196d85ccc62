/*
 * figures: what the watcher counts of each kind, for /metrics: kept in memory,
 * written at most once a second to a file in the runtime directory, where
 * gateways read it (common/watch_figures). A file that cannot be written is
 * logged once and costs nothing but these figures. Runs in the watcher's loop.
 */
#ifndef SLUICE_FIGURES_H
#define SLUICE_FIGURES_H

#include "common/role.h"
#include "watcher/inventory.h"
#include "watcher/watch_news.h"

struct figures;

/* Of the kinds that the configuration names. `inv` must outlive it. */
struct figures *figures_new(struct role *role, const struct inventory *inv);
void	figures_free(struct figures *f);   /* and its file */

/* The API server sent an object or event of the kind. */
void	figures_event(struct figures *f, unsigned kind);
void	figures_list(struct figures *f, unsigned kind);
/* What of the news is counted: versions too old, bytes, objects skipped. */
void	figures_news(struct figures *f, unsigned kind,
	    const struct watch_news *news);
/* The broker has n events of an object that changed at that time. */
void	figures_published(struct figures *f, unsigned kind, size_t n,
	    int64_t since_unix_ms);

#endif
