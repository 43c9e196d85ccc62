/*
 * load_publisher: publishes events by POST over keep-alive connections, at a
 * pace kept by the clock or as fast as it is accepted, one request under way on
 * each connection. Process: sse_load publish.
 *
 * Events go round robin over the streams; each ends with a mark (load_mark). To
 * Sluice they go in the envelope of a job.progress, one as JSON, several as
 * ndjson; to Nchan bare, one per request. At its end, or on SIGTERM once what
 * is under way was answered, it prints one line of JSON: events, requests,
 * refused, seconds, late_ms (how far it fell behind its pace at most), cpu_s
 * (its own time on a processor) and the latency of the answers.
 *
 * `frozen`: each connection sends the bytes of its first request again and
 * again, so that what is measured is the server. Nobody may read marks then.
 */
#ifndef LOAD_PUBLISHER_H
#define LOAD_PUBLISHER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "tests/bench/load/load_histogram.h"
#include "tests/bench/load/load_mark.h"

struct load_publisher_options {
	uint16_t	 port;          /* of 127.0.0.1 */
	const char	*target;        /* "{}" stands for the stream */
	bool		 bare;          /* no envelope */
	bool		 frozen;
	uint32_t	 streams;
	uint32_t	 first;         /* of the streams */
	uint32_t	 connections;   /* lanes, at most LOAD_LANES_MAX */
	uint32_t	 batch;         /* events of a request */
	uint32_t	 bytes;         /* of an event's data */
	double		 rate;          /* events per second; 0: no pace */
	uint64_t	 count;         /* events in all; 0: by time */
	double		 seconds;       /* or for so long */
	uint32_t	 after;         /* numbers begin after this one */
	uint32_t	 window;        /* events outstanding; 0: no limit */
	uint32_t	 fanout;        /* readers of an event, for window */
	const char	*shared;        /* path of load_mark's page */
};

/* What a publisher did. */
struct load_totals {
	uint64_t		 events;
	uint64_t		 requests;
	uint64_t		 refused;
	double			 seconds;
	int64_t			 late_ns;
	struct load_histogram	 answers;
};

/* Appends a payload, `bytes` long unless that is too short for what must stand
 * in it; the same to every server. */
void	load_payload(struct buf *b, uint32_t stream, uint32_t bytes,
	    const struct load_mark *mark);
/* The line at the end. */
void	load_totals_print(const struct load_totals *totals);

/* Runs to the end; the exit status: 1 when a request was refused. */
int	load_publisher_run(const struct load_publisher_options *options);

#endif
