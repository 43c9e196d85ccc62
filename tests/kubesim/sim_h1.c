/* How an answer leaves by HTTP/1.1: head lines, chunks, FIN and RST. */
#include <event2/buffer.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "tests/kubesim/sim_conn.h"

static const char *
status_text(int status)
{
	static const struct { int code; const char *text; } names[] = {
		{ 200, "OK" }, { 201, "Created" }, { 202, "Accepted" },
		{ 400, "Bad Request" }, { 401, "Unauthorized" },
		{ 403, "Forbidden" }, { 404, "Not Found" },
		{ 405, "Method Not Allowed" }, { 406, "Not Acceptable" },
		{ 409, "Conflict" }, { 410, "Gone" },
		{ 411, "Length Required" },
		{ 413, "Request Entity Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 422, "Unprocessable Entity" },
		{ 429, "Too Many Requests" },
		{ 500, "Internal Server Error" }, { 502, "Bad Gateway" },
		{ 503, "Service Unavailable" }, { 504, "Gateway Timeout" },
	};

	for (size_t i = 0; i < NELEM(names); i++)
		if (names[i].code == status)
			return names[i].text;
	return "Status";
}

static void
h1_head(struct sim_conn *c, int status, const char *type, const char *extra,
    int64_t length)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);
	time_t now = time(NULL);
	char date[64];
	struct tm tm;

	if (gmtime_r(&now, &tm) == NULL ||
	    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", &tm) == 0)
		date[0] = '\0';
	(void)evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\n"
	    "Audit-Id: %08x-0000-4000-8000-%012llx\r\n"
	    "Cache-Control: no-cache, private\r\nContent-Type: %s\r\n"
	    "Date: %s\r\n%s%s", status, status_text(status),
	    (unsigned)c->id, (unsigned long long)c->req.log_id, type, date,
	    extra != NULL ? extra : "",
	    c->keep_alive ? "" : "Connection: close\r\n");
	c->chunked = length < 0;
	if (c->chunked)
		(void)evbuffer_add_printf(out,
		    "Transfer-Encoding: chunked\r\n\r\n");
	else
		(void)evbuffer_add_printf(out, "Content-Length: %lld\r\n\r\n",
		    (long long)length);
}

/* Chunks of whole buffer segments. */
static void
h1_body(struct sim_conn *c, struct evbuffer *body)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);
	size_t n;

	if (!c->chunked) {
		(void)evbuffer_add_buffer(out, body);
		return;
	}
	while ((n = evbuffer_get_length(body)) != 0) {
		n = MIN(n, SIM_CHUNK_SIZE);
		(void)evbuffer_add_printf(out, "%zx\r\n", n);
		(void)evbuffer_remove_buffer(body, out, n);
		(void)evbuffer_add(out, "\r\n", 2);
	}
}

static void
text_sent_cb(UNUSED const void *data, UNUSED size_t len, void *arg)
{
	sim_text_unref(arg);
}

static void
h1_text(struct sim_conn *c, struct sim_text *t)
{
	(void)evbuffer_add_reference(bufferevent_get_output(c->bev), t->data,
	    t->len, text_sent_cb, sim_text_ref(t));
}

static void
h1_end(struct sim_conn *c)
{
	if (c->chunked)
		(void)bufferevent_write(c->bev, "0\r\n\r\n", 5);
}

static void
h1_stop(struct sim_conn *c, bool reset)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (!reset) {
		c->closing = true;
		if (c->state != SIM_CONN_DEAD && sim_conn_backlog(c) == 0)
			sim_conn_drained(c);
		return;
	}
	(void)setsockopt(bufferevent_getfd(c->bev), SOL_SOCKET, SO_LINGER,
	    &now, sizeof(now));
	sim_conn_end(c);
}

static size_t
h1_backlog(const struct sim_conn *c)
{
	return evbuffer_get_length(bufferevent_get_output(c->bev));
}

static void
h1_freeze(struct sim_conn *c)
{
	(void)bufferevent_disable(c->bev, EV_READ | EV_WRITE);
}

static void
h1_idle(struct sim_conn *c)
{
	c->state = SIM_CONN_IDLE;
	if (!c->keep_alive)
		sim_conn_close(c);
	else
		bufferevent_trigger(c->bev, EV_READ, BEV_TRIG_IGNORE_WATERMARKS
		    | BEV_TRIG_DEFER_CALLBACKS);
}

const struct sim_wire sim_wire_h1 = {
	.head = h1_head,
	.body = h1_body,
	.text = h1_text,
	.end = h1_end,
	.stop = h1_stop,
	.backlog = h1_backlog,
	.freeze = h1_freeze,
	.idle = h1_idle,
	.gone = h1_freeze,
};
