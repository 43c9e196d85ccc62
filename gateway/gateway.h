/*
 * gateway: the one private context of this process. One thread, one loop.
 */
#ifndef SLUICE_GATEWAY_H
#define SLUICE_GATEWAY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/publisher.h"
#include "common/query.h"
#include "common/role.h"
#include "common/subscriber.h"
#include "gateway/hub.h"
#include "gateway/metrics.h"
#include "gateway/ring.h"
#include "gateway/stream_log.h"

#define GATEWAY_MAGIC 0x47415445u   /* "GATE" */

/* The broker counts as away after this silence (readyz, 503). */
#define GATEWAY_BROKER_SILENT_MS  1000
#define GATEWAY_PUBLISH_STALL_MS  3000
#define GATEWAY_PUBLISH_QUEUE_MAX (16u * 1024 * 1024)
/* Of requests with events of state machines, which wait here for the broker's
 * word beside what is in the queue. */
#define GATEWAY_PUBLISH_HELD_MAX  (32u * 1024 * 1024)

struct access;
struct connections;
struct desk;
struct drain;
struct flights;
struct flush;
struct log_grace;
struct open_logs;
struct replay;
struct status_api;

struct gateway {
	uint32_t		 magic;
	struct role		*role;
	struct ring		*ring;
	struct hub		*hub;
	struct subscriber	*subscriber;
	struct publisher	*publisher;
	struct query_client	*query;      /* the store */
	struct query_client	*broker;
	struct access		*access;
	struct connections	*connections;
	struct replay		*replay;
	struct flush		*flush;
	struct flights		*flights;    /* of the pass under way */
	struct event		*report;     /* every GATEWAY_STATUS_MS */
	struct desk		*desk;       /* other gateways, sluicectl */
	struct status_api	*status;
	struct event		*look;       /* every LOG_GRACE_LOOK_MS */
	struct open_logs	*open_logs;
	struct log_grace	*grace;
	struct metrics		 metrics;
	struct stream_log	 log;
	int64_t			 unflushed_ms; /* when the oldest event that
						* waits for a flush was
						* sequenced; 0: none */
	int64_t			 record_ms;  /* of the record being read */
	struct heartbeat	 beat;       /* the latest */
	uint64_t		 beats;      /* how many were seen */
	unsigned int		 asking;     /* of SIBLINGS_ASKS_MAX */
	size_t			 bodies;     /* bytes, of CONN_BODIES_MAX */
	bool			 draining;   /* see drain.h */
	bool			 stopping;   /* leaves when all are closed */
	struct drain		*drain;
	char			*journal;    /* directory */
	char			*trouble;    /* with reading it, as logged; or
					      * NULL */
};

/* Milliseconds of CLOCK_MONOTONIC. While the clock is held it stands still:
 * for a pass over many clients, which would read it for each. */
int64_t	gateway_now_ms(void);
void	gateway_hold_clock(bool hold);
/* For jitter, not for secrets. */
uint32_t gateway_random(void);
/* Caught up at least once, the broker was heard within a second, and not
 * draining; else *ret_why says which. */
bool	gateway_is_ready(const struct gateway *g, const char **ret_why);

#endif
