#include "gateway/conn_table.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/xmalloc.h"
#include "gateway/address_limit.h"
#include "gateway/conn_poll.h"
#include "gateway/conn_private.h"
#include "gateway/wheel.h"

#define CONN_REST_MS     100     /* of a listener after a failed accept */
#define CONN_FD_RESERVE  256u
#define SAY_FULL_MS      60000

struct connections {
	struct gateway	*gateway;
	struct conn	*conns;       /* slots, untouched until used */
	struct conn_row_header *table;   /* and the rows behind it */
	struct conn_row	*rows;
	struct conn_poll *poll;       /* who is new, and streams */
	struct conn_poll *regulars;   /* who had an answer, and stays */
	uint32_t	 size;        /* slots */
	uint32_t	 max;         /* without the spare ones */
	uint32_t	 used;        /* slots ever used */
	uint32_t	 open;
	uint32_t	*free_ids;
	uint32_t	 n_free;
	uint32_t	 over;        /* open, and over max_per_address */
	struct address_limit *addresses;
	struct wheel	*wheel;
	struct event	*tick;
	struct event	*rest;
	struct event	*accepts[CONN_LISTENERS_MAX];   /* NULL: not ours */
	uint64_t	 serial;
	int64_t		 said_full_ms;   /* that epoll has no room; 0: not */
};

/* --- the table ------------------------------------------------------------ */

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

static size_t
table_bytes(const struct connections *cs)
{
	return sizeof(struct conn_row_header) +
	    cs->size * sizeof(struct conn_row);
}

static void
poll_cb(uint32_t id, unsigned int what, void *arg)
{
	struct connections *cs = arg;

	conn_polled(&cs->conns[id], what);
}

static void
wheel_cb(uint32_t id, void *arg)
{
	struct connections *cs = arg;

	conn_expired(&cs->conns[id]);
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

	for (i = 0; i < CONN_LISTENERS_MAX; i++)
		if (cs->accepts[i] != NULL)
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
	cs->table = map(table_bytes(cs), err);
	cs->poll = conn_poll_new(g->role->base, poll_cb, cs, err);
	cs->regulars = conn_poll_new(g->role->base, poll_cb, cs, err);
	if (cs->conns == NULL || cs->table == NULL || cs->poll == NULL ||
	    cs->regulars == NULL) {
		connections_free(cs);
		return NULL;
	}
	conn_row_header_init(cs->table, cs->size, g->role->incarnation);
	cs->rows = (struct conn_row *)(void *)(cs->table + 1);
	cs->free_ids = xcalloc(cs->size, sizeof(*cs->free_ids));
	cs->addresses = address_limit_new(&g->role->conf);
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

	if (cs == NULL)
		return;
	for (i = 0; cs->conns != NULL && i < cs->used; i++)
		if (cs->conns[i].state != CONN_FREE)
			conn_close(&cs->conns[i], CLOSE_ENDED);
	for (i = 0; i < CONN_LISTENERS_MAX; i++)
		connections_unlisten(cs, i);
	if (cs->tick != NULL)
		event_free(cs->tick);
	if (cs->rest != NULL)
		event_free(cs->rest);
	wheel_free(cs->wheel);
	address_limit_free(cs->addresses);
	if (cs->conns != NULL)
		(void)munmap(cs->conns, cs->size * sizeof(*cs->conns));
	if (cs->table != NULL)
		(void)munmap(cs->table, table_bytes(cs));
	conn_poll_free(cs->poll);
	conn_poll_free(cs->regulars);
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

void
connections_due(struct connections *cs, uint32_t id, int64_t at_ms)
{
	wheel_set(cs->wheel, id, at_ms);
}

void
connections_not_due(struct connections *cs, uint32_t id)
{
	wheel_remove(cs->wheel, id);
}

static struct conn_poll *
poll_of(struct connections *cs, bool regular)
{
	return regular ? cs->regulars : cs->poll;
}

bool
connections_poll(struct connections *cs, struct conn *c, unsigned int what)
{
	int64_t now = gateway_now_ms();

	if (conn_poll_change(poll_of(cs, c->regular), c->fd, c->id, c->polled,
	    what))
		return true;
	cs->gateway->metrics.accept_errors++;
	if (cs->said_full_ms != 0 && now - cs->said_full_ms < SAY_FULL_MS)
		return false;
	cs->said_full_ms = now;
	log_warn("connections are closed, since they cannot be waited for: "
	    "epoll_ctl: %s; raise fs.epoll.max_user_watches, or lower "
	    "gateway.max_connections", strerror(errno));
	return false;
}

void
connections_again(struct connections *cs, struct conn *c)
{
	conn_poll_again(poll_of(cs, c->regular), c->id);
}

void
connections_regular(struct connections *cs, struct conn *c, bool regular)
{
	/* Where there is no room for it, it stays: waited for it is. */
	if (c->regular == regular || (c->polled != 0 &&
	    (!conn_poll_change(poll_of(cs, regular), c->fd, c->id, 0,
	    c->polled) || !conn_poll_change(poll_of(cs, c->regular), c->fd,
	    c->id, c->polled, 0))))
		return;
	c->regular = regular;
}

void
connections_release(struct connections *cs, struct conn *c)
{
	wheel_remove(cs->wheel, c->id);
	connections_dismiss(c);
	if (c->over)
		cs->over--;
	conn_row_begin(c->row, 0);
	c->magic = 0;
	cs->free_ids[cs->n_free++] = c->id;
	cs->open--;
}

/* --- limits of an address ------------------------------------------------- */

size_t
connections_addresses(const struct connections *cs)
{
	return address_limit_count(cs->addresses);
}

/* c->client is known: counts it where it is to be. */
static bool
count(struct connections *cs, struct conn *c)
{
	if (!address_limit_applies(cs->addresses, &c->client))
		return true;
	c->counted = address_limit_take(cs->addresses, &c->client);
	if (!c->counted)
		cs->gateway->metrics.over_address++;
	return c->counted;
}

bool
connections_admit(struct conn *c)
{
	struct connections *cs = c->gateway->connections;
	struct address proxy = c->client;
	union {
		struct sockaddr		sa;
		struct sockaddr_storage	room;
	} peer;
	socklen_t n = sizeof(peer);

	if (!c->proxied)
		return true;
	assert(!c->counted);
	/* c->client may be whom an earlier request named. It fails when the
	 * proxy is gone, and so will the first write. */
	if (getpeername(c->fd, &peer.sa, &n) == 0)
		(void)address_of_sockaddr(&peer.sa, &proxy);
	c->client = address_limit_client(cs->addresses, &proxy,
	    c->exchange->request);
	return count(cs, c);
}

void
connections_dismiss(struct conn *c)
{
	if (c->counted)
		address_limit_give(c->gateway->connections->addresses,
		    &c->client);
	c->counted = false;
}

/* --- accepting ------------------------------------------------------------ */

/* The slot's fields are set here, the rest by conn_open. */
static struct conn *
take_slot(struct connections *cs, int fd)
{
	struct conn *c;
	uint32_t id;

	id = cs->n_free > 0 ? cs->free_ids[--cs->n_free] : cs->used++;
	cs->open++;
	c = &cs->conns[id];
	memset(c, 0, sizeof(*c));
	c->magic = CONN_MAGIC;
	c->id = id;
	c->fd = fd;
	c->gateway = cs->gateway;
	c->row = &cs->rows[id];
	conn_row_begin(c->row, (cs->gateway->role->incarnation << 32) +
	    ++cs->serial);
	c->spare = cs->open > cs->max;
	return c;
}

static void
give_slot(struct connections *cs, struct conn *c)
{
	(void)close(c->fd);
	connections_release(cs, c);
}

/* False: it is one too many of its address, and was closed. */
static bool
open_slot(struct connections *cs, int fd, const struct sockaddr *peer)
{
	struct conn *c = take_slot(cs, fd);

	if (address_of_sockaddr(peer, &c->client)) {
		c->proxied = address_limit_trusts(cs->addresses, &c->client);
		if (!c->proxied && !count(cs, c)) {
			if (cs->over == CONN_SPARE) {
				give_slot(cs, c);
				return false;
			}
			cs->over++;
			c->over = c->spare = true;
		}
	}
	conn_open(c);
	return true;
}

static void
rest(struct connections *cs)
{
	struct timeval tv = { 0, CONN_REST_MS * 1000 };
	size_t i;

	cs->gateway->metrics.accept_errors++;
	for (i = 0; i < CONN_LISTENERS_MAX; i++)
		if (cs->accepts[i] != NULL)
			(void)event_del(cs->accepts[i]);
	(void)event_add(cs->rest, &tv);
}

static void
connections_accept_cb(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct connections *cs = arg;
	union {
		struct sockaddr		sa;
		struct sockaddr_storage	room;
	} peer;
	socklen_t n;
	int s, i;

	for (i = 0; i < CONN_ACCEPT_TURN; i++) {
		n = sizeof(peer);
		s = accept4((int)fd, &peer.sa, &n, SOCK_NONBLOCK |
		    SOCK_CLOEXEC);
		if (s == -1) {
			if (errno == EAGAIN)
				return;
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			rest(cs);
			return;
		}
		cs->gateway->metrics.accepted++;
		if (cs->open < cs->size) {
			if (!open_slot(cs, s, &peer.sa))
				cs->gateway->metrics.refused++;
			continue;
		}
		cs->gateway->metrics.refused++;
		(void)close(s);
		rest(cs);
		return;
	}
}

void
connections_listen(struct connections *cs, uint32_t index, int fd)
{
	struct event *ev;

	if (index >= CONN_LISTENERS_MAX || cs->accepts[index] != NULL) {
		log_warn("listener %u refused: it is here, or there is none",
		    index);
		(void)close(fd);
		return;
	}
	(void)evutil_make_socket_nonblocking(fd);
	ev = event_new(cs->gateway->role->base, fd, EV_READ | EV_PERSIST,
	    connections_accept_cb, cs);
	if (ev == NULL || event_add(ev, NULL) != 0)
		fatalx("event_new failed");
	cs->accepts[index] = ev;
}

void
connections_unlisten(struct connections *cs, uint32_t index)
{
	int fd;

	if (index >= CONN_LISTENERS_MAX || cs->accepts[index] == NULL)
		return;
	fd = event_get_fd(cs->accepts[index]);
	event_free(cs->accepts[index]);
	cs->accepts[index] = NULL;
	(void)close(fd);
}

bool
connections_listening(const struct connections *cs)
{
	uint32_t i;

	for (i = 0; i < CONN_LISTENERS_MAX; i++)
		if (cs->accepts[i] != NULL)
			return true;
	return false;
}
