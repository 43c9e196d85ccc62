#include "gateway/siblings.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mono.h"
#include "common/xmalloc.h"
#include "gateway/desk.h"
#include "gateway/gateway.h"

#define SIBLINGS_MAGIC 0x5349424cu   /* "SIBL" */

struct asked {
	struct siblings		*all;
	struct bufferevent	*io;   /* NULL: it has answered, or will not */
	size_t			 answer;   /* which */
};

struct siblings {
	uint32_t		 magic;
	struct gateway		*gateway;
	siblings_cb		 cb;
	void			*arg;
	struct event		*timer;
	size_t			 n;
	size_t			 open;     /* that are still asked */
	struct asked		 asked[CONF_GATEWAYS_MAX];
	struct siblings_answer	 answers[CONF_GATEWAYS_MAX];
};

static void
siblings_free(struct siblings *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (s->asked[i].io != NULL)
			bufferevent_free(s->asked[i].io);
		buf_free(&s->answers[i].text);
	}
	event_free(s->timer);
	s->gateway->asking--;
	s->magic = 0;
	free(s);
}

/* This one has said all; with the last of them the answers are told, from the
 * loop. */
static void
hung_up(struct asked *a)
{
	struct siblings *s = a->all;
	struct siblings_answer *answer = &s->answers[a->answer];
	const struct buf *text = &answer->text;

	bufferevent_free(a->io);
	a->io = NULL;
	/* Cut short: it died, or there was no room for one more. */
	answer->silent = text->len == 0 || text->data[text->len - 1] != '\n';
	if (--s->open == 0)
		event_active(s->timer, EV_TIMEOUT, 0);
}

static void
siblings_read_cb(struct bufferevent *io, void *arg)
{
	struct asked *a = arg;
	struct buf *text = &a->all->answers[a->answer].text;
	size_t n = evbuffer_get_length(bufferevent_get_input(io));

	assert(a->all->magic == SIBLINGS_MAGIC);
	if (text->len + n > SIBLINGS_ANSWER_MAX) {
		buf_free(text);
		hung_up(a);
		return;
	}
	(void)bufferevent_read(io, buf_reserve(text, n), n);
	buf_grew(text, n);
}

static void
siblings_event_cb(struct bufferevent *io UNUSED, short what, void *arg)
{
	struct asked *a = arg;

	assert(a->all->magic == SIBLINGS_MAGIC);
	if ((what & BEV_EVENT_CONNECTED) == 0)
		hung_up(a);
}

/* All have answered, or their time is over. */
static void
siblings_done_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct siblings *s = arg;

	assert(s->magic == SIBLINGS_MAGIC);
	for (size_t i = 0; i < s->n; i++)
		if (s->asked[i].io != NULL)
			s->answers[i].silent = true;
	s->cb(s->answers, s->n, s->arg);
	siblings_free(s);
}

/* The socket to its desk; -1 with errno. A Unix socket connects at once. */
static int
connect_to(const char *bus, unsigned int index)
{
	struct sockaddr_un sun;
	int fd, code;

	if (!desk_address(bus, index, &sun)) {
		errno = ENOENT;   /* nor could it listen there */
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1 ||
	    connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) == 0)
		return fd;
	code = errno;
	(void)close(fd);
	errno = code;
	return -1;
}

static void
ask_one(struct siblings *s, const char *bus, unsigned int index,
    struct slice request)
{
	struct asked *a = &s->asked[s->n];
	int fd = connect_to(bus, index);

	if (fd == -1 && (errno == ENOENT || errno == ECONNREFUSED))
		return;
	*a = (struct asked){ .all = s, .answer = s->n };
	s->answers[s->n++] = (struct siblings_answer){ .gateway = index,
	    .silent = true };
	if (fd == -1)
		return;
	a->io = bufferevent_socket_new(s->gateway->role->base, fd,
	    BEV_OPT_CLOSE_ON_FREE);
	if (a->io == NULL)
		fatalx("bufferevent_socket_new failed");
	s->open++;
	bufferevent_setcb(a->io, siblings_read_cb, NULL, siblings_event_cb, a);
	(void)bufferevent_write(a->io, request.p, request.n);
	(void)bufferevent_write(a->io, "\n", 1);
	(void)bufferevent_enable(a->io, EV_READ | EV_WRITE);
}

struct siblings *
siblings_ask(struct gateway *g, struct slice request, siblings_cb cb,
    void *arg)
{
	const struct timeval wait = mono_timeval_ms(SIBLINGS_WAIT_MS);
	unsigned int own = (unsigned int)strtoul(g->role->instance, NULL, 10);
	struct siblings *s;
	char *bus;

	if (g->asking == SIBLINGS_ASKS_MAX)
		return NULL;
	g->asking++;
	s = xcalloc(1, sizeof(*s));
	s->magic = SIBLINGS_MAGIC;
	s->gateway = g;
	s->cb = cb;
	s->arg = arg;
	s->timer = evtimer_new(g->role->base, siblings_done_cb, s);
	if (s->timer == NULL)
		fatalx("event_new failed");
	(void)event_add(s->timer, &wait);
	bus = conf_bus_directory(&g->role->conf);
	for (unsigned int i = 0; i < CONF_GATEWAYS_MAX; i++)
		if (i != own)
			ask_one(s, bus, i, request);
	free(bus);
	if (s->open == 0)
		event_active(s->timer, EV_TIMEOUT, 0);
	return s;
}

void
siblings_cancel(struct siblings *s)
{
	assert(s->magic == SIBLINGS_MAGIC);
	siblings_free(s);
}
