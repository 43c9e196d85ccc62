/*
 * health_event: the frames of cluster.health, cluster.status_changed and
 * cluster.metadata_updated.
 *
 * Pure: values in, bytes out. Process: health. Source: contract 1 and 3; the
 * form of a frame: common/event.h.
 */
#ifndef SLUICE_HEALTH_EVENT_H
#define SLUICE_HEALTH_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/event.h"
#include "health/cluster_facts.h"
#include "health/verdict.h"

struct health_view {
	const char		*id;
	const char		*name;
	enum cluster_status	 status;
	enum cluster_status	 previous;
	bool			 reachable;
	int64_t			 latency_ms;       /* < 0: none */
	int64_t			 checked_at_unix_ms;
	uint32_t		 consecutive_failures;
	const char		*version;          /* "" or NULL: unknown */
	enum probe_code		 code;             /* PROBE_OK: no error */
	const char		*message;
};

/* One event: `key`, `frame` own the bytes `item` points to. */
struct health_event {
	struct buf	key;
	struct buf	frame;
	struct item	item;
};

/* "cluster.health" or "cluster.status_changed". */
void	health_event_status(struct health_event *ret, const char *event_type,
	    const struct health_view *view, int64_t now_unix_ms);
/* Values not known are left out. */
void	health_event_metadata(struct health_event *ret, const char *id,
	    const struct cluster_facts *facts, int64_t now_unix_ms);
void	health_event_free(struct health_event *e);   /* contents */

#endif
