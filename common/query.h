/*
 * query: what a process may ask the store, over nanomsg REQ/REP
 * (<bus directory>/store.rep): snapshots and the history of a stream as items,
 * everything else as JSON;
 * and what a gateway may ask the broker (broker.rep, where publishers knock
 * too): behind which position some streams had no event, and of which the log
 * is open.
 * One asynchronous client per process and server, in its libevent loop
 * (gateway, watcher, health); at most QUERY_PENDING_MAX questions in order, one
 * on the wire at a time. Equal questions that change nothing are one, with one
 * answer for all who wait for it, QUERY_WAITERS_MAX in all. What they and the
 * answers look like: query_wire.h.
 */
#ifndef SLUICE_QUERY_H
#define SLUICE_QUERY_H

#include <event2/event.h>

#include "common/event.h"
#include "common/query_wire.h"

#define QUERY_PENDING_MAX   4096u
#define QUERY_WAITERS_MAX   32768u

struct query_client;

/* Exactly one call per question. `snapshot` NULL: no answer within the
 * deadline, or an error; *err says which (err->code EMSGSIZE: more than
 * QUERY_ANSWER_MAX, asking again is in vain). Bytes are valid during the
 * call. */
typedef void (*query_snapshot_cb)(const struct query_snapshot *snapshot,
    const struct err *err, void *arg);
/* status: 0 ok, else an HTTP-like code (404, 409, 422, 503: store away). */
typedef void (*query_json_cb)(int status, struct slice json, void *arg);
/* `history` NULL: as `snapshot`. */
typedef void (*query_history_cb)(const struct query_history *history,
    const struct err *err, void *arg);
/* `last` NULL: no answer within the deadline, or an error; *err says which. */
typedef void (*query_last_cb)(const struct query_last *last,
    const struct err *err, void *arg);
typedef void (*query_open_logs_cb)(const struct query_open_logs *page,
    const struct err *err, void *arg);

/* Of the store; and of the broker, which answers query_last and
 * query_open_logs alone. */
struct query_client *query_client_new(struct event_base *base,
    const char *bus_directory, struct err *err) MUST_CHECK;
struct query_client *query_client_new_broker(struct event_base *base,
    const char *bus_directory, struct err *err) MUST_CHECK;
void	query_client_free(struct query_client *c);

/* Asks; the callback comes from the loop, also for a time-out. Returns a
 * ticket for query_cancel (after which the callback is not called), or 0 when
 * there is no room. */
uint64_t query_snapshot(struct query_client *c, struct slice tenant,
	    const struct slice *selectors, size_t n, struct position wait_for,
	    int64_t deadline_ms, query_snapshot_cb cb, void *arg);
/* One page of a prefix, behind the key `after` ("" first); the page behind the
 * last one is empty (query_wire.h). */
uint64_t query_page(struct query_client *c, struct slice tenant,
	    struct slice selector, struct slice after,
	    struct position wait_for, int64_t deadline_ms,
	    query_snapshot_cb cb, void *arg);
uint64_t query_json(struct query_client *c, struct slice json,
	    int64_t deadline_ms, query_json_cb cb, void *arg);
/* At or after `wait_for`, as a snapshot. */
uint64_t query_history(struct query_client *c,
	    const struct query_history_ask *ask, struct position wait_for,
	    int64_t deadline_ms, query_history_cb cb, void *arg);
uint64_t query_last(struct query_client *c, struct slice tenant,
	    const struct slice *selectors, size_t n, int64_t deadline_ms,
	    query_last_cb cb, void *arg);
uint64_t query_open_logs(struct query_client *c, uint64_t from,
	    int64_t deadline_ms, query_open_logs_cb cb, void *arg);
void	 query_cancel(struct query_client *c, uint64_t ticket);
/* Half of the room is taken: what can be asked later shall be. */
bool	 query_is_busy(const struct query_client *c);

#endif
