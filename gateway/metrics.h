/*
 * metrics: the gateway's own figures, counted where things happen and printed
 * as Prometheus text (exposition format 0.0.4). Pure: plain numbers.
 */
#ifndef SLUICE_METRICS_H
#define SLUICE_METRICS_H

#include <stdint.h>

#include "common/buf.h"
#include "common/record.h"
#include "gateway/histogram.h"
#include "gateway/ring.h"
#include "gateway/sse_frame.h"

/* Why a connection ended, beside the reasons of stream.closing. */
enum metrics_close {
	CLOSE_CLIENT,          /* FIN or RST */
	CLOSE_DONE,            /* answered, no keep-alive */
	CLOSE_HEAD_TIMEOUT,
	CLOSE_BODY_TIMEOUT,
	CLOSE_STALLED,         /* took no byte for write_stall_timeout,
				* or acknowledged none (connection) */
	CLOSE_BAD_REQUEST,
	CLOSE_ENDED,           /* by stream.closing, counted by its reason */
	CLOSE_MAX
};

/* What the broker said of cursors older than the journal. */
enum metrics_lookback {
	LOOKBACK_QUIET,        /* nothing of these streams: no gap */
	LOOKBACK_KEPT,         /* something, all of which the journal has */
	LOOKBACK_MISSED,       /* something, or it may have been forgotten */
	LOOKBACK_UNKNOWN,      /* no answer in time */
	LOOKBACK_MAX
};

/* Why a request was not let in. */
enum metrics_auth {
	AUTH_MISSING,          /* no token */
	AUTH_INVALID,          /* a token that is not good (any more) */
	AUTH_REVOKED,          /* a good one whose subject was revoked */
	AUTH_FORBIDDEN,        /* a good one without the grant */
	AUTH_MAX
};

#define METRICS_STATUS_MAX 600u

struct metrics {
	uint64_t	accepted;
	uint64_t	refused;           /* accepted and closed: no slot */
	uint64_t	over_address;      /* connections and streams over
					    * max_per_address */
	uint64_t	over_token;        /* streams over max_per_token */
	uint64_t	accept_errors;
	uint64_t	reading;           /* connections now, by state */
	uint64_t	waiting;
	uint64_t	streaming;
	uint64_t	closing;
	uint64_t	records;
	uint64_t	events_in;
	uint64_t	events_delivered;
	uint64_t	bytes_sent;
	uint64_t	writes;
	uint64_t	heartbeats;
	uint64_t	snapshots;
	uint64_t	snapshot_questions; /* to the store */
	uint64_t	snapshot_failures;
	uint64_t	replayed;          /* events sent from the journal */
	uint64_t	published;
	uint64_t	publish_refused;
	uint64_t	guards_lost;       /* of state machines, to others */
	uint64_t	lookbacks[LOOKBACK_MAX];
	uint64_t	gaps[SSE_REASON_MAX];
	uint64_t	closings[SSE_REASON_MAX];
	uint64_t	closes[CLOSE_MAX];
	uint64_t	answers[METRICS_STATUS_MAX];
	uint64_t	auth_failures[AUTH_MAX];
	uint64_t	log_left_out;      /* finished streams not logged */
	int64_t		flush_held_max_ns; /* by choice: see flush */
	struct histogram lag;              /* of a flush: since the oldest of
					    * its events was sequenced */
	struct histogram duration;         /* of streams, when they end */
};

void	metrics_init(struct metrics *m);   /* all 0, histograms ready */

const char *metrics_close_name(enum metrics_close cause);
void	metrics_print(struct buf *b, const struct metrics *m,
	    const struct ring_stats *ring, uint64_t subscriptions);
/* What the broker's heartbeat says of its journal. */
void	metrics_print_journal(struct buf *b, const struct heartbeat *beat);

#endif
