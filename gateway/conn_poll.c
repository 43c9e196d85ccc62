#include "gateway/conn_poll.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/log.h"
#include "common/macros.h"
#include "common/mono.h"
#include "common/xmalloc.h"

#define CONN_POLL_MAGIC 0x43504f4cu   /* "CPOL" */

struct conn_poll {
	uint32_t	 magic;
	int		 fd;
	struct event	*event;
	struct event	*turn;       /* tells those who wait */
	conn_poll_cb	 cb;
	void		*arg;
	uint32_t	*again;      /* ids who wait, each once */
	size_t		 first;
	size_t		 last;       /* behind it is room, up to size */
	size_t		 size;
	uint8_t		*waits;      /* a bit for each id: it is in there */
	size_t		 n_waits;    /* bytes */
};

/* By a timer: an event that is made active while callbacks run is one of the
 * same turn, which would then end only at the loop's limit of callbacks. */
static void
soon(struct conn_poll *p)
{
	const struct timeval now = { 0, 0 };

	if (!evtimer_pending(p->turn, NULL))
		(void)evtimer_add(p->turn, &now);
}

static void
conn_poll_turn_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct conn_poll *p = arg;
	struct mono until = mono_add_ms(mono_now(), CONN_POLL_TURN_MS);
	size_t left = p->last - p->first;
	uint32_t id;

	assert(p->magic == CONN_POLL_MAGIC);
	/* What is told may ask for more, of the turn after this. */
	while (left-- > 0) {
		id = p->again[p->first++];
		p->waits[id / 8] &= (uint8_t)~(1u << id % 8);
		p->cb(id, CONN_POLL_READ, p->arg);
		if (!mono_before(mono_now(), until))
			break;
	}
	if (p->first < p->last)
		soon(p);
}

/* How many were told. The kernel goes round: who was told comes behind all who
 * were not, so that no step may be left in its middle. */
static int
tell_some(struct conn_poll *p, int fd)
{
	struct epoll_event got[CONN_POLL_STEP];
	unsigned int what, bad = EPOLLERR | EPOLLHUP;
	int i, n;

	n = epoll_wait(fd, got, CONN_POLL_STEP, 0);
	for (i = 0; i < n; i++) {
		what = (unsigned int)(got[i].data.u64 >> 32);
		if ((got[i].events & (EPOLLIN | bad)) == 0)
			what &= ~CONN_POLL_READ;
		if ((got[i].events & (EPOLLOUT | bad)) == 0)
			what &= ~CONN_POLL_WRITE;
		if (what != 0)
			p->cb((uint32_t)got[i].data.u64, what, p->arg);
	}
	return n;
}

static void
conn_poll_event_cb(evutil_socket_t fd, short event UNUSED, void *arg)
{
	struct conn_poll *p = arg;
	struct mono until;
	int told = 0, n;

	assert(p->magic == CONN_POLL_MAGIC);
	n = tell_some(p, fd);
	if (n < CONN_POLL_STEP)
		return;
	until = mono_add_ms(mono_now(), CONN_POLL_TURN_MS);
	while (n == CONN_POLL_STEP && (told += n) < CONN_POLL_TURN &&
	    mono_before(mono_now(), until))
		n = tell_some(p, fd);
}

struct conn_poll *
conn_poll_new(struct event_base *base, conn_poll_cb cb, void *arg,
    struct err *err)
{
	struct conn_poll *p = xcalloc(1, sizeof(*p));

	p->magic = CONN_POLL_MAGIC;
	p->cb = cb;
	p->arg = arg;
	p->fd = epoll_create1(EPOLL_CLOEXEC);
	if (p->fd == -1) {
		(void)err_errno(err, errno, "epoll_create1");
		free(p);
		return NULL;
	}
	p->event = event_new(base, p->fd, EV_READ | EV_PERSIST,
	    conn_poll_event_cb, p);
	p->turn = evtimer_new(base, conn_poll_turn_cb, p);
	if (p->turn == NULL || p->event == NULL ||
	    event_add(p->event, NULL) != 0)
		fatalx("event_new failed");
	return p;
}

void
conn_poll_free(struct conn_poll *p)
{
	if (p == NULL)
		return;
	event_free(p->event);
	event_free(p->turn);
	(void)close(p->fd);
	free(p->again);
	free(p->waits);
	p->magic = 0;
	free(p);
}

bool
conn_poll_change(struct conn_poll *p, int fd, uint32_t id, unsigned int was,
    unsigned int what)
{
	/* What is waited for goes with the number, so that an error, which
	 * epoll always tells, is told as that. */
	struct epoll_event ev = { .data.u64 = (uint64_t)what << 32 | id };
	int op = EPOLL_CTL_MOD;

	if (was == what)
		return true;
	if ((what & CONN_POLL_READ) != 0)
		ev.events |= EPOLLIN;
	if ((what & CONN_POLL_WRITE) != 0)
		ev.events |= EPOLLOUT;
	if (what == 0)
		op = EPOLL_CTL_DEL;
	else if (was == 0)
		op = EPOLL_CTL_ADD;
	if (epoll_ctl(p->fd, op, fd, &ev) == 0)
		return true;
	/* Only one more may be one too many. */
	if (op != EPOLL_CTL_ADD)
		fatal("epoll_ctl");
	return false;
}

/* Notes that it waits; false: it does already. */
static bool
note_waits(struct conn_poll *p, uint32_t id)
{
	size_t n = MAX((size_t)id / 8 + 1, p->n_waits * 2);
	uint8_t bit = (uint8_t)(1u << id % 8);

	if (id / 8 >= p->n_waits) {
		p->waits = xreallocarray(p->waits, n, 1);
		memset(p->waits + p->n_waits, 0, n - p->n_waits);
		p->n_waits = n;
	}
	if ((p->waits[id / 8] & bit) != 0)
		return false;
	p->waits[id / 8] |= bit;
	return true;
}

void
conn_poll_again(struct conn_poll *p, uint32_t id)
{
	if (!note_waits(p, id))
		return;
	if (p->last == p->size && p->first > 0) {
		p->last -= p->first;
		memmove(p->again, p->again + p->first,
		    p->last * sizeof(*p->again));
		p->first = 0;
	}
	if (p->last == p->size) {
		p->size = p->size == 0 ? 16 : p->size * 2;
		p->again = xreallocarray(p->again, p->size,
		    sizeof(*p->again));
	}
	p->again[p->last++] = id;
	soon(p);
}
