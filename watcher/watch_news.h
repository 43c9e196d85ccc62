/*
 * watch_news: what happens while a kind is watched that changes nothing of how
 * it stands: for the figures, the log, the health checks. Passed up unchanged
 * from where it is noticed (list_ask, list_watch) to the watcher.
 */
#ifndef SLUICE_WATCH_NEWS_H
#define SLUICE_WATCH_NEWS_H

#include <stddef.h>
#include <stdint.h>

enum watch_news_type {
	WATCH_NEWS_UNREACHABLE,   /* nothing was answered */
	WATCH_NEWS_EXPIRED,       /* a version was too old */
	WATCH_NEWS_RECEIVED,      /* `bytes` of a body */
	WATCH_NEWS_ENDED,         /* a request; what it took is free again */
	WATCH_NEWS_NOTICE,        /* `text` for the log */
	WATCH_NEWS_SKIPPED,       /* `objects` that cannot be shown */
};

struct watch_news {
	enum watch_news_type	 type;
	size_t			 bytes;
	uint64_t		 objects;
	const char		*text;
};

#endif
