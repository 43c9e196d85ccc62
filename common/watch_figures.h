/*
 * watch_figures: what a watcher counts of each kind it follows, as lines of
 * text: the watcher writes them to a file of its own in the runtime directory
 * (anew, by rename), a gateway reads those files when /metrics is asked for.
 * Pure. Processes: watcher, gateway.
 */
#ifndef SLUICE_WATCH_FIGURES_H
#define SLUICE_WATCH_FIGURES_H

#include "common/conf.h"

#define WATCH_FIGURES_KIND_MAX 100u
#define WATCH_FIGURES_FILE_MAX 10240u   /* bytes; 30 kinds have room */
#define WATCH_FIGURES_AGE_MS   (120 * 1000)   /* older: its writer is dead */

/* X(NAME, name, type, help): sluice_watcher_<name>{cluster,kind} */
#define WATCH_FIGURES(X)						\
	X(OBJECTS, "objects", "gauge", "Objects that exist.")		\
	X(WAITING, "waiting", "gauge",					\
	    "Objects with a change the broker has not acknowledged.")	\
	X(EVENTS, "events_total", "counter",				\
	    "Objects and events the API server sent.")			\
	X(PUBLISHED, "published_total", "counter",			\
	    "Events the broker has acknowledged.")			\
	X(LISTS, "lists_total", "counter", "Lists begun.")		\
	X(EXPIRED, "expired_total", "counter",				\
	    "Versions that were too old for the API server (410).")	\
	X(RECEIVED, "received_bytes_total", "counter",			\
	    "Bytes of lists and watches, uncompressed.")		\
	X(SKIPPED, "skipped_total", "counter",				\
	    "Objects and events that are not shown: larger than "	\
	    "16 MiB, or of a name no stream can have.")			\
	X(LAG_MS, "lag_milliseconds", "gauge",				\
	    "Longest way of a change from the API server to the "	\
	    "broker's acknowledgement, in the last second with one.")

enum watch_figure {
#define WATCH_FIGURE_ENUM(NAME, name, type, help) FIGURE_##NAME,
	WATCH_FIGURES(WATCH_FIGURE_ENUM)
#undef WATCH_FIGURE_ENUM
	FIGURE_MAX
};

struct watch_figures {
	char		kind[WATCH_FIGURES_KIND_MAX + 1];
	uint64_t	value[FIGURE_MAX];
};

/* Where the files are, each named after its cluster; to be freed. */
char	*watch_figures_directory(const struct conf *conf);

/* Appends one kind's line. */
void	watch_figures_add(struct buf *b, const struct watch_figures *f);
/* Takes the next line off *text. False at the end, and at a line that cannot
 * be one: what follows it is not to be trusted either. */
bool	watch_figures_next(struct slice *text, struct watch_figures *ret);

#endif
