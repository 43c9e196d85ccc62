/*
 * stream_private: what the files of stream share and nobody else uses.
 */
#ifndef SLUICE_STREAM_PRIVATE_H
#define SLUICE_STREAM_PRIVATE_H

#include "gateway/connection.h"
#include "gateway/sse_frame.h"

void	stream_control(struct conn *c, const struct sse_control *control,
	    struct slice keys);
/* Writes the head, retry: and stream.open, once. */
void	stream_open(struct conn *c);
void	stream_judge(struct conn *c);
/* The connection goes, or its order is another one: no answer is awaited. */
void	stream_lookback_cancel(struct conn *c);
void	stream_begin_snapshot(struct conn *c);
int64_t	stream_retry_ms(int64_t retry_ms);

#endif
