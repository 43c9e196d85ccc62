#include "gateway/metrics.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "common/macros.h"

static const char *const close_names[CLOSE_MAX] = {
	[CLOSE_CLIENT] = "client",
	[CLOSE_DONE] = "done",
	[CLOSE_HEAD_TIMEOUT] = "head_timeout",
	[CLOSE_BODY_TIMEOUT] = "body_timeout",
	[CLOSE_STALLED] = "write_stalled",
	[CLOSE_BAD_REQUEST] = "bad_request",
	[CLOSE_ENDED] = "stream_closing",
};

static const char *const lookback_names[LOOKBACK_MAX] = {
	[LOOKBACK_QUIET] = "quiet",
	[LOOKBACK_KEPT] = "kept",
	[LOOKBACK_MISSED] = "missed",
	[LOOKBACK_UNKNOWN] = "unknown",
};

static const char *const auth_names[AUTH_MAX] = {
	[AUTH_MISSING] = "missing",
	[AUTH_INVALID] = "invalid",
	[AUTH_REVOKED] = "revoked",
	[AUTH_FORBIDDEN] = "forbidden",
};

static const int64_t lag_bounds[] = { 1, 2, 5, 10, 20, 50, 100, 200, 500,
	1000, 5000, 30000 };
static const int64_t duration_bounds[] = { 100, 1000, 10000, 60000, 300000,
	1800000, 7200000, 43200000, 86400000 };

void
metrics_init(struct metrics *m)
{
	*m = (struct metrics){
		.lag = { .bounds_ms = lag_bounds,
		    .n_bounds = NELEM(lag_bounds) },
		.duration = { .bounds_ms = duration_bounds,
		    .n_bounds = NELEM(duration_bounds) },
	};
}

const char *
metrics_close_name(enum metrics_close cause)
{
	return close_names[cause];
}

static void
head(struct buf *b, const char *name, const char *type, const char *help)
{
	buf_addf(b, "# HELP sluice_gateway_%s %s\n"
	    "# TYPE sluice_gateway_%s %s\n", name, help, name, type);
}

static void
one(struct buf *b, const char *name, const char *type, const char *help,
    uint64_t value)
{
	head(b, name, type, help);
	buf_addf(b, "sluice_gateway_%s %" PRIu64 "\n", name, value);
}

static void
labelled(struct buf *b, const char *name, const char *label,
    const char *value, uint64_t n)
{
	buf_addf(b, "sluice_gateway_%s{%s=\"%s\"} %" PRIu64 "\n", name, label,
	    value, n);
}

static void
print_connections(struct buf *b, const struct metrics *m)
{
	size_t i;

	head(b, "connections", "gauge", "Open connections by state.");
	labelled(b, "connections", "state", "reading", m->reading);
	labelled(b, "connections", "state", "waiting", m->waiting);
	labelled(b, "connections", "state", "streaming", m->streaming);
	labelled(b, "connections", "state", "closing", m->closing);
	one(b, "accepted_total", "counter", "Connections accepted.",
	    m->accepted);
	one(b, "refused_total", "counter",
	    "Connections closed at once: no slot was free, or far over "
	    "max_per_address.",
	    m->refused);
	one(b, "over_address_total", "counter",
	    "Connections, and streams behind trusted proxies, over "
	    "max_per_address.", m->over_address);
	one(b, "over_token_total", "counter",
	    "Streams over max_per_token, told to come back.", m->over_token);
	one(b, "accept_errors_total", "counter",
	    "accept(2) failures, each followed by a pause of 100 ms, and "
	    "sockets that epoll had no room for.",
	    m->accept_errors);
	head(b, "closes_total", "counter", "Connections ended, by cause.");
	for (i = 0; i < CLOSE_MAX; i++)
		labelled(b, "closes_total", "reason", close_names[i],
		    m->closes[i]);
	head(b, "stream_closings_total", "counter",
	    "stream.closing frames, by reason.");
	for (i = SSE_REASON_NONE + 1; i < SSE_REASON_MAX; i++)
		labelled(b, "stream_closings_total", "reason",
		    sse_reason_name((enum sse_reason)i), m->closings[i]);
}

static void
print_answers(struct buf *b, const struct metrics *m)
{
	size_t i;

	head(b, "http_answers_total", "counter", "HTTP answers by code.");
	for (i = 0; i < METRICS_STATUS_MAX; i++)
		if (m->answers[i] > 0)
			buf_addf(b, "sluice_gateway_http_answers_total{code="
			    "\"%zu\"} %" PRIu64 "\n", i, m->answers[i]);
	head(b, "auth_failures_total", "counter",
	    "Requests that were not let in, by reason.");
	for (i = 0; i < AUTH_MAX; i++)
		labelled(b, "auth_failures_total", "reason", auth_names[i],
		    m->auth_failures[i]);
}

static void
print_ring(struct buf *b, const struct ring_stats *r)
{
	one(b, "ring_bytes", "gauge", "Bytes of the ring in use.", r->bytes);
	one(b, "ring_size_bytes", "gauge", "Bytes the ring may use.",
	    r->size);
	one(b, "ring_frames", "gauge", "Frames in the ring.", r->frames);
	one(b, "ring_streams", "gauge", "Streams with a frame in the ring.",
	    r->streams);
	one(b, "ring_evicted_total", "counter",
	    "Frames that left the ring to make room.", r->evicted);
	one(b, "ring_refused_total", "counter",
	    "Items of the broker that could not be framed.", r->refused);
}

/* What is only counted. */
static const struct counter {
	const char	*name;
	const char	*help;
	size_t		 off;       /* of a uint64_t in struct metrics */
} counters[] = {
#define COUNTER(name, member, help) \
	{ name "_total", help, offsetof(struct metrics, member) }
	COUNTER("records", records, "Records taken from the broker."),
	COUNTER("events", events_in, "Events taken from the broker."),
	COUNTER("events_delivered", events_delivered,
	    "Events written to clients."),
	COUNTER("events_replayed", replayed,
	    "Events written to clients from the journal."),
	COUNTER("sent_bytes", bytes_sent, "Bytes written to clients."),
	COUNTER("writes", writes, "writev(2) calls that took bytes."),
	COUNTER("heartbeats", heartbeats, "Heartbeats written."),
	COUNTER("snapshots", snapshots, "Snapshots given to clients."),
	COUNTER("snapshot_questions", snapshot_questions,
	    "Questions to the store, each for all who wait for its answer."),
	COUNTER("snapshot_failures", snapshot_failures,
	    "Questions to the store without a usable answer."),
	COUNTER("published", published,
	    "Events of POST /api/v1/events that the journal has."),
	COUNTER("publish_refused", publish_refused,
	    "POST /api/v1/events requests that were refused."),
	COUNTER("guards_lost", guards_lost,
	    "Published lifecycle events that were judged again, since another "
	    "publisher's came first."),
	COUNTER("log_left_out", log_left_out,
	    "Finished streams without a line in the log: too many at a time."),
#undef COUNTER
};

static void
print_counters(struct buf *b, const struct metrics *m)
{
	for (size_t i = 0; i < NELEM(counters); i++) {
		const struct counter *c = &counters[i];
		uint64_t value;

		memcpy(&value, (const char *)m + c->off, sizeof(value));
		one(b, c->name, "counter", c->help, value);
	}
}

static void
print_misses(struct buf *b, const struct metrics *m)
{
	size_t i;

	head(b, "gaps_total", "counter", "stream.gap frames, by reason.");
	for (i = SSE_EVICTED; i <= SSE_CURSOR_AHEAD; i++)
		labelled(b, "gaps_total", "reason",
		    sse_reason_name((enum sse_reason)i), m->gaps[i]);
	head(b, "lookbacks_total", "counter",
	    "Cursors older than the journal, by what the broker said.");
	for (i = 0; i < LOOKBACK_MAX; i++)
		labelled(b, "lookbacks_total", "result", lookback_names[i],
		    m->lookbacks[i]);
}

static void
print_times(struct buf *b, const struct metrics *m)
{
	head(b, "flush_held_max_seconds", "gauge",
	    "The longest that news were held back, to be written to clients "
	    "with later ones.");
	buf_addf(b, "sluice_gateway_flush_held_max_seconds %.6f\n",
	    (double)m->flush_held_max_ns / 1e9);
	histogram_print(b, &m->lag, "sluice_gateway_lag_seconds",
	    "From the broker's sequencing of an event to the write to its "
	    "clients: of each flush, its oldest event.");
	histogram_print(b, &m->duration,
	    "sluice_gateway_stream_duration_seconds",
	    "How long streams were open, when they end.");
}

void
metrics_print(struct buf *b, const struct metrics *m,
    const struct ring_stats *ring, uint64_t subscriptions)
{
	print_connections(b, m);
	print_answers(b, m);
	one(b, "subscriptions", "gauge",
	    "Distinct subscriptions (equal ones are shared).", subscriptions);
	print_counters(b, m);
	print_misses(b, m);
	print_ring(b, ring);
	print_times(b, m);
}

static void
print_flag(struct buf *b, const char *name, const char *help, bool value)
{
	buf_addf(b, "# HELP sluice_%s %s\n# TYPE sluice_%s gauge\n"
	    "sluice_%s %d\n", name, help, name, name, value);
}

void
metrics_print_journal(struct buf *b, const struct heartbeat *beat)
{
	print_flag(b, "journal_memory",
	    "1: the disk failed, the journal goes on in memory.",
	    (beat->flags & HEARTBEAT_MEMORY) != 0);
	print_flag(b, "journal_recycling",
	    "1: the disk is full, history is shorter than configured.",
	    (beat->flags & HEARTBEAT_RECYCLING) != 0);
}
