#include "gateway/connection.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/log.h"
#include "common/xmalloc.h"
#include "gateway/reply.h"
#include "gateway/route.h"
#include "gateway/wheel.h"

#define CONN_READ_SIZE   16384u
#define CONN_REST_MS     100     /* of a listener after a failed accept */
#define CONN_FD_RESERVE  256u

struct connections {
	struct gateway	*gateway;
	struct conn	*conns;       /* slots, untouched until used */
	struct conn_row	*rows;
	uint32_t	 size;        /* slots */
	uint32_t	 max;         /* without the spare ones */
	uint32_t	 used;        /* slots ever used */
	uint32_t	 open;
	uint32_t	*free_ids;
	uint32_t	 n_free;
	struct wheel	*wheel;
	struct event	*tick;
	struct event	*rest;
	int		 listeners[CONN_LISTENERS_MAX];
	struct event	*accepts[CONN_LISTENERS_MAX];
	size_t		 n_listeners;
	uint64_t	 serial;
};

static void	conn_event_cb(evutil_socket_t fd, short what, void *arg);
static void	read_requests(struct conn *c);

/* --- the table --------------------------------------------------------------- */

static void *
map(size_t bytes, struct err *err)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p != MAP_FAILED)
		return p;
	(void)err_errno(err, errno, "connection table of %zu bytes", bytes);
	return NULL;
}

/* Contract 6: min(20 000, RLIMIT_NOFILE - min(256, RLIMIT_NOFILE / 2)). */
static uint32_t
limit_of(uint32_t configured)
{
	struct rlimit rl = { 1024, 1024 };
	rlim_t fds;

	(void)getrlimit(RLIMIT_NOFILE, &rl);
	fds = MIN(rl.rlim_cur, (rlim_t)1 << 20);
	fds -= MIN((rlim_t)CONN_FD_RESERVE, fds / 2);
	if (configured == 0)
		configured = CONN_MAX_DEFAULT;
	return (uint32_t)MIN((rlim_t)configured, fds);
}

static void
wheel_cb(uint32_t id, void *arg)
{
	struct connections *cs = arg;
	struct conn *c = &cs->conns[id];

	assert(c->magic == CONN_MAGIC);
	c->due_ms = 0;
	switch (c->state) {
	case CONN_READING:
		if (c->exchange == NULL || c->exchange->in.len == 0)
			conn_close(c, CLOSE_DONE);
		else
			conn_close(c, CLOSE_HEAD_TIMEOUT);
		break;
	case CONN_WAITING:
		if (c->on_tick != NULL)
			c->on_tick(c);
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
connections_tick_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct connections *cs = arg;

	wheel_advance(cs->wheel, gateway_now_ms(), wheel_cb, cs);
}

static void
connections_rest_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct connections *cs = arg;
	size_t i;

	for (i = 0; i < cs->n_listeners; i++)
		(void)event_add(cs->accepts[i], NULL);
}

struct connections *
connections_new(struct gateway *g, struct err *err)
{
	struct connections *cs = xcalloc(1, sizeof(*cs));
	struct timeval tick = { 0, WHEEL_TICK_MS * 1000 };

	cs->gateway = g;
	cs->max = limit_of(g->role->conf.gateway.max_connections);
	cs->size = cs->max + CONN_SPARE;
	cs->conns = map(cs->size * sizeof(*cs->conns), err);
	cs->rows = map(cs->size * sizeof(*cs->rows), err);
	if (cs->conns == NULL || cs->rows == NULL) {
		connections_free(cs);
		return NULL;
	}
	cs->free_ids = xcalloc(cs->size, sizeof(*cs->free_ids));
	cs->wheel = wheel_new(cs->size, gateway_now_ms());
	cs->tick = event_new(g->role->base, -1, EV_PERSIST,
	    connections_tick_cb, cs);
	cs->rest = evtimer_new(g->role->base, connections_rest_cb, cs);
	if (cs->tick == NULL || cs->rest == NULL)
		fatalx("event_new failed");
	(void)event_add(cs->tick, &tick);
	return cs;
}

void
connections_free(struct connections *cs)
{
	uint32_t i;
	size_t k;

	if (cs == NULL)
		return;
	for (i = 0; cs->conns != NULL && i < cs->used; i++)
		if (cs->conns[i].state != CONN_FREE)
			conn_close(&cs->conns[i], CLOSE_ENDED);
	for (k = 0; k < cs->n_listeners; k++) {
		event_free(cs->accepts[k]);
		(void)close(cs->listeners[k]);
	}
	if (cs->tick != NULL)
		event_free(cs->tick);
	if (cs->rest != NULL)
		event_free(cs->rest);
	wheel_free(cs->wheel);
	if (cs->conns != NULL)
		(void)munmap(cs->conns, cs->size * sizeof(*cs->conns));
	if (cs->rows != NULL)
		(void)munmap(cs->rows, cs->size * sizeof(*cs->rows));
	free(cs->free_ids);
	free(cs);
}

uint32_t
connections_max(const struct connections *cs)
{
	return cs->max;
}

size_t
connections_count(const struct connections *cs)
{
	return cs->open;
}

bool
connections_drained(const struct connections *cs)
{
	const struct conn *c;
	uint32_t i;
	int left;

	for (i = 0; i < cs->used; i++) {
		c = &cs->conns[i];
		if (c->state == CONN_FREE)
			continue;
		if (!c->shut || ioctl(c->fd, SIOCOUTQ, &left) != 0 ||
		    left > 0)
			return false;
	}
	return true;
}

struct conn *
connections_get(struct connections *cs, uint32_t id)
{
	assert(id < cs->used);
	return &cs->conns[id];
}

void
connections_each(struct connections *cs,
    void (*cb)(struct conn *c, void *arg), void *arg)
{
	uint32_t i;

	for (i = 0; i < cs->used; i++)
		if (cs->conns[i].state != CONN_FREE)
			cb(&cs->conns[i], arg);
}

/* --- state and time ----------------------------------------------------------- */

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
	wheel_set(c->gateway->connections->wheel, c->id, at_ms);
}

/* Unlike conn_due, also moves the deadline back. */
static void
due_exactly(struct conn *c, int64_t at_ms)
{
	c->due_ms = 0;
	conn_due(c, at_ms);
}

static void
watch(struct conn *c, bool want_write, bool deaf)
{
	short what = EV_PERSIST;

	if (!deaf)
		what |= EV_READ;
	if (want_write)
		what |= EV_WRITE;
	if (c->want_write == want_write && c->deaf == deaf &&
	    event_initialized(&c->event))
		return;
	if (event_initialized(&c->event))
		(void)event_del(&c->event);
	c->want_write = want_write;
	c->deaf = deaf;
	if (event_assign(&c->event, c->gateway->role->base, c->fd, what,
	    conn_event_cb, c) != 0 ||
	    (what != EV_PERSIST && event_add(&c->event, NULL) != 0))
		fatalx("event_add failed");
}

/* What was left unread (see read_bytes) is read again. */
static void
hear(struct conn *c)
{
	watch(c, c->want_write, false);
}

/* --- accepting ---------------------------------------------------------------- */

static void
set_options(int fd)
{
	int one = 1, size = CONN_SNDBUF, low = CONN_NOTSENT_LOWAT;
	unsigned int dead_ms = 30000;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &low,
	    sizeof(low));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms,
	    sizeof(dead_ms));
}

static void
begin_exchange(struct conn *c, int64_t now)
{
	c->exchange = xcalloc(1, sizeof(*c->exchange));
	c->exchange->started_ms = now;
}

static void
exchange_free(struct exchange *x)
{
	if (x == NULL)
		return;
	buf_free(&x->in);
	http_request_free(x->request);
	free(x);
}

static int
open_slot(struct connections *cs, int fd)
{
	struct conn *c;
	uint32_t id;
	int64_t now = gateway_now_ms();

	if (cs->open == cs->size)
		return -1;
	id = cs->n_free > 0 ? cs->free_ids[--cs->n_free] : cs->used++;
	cs->open++;
	c = &cs->conns[id];
	memset(c, 0, sizeof(*c));
	c->magic = CONN_MAGIC;
	c->id = id;
	c->fd = fd;
	c->gateway = cs->gateway;
	c->row = &cs->rows[id];
	memset(c->row, 0, sizeof(*c->row));
	c->row->connection = (cs->gateway->role->incarnation << 32) +
	    ++cs->serial;
	c->spare = cs->open > cs->max;
	c->progress_ms = now;
	c->stream.next = c->stream.prev = c->stream.replay_next = CONN_NONE;
	set_options(fd);
	conn_set_state(c, CONN_READING);
	begin_exchange(c, now);
	watch(c, false, false);
	conn_due(c, now + CONN_HEAD_MS);
	return 0;
}

static void
rest(struct connections *cs)
{
	struct timeval tv = { 0, CONN_REST_MS * 1000 };
	size_t i;

	cs->gateway->metrics.accept_errors++;
	for (i = 0; i < cs->n_listeners; i++)
		(void)event_del(cs->accepts[i]);
	(void)event_add(cs->rest, &tv);
}

static void
connections_accept_cb(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct connections *cs = arg;
	int s, i;

	for (i = 0; i < CONN_ACCEPT_TURN; i++) {
		s = accept4((int)fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (s == -1) {
			if (errno == EAGAIN)
				return;
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			rest(cs);
			return;
		}
		cs->gateway->metrics.accepted++;
		if (open_slot(cs, s) == 0)
			continue;
		cs->gateway->metrics.refused++;
		(void)close(s);
		rest(cs);
		return;
	}
}

void
connections_listen(struct connections *cs, int fd)
{
	struct event *ev;

	if (cs->n_listeners == CONN_LISTENERS_MAX) {
		log_warn("more than %u listeners: one refused",
		    CONN_LISTENERS_MAX);
		(void)close(fd);
		return;
	}
	(void)evutil_make_socket_nonblocking(fd);
	ev = event_new(cs->gateway->role->base, fd, EV_READ | EV_PERSIST,
	    connections_accept_cb, cs);
	if (ev == NULL || event_add(ev, NULL) != 0)
		fatalx("event_new failed");
	cs->listeners[cs->n_listeners] = fd;
	cs->accepts[cs->n_listeners++] = ev;
}

/* --- writing ------------------------------------------------------------------ */

int
conn_writev(struct conn *c, struct iovec *iov, int n, size_t *ret_taken)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = (size_t)n };
	size_t want = 0;
	ssize_t done;
	int i;

	for (i = 0; i < n; i++)
		want += iov[i].iov_len;
	do {
		done = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (done == -1 && errno == EINTR);
	*ret_taken = 0;
	if (done == -1) {
		if (errno != EAGAIN && errno != ENOBUFS) {
			conn_close(c, CLOSE_CLIENT);
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
	if ((size_t)done == want) {
		watch(c, false, c->deaf);
		return 1;
	}
	if (done > 0 || !c->want_write)
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
	rc = conn_writev(c, &iov, 1, &taken);
	if (rc == -1)
		return -1;
	c->out_off += taken;
	if (c->out_off == c->out.len) {
		buf_free(&c->out);
		c->out_off = 0;
	}
	return rc;
}

/* --- ending ------------------------------------------------------------------- */

void
conn_close(struct conn *c, enum metrics_close cause)
{
	struct connections *cs = c->gateway->connections;

	assert(c->magic == CONN_MAGIC && c->state != CONN_FREE);
	if (c->state == CONN_WAITING && c->on_gone != NULL)
		c->on_gone(c);
	stream_release(c);
	c->gateway->metrics.closes[cause]++;
	conn_set_state(c, CONN_FREE);
	(void)event_del(&c->event);
	wheel_remove(cs->wheel, c->id);
	(void)close(c->fd);
	exchange_free(c->exchange);
	buf_free(&c->out);
	memset(c->row, 0, sizeof(*c->row));
	c->magic = 0;
	cs->free_ids[cs->n_free++] = c->id;
	cs->open--;
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
	due_exactly(c, gateway_now_ms() + CONN_LINGER_MS);
}

void
conn_finish(struct conn *c, enum metrics_close cause)
{
	c->cause = cause;
	if (c->state != CONN_CLOSING) {
		stream_release(c);
		exchange_free(c->exchange);
		c->exchange = NULL;
		conn_set_state(c, CONN_CLOSING);
		hear(c);
		due_exactly(c, gateway_now_ms() + CONN_LINGER_MS);
	}
	if (conn_flush_out(c) == 1)
		linger(c);
}

void
conn_answered(struct conn *c)
{
	int64_t now = gateway_now_ms();
	struct buf in;

	c->on_gone = NULL;
	c->on_tick = NULL;
	hear(c);
	if (!c->keep_alive || c->gateway->draining) {
		conn_finish(c, CLOSE_DONE);
		return;
	}
	conn_set_state(c, CONN_READING);
	/* Bytes of the next request may be here already. */
	in = c->exchange->in;
	c->exchange->in = BUF_EMPTY;
	exchange_free(c->exchange);
	begin_exchange(c, now);
	c->exchange->in = in;
	due_exactly(c, now + (in.len > 0 ? CONN_HEAD_MS : CONN_KEEPALIVE_MS));
	if (conn_flush_out(c) != 1)
		return;
	/* Not by recursion: a pipeline of thousands would eat the stack. */
	if (in.len > 0)
		event_active(&c->event, EV_READ, 0);
}

void
conn_begin_stream(struct conn *c)
{
	exchange_free(c->exchange);
	c->exchange = NULL;
	c->on_gone = NULL;
	c->on_tick = NULL;
	conn_set_state(c, CONN_STREAM);
	hear(c);
}

/* --- reading ------------------------------------------------------------------ */

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

static int
read_head(struct conn *c)
{
	struct exchange *x = c->exchange;
	struct http_problem problem = { 0, NULL };
	enum http_progress p;

	p = http_head_scan(&x->scan, (const char *)x->in.data, x->in.len);
	if (p == HTTP_MORE)
		return -1;
	if (p == HTTP_DONE)
		x->request = http_request_parse((const char *)x->in.data,
		    x->scan.head_len, &problem);
	if (x->request == NULL) {
		refuse(c, p == HTTP_BAD ? &x->scan.problem : &problem);
		return -1;
	}
	c->keep_alive = x->request->keep_alive;
	buf_drain(&x->in, x->scan.head_len);
	due_exactly(c, gateway_now_ms() + CONN_BODY_MS);
	return 0;
}

/* Goes as far as the bytes in hand allow. */
static void
read_requests(struct conn *c)
{
	struct exchange *x = c->exchange;
	struct http_problem problem = { 0, NULL };
	enum http_progress p;
	size_t used;

	if (x->request == NULL && read_head(c) == -1)
		return;
	p = http_body_take(x->request, (const char *)x->in.data, x->in.len,
	    EVENT_BATCH_BYTES, &used, &problem);
	buf_drain(&x->in, used);
	if (p == HTTP_BAD) {
		refuse(c, &problem);
		return;
	}
	if (p == HTTP_MORE) {
		say_continue(c);
		return;
	}
	c->due_ms = 0;
	wheel_remove(c->gateway->connections->wheel, c->id);
	route_request(c, x->request);
}

/* Bytes that nobody wants: on a stream, where many are an attack; after the
 * end, where a client may still send the body that was refused, and a reset
 * would take the answer from it. */
static void
discard(struct conn *c)
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
		    CLOSE_CLIENT);
	else if (c->state == CONN_STREAM && c->discarded > CONN_DISCARD_MAX)
		conn_close(c, CLOSE_BAD_REQUEST);
}

/* Takes in what the socket has. -1: the connection is gone. */
static int
receive(struct conn *c)
{
	struct exchange *x = c->exchange;
	ssize_t n;

	n = recv(c->fd, buf_reserve(&x->in, CONN_READ_SIZE), CONN_READ_SIZE,
	    MSG_DONTWAIT);
	if (n == 0 || (n == -1 && errno != EAGAIN && errno != EINTR)) {
		conn_close(c, CLOSE_CLIENT);
		return -1;
	}
	if (n <= 0)
		return 0;
	/* The five seconds run from a request's first byte. */
	if (x->in.len == 0 && x->request == NULL && c->state == CONN_READING)
		conn_due(c, gateway_now_ms() + CONN_HEAD_MS);
	buf_grew(&x->in, (size_t)n);
	return 0;
}

/* One request at a time: until its answer is taken the next ones wait, a
 * bounded lot of them here and the rest in the kernel. */
static void
read_bytes(struct conn *c)
{
	struct exchange *x = c->exchange;
	bool able = c->state == CONN_READING && c->out.len == c->out_off;

	/* One byte over the limit: enough to refuse a head for it. */
	if (x->in.len > HTTP_HEAD_MAX) {
		if (!able)
			watch(c, c->want_write, true);
	} else if (receive(c) == -1) {
		return;
	}
	if (able && x->in.len > 0)
		read_requests(c);
}

static int
writable(struct conn *c)
{
	int rc;

	if (c->state == CONN_STREAM)
		return stream_flush(c);
	rc = conn_flush_out(c);
	if (rc == 1 && c->state == CONN_CLOSING)
		linger(c);
	else if (rc == 1 && c->state == CONN_READING)
		hear(c);
	return rc;
}

static void
conn_event_cb(evutil_socket_t fd UNUSED, short what, void *arg)
{
	struct conn *c = arg;

	assert(c->magic == CONN_MAGIC);
	if ((what & EV_WRITE) != 0 && writable(c) == -1)
		return;
	if (c->state == CONN_FREE)
		return;
	if (c->state == CONN_STREAM || c->state == CONN_CLOSING)
		discard(c);
	else
		read_bytes(c);
}
