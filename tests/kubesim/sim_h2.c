#include "tests/kubesim/sim_h2.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "tests/kubesim/sim_api.h"
#include "tests/kubesim/sim_conn.h"

#define H2_MAGIC     0x48322e30u
#define OWED_MAX     (256u * 1024)     /* bytes given to the connection */
#define HEADERS_MAX  24
#define NAME_LEN_MAX 64

struct stream {
	TAILQ_ENTRY(stream)	 entry;
	struct sim_h2		*h2;
	struct sim_conn		*conn;           /* NULL: dead */
	int32_t			 id;
	struct buf		 head;           /* as lines of HTTP/1.1 */
	struct buf		 body;
	struct evbuffer		*out;
	bool			 answered;       /* the head was submitted */
	bool			 ended;
	bool			 cut;            /* RST when `out` is empty */
	bool			 deferred;       /* nghttp2 waits for bytes */
};

struct sim_h2 {
	unsigned		 magic;
	struct sim_conn		*carrier;
	nghttp2_session		*session;
	TAILQ_HEAD(streams, stream) streams;
	bool			 flushing;
	bool			 leaving;        /* GOAWAY was sent */
	unsigned		 requests;
};

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

static const struct sim_wire wire = {
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

/* ---- streams ---- */

static void
stream_free(struct stream *s)
{
	TAILQ_REMOVE(&s->h2->streams, s, entry);
	s->id = 0;
	if (s->conn != NULL)
		sim_conn_end(s->conn);
	buf_free(&s->head);
	buf_free(&s->body);
	evbuffer_free(s->out);
	free(s);
}

static int
begin_headers_cb(nghttp2_session *session, const nghttp2_frame *frame,
    void *ctx)
{
	struct sim_h2 *h = ctx;
	struct stream *s;

	if (frame->hd.type != NGHTTP2_HEADERS ||
	    frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	s = xcalloc(1, sizeof(*s));
	s->h2 = h;
	s->id = frame->hd.stream_id;
	s->out = evbuffer_new();
	if (s->out == NULL)
		abort();
	s->conn = sim_conn_new_stream(h->carrier, &wire, s);
	TAILQ_INSERT_TAIL(&h->streams, s, entry);
	(void)nghttp2_session_set_stream_user_data(session, s->id, s);
	return 0;
}

/* Pseudo headers come first: ":method" and ":path" make the first line. */
static int
header_cb(nghttp2_session *session, const nghttp2_frame *frame,
    const uint8_t *name, size_t name_len, const uint8_t *value,
    size_t value_len, UNUSED uint8_t flags, UNUSED void *ctx)
{
	struct stream *s = nghttp2_session_get_stream_user_data(session,
	    frame->hd.stream_id);
	const char *text = (const char *)value;

	if (s == NULL)
		return 0;
	if (s->head.len + name_len + value_len > SIM_HEAD_MAX)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	if (name_len == 7 && memcmp(name, ":method", 7) == 0) {
		free(s->conn->h2_method);
		s->conn->h2_method = xstrndup(text, value_len);
	} else if (name_len == 5 && memcmp(name, ":path", 5) == 0) {
		free(s->conn->h2_path);
		s->conn->h2_path = xstrndup(text, value_len);
	} else if (name[0] != ':') {
		buf_add(&s->head, name, name_len);
		buf_adds(&s->head, ": ");
		buf_add(&s->head, value, value_len);
		buf_addc(&s->head, '\n');
	}
	return 0;
}

static int
data_cb(nghttp2_session *session, UNUSED uint8_t flags, int32_t id,
    const uint8_t *data, size_t len, UNUSED void *ctx)
{
	struct stream *s = nghttp2_session_get_stream_user_data(session, id);

	if (s == NULL)
		return 0;
	if (s->body.len + len > SIM_BODY_MAX)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	buf_add(&s->body, data, len);
	return 0;
}

/* As --goaway-chance: spread over requests, the same in every run. */
static bool
by_chance(struct sim_h2 *h)
{
	uint32_t dice = ++h->requests * 2654435761u;

	return (dice >> 16) % 100 <
	    (uint64_t)sim_conn_sim(h->carrier)->modes.goaway_percent;
}

/* A complete request, handled as one of HTTP/1.1. */
static void
handle_request(struct stream *s)
{
	struct sim_conn *c = s->conn;
	struct sim_framing framing;
	struct buf head = BUF_EMPTY;
	int bad;

	buf_addf(&head, "%s %s HTTP/1.1\n%s",
	    c->h2_method != NULL ? c->h2_method : "",
	    c->h2_path != NULL ? c->h2_path : "", buf_cstr(&s->head));
	bad = sim_request_parse(&c->req, buf_cstr(&head), &framing);
	buf_free(&head);
	c->state = SIM_CONN_BUSY;
	if (bad != 0) {
		sim_conn_end(c);
		return;
	}
	if (by_chance(s->h2))
		sim_h2_goaway(c);
	c->req.body_len = s->body.len;
	c->req.body = xstrndup(s->body.len != 0 ? buf_cstr(&s->body) : "",
	    s->body.len);
	sim_api_handle(c);
}

/* A PING is answered unless the mode says that nobody is there. */
static void
answer_ping(struct sim_h2 *h, const nghttp2_frame *frame)
{
	if (!(frame->hd.flags & NGHTTP2_FLAG_ACK) &&
	    !sim_conn_sim(h->carrier)->modes.ping)
		(void)nghttp2_submit_ping(h->session, NGHTTP2_FLAG_ACK,
		    frame->ping.opaque_data);
}

static int
frame_cb(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
	struct stream *s;

	if (frame->hd.type == NGHTTP2_PING)
		answer_ping(ctx, frame);
	if ((frame->hd.type != NGHTTP2_HEADERS &&
	    frame->hd.type != NGHTTP2_DATA) ||
	    !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
		return 0;
	s = nghttp2_session_get_stream_user_data(session,
	    frame->hd.stream_id);
	if (s != NULL && s->conn != NULL)
		handle_request(s);
	return 0;
}

static int
close_cb(nghttp2_session *session, int32_t id, UNUSED uint32_t code,
    UNUSED void *ctx)
{
	struct stream *s = nghttp2_session_get_stream_user_data(session, id);

	if (s != NULL)
		stream_free(s);
	return 0;
}

void
sim_h2_goaway(struct sim_conn *c)
{
	struct sim_h2 *h = c->stream != NULL ? c->stream->h2 : NULL;

	if (h == NULL || h->leaving)
		return;
	h->leaving = true;
	(void)nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE,
	    nghttp2_session_get_last_proc_stream_id(h->session),
	    NGHTTP2_NO_ERROR, NULL, 0);
}

/* ---- the connection ---- */

int
sim_h2_input(struct sim_h2 *h)
{
	struct sim_conn *carrier = h->carrier;
	struct evbuffer *in = bufferevent_get_input(carrier->bev);
	size_t n = evbuffer_get_length(in);
	ssize_t taken;

	if (n != 0) {
		/* Answers that are ready at once leave after it. */
		h->flushing = true;
		taken = nghttp2_session_mem_recv(h->session,
		    evbuffer_pullup(in, -1), n);
		h->flushing = false;
		if (taken < 0)
			return -1;
		(void)evbuffer_drain(in, (size_t)taken);
	}
	sim_h2_flush(h);
	if (carrier->h2 == NULL)         /* it ended, and h with it */
		return 0;
	return nghttp2_session_want_read(h->session) ||
	    nghttp2_session_want_write(h->session) ? 0 : -1;
}

struct sim_h2 *
sim_h2_new(struct sim_conn *carrier)
{
	nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
		    (uint32_t)sim_conn_sim(carrier)->modes.streams },
	};
	struct sim_h2 *h = xcalloc(1, sizeof(*h));
	nghttp2_session_callbacks *cbs;
	nghttp2_option *option;

	h->magic = H2_MAGIC;
	h->carrier = carrier;
	TAILQ_INIT(&h->streams);
	if (nghttp2_session_callbacks_new(&cbs) != 0 ||
	    nghttp2_option_new(&option) != 0)
		abort();
	nghttp2_session_callbacks_set_on_begin_headers_callback(cbs,
	    begin_headers_cb);
	nghttp2_session_callbacks_set_on_header_callback(cbs, header_cb);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cbs,
	    data_cb);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cbs, frame_cb);
	nghttp2_session_callbacks_set_on_stream_close_callback(cbs, close_cb);
	nghttp2_option_set_no_auto_ping_ack(option, 1);
	if (nghttp2_session_server_new2(&h->session, cbs, h, option) != 0)
		abort();
	nghttp2_session_callbacks_del(cbs);
	nghttp2_option_del(option);
	(void)nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, settings,
	    NELEM(settings));
	return h;
}

void
sim_h2_free(struct sim_h2 *h)
{
	if (h == NULL)
		return;
	assert(h->magic == H2_MAGIC);
	h->flushing = true;              /* nothing leaves any more */
	while (!TAILQ_EMPTY(&h->streams))
		stream_free(TAILQ_FIRST(&h->streams));
	nghttp2_session_del(h->session);
	h->magic = 0;
	free(h);
}
