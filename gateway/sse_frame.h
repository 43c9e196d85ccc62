/*
 * sse_frame: server-sent events as the gateway writes them, each one HTTP
 * chunk (RFC 9112 7.1).
 *
 * Pure: values in, bytes out. Order and limits are the contract's (section
 * 4): LF only; event, data, id in that order; one data line of at most
 * EVENT_DATA_LINE_MAX bytes. An id or event name that does not match its
 * grammar, or data with a CR, LF or NUL, cannot be written: -1, and nothing
 * was appended. So nobody can inject a frame.
 *
 * A control frame is a pure function of its struct sse_control (and of the
 * subscription's keys): whoever has the connection's row can write the same
 * bytes again.
 */
#ifndef SLUICE_SSE_FRAME_H
#define SLUICE_SSE_FRAME_H

#include "common/event.h"

enum sse_kind {
	SSE_NONE,
	SSE_RETRY,           /* retry: line alone */
	SSE_OPEN,
	SSE_HEARTBEAT,
	SSE_HEARTBEAT_COMMENT,
	SSE_GAP,
	SSE_ERROR,           /* snapshot_unavailable, retrying */
	SSE_TOO_LARGE,       /* snapshot_unavailable, not retrying */
	SSE_CLOSING,
	SSE_END,
	SSE_KIND_MAX
};

enum sse_reason {
	SSE_REASON_NONE,
	SSE_EVICTED,         /* gap */
	SSE_SLOW_CONSUMER,   /* gap, closing */
	SSE_EPOCH_CHANGED,   /* gap */
	SSE_CURSOR_AHEAD,    /* gap */
	SSE_IDLE_TIMEOUT,    /* closing */
	SSE_MAX_DURATION,    /* closing */
	SSE_SHUTDOWN,        /* closing */
	SSE_OVERLOADED,      /* closing */
	SSE_ADMIN,           /* closing */
	SSE_TOKEN_EXPIRED,   /* closing */
	SSE_REASON_MAX
};

/* Plain data: no pointer, so that it can stand in a connection's row. */
struct sse_control {
	enum sse_kind	kind;
	enum sse_reason	reason;
	struct position	id;             /* bookmark; epoch 0: no id line */
	struct position	tip;            /* open, heartbeat; gap: to;
					 * closing, end: last_id (epoch 0:
					 * none) */
	struct position	oldest;         /* open; gap: from (epoch 0: -1) */
	int64_t		ts_unix_ms;     /* heartbeat */
	uint64_t	n;              /* heartbeat; open: connection id;
					 * too large: the limit in MiB */
	int64_t		heartbeat_ms;   /* open */
	int64_t		idle_timeout_ms; /* open; 0: off */
	int64_t		retry_ms;       /* open, closing, retry */
	uint8_t		state;          /* end: how (stream_kind) */
};

const char	*sse_reason_name(enum sse_reason reason);
/* A closing for this reason ends with the last chunk (contract 4). */
bool		 sse_reason_is_clean(enum sse_reason reason);
/* True for a name that only control frames may bear, or that EventSource
 * mixes with its own (error, open, message). */
bool		 sse_name_reserved(struct slice event_type);

/* Appends an event of the broker's order as one chunk. */
int	sse_event(struct buf *b, const struct item *item) MUST_CHECK;
/* What an event chunk made by sse_event says; slices point into it. false: it
 * is not one. */
struct sse_parts {
	struct slice	event;
	struct slice	data;
	struct slice	id;
};
bool	sse_event_parts(const void *chunk, size_t n, struct sse_parts *ret);
/* Appends an event of these parts as one chunk; an id that is SLICE_NONE is
 * left out. */
int	sse_event_of(struct buf *b, const struct sse_parts *parts) MUST_CHECK;
/* Appends a kept event, the i-th of n, as of a position. `id` is the bookmark
 * of the set's last frame, epoch 0 for all others. */
int	sse_snapshot(struct buf *b, const struct item *item,
	    struct position as_of, uint32_t i, uint32_t n, struct position id)
	    MUST_CHECK;
/* Appends a control frame. `keys`: for SSE_OPEN the JSON array of the
 * subscription's keys, a single line; for SSE_END the stream's key. */
int	sse_control(struct buf *b, const struct sse_control *c,
	    struct slice keys) MUST_CHECK;
/* The chunk that ends a response cleanly. */
void	sse_last_chunk(struct buf *b);

#endif
