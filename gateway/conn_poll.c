#include "gateway/conn_poll.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
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
	conn_poll_cb	 cb;
	void		*arg;
	uint32_t	*again;      /* told in the next turn */
	size_t		 n_again;
	size_t		 size_again;
};

static void
tell_again(struct conn_poll *p)
{
	uint32_t *ids = p->again;
	size_t i, n = p->n_again;

	/* What is told may ask for more, of the turn after this. */
	p->again = NULL;
	p->n_again = p->size_again = 0;
	for (i = 0; i < n; i++)
		p->cb(ids[i], CONN_POLL_READ, p->arg);
	free(ids);
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
	if (p->n_again > 0)
		tell_again(p);
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
	if (p->event == NULL || event_add(p->event, NULL) != 0)
		fatalx("event_new failed");
	return p;
}

void
conn_poll_free(struct conn_poll *p)
{
	if (p == NULL)
		return;
	event_free(p->event);
	(void)close(p->fd);
	free(p->again);
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

void
conn_poll_again(struct conn_poll *p, uint32_t id)
{
	if (p->n_again == p->size_again) {
		p->size_again = p->size_again == 0 ? 16 : p->size_again * 2;
		p->again = xreallocarray(p->again, p->size_again,
		    sizeof(*p->again));
	}
	p->again[p->n_again++] = id;
	event_active(p->event, EV_READ, 0);
}
