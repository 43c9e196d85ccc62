#include "gateway/stream_log.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/log.h"
#include "gateway/connection.h"
#include "gateway/identity.h"

#define SECOND_MS 1000

static void
say_left_out(struct gateway *g)
{
	if (g->log.left_out == 0)
		return;
	log_info("%" PRIu64 " more streams ended without a line here: more "
	    "than %u in a second", g->log.left_out, STREAM_LOG_LINES_MAX);
	g->log.left_out = 0;
}

void
stream_log_tick(struct gateway *g)
{
	if (g->stopping ||
	    gateway_now_ms() - g->log.second_ms >= SECOND_MS)
		say_left_out(g);
}

/* Whether one more line may be written. */
static bool
has_room(struct gateway *g)
{
	int64_t now = gateway_now_ms();

	if (now - g->log.second_ms >= SECOND_MS) {
		say_left_out(g);
		g->log.second_ms = now;
		g->log.lines = 0;
	}
	if (g->log.lines++ < STREAM_LOG_LINES_MAX)
		return true;
	g->log.left_out++;
	g->metrics.log_left_out++;
	return false;
}

/* What the client was told at last, or what ended it without a word. */
static const char *
reason(const struct conn *c, enum metrics_close cause)
{
	const struct sse_control last = conn_row_frame(c->row);

	if (cause == CLOSE_ENDED && last.kind == SSE_CLOSING)
		return sse_reason_name(last.reason);
	return cause == CLOSE_ENDED && c->stream.over ? "stream_end" :
	    metrics_close_name(cause);
}

void
stream_log_ended(struct conn *c, enum metrics_close cause)
{
	int64_t age = gateway_now_ms() - c->stream.opened_ms;
	char id[24], client[ADDRESS_TEXT_SIZE];

	if (!c->stream.opened)
		return;
	histogram_observe(&c->gateway->metrics.duration, age);
	/* Where no line is written, none is left out. */
	if (!log_writes(LOG_LEVEL_INFO) || !has_room(c->gateway))
		return;
	(void)snprintf(id, sizeof(id), "%" PRIx64, c->row->connection);
	const struct log_field fields[] = {
		{ "connection", id, 0 },
		{ "client", address_format(&c->client, client), 0 },
		{ "subject", c->identity->subject, 0 },
		{ "tenant", c->identity->tenant, 0 },
		{ "reason", reason(c, cause), 0 },
		{ "duration_ms", NULL, (uint64_t)age },
		{ "events", NULL, c->stream.events },
		{ "bytes", NULL, c->bytes + c->out.len - c->out_off },
	};
	log_fields("stream ended", fields, NELEM(fields));
}
