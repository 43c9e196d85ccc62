/*
 * query: what a process may ask the store, over nanomsg REQ/REP
 * (<bus directory>/store.rep): snapshots as items, everything else as JSON.
 * One asynchronous client per process; any number of questions in order, one
 * on the wire at a time (equal snapshot questions share one answer).
 *
 * Wire, request: u8 op, u64 asker, u64 ticket (a resent request is recognised by
 * this pair), u32 deadline in ms (the store gives up waiting then), and
 *   QUERY_SNAPSHOT: u32 wait epoch, u64 wait position (answer only once that
 *     was applied; 0: now), str16 tenant, u16 n, n x str16 selector
 *   QUERY_JSON: str32 JSON object {"op": "...", ...}; ops: workflow.put,
 *     workflow.get, workflow.delete, workflow.list, bindings (of a cluster),
 *     clusters, status, streams.exist (of `keys`, exact ones: {exists: any
 *     has a kept event, complete: as below, applied: the position}).
 * Wire, answer: u8 status (0 ok, 1 error), then
 *   snapshot: u32 epoch, u64 as_of, u8 complete (0: streams may be missing:
 *     snapshot_unavailable), u32 n, n items with position (event.h), in the
 *     order of (key, slot, subject), logs by position
 *   JSON: str32 JSON
 *   error: u16 HTTP-like code, str32 JSON {"error","code"}.
 * An exact key's snapshot holds a deleted object's last event too, a prefix's
 * does not, nor streams that ended longer ago than snapshot_retention.
 */
#ifndef SLUICE_QUERY_H
#define SLUICE_QUERY_H

#include <event2/event.h>

#include "common/event.h"

#define QUERY_SELECTORS_MAX 1024u
#define QUERY_PENDING_MAX   4096u
#define QUERY_JSON_MAX      (1024u * 1024)        /* bytes of a question */
#define QUERY_ANSWER_MAX    (64u * 1024 * 1024)   /* bytes of an answer */
#define QUERY_SOCKET        "store.rep"

enum query_op {
	QUERY_SNAPSHOT = 1,
	QUERY_JSON = 2,
};

struct query_client;

struct query_snapshot {
	struct position	as_of;
	bool		complete;
	uint32_t	count;
	struct rd	items;     /* item_decode(&items, &item, true) x count */
};

/* Exactly one call per question. `snapshot` NULL: no answer within the
 * deadline, or an error; *err says which (err->code EMSGSIZE: more than
 * QUERY_ANSWER_MAX, asking again is in vain). Bytes are valid during the call. */
typedef void (*query_snapshot_cb)(const struct query_snapshot *snapshot,
    const struct err *err, void *arg);
/* status: 0 ok, else an HTTP-like code (404, 409, 422, 503: store away). */
typedef void (*query_json_cb)(int status, struct slice json, void *arg);

struct query_client *query_client_new(struct event_base *base,
    const char *bus_directory, struct err *err) MUST_CHECK;
void	query_client_free(struct query_client *c);

/* Asks; the callback comes from the loop, also for a time-out. Returns a
 * ticket for query_cancel (after which the callback is not called), or 0 when
 * QUERY_PENDING_MAX are waiting. */
uint64_t query_snapshot(struct query_client *c, struct slice tenant,
	    const struct slice *selectors, size_t n, struct position wait_for,
	    int64_t deadline_ms, query_snapshot_cb cb, void *arg);
uint64_t query_json(struct query_client *c, struct slice json,
	    int64_t deadline_ms, query_json_cb cb, void *arg);
void	 query_cancel(struct query_client *c, uint64_t ticket);

#endif
