#include "store/store_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static uint64_t
behind(const struct store_report *r)
{
	uint64_t applied = r->writer.applied.number;

	return r->tip > applied ? r->tip - applied : 0;
}

const char *
store_report_state(const struct store_report *r)
{
	if (r->writer.trouble[0] != '\0')
		return "failing";
	if (!r->heard)
		return "waiting";
	if (r->incomplete > 0)
		return "incomplete";
	return r->ready_tip > r->writer.applied.number ? "catching up"
	    : "running";
}

static void
mongo_line(const struct store_report *r, char *buf, size_t size)
{
	if (!r->with_mongo) {
		(void)snprintf(buf, size, "no mongodb");
		return;
	}
	(void)snprintf(buf, size, "mongodb %s, %" PRIu64 " written, %" PRIu64
	    " without a document, %" PRIu64 " refused", r->mongo.connected
	    ? "ok" : r->mongo_down ? "away" : "connecting", r->mongo.written,
	    r->mongo.missing, r->mongo.refused);
}

void
store_report_line(const struct store_report *r,
    char buf[STORE_REPORT_LINE_MAX])
{
	const struct db_writer_status *w = &r->writer;
	char position[EVENT_ID_MAX], mongo[128];

	mongo_line(r, mongo, sizeof(mongo));
	(void)snprintf(buf, STORE_REPORT_LINE_MAX, "at %s, %" PRIu64
	    " behind; %" PRIu64 " clusters incomplete; %s%s%.120s",
	    position_format(w->applied, position), behind(r), r->incomplete,
	    mongo, w->trouble[0] != '\0' ? "; " : "", w->trouble);
}

bool
store_report_news(const struct store_report *r, struct store_said *said)
{
	struct store_said now = { .state = store_report_state(r) };

	store_report_line(r, now.line);
	/* An idle store that hears of the broker changes its state only. */
	if (said->state != NULL && strcmp(said->state, now.state) == 0 &&
	    strcmp(said->line, now.line) == 0)
		return false;
	*said = now;
	return true;
}

static const char *
truth(bool value)
{
	return value ? "true" : "false";
}

static void
mongo_facts(const struct mongo_status *m, struct buf *b)
{
	buf_addf(b, "{\"connected\":%s,\"written\":%" PRIu64
	    ",\"missing\":%" PRIu64 ",\"refused\":%" PRIu64
	    ",\"behind\":%" PRIu64 ",\"failures\":%" PRIu64
	    ",\"trouble\":\"", truth(m->connected), m->written, m->missing,
	    m->refused, m->behind, m->failures);
	buf_json_text(b, m->trouble, strlen(m->trouble));
	buf_adds(b, "\"}");
}

void
store_report_facts(const struct store_report *r, struct buf *b)
{
	const struct db_writer_status *w = &r->writer;
	char position[EVENT_ID_MAX];

	buf_addf(b, "{\"position\":\"%s\",\"behind\":%" PRIu64
	    ",\"change\":%" PRIu64 ",\"queued_bytes\":%zu,\"questions\":%u,"
	    "\"gapped\":%s,\"trouble\":\"", position_format(w->applied,
	    position), behind(r), w->change, w->queued, r->questions,
	    truth(w->gapped));
	buf_json_text(b, w->trouble, strlen(w->trouble));
	buf_addf(b, "\",\"runs\":{\"pushed_out\":%" PRIu64
	    ",\"uncounted\":%" PRIu64 ",\"gone\":%" PRIu64 "},\"mongodb\":",
	    w->runs.pushed_out.count, w->runs.uncounted.count, w->runs.gone);
	if (r->with_mongo)
		mongo_facts(&r->mongo, b);
	else
		buf_adds(b, "null");
	buf_adds(b, "}");
}
