#include "tests/kubesim/sim_h2_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"

#define OWED_MAX     (256u * 1024)     /* bytes given to the connection */
#define HEADERS_MAX  24

/* ---- sending ---- */

static void
push_out(struct sim_h2 *h)
{
	const uint8_t *data;
	ssize_t n;

	while (sim_conn_backlog(h->carrier) < OWED_MAX) {
		n = nghttp2_session_mem_send(h->session, &data);
		if (n <= 0)
			return;
		(void)bufferevent_write(h->carrier->bev, data, (size_t)n);
	}
}

/* What is made while it is sent, for streams that have room. */
static bool
refill(struct sim_h2 *h)
{
	struct stream *s, *next;
	bool more = false;
	size_t before;

	if (sim_conn_backlog(h->carrier) >= OWED_MAX)
		return false;
	for (s = TAILQ_FIRST(&h->streams); s != NULL; s = next) {
		next = TAILQ_NEXT(s, entry);
		before = evbuffer_get_length(s->out);
		if (s->conn == NULL || s->conn->state != SIM_CONN_BUSY ||
		    before >= SIM_ROOM_BELOW)
			continue;
		sim_conn_pump(s->conn);
		more |= evbuffer_get_length(s->out) > before;
	}
	return more;
}

void
sim_h2_flush(struct sim_h2 *h)
{
	if (h->flushing || h->carrier->state == SIM_CONN_DEAD)
		return;
	h->flushing = true;
	do {
		push_out(h);
	} while (refill(h));
	push_out(h);
	h->flushing = false;
	if (h->leaving && TAILQ_EMPTY(&h->streams))
		sim_conn_close(h->carrier);
}

static ssize_t
read_body_cb(UNUSED nghttp2_session *session, UNUSED int32_t id,
    uint8_t *buf, size_t length, uint32_t *flags,
    nghttp2_data_source *source, UNUSED void *ctx)
{
	struct stream *s = source->ptr;
	int n = evbuffer_remove(s->out, buf, length);

	if (n > 0 && evbuffer_get_length(s->out) != 0)
		return n;
	if (s->ended) {
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		return MAX(n, 0);
	}
	if (n > 0)
		return n;
	if (s->cut)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	s->deferred = true;
	return NGHTTP2_ERR_DEFERRED;
}

static void
wake(struct stream *s)
{
	if (s->deferred) {
		s->deferred = false;
		(void)nghttp2_session_resume_data(s->h2->session, s->id);
	}
	sim_h2_flush(s->h2);
}

/* ---- the wire ---- */

static nghttp2_nv
pair(const char *name, size_t name_len, const char *value, size_t value_len)
{
	return (nghttp2_nv){ .name = (uint8_t *)(uintptr_t)name,
	    .value = (uint8_t *)(uintptr_t)value, .namelen = name_len,
	    .valuelen = value_len, .flags = NGHTTP2_NV_FLAG_NONE };
}

/* "Name: value\r\n" lines; names are to be in small letters. */
static size_t
add_extra(char *lines, nghttp2_nv *nv, size_t n)
{
	char *line, *colon;

	while (n < HEADERS_MAX && (line = strsep(&lines, "\n")) != NULL) {
		line[strcspn(line, "\r")] = '\0';
		colon = strchr(line, ':');
		if (colon == NULL)
			continue;
		for (char *p = line; p < colon; p++)
			if (*p >= 'A' && *p <= 'Z')
				*p = (char)(*p - 'A' + 'a');
		nv[n++] = pair(line, (size_t)(colon - line), colon + 2,
		    strlen(colon + 2));
	}
	return n;
}

static void
h2_head(struct sim_conn *c, int status, const char *type, const char *extra,
    int64_t length)
{
	struct stream *s = c->stream;
	nghttp2_data_provider body = { .source.ptr = s,
	    .read_callback = read_body_cb };
	char code[16], number[32], audit[64];
	char *lines = xstrdup(extra != NULL ? extra : "");
	nghttp2_nv nv[HEADERS_MAX];
	size_t n = 0;

	(void)snprintf(code, sizeof(code), "%d", status);
	(void)snprintf(audit, sizeof(audit), "%08x-0000-4000-8000-%012llx",
	    (unsigned)c->id, (unsigned long long)c->req.log_id);
	nv[n++] = pair(":status", 7, code, strlen(code));
	nv[n++] = pair("audit-id", 8, audit, strlen(audit));
	nv[n++] = pair("cache-control", 13, "no-cache, private", 17);
	nv[n++] = pair("content-type", 12, type, strlen(type));
	if (length >= 0) {
		(void)snprintf(number, sizeof(number), "%lld",
		    (long long)length);
		nv[n++] = pair("content-length", 14, number, strlen(number));
	}
	n = add_extra(lines, nv, n);
	s->answered = true;
	(void)nghttp2_submit_response(s->h2->session, s->id, nv, n, &body);
	free(lines);
	if (!c->keep_alive)
		sim_h2_goaway(c);
	sim_h2_flush(s->h2);
}

static void
h2_body(struct sim_conn *c, struct evbuffer *body)
{
	(void)evbuffer_add_buffer(c->stream->out, body);
	wake(c->stream);
}

static void
text_sent_cb(UNUSED const void *data, UNUSED size_t len, void *arg)
{
	sim_text_unref(arg);
}

static void
h2_text(struct sim_conn *c, struct sim_text *t)
{
	(void)evbuffer_add_reference(c->stream->out, t->data + t->line,
	    t->line_len, text_sent_cb, sim_text_ref(t));
	wake(c->stream);
}

static void
h2_end(struct sim_conn *c)
{
	c->stream->ended = true;
	wake(c->stream);
}

static void
h2_stop(struct sim_conn *c, bool reset)
{
	struct stream *s = c->stream;

	if (!reset && s->answered) {
		c->closing = true;
		s->cut = true;
		wake(s);
		return;
	}
	sim_conn_end(c);
}

static size_t
h2_backlog(const struct sim_conn *c)
{
	return evbuffer_get_length(c->stream->out);
}

static void
h2_freeze(struct sim_conn *c)
{
	struct sim_conn *carrier = c->stream->h2->carrier;

	carrier->wire->freeze(carrier);
}

/* The stream closes when its last frame has left. */
static void
h2_idle(struct sim_conn *c)
{
	c->state = SIM_CONN_IDLE;
}

static void
h2_gone(struct sim_conn *c)
{
	struct stream *s = c->stream;

	s->conn = NULL;
	if (s->id == 0)                  /* nghttp2 has closed it already */
		return;
	(void)nghttp2_submit_rst_stream(s->h2->session, NGHTTP2_FLAG_NONE,
	    s->id, NGHTTP2_INTERNAL_ERROR);
	sim_h2_flush(s->h2);
}

const struct sim_wire sim_wire_h2 = {
	.head = h2_head,
	.body = h2_body,
	.text = h2_text,
	.end = h2_end,
	.stop = h2_stop,
	.backlog = h2_backlog,
	.freeze = h2_freeze,
	.idle = h2_idle,
	.gone = h2_gone,
};
