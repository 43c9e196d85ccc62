/* Streams of events, and what a request's fault does to their lines. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "tests/kubesim/sim_conn.h"
#include "tests/kubesim/sim_log.h"

#define SPLIT_MAX  7      /* bytes of the largest piece */
#define TRICKLE_MS 1000

static const char garbage_line[] = "{\"type\":\"MODIFIED\",\"object\":{\"\x01"
    "kind\":Pod,,}\n";
static const char strange_line[] = "{\"type\":\"ERROR\",\"object\":{\"kind\":"
    "\"Surprise\",\"apiVersion\":\"example.com/v1\",\"code\":\"none\"}}\n";

struct sim_text *
sim_http_line(const void *data, size_t len)
{
	char head[32];
	int n = snprintf(head, sizeof(head), "%zx\r\n", len);
	struct sim_text *t;

	t = xmalloc(sizeof(*t) + (size_t)n + len + 2);
	t->refs = 1;
	t->len = (size_t)n + len + 2;
	t->line = (size_t)n;
	t->line_len = len;
	memcpy(t->data, head, (size_t)n);
	memcpy(t->data + n, data, len);
	memcpy(t->data + (size_t)n + len, "\r\n", 2);
	return t;
}

void
sim_conn_stream(struct sim_conn *c, const char *extra)
{
	sim_conn_check(c);
	sim_log_answered(sim_conn_sim(c)->log, c->req.log_id, 200);
	c->streaming = true;
	c->wire->head(c, 200, "application/json", extra, -1);
}

static void
send_bytes(struct sim_conn *c, const char *data, size_t len)
{
	struct evbuffer *b = evbuffer_new();

	if (b == NULL)
		abort();
	(void)evbuffer_add(b, data, len);
	c->wire->body(c, b);
	evbuffer_free(b);
}

static void
send_line(struct sim_conn *c, const char *line, size_t len)
{
	struct sim_text *t = sim_http_line(line, len);

	c->wire->text(c, t);
	sim_text_unref(t);
}

/* Pieces of 1, 2, 3... bytes, so that every place is a split of some line. */
static void
send_split(struct sim_conn *c, const struct sim_text *t)
{
	size_t at = 0, n = 1;

	while (at < t->line_len) {
		n = MIN(n, t->line_len - at);
		send_bytes(c, t->data + t->line + at, n);
		at += n;
		n = n % SPLIT_MAX + 1;
	}
}

/* The line's bytes one by one; the text is held meanwhile. */
static void
trickle_due(struct sim_conn *c, UNUSED void *ctx)
{
	struct sim_text *t = c->held;

	if (c->state != SIM_CONN_BUSY || t == NULL)
		return;
	send_bytes(c, t->data + t->line + c->held_at, 1);
	if (++c->held_at < t->line_len)
		sim_conn_defer(c, TRICKLE_MS, trickle_due, NULL);
}

static void
send_reordered(struct sim_conn *c, struct sim_text *t)
{
	if (c->held == NULL) {
		c->held = sim_text_ref(t);
		return;
	}
	c->action = SIM_ACT_NONE;
	c->wire->text(c, t);
	c->wire->text(c, c->held);
	sim_text_unref(c->held);
	c->held = NULL;
}

/* Two lines in one chunk: the first waits for the second. */
static void
send_merged(struct sim_conn *c, struct sim_text *t)
{
	struct buf both = BUF_EMPTY;

	if (c->held == NULL) {
		c->held = sim_text_ref(t);
		return;
	}
	buf_add(&both, c->held->data + c->held->line, c->held->line_len);
	buf_add(&both, t->data + t->line, t->line_len);
	send_line(c, (const char *)both.data, both.len);
	buf_free(&both);
	sim_text_unref(c->held);
	c->held = NULL;
}

/* False: the cut is behind this line. */
static bool
cut_line(struct sim_conn *c, struct sim_text *t)
{
	size_t before = t->line_len / 2;

	if (c->cut_at > (int64_t)t->line_len) {
		c->cut_at -= (int64_t)t->line_len;
		return false;
	}
	if (c->cut_at >= 0)
		before = (size_t)c->cut_at;
	sim_log_sent(sim_conn_sim(c)->log, c->req.log_id, before);
	send_bytes(c, t->data + t->line, before);
	sim_conn_close(c);
	return true;
}

/* True: the fault has seen to the line. */
static bool
do_fault(struct sim_conn *c, struct sim_text *t)
{
	switch ((int)c->action) {
	case SIM_ACT_TRUNCATE:
	case SIM_ACT_HALFLINE:
		return cut_line(c, t);
	case SIM_ACT_FREEZE:
		c->wire->freeze(c);
		return true;
	case SIM_ACT_REORDER:
		send_reordered(c, t);
		return true;
	case SIM_ACT_MERGE:
		send_merged(c, t);
		return true;
	case SIM_ACT_SPLIT:
		send_split(c, t);
		return true;
	case SIM_ACT_TRICKLE:
		if (c->held != NULL)
			return true;
		c->held = sim_text_ref(t);
		c->held_at = 0;
		trickle_due(c, NULL);
		return true;
	case SIM_ACT_DUPLICATE:
		c->action = SIM_ACT_NONE;
		c->wire->text(c, t);
		return false;
	case SIM_ACT_DROP:
		c->action = SIM_ACT_NONE;
		return true;
	case SIM_ACT_GARBAGE:
		c->action = SIM_ACT_NONE;
		send_line(c, garbage_line, sizeof(garbage_line) - 1);
		return false;
	case SIM_ACT_STRANGE:
		c->action = SIM_ACT_NONE;
		send_line(c, strange_line, sizeof(strange_line) - 1);
		return false;
	default:
		return false;
	}
}

void
sim_conn_stream_text(struct sim_conn *c, struct sim_text *t)
{
	sim_conn_check(c);
	if (c->state != SIM_CONN_BUSY || c->closing)
		return;
	if (c->action != SIM_ACT_NONE && do_fault(c, t))
		return;
	sim_log_sent(sim_conn_sim(c)->log, c->req.log_id, t->line_len);
	c->wire->text(c, t);
}

void
sim_conn_stream_end(struct sim_conn *c)
{
	sim_conn_check(c);
	if (c->state != SIM_CONN_BUSY || c->closing)
		return;
	c->wire->end(c);
	sim_log_ended(sim_conn_sim(c)->log, c->req.log_id);
	sim_conn_answered(c);
}
