/*
 * stream: one client's event stream: where it stands, and what comes next.
 * Process: gateway. Rules: the contract, section 4.
 *
 * Joining comes first, the snapshot at S second, then only what is after S.
 * `cursor` is the position up to which everything the subscription wants was
 * handed to the socket (or stands in the connection's `out`). A frame the
 * socket took in part is finished from a copy in `out` before anything else.
 *
 * Phases:
 *   JUDGE     a cursor that this gateway cannot judge yet (ahead of the tip or
 *             of an unknown epoch): two heartbeats decide, 300 to 700 ms
 *             from now, so that those of a storm do not all come at once
 *   LOOKBACK  the journal no longer has what follows the cursor: the broker
 *             was asked whether any of it was wanted (stream_lookback)
 *   SNAPSHOT  the store was asked; live events wait in the ring, at most 2 s
 *             (or until the store says that it is too large: LIVE without)
 *   BLIND     the store is away: live, without id lines, until it answers
 *   REPLAY    from the journal, in slices, until the ring has the rest; and
 *             until the subscription's list reaches back to the cursor
 *   LIVE      straight from the ring
 *   ENDING    stream.closing was said
 */
#ifndef SLUICE_STREAM_H
#define SLUICE_STREAM_H

#include "gateway/gateway.h"
#include "gateway/snapshot.h"

#define STREAM_SNAPSHOT_WAIT_MS 2000
#define STREAM_JUDGE_BEATS      2
#define STREAM_JUDGE_MS         300
#define STREAM_FILL             (64u * 1024)    /* bytes made ahead at most */
#define STREAM_TURN             (256u * 1024)   /* bytes per client and turn */

struct conn;
struct http_request;
struct open_logs;

enum stream_phase {
	STREAM_NONE,
	STREAM_JUDGE,
	STREAM_LOOKBACK,
	STREAM_SNAPSHOT,
	STREAM_BLIND,
	STREAM_REPLAY,
	STREAM_LIVE,
	STREAM_ENDING
};

struct stream {
	struct hub_subscription	*sub;
	struct snapshot		*snapshot;   /* being sent; a reference */
	size_t			 snapshot_off;
	struct position		 cursor;
	struct position		 from;       /* SNAPSHOT: the gap to be told
					      * begins there; BLIND: live
					      * began after it */
	union {
		uint64_t	 judge_at;   /* JUDGE: gateway->beats that
					      * decides */
		int64_t		 asked_ms;   /* SNAPSHOT: since */
	};
	uint64_t		 lookback;   /* a question's ticket; 0: no */
	struct open_logs	*passed;     /* ends to be told; may be NULL */
	uint64_t		 owed;       /* bit n: whether selector n ended
					      * is to be asked and told */
	uint64_t		 asked;      /* those of them in the question */
	int64_t			 ask_at_ms;  /* ask_end: not before */
	int64_t			 opened_ms;
	int64_t			 event_ms;   /* last stored event */
	int64_t			 idle_ms;    /* 0: off */
	int64_t			 age_ms;     /* 0: off */
	int64_t			 expires_ms; /* of the token; 0: never */
	uint64_t		 events;
	uint32_t		 heartbeat_ms;
	uint32_t		 stall_ms;
	uint32_t		 retry_ms;
	uint32_t		 next;       /* clients of one subscription */
	uint32_t		 prev;
	uint32_t		 beats;
	enum stream_phase	 phase : 8;
	enum sse_reason		 gap : 8;    /* to be told with the snapshot */
	enum conf_overflow	 on_overflow : 8;
	bool			 snapshots;  /* snapshot=0 turns them off */
	bool			 comment;    /* heartbeat=comment */
	bool			 cloud;      /* format=cloudevents */
	bool			 over;       /* ends when all is written */
	bool			 ask_end;    /* once it has all */
	bool			 strict;
	bool			 blind_sent; /* an event went out in BLIND */
	bool			 replaying;  /* waits for replay's turn */
	bool			 opened;     /* the head was written */
};

/* The whole of GET .../streams: parameters, head, stream.open. `key` is the
 * one stream of a single-stream path, or SLICE_NONE. */
void	stream_start(struct conn *c, const struct http_request *r,
	    struct slice key);
/* Writes what there is, until the socket is full. -1: c is gone. */
int	stream_flush(struct conn *c);
/* The same, but at once only where that is a few bytes: who has more to get
 * waits for its turn among those who have (replay). */
void	stream_flush_in_turn(struct conn *c);
/* Time passed, or the wheel came round. */
void	stream_tick(struct conn *c, int64_t now);
/* stream.closing and the end (contract 4 says how, by reason). */
void	stream_close(struct conn *c, enum sse_reason reason);
/* The process ends before a strict stream could be opened or refused: told as
 * stream_close{shutdown} would, so that its client asks another. */
void	stream_leave_unopened(struct conn *c);
/* The connection goes: leaves its subscription. */
void	stream_release(struct conn *c);

/* Called by snapshot: an answer for this subscription. `items` can be read
 * again for a client that already got some of them. */
bool	stream_wants_snapshot(const struct conn *c);
void	stream_take_snapshot(struct conn *c, struct snapshot *s,
	    const struct query_snapshot *answer);
/* There will be none: says so and goes on live, with ids. */
void	stream_refuse_snapshot(struct conn *c);
/* Events that follow the cursor cannot be given: a gap that says so, and a
 * snapshot. */
void	stream_lost(struct conn *c, enum sse_reason reason);
/* The journal no longer has what follows the cursor, which is of this epoch:
 * the broker is asked whether any of it was wanted. If so, or if it cannot be
 * known in time, the stream is told (stream_lost); else it goes on. */
void	stream_lookback(struct conn *c);
/* Called by replay: the ring has the rest, though the list may not have it
 * yet. */
void	stream_go_on(struct conn *c);
/* Called by replay: appends an event to `out`, in the form that the client
 * asked for; `chunk` as sse_event makes it. */
void	stream_add_event(struct conn *c, const void *chunk, size_t n);

/* Called by gateway. */
void	stream_flush_subscription(struct gateway *g,
	    struct hub_subscription *s);
void	stream_order_broken(struct gateway *g, bool epoch_changed);

#endif
