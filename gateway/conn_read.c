#include "gateway/conn_read.h"

#include <errno.h>
#include <sys/socket.h>

#include "gateway/conn_private.h"
#include "gateway/reply.h"
#include "gateway/route.h"

/* --- a request ------------------------------------------------------------ */

static void
refuse(struct conn *c, const struct http_problem *problem)
{
	c->keep_alive = false;
	reply_problem(c, problem);
	conn_finish(c, CLOSE_BAD_REQUEST);
}

static void
say_continue(struct conn *c)
{
	struct exchange *x = c->exchange;

	if (!x->request->expect || x->continued)
		return;
	x->continued = true;
	buf_adds(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
	(void)conn_flush_out(c);
}

/* Counts what there is of the body. False: there is no more room for long
 * ones. */
static bool
hold_body(struct conn *c)
{
	struct exchange *x = c->exchange;
	size_t n = x->request->body.len;
	size_t held = n > CONN_BODY_FREE ? n - CONN_BODY_FREE : 0;

	if (held > x->held && c->gateway->bodies + held - x->held >
	    CONN_BODIES_MAX)
		return false;
	c->gateway->bodies += held - x->held;
	x->held = held;
	return true;
}

static enum http_progress
read_head(struct conn *c)
{
	struct exchange *x = c->exchange;
	struct http_problem problem = { 0, NULL };
	enum http_progress p;

	p = http_head_scan(&x->scan, (const char *)x->in.data, x->in.len);
	if (p == HTTP_MORE)
		return p;
	if (p == HTTP_DONE)
		x->request = http_request_parse((const char *)x->in.data,
		    x->scan.head_len, &problem);
	if (x->request == NULL) {
		refuse(c, p == HTTP_BAD ? &x->scan.problem : &problem);
		return HTTP_BAD;
	}
	/* A place beyond the limit is for one answer. */
	c->keep_alive = x->request->keep_alive && !c->spare;
	buf_drain(&x->in, x->scan.head_len);
	conn_due_exactly(c, gateway_now_ms() + CONN_BODY_MS);
	/* Who may not in has no body held for him. */
	if ((x->request->chunked || x->request->content_length > 0) &&
	    !route_head(c, x->request))
		return HTTP_BAD;
	return HTTP_DONE;
}

/* Goes as far as the bytes in hand allow; HTTP_MORE: not to the end of a
 * request. After anything else c may be gone. */
static enum http_progress
read_request(struct conn *c)
{
	static const struct http_problem busy = { 429,
		"too many long bodies at one time" };
	struct exchange *x = c->exchange;
	struct http_problem problem = { 0, NULL };
	enum http_progress p = HTTP_DONE;
	size_t used;

	if (x->request == NULL)
		p = read_head(c);
	if (p != HTTP_DONE)
		return p;
	p = http_body_take(x->request, (const char *)x->in.data, x->in.len,
	    EVENT_BATCH_BYTES, &used, &problem);
	buf_drain(&x->in, used);
	if (p == HTTP_BAD) {
		refuse(c, &problem);
		return p;
	}
	if (!hold_body(c)) {
		refuse(c, &busy);
		return HTTP_BAD;
	}
	if (p == HTTP_MORE) {
		say_continue(c);
		return p;
	}
	c->due_ms = 0;
	connections_not_due(c->gateway->connections, c->id);
	route_request(c, x->request);
	return p;
}

/* --- bytes ---------------------------------------------------------------- */

/* Whether an answer is still owed, or not yet taken: a client that shuts down
 * its side after its requests (nc -N) waits for it. A stream-to-be is not. */
static bool
owes(const struct conn *c)
{
	if (c->state == CONN_WAITING)
		return c->exchange->on_gone != NULL;
	return c->exchange->in.len > 0 || c->out.len > c->out_off;
}

/* Takes in what the socket has. -1: the connection is gone. */
static int
receive(struct conn *c)
{
	struct exchange *x = c->exchange;
	ssize_t n;

	n = recv(c->fd, buf_reserve(&x->in, CONN_READ_SIZE), CONN_READ_SIZE,
	    MSG_DONTWAIT);
	if (n == 0 && owes(c)) {
		c->half = true;
		conn_hear(c);
		return 0;
	}
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		conn_close(c, n == 0 ? CLOSE_CLIENT : conn_cause_of(errno));
		return -1;
	}
	/* The five seconds run from a request's first byte; while an answer
	 * before it is being taken, from that one's end. */
	if (x->in.len == 0 && x->request == NULL &&
	    c->state == CONN_READING && c->out.len == c->out_off)
		conn_due(c, gateway_now_ms() + CONN_HEAD_MS);
	buf_grew(&x->in, (size_t)n);
	return 0;
}

void
conn_read(struct conn *c)
{
	struct exchange *x = c->exchange;
	bool able = c->state == CONN_READING && c->out.len == c->out_off;
	enum http_progress p = HTTP_MORE;

	/* One byte over the limit: enough to refuse a head for it. */
	if (x->in.len > HTTP_HEAD_MAX) {
		if (!able)
			conn_deafen(c);
	} else if (!c->half && receive(c) == -1) {
		return;
	}
	if (!able)
		return;
	if (x->in.len > 0)
		p = read_request(c);
	/* What is missing will not come any more. */
	if (p == HTTP_MORE && c->half && c->state == CONN_READING)
		conn_close(c, CLOSE_CLIENT);
}

void
conn_read_discard(struct conn *c)
{
	char bytes[4096];
	uint32_t before = c->discarded;
	ssize_t n;

	do {
		n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		if (n > 0)
			c->discarded += (uint32_t)n;
	} while (n > 0 && c->discarded - before < CONN_DISCARD_TURN);
	if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR))
		conn_close(c, c->state == CONN_CLOSING ? c->cause :
		    n == 0 ? CLOSE_CLIENT : conn_cause_of(errno));
	else if (c->state == CONN_STREAM && c->discarded > CONN_DISCARD_MAX)
		conn_close(c, CLOSE_BAD_REQUEST);
}
