/*
 * load_publisher: publishes events by POST over keep-alive connections, at a
 * pace kept by the clock or as fast as it is accepted, one request under way on
 * each connection. Process: sse_load publish.
 *
 * Events go round robin over the streams; each ends with a mark (load_mark). To
 * Sluice they go in the envelope of a job.progress, one as JSON, several as
 * ndjson; to Nchan bare, one per request. At its end, or on SIGTERM once what
 * is under way was answered, it prints one line of JSON: events, requests,
 * refused, seconds, late_ms (how far it fell behind its pace at most) and the
 * latency of the answers.
 */
#ifndef LOAD_PUBLISHER_H
#define LOAD_PUBLISHER_H

#include <stdbool.h>
#include <stdint.h>

struct load_publisher_options {
	uint16_t	 port;          /* of 127.0.0.1 */
	const char	*target;        /* "{}" stands for the stream */
	bool		 bare;          /* no envelope */
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

/* Runs to the end; the exit status: 1 when a request was refused. */
int	load_publisher_run(const struct load_publisher_options *options);

#endif
