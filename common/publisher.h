/*
 * publisher: how a process hands events to the broker (watcher, health,
 * gateway). One per process; libevent's loop only.
 *
 * Events are handed over in atomic groups. While a batch is under way new
 * groups collect; the next batch takes them all (at most EVENT_BATCH_MAX items
 * and EVENT_BATCH_BYTES bytes). A batch without an answer is sent again after
 * BUS_REQUEST_RESEND_MS and to a new broker at once; the broker recognises it.
 *
 * Wire, request: u8 op, str16 publisher, u64 incarnation, u64 batch,
 *   op 1 PUBLISH: u32 items, items (event.h, without position)
 *   op 2 REGISTER: nothing more. Fences older incarnations of the publisher.
 *   op 4 as 1, by one who reads what the broker publishes: a record of this
 *   batch is its answer. There is another only where nothing was appended.
 * Wire, answer: u8 status (enum publish_status), u64 batch, u32 epoch,
 *   u64 first position (PUBLISH) or tip (REGISTER), u64 count appended,
 *   u32 number of exceptions, each as in record.h.
 */
#ifndef SLUICE_PUBLISHER_H
#define SLUICE_PUBLISHER_H

#include "common/event.h"
#include "common/record.h"

struct event_base;
struct publisher;

enum publish_op {
	PUBLISH_OP_EVENTS = 1,
	PUBLISH_OP_REGISTER = 2,
	PUBLISH_OP_EVENTS_READ = 4,   /* 3 is a question (query_wire.h) */
};

enum publish_status {
	PUBLISH_OK = 0,
	PUBLISH_FENCED,      /* a newer incarnation registered: leave */
	PUBLISH_MALFORMED,   /* broker could not read it: a bug */
	PUBLISH_STATUS_MAX
};

/* What became of one group. code APPENDED: `position` is its first item's;
 * otherwise as struct record_exception says. APPENDED, DUPLICATE: `last` is its
 * last item's. */
struct publish_result {
	enum record_code	code;
	struct position		position;
	struct position		last;
	uint8_t			state;
	uint32_t		attempt;
	const uint8_t		*body;     /* EVENT_HASH_SIZE */
	uint32_t		item;      /* of the group: the first refused */
	uint32_t		count;     /* items of the group */
};

typedef void (*publisher_result_cb)(const struct publish_result *result,
    void *arg);
/* Registration answered: events from here on go out, those submitted before
 * first; tip is T. May be NULL. */
typedef void (*publisher_ready_cb)(struct position tip, void *arg);
/* A newer incarnation of this publisher exists: the process must leave. */
typedef void (*publisher_fenced_cb)(void *arg);

/* Connects REQ to <bus_directory>/broker.rep and registers. `name` is
 * "<role>/<instance>". NULL with *err. Queued groups beyond `max_bytes` make
 * publisher_submit answer -1 (back-pressure). */
struct publisher *publisher_new(struct event_base *base,
    const char *bus_directory, const char *name, uint64_t incarnation,
    size_t max_bytes, publisher_ready_cb ready, publisher_fenced_cb fenced,
    void *arg, struct err *err) MUST_CHECK;
void	publisher_free(struct publisher *p);

/* Queues one atomic group (copied). `cb` (may be NULL) is called once, from
 * the loop, when the broker has answered. -1 when max_bytes would be passed
 * (nothing was taken): the caller waits, collapses, or answers 503. */
int	publisher_submit(struct publisher *p, const struct item *items,
	    size_t count, publisher_result_cb cb, void *arg) MUST_CHECK;
/* Its process reads every record (subscriber), and gives each to
 * publisher_record from now on: one of the batch under way is its answer, and
 * the broker sends no other. Of a record that does not come the batch learns
 * as of an answer that does not: it is sent again. From then on the broker
 * answers each, until the record of the newest that it answered is seen. */
void	publisher_reads(struct publisher *p);
void	publisher_record(struct publisher *p, const void *bytes, size_t n);
/* Bytes queued or under way; 0 = everything was answered. */
size_t	publisher_pending(const struct publisher *p);
/* How long the oldest unanswered batch has been under way, in ms (0: none):
 * a gateway answers 503 when the broker is away. */
int64_t	publisher_stalled_ms(const struct publisher *p);

#endif
