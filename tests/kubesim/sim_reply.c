/* Answers and streams of a connection, and the faults done to their bytes. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "tests/kubesim/sim_conn.h"
#include "tests/kubesim/sim_accept.h"
#include "tests/kubesim/sim_finish.h"
#include "tests/kubesim/sim_log.h"
#include "tests/kubesim/sim_status.h"

#define CHUNKED_FROM (128u * 1024)
#define GZIP_ABOVE   (128u * 1024)   /* the API server's, for lists */
#define EXTRA_MAX    512
#define HEAD_MAX     64
#define GZIP_HEAD    "Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n"

static const char garbage_page[] = "<html><head><title>502 Bad Gateway</title>"
    "</head><body><center><h1>502 Bad Gateway</h1></center></body></html>\n";

static bool
breaks_off(const struct sim_conn *c)
{
	return c->action == SIM_ACT_TRUNCATE || c->action == SIM_ACT_HALFLINE;
}

/* Leaves what is before the cut. */
static void
cut(const struct sim_conn *c, struct evbuffer *body)
{
	size_t n = evbuffer_get_length(body);
	size_t before = c->cut_at < 0 ? n / 2 : MIN((size_t)c->cut_at, n);
	struct evbuffer *kept = evbuffer_new();

	if (kept == NULL)
		abort();
	(void)evbuffer_remove_buffer(body, kept, before);
	(void)evbuffer_drain(body, n - before);
	(void)evbuffer_add_buffer(body, kept);
	evbuffer_free(kept);
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
		cut(c, body);
	(void)snprintf(room, EXTRA_MAX, "%s%s", extra != NULL ? extra : "",
	    GZIP_HEAD);
	return room;
}

void
sim_conn_reply_buffer(struct sim_conn *c, int status, const char *type,
    struct evbuffer *body, const char *extra)
{
	char encoding[EXTRA_MAX];
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
	c->wire->head(c, status, type, extra, n < CHUNKED_FROM ? (int64_t)n :
	    -1);
	if (breaks_off(c))
		cut(c, body);
	sim_log_sent(sim_conn_sim(c)->log, c->req.log_id,
	    evbuffer_get_length(body));
	if (breaks_off(c)) {
		c->wire->body(c, body);
		c->keep_alive = false;
		sim_conn_close(c);
		return;
	}
	c->wire->body(c, body);
	c->wire->end(c);
	sim_log_ended(sim_conn_sim(c)->log, c->req.log_id);
	sim_conn_answered(c);
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
reply_json(struct sim_conn *c, int status, const char *type, json_t *value)
{
	json_t *retry = json_object_get(json_object_get(value, "details"),
	    "retryAfterSeconds");
	struct evbuffer *b = evbuffer_new();
	char *text = json_dumps(value, JSON_COMPACT), head[HEAD_MAX] = "";

	if (json_is_integer(retry))
		(void)snprintf(head, sizeof(head), "Retry-After: %d\r\n",
		    (int)json_integer_value(retry));
	else if (status == 403)
		(void)snprintf(head, sizeof(head),
		    "X-Content-Type-Options: nosniff\r\n");

	if (b == NULL || text == NULL)
		abort();
	(void)evbuffer_add_reference(b, text, strlen(text), free_text_cb,
	    text);
	sim_conn_reply_buffer(c, status, type, b, head);
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
	reply_json(c, status, type, stolen);
	json_decref(stolen);
}

void
sim_conn_status(struct sim_conn *c, int code, const char *reason,
    int retry_after, const char *fmt, ...)
{
	json_t *details = NULL, *status;
	char message[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	if (retry_after >= 0)
		details = json_pack("{s:i}", "retryAfterSeconds",
		    retry_after);
	status = sim_status_make(code, reason, message, details);
	reply_json(c, code, "application/json", status);
	json_decref(status);
}

/* ---- answers made while they are sent ---- */

struct sim_producer {
	sim_more_cb	*more;
	void		(*done)(void *ctx);
	void		*ctx;
	struct sim_gzip	*gzip;           /* NULL: as it is */
	bool		 busy;           /* a piece is being made or sent */
};

void
sim_conn_drop_producer(struct sim_conn *c)
{
	struct sim_producer *p = c->producer;

	if (p == NULL)
		return;
	c->producer = NULL;
	p->done(p->ctx);
	sim_finish_gzip_free(p->gzip);
	free(p);
}

/* True: the cut is in this piece, nothing follows. */
static bool
send_piece(struct sim_conn *c, struct evbuffer *body, bool last)
{
	bool here = false;
	size_t n;

	if (c->producer->gzip != NULL)
		sim_finish_gzip_add(c->producer->gzip, body, last);
	n = evbuffer_get_length(body);
	if (c->cut_at >= 0) {
		here = (size_t)c->cut_at <= n;
		if (here)
			cut(c, body);
		else
			c->cut_at -= (int64_t)n;
	}
	sim_log_sent(sim_conn_sim(c)->log, c->req.log_id,
	    evbuffer_get_length(body));
	c->wire->body(c, body);
	return here;
}

/* Nothing follows: broken off, or framed as if it were whole. */
static void
produced(struct sim_conn *c, bool broken)
{
	if (broken) {
		sim_conn_drop_producer(c);
		sim_conn_close(c);
		return;
	}
	c->wire->end(c);
	sim_conn_drop_producer(c);
	sim_log_ended(sim_conn_sim(c)->log, c->req.log_id);
	sim_conn_answered(c);
}

void
sim_conn_pump(struct sim_conn *c)
{
	struct evbuffer *body;
	bool more = true, here = false;

	if (c->room_cb != NULL && c->state == SIM_CONN_BUSY && !c->closing) {
		c->room_cb(c, c->room_ctx);
		return;
	}
	/* What is sent may leave at once, and that makes room: the turn in
	 * which it was sent goes on then. */
	if (c->producer == NULL || c->producer->busy ||
	    c->state != SIM_CONN_BUSY)
		return;
	body = evbuffer_new();
	if (body == NULL)
		abort();
	c->producer->busy = true;
	while (more && !here && c->wire->backlog(c) < SIM_ROOM_BELOW) {
		more = c->producer->more(body, c->producer->ctx);
		here = send_piece(c, body, !more);
		if (c->producer == NULL)         /* the connection ended */
			break;
		/* Nobody knows yet where the half of it is. */
		here = here || (breaks_off(c) && c->cut_at < 0);
	}
	evbuffer_free(body);
	if (c->producer == NULL)
		return;
	/* At its end it stays busy: there is no other piece. */
	if (here || !more)
		produced(c, breaks_off(c));
	else
		c->producer->busy = false;
}

void
sim_conn_produce(struct sim_conn *c, struct evbuffer *begin,
    sim_more_cb *more, void (*done)(void *ctx), void *ctx)
{
	struct sim_producer *p = xcalloc(1, sizeof(*p));
	bool here;

	sim_conn_check(c);
	/* Busy: head and begin come before what there is room for then. */
	*p = (struct sim_producer){ .more = more, .done = done, .ctx = ctx,
	    .busy = true };
	c->producer = p;
	if (c->state != SIM_CONN_BUSY) {
		sim_conn_drop_producer(c);
		return;
	}
	if (sim_conn_sim(c)->modes.gzip &&
	    sim_accept_gzip(c->req.accept_encoding))
		p->gzip = sim_finish_gzip_new();
	sim_log_answered(sim_conn_sim(c)->log, c->req.log_id, 200);
	c->wire->head(c, 200, "application/json", p->gzip != NULL ?
	    GZIP_HEAD : NULL, -1);
	if (c->producer == NULL)
		return;
	here = send_piece(c, begin, false);
	if (c->producer == NULL)
		return;
	if (here) {
		produced(c, breaks_off(c));
		return;
	}
	p->busy = false;
	sim_conn_pump(c);
}

void
sim_conn_fault(struct sim_conn *c, enum sim_action action, int64_t cut_at)
{
	c->action = action;
	c->cut_at = cut_at;
	if (action == SIM_ACT_RESET) {
		sim_conn_reset(c);
	} else if (action == SIM_ACT_CLOSE) {
		sim_conn_close(c);
	}
}
