#include "tests/kubesim/sim_h2.h"

#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "tests/kubesim/sim_api.h"
#include "tests/kubesim/sim_h2_wire.h"

#define H2_MAGIC 0x48322e30u

/* ---- streams ---- */

/* It has left the list. */
static void
stream_free(struct stream *s)
{
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
	s->conn = sim_conn_new_stream(h->carrier, &sim_wire_h2, s);
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

	if (s == NULL)
		return 0;
	TAILQ_REMOVE(&s->h2->streams, s, entry);
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
	struct stream *s;

	if (h == NULL)
		return;
	assert(h->magic == H2_MAGIC);
	h->flushing = true;              /* nothing leaves any more */
	while ((s = TAILQ_FIRST(&h->streams)) != NULL) {
		TAILQ_REMOVE(&h->streams, s, entry);
		stream_free(s);
	}
	nghttp2_session_del(h->session);
	h->magic = 0;
	free(h);
}
