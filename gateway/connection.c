#include "gateway/connection.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/log.h"
#include "common/xmalloc.h"
#include "gateway/access.h"
#include "gateway/conn_poll.h"
#include "gateway/conn_private.h"
#include "gateway/conn_read.h"
#include "gateway/replay.h"

/* --- state and time ------------------------------------------------------- */

static uint64_t *
gauge(struct metrics *m, enum conn_state state)
{
	static uint64_t nobody;

	switch (state) {
	case CONN_READING:
		return &m->reading;
	case CONN_WAITING:
		return &m->waiting;
	case CONN_STREAM:
		return &m->streaming;
	case CONN_CLOSING:
		return &m->closing;
	case CONN_FREE:
		break;
	}
	return &nobody;
}

void
conn_set_state(struct conn *c, enum conn_state state)
{
	(*gauge(&c->gateway->metrics, c->state))--;
	c->state = state;
	(*gauge(&c->gateway->metrics, c->state))++;
}

void
conn_due(struct conn *c, int64_t at_ms)
{
	if (c->due_ms != 0 && c->due_ms <= at_ms)
		return;
	c->due_ms = at_ms;
	connections_due(c->gateway->connections, c->id, at_ms);
}

void
conn_due_exactly(struct conn *c, int64_t at_ms)
{
	c->due_ms = 0;
	conn_due(c, at_ms);
}

void
conn_expired(struct conn *c)
{
	assert(c->magic == CONN_MAGIC);
	/* Beyond the wheel's span: looked at too early. */
	if (c->due_ms > gateway_now_ms()) {
		connections_due(c->gateway->connections, c->id, c->due_ms);
		return;
	}
	c->due_ms = 0;
	switch (c->state) {
	case CONN_READING:
		if (c->exchange->request != NULL)
			conn_close(c, CLOSE_BODY_TIMEOUT);
		else
			conn_close(c, c->exchange->in.len > 0 ?
			    CLOSE_HEAD_TIMEOUT : CLOSE_DONE);
		break;
	case CONN_WAITING:
		if (c->exchange->on_tick != NULL)
			c->exchange->on_tick(c);
		else
			stream_tick(c, gateway_now_ms());
		break;
	case CONN_STREAM:
		stream_tick(c, gateway_now_ms());
		break;
	case CONN_CLOSING:
		conn_close(c, c->cause);
		break;
	case CONN_FREE:
		break;
	}
}

static void
watch(struct conn *c, bool want_write, bool deaf)
{
	unsigned int what = deaf ? 0 : CONN_POLL_READ;

	if (want_write)
		what |= CONN_POLL_WRITE;
	c->want_write = want_write;
	c->deaf = deaf;
	if (c->polled == what)
		return;
	if (connections_poll(c->gateway->connections, c, what)) {
		c->polled = (uint8_t)what;
		return;
	}
	/* Nothing would be heard of it again: it ends, in the next turn or
	 * with its next byte, since callers still look at c. */
	(void)shutdown(c->fd, SHUT_RDWR);
	conn_due_exactly(c, gateway_now_ms());
}

void
conn_hear(struct conn *c)
{
	watch(c, c->want_write, c->half);
}

void
conn_deafen(struct conn *c)
{
	watch(c, c->want_write, true);
}

/* --- the beginning -------------------------------------------------------- */

/* TCP_USER_TIMEOUT instead of TCP_KEEPCNT says when unanswered probes end it
 * (tcp(7)), as all else that is not acknowledged. */
static void
set_options(int fd)
{
	static const struct {
		int	level, name, value;
	} options[] = {
		{ IPPROTO_TCP, TCP_NODELAY, 1 },
		{ SOL_SOCKET, SO_SNDBUF, CONN_SNDBUF },
		{ IPPROTO_TCP, TCP_NOTSENT_LOWAT, CONN_NOTSENT_LOWAT },
		{ SOL_SOCKET, SO_KEEPALIVE, 1 },
		{ IPPROTO_TCP, TCP_KEEPIDLE, CONN_PROBE_IDLE_S },
		{ IPPROTO_TCP, TCP_KEEPINTVL, CONN_PROBE_EACH_S },
	};

	for (size_t i = 0; i < NELEM(options); i++)
		(void)setsockopt(fd, options[i].level, options[i].name,
		    &options[i].value, sizeof(options[i].value));
}

void
conn_set_patience(struct conn *c, int64_t ms)
{
	unsigned int patience = (unsigned int)MAX(ms, CONN_DEAD_MS);

	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &patience,
	    sizeof(patience));
}

static void
begin_exchange(struct conn *c, int64_t now)
{
	c->exchange = xcalloc(1, sizeof(*c->exchange));
	c->exchange->started_ms = now;
}

/* The connection has none afterwards. */
static void
end_exchange(struct conn *c)
{
	struct exchange *x = c->exchange;

	if (x == NULL)
		return;
	c->exchange = NULL;
	c->gateway->bodies -= x->held;
	buf_free(&x->in);
	http_request_free(x->request);
	free(x);
}

void
conn_open(struct conn *c)
{
	int64_t now = gateway_now_ms();

	c->progress_ms = now;
	c->stream.next = c->stream.prev = CONN_NONE;
	set_options(c->fd);
	conn_set_patience(c, CONN_KEEPALIVE_MS);
	conn_set_state(c, CONN_READING);
	begin_exchange(c, now);
	watch(c, false, false);
	conn_due(c, now + CONN_HEAD_MS);
}

/* --- writing -------------------------------------------------------------- */

enum metrics_close
conn_cause_of(int error)
{
	switch (error) {
	case ETIMEDOUT:
	/* The same, when something on the way had said why: the kernel keeps
	 * that to itself until its patience is over. */
	case EHOSTUNREACH:
	case ENETUNREACH:
		return CLOSE_STALLED;
	default:
		return CLOSE_CLIENT;
	}
}

int
conn_writev(struct conn *c, const struct iovec *iov, size_t n, size_t bytes,
    size_t *ret_taken)
{
	ssize_t done;

	/* Not sendmsg, which the filter of calls has to look at (sandbox.h).
	 * The socket does not block, and role.c ignores SIGPIPE. */
	do {
		done = writev(c->fd, iov, (int)n);
	} while (done == -1 && errno == EINTR);
	*ret_taken = 0;
	if (done == -1) {
		if (errno != EAGAIN && errno != ENOBUFS) {
			conn_close(c, conn_cause_of(errno));
			return -1;
		}
		done = 0;
	}
	*ret_taken = (size_t)done;
	if (done > 0) {
		c->bytes += (uint64_t)done;
		c->gateway->metrics.bytes_sent += (uint64_t)done;
		c->gateway->metrics.writes++;
		c->progress_ms = gateway_now_ms();
	}
	if ((size_t)done == bytes) {
		c->blocked_ms = 0;
		watch(c, false, c->deaf);
		return 1;
	}
	/* Not by want_write: a socket that is called writable and takes nothing
	 * (a kernel short of memory) has been full all the while. */
	if (done > 0 || c->blocked_ms == 0)
		c->blocked_ms = gateway_now_ms();
	watch(c, true, c->deaf);
	return 0;
}

int
conn_flush_out(struct conn *c)
{
	struct iovec iov;
	size_t taken;
	int rc;

	if (c->out.len == c->out_off)
		return 1;
	iov.iov_base = c->out.data + c->out_off;
	iov.iov_len = c->out.len - c->out_off;
	rc = conn_writev(c, &iov, 1, iov.iov_len, &taken);
	if (rc == -1)
		return -1;
	c->out_off += taken;
	if (c->out_off == c->out.len) {
		buf_free(&c->out);
		c->out_off = 0;
	}
	return rc;
}

/* --- ending --------------------------------------------------------------- */

void
conn_close(struct conn *c, enum metrics_close cause)
{
	assert(c->magic == CONN_MAGIC && c->state != CONN_FREE);
	if (c->state == CONN_WAITING && c->exchange->on_gone != NULL)
		c->exchange->on_gone(c);
	if (c->state == CONN_STREAM)
		stream_log_ended(c, cause);
	stream_release(c);
	c->gateway->metrics.closes[cause]++;
	conn_set_state(c, CONN_FREE);
	(void)connections_poll(c->gateway->connections, c, 0);
	(void)close(c->fd);
	end_exchange(c);
	access_forget(c);
	buf_free(&c->out);
	connections_release(c->gateway->connections, c);
}

/* All was written: our side ends, the peer's is awaited for a while, so that
 * no reset overtakes the last bytes. */
static void
linger(struct conn *c)
{
	if (c->shut)
		return;
	c->shut = true;
	(void)shutdown(c->fd, SHUT_WR);
	/* The peer's end was there first: nothing more to wait for. From the
	 * loop, since callers still look at c. */
	conn_due_exactly(c, gateway_now_ms() + (c->half ? 0 : CONN_LINGER_MS));
}

void
conn_finish(struct conn *c, enum metrics_close cause)
{
	/* A whole answer may be long, and its reader slow. */
	int64_t patience = c->state == CONN_STREAM ? CONN_LINGER_MS :
	    CONN_KEEPALIVE_MS;

	c->cause = cause;
	if (c->state != CONN_CLOSING) {
		if (c->state == CONN_STREAM)
			stream_log_ended(c, cause);
		stream_release(c);
		end_exchange(c);
		conn_set_state(c, CONN_CLOSING);
		conn_hear(c);
		conn_due_exactly(c, gateway_now_ms() + patience);
	}
	if (conn_flush_out(c) == 1)
		linger(c);
}

void
conn_answered(struct conn *c)
{
	int64_t now = gateway_now_ms();
	struct buf in;

	c->exchange->on_gone = NULL;
	c->exchange->on_tick = NULL;
	/* Of a stream that did not open; the next request is another's. */
	if (c->proxied)
		connections_dismiss(c);
	access_forget(c);
	conn_hear(c);
	if (!c->keep_alive || c->gateway->draining ||
	    (c->half && c->exchange->in.len == 0)) {
		conn_finish(c, CLOSE_DONE);
		return;
	}
	conn_set_state(c, CONN_READING);
	connections_regular(c->gateway->connections, c, true);
	/* Bytes of the next request may be here already. */
	in = c->exchange->in;
	c->exchange->in = BUF_EMPTY;
	end_exchange(c);
	begin_exchange(c, now);
	c->exchange->in = in;
	/* So long for the answer to be taken; a next request's time runs from
	 * when it can be read. */
	conn_due_exactly(c, now + CONN_KEEPALIVE_MS);
	if (conn_flush_out(c) != 1)
		return;
	if (in.len == 0)
		return;
	conn_due_exactly(c, now + CONN_HEAD_MS);
	/* Not by recursion: a pipeline of thousands would eat the stack. */
	connections_again(c->gateway->connections, c);
}

void
conn_begin_stream(struct conn *c)
{
	end_exchange(c);
	conn_set_state(c, CONN_STREAM);
	connections_regular(c->gateway->connections, c, false);
	/* On a stream the end of the input is the client's leave. */
	c->half = false;
	conn_hear(c);
}

/* --- what the loop says --------------------------------------------------- */

static int
writable(struct conn *c)
{
	int rc;

	if (c->state == CONN_STREAM) {
		/* A socket that was full takes much: in turns, or a few of
		 * them would keep the loop from all others. */
		watch(c, false, c->deaf);
		replay_add(c->gateway->replay, c);
		return 0;
	}
	rc = conn_flush_out(c);
	if (rc == 1 && c->state == CONN_CLOSING) {
		linger(c);
	} else if (rc == 1 && c->state == CONN_READING) {
		conn_hear(c);
		/* A body behind a "100 Continue" has its own time. */
		if (c->exchange->in.len > 0 && c->exchange->request == NULL)
			conn_due_exactly(c, gateway_now_ms() + CONN_HEAD_MS);
	}
	return rc;
}

void
conn_polled(struct conn *c, unsigned int what)
{
	if (c->state == CONN_FREE)
		return;
	assert(c->magic == CONN_MAGIC);
	if ((what & CONN_POLL_WRITE) != 0 && writable(c) == -1)
		return;
	if (c->state == CONN_FREE)
		return;
	if (c->state == CONN_STREAM || c->state == CONN_CLOSING)
		conn_read_discard(c);
	else
		conn_read(c);
}
