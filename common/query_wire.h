/*
 * query_wire: what a question to the store, or to the broker, and its answer
 * look like, both ends side by side. Pure. A decoder checks every length, and
 * that nothing is left over; slices point into what it was given.
 *
 * Wire, request: u8 op, u64 asker, u64 ticket (a resent request is recognised
 * by this pair), u32 deadline in ms (who is asked gives up then), and
 *   QUERY_SNAPSHOT: u32 wait epoch, u64 wait position (answer only once that
 *     was applied; 0: now), str16 tenant, u16 n, n x str16 selector; of one
 *     prefix, if str16 after follows, a page: what stands behind that key
 *     ("": from the beginning), cut between keys after QUERY_PAGE_MAX; the
 *     page behind the last one is empty
 *   QUERY_JSON: str32 JSON object {"op": "...", ...}; ops: workflow.put,
 *     workflow.get, workflow.delete, workflow.list, bindings (of a cluster),
 *     clusters, status, streams.exist (of `keys`, exact ones: {exists: any
 *     has a kept event, complete: as below, applied: the position}).
 *   QUERY_LAST, for the broker: str16 tenant, u16 n, n x str16 selector: what
 *     is kept of these streams, and what is gone?
 *   QUERY_OPEN_LOGS, for the broker: u64 from: a page of the streams that have
 *     ended while lines of their log may follow; from 0, then from `next`.
 *     What a `next` means the broker alone knows, and only until it restarts:
 *     with one of before, the list begins again
 *   QUERY_HISTORY: the wait of a snapshot, str16 tenant, str16 key, u8 whether
 *     what stands behind (u32 epoch, u64 position) is asked for, or all, u32
 *     limit of events, u16 n, n x str16 event type (none: all)
 * Wire, answer: u8 status (0 ok, 1 error), then
 *   snapshot: u32 epoch, u64 as_of, u8 complete (0: streams may be missing:
 *     snapshot_unavailable), u32 n, n items with position (event.h), in the
 *     order of (key, slot, subject), logs by position
 *   JSON: str32 JSON
 *   history: u32 epoch, u64 as_of, u8 more, u32 epoch, u64 position where the
 *     page ends, u16 n, n gaps (u8 reason, u64 from, u64 to), u32 n, n items
 *     with position, in the order of their positions
 *   last: u32 epoch, u64 tip, u64 last, u64 oldest, u64 gone, u64 ended,
 *     u8 state, u16 n, n x (u8 how, u8 state, u32 epoch, u64 last,
 *     u64 until)
 *   open logs: u32 epoch, u64 tip, u64 next (0: that was all), u32 n, n x
 *     (str16 tenant, str16 key, u8 state, u32 epoch, u64 last, u64 until)
 *   error: u16 HTTP-like code, str32 JSON {"error","code"}.
 * An exact key's snapshot holds a deleted object's last event too, a prefix's
 * does not, nor streams that ended longer ago than snapshot_retention.
 */
#ifndef SLUICE_QUERY_WIRE_H
#define SLUICE_QUERY_WIRE_H

#include "common/event.h"

#define QUERY_SELECTORS_MAX 1024u
#define QUERY_LAST_SELECTORS_MAX 64u
#define QUERY_JSON_MAX      (1024u * 1024)        /* bytes of a question */
#define QUERY_ANSWER_MAX    (64u * 1024 * 1024)   /* bytes of an answer */
#define QUERY_PAGE_MAX      (8u * 1024 * 1024)    /* then a page ends */
#define QUERY_HISTORY_LIMIT 1000u                 /* events of a page */
#define QUERY_HISTORY_TYPES 32u
#define QUERY_HISTORY_GAPS  64u                   /* then a page ends */
#define QUERY_OPEN_LOGS_MAX (256u * 1024)         /* bytes; then a page ends */

enum query_op {
	QUERY_SNAPSHOT = 1,
	QUERY_JSON = 2,
	QUERY_LAST = 3,       /* none of enum publish_op: one socket has both */
	QUERY_HISTORY = 4,
	QUERY_OPEN_LOGS = 5,  /* nor this */
};

/* Every question begins with it. */
struct query_head {
	enum query_op	op;
	uint64_t	asker;
	uint64_t	ticket;
	uint32_t	deadline_ms;
};

struct query_snapshot {
	struct position	as_of;
	bool		complete;
	uint32_t	count;
	struct rd	items;    /* item_decode(&items, &item, true) x count */
};

/* The events of one stream that are stored, page by page. */
struct query_history_ask {
	struct slice	tenant;
	struct slice	key;
	bool		behind;    /* only what stands behind `after` */
	struct position	after;
	uint32_t	limit;     /* 1 to QUERY_HISTORY_LIMIT */
	struct slice	types[QUERY_HISTORY_TYPES];
	size_t		n_types;
};

enum query_gap_reason {
	QUERY_GAP_EVICTED,         /* retention took them, or they were lost */
	QUERY_GAP_EPOCH_CHANGED,   /* `after` is unknown: from the oldest */
	QUERY_GAP_CURSOR_AHEAD,    /* `after` has not happened yet */
	QUERY_GAP_REASON_MAX
};

/* Events from ... to, by seq, that are not there; 0: not known, or open. */
struct query_gap {
	enum query_gap_reason	reason;
	uint64_t		from;
	uint64_t		to;
};

struct query_history {
	struct position	as_of;     /* the store stands there */
	bool		more;      /* another page follows, behind: */
	struct position	end;
	struct query_gap gaps[QUERY_HISTORY_GAPS];
	size_t		n_gaps;
	uint32_t	count;
	struct rd	items;    /* item_decode(&items, &item, true) x count */
};

/* Of all events up to the tip `as_of`, none of the streams that were asked for
 * stands behind `last`; and of those before `oldest`, which have left the
 * journal, none behind `gone`. Both are the highest of any that matches, or,
 * where the broker may have forgotten one, that of the last it forgot at all.
 * `ended`: where the last of them ended, 0 while one of them has not, has its
 * log open, is not known, or is a prefix; `state` is then the state byte of
 * that event. `streams`: the same of each selector, in the order of the
 * question.
 */
enum query_how {
	QUERY_UNKNOWN,     /* it may have been forgotten; and of a prefix */
	QUERY_GOES_ON,
	QUERY_LOG_OPEN,    /* it has ended, and lines may follow */
	QUERY_ENDED,       /* nothing follows `last` */
	QUERY_HOW_MAX
};

struct query_stream {
	enum query_how	how;
	uint8_t		state;      /* of its end; else 0 */
	struct position	last;       /* {0, 0}: it is unknown */
	int64_t		until_ms;   /* LOG_OPEN: wall time; else 0 */
};

struct query_last {
	struct position	as_of;
	uint64_t	last;
	uint64_t	oldest;
	uint64_t	gone;
	uint64_t	ended;
	uint8_t		state;
	size_t		n;
	struct query_stream streams[QUERY_LAST_SELECTORS_MAX];
};

/* A page of the streams whose log is open, each as a QUERY_LAST would tell of
 * it at the tip `as_of`. */
struct query_open_logs {
	struct position	as_of;
	uint64_t	next;    /* 0: that was all */
	uint32_t	count;
	struct rd	logs;    /* query_wire_open_log_decode x count */
};

struct query_open_log {
	struct slice	tenant;
	struct slice	key;
	uint8_t		state;
	struct position	last;
	int64_t		until_ms;
};

/* --- questions ----------------------------------------------------------- */

void	query_wire_head(struct buf *b, const struct query_head *head);
/* -1: not one, or of no known op. */
int	query_wire_head_decode(struct rd *r, struct query_head *ret) MUST_CHECK;

/* What follows the head. n is at most QUERY_SELECTORS_MAX. */
void	query_wire_snapshot(struct buf *b, struct position wait,
	    struct slice tenant, const struct slice *selectors, size_t n);
void	query_wire_page(struct buf *b, struct position wait,
	    struct slice tenant, struct slice selector, struct slice after);
/* In two parts, for the store: what to wait for, and what is asked; -1 with
 * nothing to free when it is not one. *ret_selectors is to be freed;
 * *ret_after is SLICE_NONE but for a page. */
int	query_wire_wait_decode(struct rd *r, struct position *ret) MUST_CHECK;
int	query_wire_snapshot_decode(struct rd *r, struct slice *ret_tenant,
	    struct slice **ret_selectors, size_t *ret_n,
	    struct slice *ret_after) MUST_CHECK;

void	query_wire_json(struct buf *b, struct slice json);

void	query_wire_history(struct buf *b, struct position wait,
	    const struct query_history_ask *ask);
/* What follows the wait. -1: it is not one. */
int	query_wire_history_decode(struct rd *r, struct query_history_ask *ret)
	    MUST_CHECK;

/* n is at most QUERY_LAST_SELECTORS_MAX. */
void	query_wire_last(struct buf *b, struct slice tenant,
	    const struct slice *selectors, size_t n);
/* -1: it is not one. Selectors are not checked any further. */
int	query_wire_last_decode(struct rd *r, struct slice *ret_tenant,
	    struct slice ret_selectors[QUERY_LAST_SELECTORS_MAX],
	    size_t *ret_n) MUST_CHECK;

void	query_wire_open_logs(struct buf *b, uint64_t from);
int	query_wire_open_logs_decode(struct rd *r, uint64_t *ret_from)
	    MUST_CHECK;

/* --- answers: -1 when they are not one ----------------------------------- */

/* Whether it says ok; the decoders below take it whole. */
bool	query_wire_answer_ok(struct slice answer);
int	query_wire_answer_snapshot(struct slice answer,
	    struct query_snapshot *ret) MUST_CHECK;
int	query_wire_answer_json(struct slice answer, struct slice *ret)
	    MUST_CHECK;
/* Everything but the status byte before and the items, which follow. */
void	query_wire_answer_history(struct buf *b,
	    const struct query_history *history);
int	query_wire_answer_history_decode(struct slice answer,
	    struct query_history *ret) MUST_CHECK;
void	query_wire_answer_last(struct buf *b, const struct query_last *last);
int	query_wire_answer_last_decode(struct slice answer,
	    struct query_last *ret) MUST_CHECK;
/* Everything but the logs, which follow. */
void	query_wire_answer_open_logs(struct buf *b,
	    const struct query_open_logs *page);
void	query_wire_open_log(struct buf *b, const struct query_open_log *log);
int	query_wire_answer_open_logs_decode(struct slice answer,
	    struct query_open_logs *ret) MUST_CHECK;
int	query_wire_open_log_decode(struct rd *r, struct query_open_log *ret)
	    MUST_CHECK;
void	query_wire_answer_error_encode(struct buf *b, uint16_t status,
	    const char *json);
/* *ret_status is never 0. */
int	query_wire_answer_error(struct slice answer, uint16_t *ret_status,
	    struct slice *ret_json) MUST_CHECK;

#endif
