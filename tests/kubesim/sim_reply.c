/* Answers and streams of a connection, and the faults done to their bytes. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/xmalloc.h"
#include "tests/kubesim/sim_conn.h"
#include "tests/kubesim/sim_accept.h"
#include "tests/kubesim/sim_finish.h"
#include "tests/kubesim/sim_log.h"
#include "tests/kubesim/sim_status.h"

#define CHUNKED_FROM (128u * 1024)
#define GZIP_ABOVE   (128u * 1024)   /* the API server's, for lists */
#define EXTRA_MAX    512

static const char garbage_page[] = "<html><head><title>502 Bad Gateway</title>"
    "</head><body><center><h1>502 Bad Gateway</h1></center></body></html>\n";
static const char garbage_line[] = "{\"type\":\"MODIFIED\",\"object\":{\"\x01"
    "kind\":Pod,,}\n";

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
add_head(struct sim_conn *c, struct evbuffer *out, int status,
    const char *type, const char *extra)
{
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
}

/* Moves the body behind the head as chunks of whole buffer segments. */
static void
add_chunks(struct evbuffer *out, struct evbuffer *body)
{
	size_t n;

	while ((n = evbuffer_get_length(body)) != 0) {
		n = MIN(n, SIM_CHUNK_SIZE);
		(void)evbuffer_add_printf(out, "%zx\r\n", n);
		(void)evbuffer_remove_buffer(body, out, n);
		(void)evbuffer_add(out, "\r\n", 2);
	}
	(void)evbuffer_add(out, "0\r\n\r\n", 5);
}

/* Sends a whole answer, or what the request's fault leaves of it. */
static void
send_answer(struct sim_conn *c, struct evbuffer *out)
{
	struct evbuffer *half;

	if (c->action == SIM_ACT_TRUNCATE || c->action == SIM_ACT_HALFLINE) {
		half = evbuffer_new();
		(void)evbuffer_remove_buffer(out, half,
		    evbuffer_get_length(out) / 2);
		(void)bufferevent_write_buffer(c->bev, half);
		evbuffer_free(half);
		c->keep_alive = false;
	} else {
		(void)bufferevent_write_buffer(c->bev, out);
	}
	sim_conn_answered(c);
}

/* Leaves the first half. */
static void
cut(struct evbuffer *body)
{
	struct evbuffer *half = evbuffer_new();

	if (half == NULL)
		abort();
	(void)evbuffer_remove_buffer(body, half,
	    evbuffer_get_length(body) / 2);
	(void)evbuffer_drain(body, evbuffer_get_length(body));
	(void)evbuffer_add_buffer(body, half);
	evbuffer_free(half);
}

/* Pretty for people, gzip for long lists, as the API server decides it.
 * Returns the header lines, `room` when there are more of them. */
static const char *
finish(struct sim_conn *c, int status, const char *type,
    struct evbuffer *body, const char *extra, char room[EXTRA_MAX])
{
	const char *pretty = sim_conn_param(c, "pretty");

	if (strncmp(type, "application/json", 16) != 0 || c->req.log_id == 0)
		return extra;
	if (pretty != NULL ? strcmp(pretty, "0") != 0 &&
	    strcmp(pretty, "false") != 0 :
	    sim_accept_pretty(c->req.user_agent))
		sim_finish_pretty(body);
	if (status != 200 || !sim_conn_sim(c)->modes.gzip ||
	    evbuffer_get_length(body) <= GZIP_ABOVE ||
	    !sim_accept_gzip(c->req.accept_encoding))
		return extra;
	sim_finish_gzip(body);
	if (c->action == SIM_ACT_CUTGZIP)
		cut(body);
	(void)snprintf(room, EXTRA_MAX, "%sContent-Encoding: gzip\r\n"
	    "Vary: Accept-Encoding\r\n", extra != NULL ? extra : "");
	return room;
}

void
sim_conn_reply_buffer(struct sim_conn *c, int status, const char *type,
    struct evbuffer *body, const char *extra)
{
	char encoding[EXTRA_MAX];
	struct evbuffer *out;
	size_t n;

	sim_conn_check(c);
	if (c->state != SIM_CONN_BUSY)
		return;
	if (c->action == SIM_ACT_GARBAGE) {
		type = "text/html";
		(void)evbuffer_drain(body, evbuffer_get_length(body));
		(void)evbuffer_add(body, garbage_page,
		    sizeof(garbage_page) - 1);
	}
	extra = finish(c, status, type, body, extra, encoding);
	n = evbuffer_get_length(body);
	sim_log_answered(sim_conn_sim(c)->log, c->req.log_id, status);
	sim_log_sent(sim_conn_sim(c)->log, c->req.log_id, n);
	sim_log_ended(sim_conn_sim(c)->log, c->req.log_id);
	out = evbuffer_new();
	if (out == NULL)
		abort();
	add_head(c, out, status, type, extra);
	if (n < CHUNKED_FROM) {
		(void)evbuffer_add_printf(out, "Content-Length: %zu\r\n\r\n",
		    n);
		(void)evbuffer_add_buffer(out, body);
	} else {
		(void)evbuffer_add_printf(out,
		    "Transfer-Encoding: chunked\r\n\r\n");
		add_chunks(out, body);
	}
	send_answer(c, out);
	evbuffer_free(out);
}

void
sim_conn_reply(struct sim_conn *c, int status, const char *type,
    const void *body, size_t len, const char *extra)
{
	struct evbuffer *b = evbuffer_new();

	if (b == NULL)
		abort();
	(void)evbuffer_add(b, body, len);
	sim_conn_reply_buffer(c, status, type, b, extra);
	evbuffer_free(b);
}

static void
free_text_cb(UNUSED const void *data, UNUSED size_t len, void *arg)
{
	free(arg);
}

static void
reply_json(struct sim_conn *c, int status, const char *type, json_t *value,
    const char *extra)
{
	struct evbuffer *b = evbuffer_new();
	char *text = json_dumps(value, JSON_COMPACT);

	if (b == NULL || text == NULL)
		abort();
	(void)evbuffer_add_reference(b, text, strlen(text), free_text_cb,
	    text);
	sim_conn_reply_buffer(c, status, type, b, extra);
	evbuffer_free(b);
}

void
sim_conn_reply_json(struct sim_conn *c, int status, json_t *stolen)
{
	sim_conn_reply_typed(c, status, "application/json", stolen);
}

void
sim_conn_reply_typed(struct sim_conn *c, int status, const char *type,
    json_t *stolen)
{
	reply_json(c, status, type, stolen, NULL);
	json_decref(stolen);
}

void
sim_conn_status(struct sim_conn *c, int code, const char *reason,
    int retry_after, const char *fmt, ...)
{
	char message[1024], extra[64] = "";
	json_t *details = NULL, *status;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	if (retry_after >= 0) {
		(void)snprintf(extra, sizeof(extra), "Retry-After: %d\r\n",
		    retry_after);
		details = json_pack("{s:i}", "retryAfterSeconds",
		    retry_after);
	}
	status = sim_status_make(code, reason, message, details);
	reply_json(c, code, "application/json", status, extra);
	json_decref(status);
}

/* ---- streams ---- */

struct sim_text *
sim_http_chunk(const void *data, size_t len)
{
	char head[32];
	int n = snprintf(head, sizeof(head), "%zx\r\n", len);
	struct sim_text *t;

	t = xmalloc(sizeof(*t) + (size_t)n + len + 2);
	t->refs = 1;
	t->len = (size_t)n + len + 2;
	memcpy(t->data, head, (size_t)n);
	memcpy(t->data + n, data, len);
	memcpy(t->data + (size_t)n + len, "\r\n", 2);
	return t;
}

void
sim_conn_stream(struct sim_conn *c)
{
	struct evbuffer *out = evbuffer_new();

	sim_conn_check(c);
	if (out == NULL)
		abort();
	sim_log_answered(sim_conn_sim(c)->log, c->req.log_id, 200);
	c->streaming = true;
	add_head(c, out, 200, "application/json", NULL);
	(void)evbuffer_add_printf(out, "Transfer-Encoding: chunked\r\n\r\n");
	(void)bufferevent_write_buffer(c->bev, out);
	evbuffer_free(out);
}

static void
text_sent_cb(UNUSED const void *data, UNUSED size_t len, void *arg)
{
	sim_text_unref(arg);
}

void
sim_conn_stream_text(struct sim_conn *c, struct sim_text *t)
{
	struct sim_text *bad;

	sim_conn_check(c);
	if (c->state != SIM_CONN_BUSY || c->closing)
		return;
	if (c->action == SIM_ACT_GARBAGE) {
		c->action = SIM_ACT_NONE;
		bad = sim_http_chunk(garbage_line, sizeof(garbage_line) - 1);
		sim_conn_stream_text(c, bad);
		sim_text_unref(bad);
	}
	if (c->action == SIM_ACT_TRUNCATE || c->action == SIM_ACT_HALFLINE) {
		(void)bufferevent_write(c->bev, t->data, t->len / 2);
		sim_conn_close(c);
		return;
	}
	sim_log_sent(sim_conn_sim(c)->log, c->req.log_id, t->len);
	(void)evbuffer_add_reference(bufferevent_get_output(c->bev), t->data,
	    t->len, text_sent_cb, sim_text_ref(t));
}

void
sim_conn_stream_end(struct sim_conn *c)
{
	sim_conn_check(c);
	if (c->state != SIM_CONN_BUSY || c->closing)
		return;
	(void)bufferevent_write(c->bev, "0\r\n\r\n", 5);
	sim_log_ended(sim_conn_sim(c)->log, c->req.log_id);
	sim_conn_answered(c);
}

bool
sim_conn_http2(UNUSED const struct sim_conn *c)
{
	return false;
}

size_t
sim_conn_backlog(const struct sim_conn *c)
{
	return evbuffer_get_length(bufferevent_get_output(c->bev));
}

void
sim_conn_fault(struct sim_conn *c, enum sim_action action)
{
	c->action = action;
	if (action == SIM_ACT_RESET) {
		sim_conn_reset(c);
	} else if (action == SIM_ACT_CLOSE) {
		sim_conn_close(c);
	}
}
