/*
 * stream_log: the access log: one line for each stream that ended. Process:
 * gateway.
 *
 *	stream ended connection=1e00000007 client=192.0.2.1 subject=eve
 *	tenant=- reason=client duration_ms=5121 events=17 bytes=4711
 *
 * With log.format json each of these is a member. The reason is that of
 * stream.closing, stream_end, or else the cause that
 * sluice_gateway_closes_total counts. No token, ticket or part of one stands
 * there, and nothing of the request's target.
 *
 * When many end at one time (a drain, a storm) at most STREAM_LOG_LINES_MAX
 * lines are written in a second; how many were left out is said once that
 * second is over, and counted.
 */
#ifndef SLUICE_STREAM_LOG_H
#define SLUICE_STREAM_LOG_H

#include <stdint.h>

#include "gateway/metrics.h"

#define STREAM_LOG_LINES_MAX 100u

struct conn;
struct gateway;

struct stream_log {
	int64_t		second_ms;   /* began then */
	unsigned int	lines;       /* written in it */
	uint64_t	left_out;    /* not said yet */
};

/* A stream is about to end; one that never opened is none. */
void	stream_log_ended(struct conn *c, enum metrics_close cause);
/* Says what was left out, if its second is over, or the gateway leaves. */
void	stream_log_tick(struct gateway *g);

#endif
