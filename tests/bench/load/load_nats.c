#include "tests/bench/load/load_nats.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/macros.h"
#include "common/xmalloc.h"
#include "tests/bench/load/load_mark.h"

#define SILENCE_MS 30000   /* then nobody answers any more */
#define IN_MAX     65536u
#define OUT_MAX    (256u * 1024)   /* not written yet */
#define NS_PER_S   1000000000LL
#define HELLO      "CONNECT {\"verbose\":false,\"pedantic\":false," \
		   "\"lang\":\"c\",\"version\":\"1\",\"protocol\":1}\r\n"

struct nats_link {
	int		 fd;
	struct buf	 message;     /* PUB with its payload */
	struct buf	 out;
	size_t		 written;     /* of out */
	uint64_t	 published;
	uint64_t	 answered;
	int64_t		*sent_ns;     /* of those under way, a ring */
	char		 in[IN_MAX];
	size_t		 in_n;
};

struct nats_run {
	const struct load_publisher_options *options;
	struct nats_link	 links[LOAD_LANES_MAX];
	uint32_t		 window;
	struct load_totals	 totals;
	int64_t			 begin_ns;
};

NORETURN static void
die(const char *what)
{
	fprintf(stderr, "sse_load: nats: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* --- messages ----------------------------------------------------------- */

static void
link_write(struct nats_link *l)
{
	ssize_t n;

	while (l->written < l->out.len) {
		n = send(l->fd, l->out.data + l->written,
		    l->out.len - l->written, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			die("send");
		l->written += (size_t)n;
	}
	buf_reset(&l->out);
	l->written = 0;
}

static bool
all_published(const struct nats_run *r, int64_t now)
{
	const struct load_publisher_options *o = r->options;

	if (o->count > 0)
		return r->totals.events >= o->count;
	return (double)(now - r->begin_ns) >= o->seconds * (double)NS_PER_S;
}

/* As many as may be under way. */
static void
link_publish(struct nats_run *r, struct nats_link *l)
{
	int64_t now;

	while (l->published - l->answered < r->window &&
	    l->out.len < OUT_MAX) {
		now = load_now_ns();
		if (all_published(r, now))
			break;
		buf_add(&l->out, l->message.data, l->message.len);
		l->sent_ns[l->published++ % r->window] = now;
		r->totals.events++;
		r->totals.requests++;
	}
	link_write(l);
}

static void
take_answer(struct nats_run *r, struct nats_link *l, const char *p, size_t n)
{
	if (l->answered == l->published)
		die("an answer to nothing");
	load_histogram_add(&r->totals.answers, load_now_ns() -
	    l->sent_ns[l->answered++ % r->window]);
	if (memmem(p, n, "\"error\"", 7) != NULL && r->totals.refused++ == 0)
		fprintf(stderr, "sse_load: refused: %.*s\n", (int)n, p);
}

/* How much of p the next thing takes that the server says; 0: it is not
 * whole. */
static size_t
take_word(struct nats_run *r, struct nats_link *l, const char *p, size_t n)
{
	const char *end = memchr(p, '\n', n), *size;
	size_t line, body;

	if (end == NULL)
		return 0;
	line = (size_t)(end + 1 - p);
	if (memcmp(p, "PING", MIN(line, 4)) == 0)
		buf_adds(&l->out, "PONG\r\n");
	if (memcmp(p, "-ERR", MIN(line, 4)) == 0) {
		fprintf(stderr, "sse_load: nats: %.*s", (int)line, p);
		exit(1);
	}
	if (memcmp(p, "MSG ", MIN(line, 4)) != 0)
		return line;
	size = memrchr(p, ' ', line);
	body = strtoul(size + 1, NULL, 10);
	if (n < line + body + 2)
		return 0;
	take_answer(r, l, p + line, body);
	return line + body + 2;
}

static void
link_read(struct nats_run *r, struct nats_link *l)
{
	ssize_t n = recv(l->fd, l->in + l->in_n, IN_MAX - 1 - l->in_n,
	    MSG_DONTWAIT);
	size_t at = 0, took;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		die("the server closed a connection");
	l->in_n += (size_t)n;
	l->in[l->in_n] = '\0';
	while ((took = take_word(r, l, l->in + at, l->in_n - at)) > 0)
		at += took;
	l->in_n -= at;
	memmove(l->in, l->in + at, l->in_n);
	if (l->in_n == IN_MAX - 1)
		die("the server says too much at once");
}

/* --- begin and end ------------------------------------------------------ */

static void
make_message(struct nats_run *r, struct nats_link *l, uint32_t i)
{
	const struct load_publisher_options *o = r->options;
	const char *place = strstr(o->target, "{}");
	uint32_t stream = o->first + i % o->streams;
	struct buf payload = { 0 };

	load_payload(&payload, stream, o->bytes,
	    &(struct load_mark){ .lane = i });
	if (place == NULL)
		buf_addf(&l->message, "PUB %s", o->target);
	else
		buf_addf(&l->message, "PUB %.*s%" PRIu32 "%s",
		    (int)(place - o->target), o->target, stream, place + 2);
	buf_addf(&l->message, " _INBOX.l%" PRIu32 " %zu\r\n", i, payload.len);
	buf_add(&l->message, payload.data, payload.len);
	buf_adds(&l->message, "\r\n");
	buf_free(&payload);
}

static void
link_open(struct nats_run *r, struct nats_link *l, uint32_t i)
{
	struct sockaddr_in there = { .sin_family = AF_INET,
		.sin_port = htons(r->options->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int on = 1;

	l->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l->fd < 0 || connect(l->fd, (struct sockaddr *)&there,
	    sizeof(there)) < 0)
		die("connect");
	(void)setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	l->sent_ns = xcalloc(r->window, sizeof(*l->sent_ns));
	make_message(r, l, i);
	buf_adds(&l->out, HELLO);
	buf_addf(&l->out, "SUB _INBOX.l%" PRIu32 " 1\r\n", i);
	link_write(l);
}

static bool
any_under_way(const struct nats_run *r)
{
	for (uint32_t i = 0; i < r->options->connections; i++)
		if (r->links[i].answered < r->links[i].published)
			return true;
	return false;
}

static void
wait_answers(struct nats_run *r)
{
	struct pollfd fds[LOAD_LANES_MAX];
	uint32_t n = r->options->connections;
	int got;

	for (uint32_t i = 0; i < n; i++)
		fds[i] = (struct pollfd){ .fd = r->links[i].fd,
			.events = r->links[i].out.len > 0 ?
			    POLLIN | POLLOUT : POLLIN };
	got = poll(fds, n, SILENCE_MS);
	if (got < 0 && errno != EINTR)
		die("poll");
	/* A JetStream that is out of disk says nothing for some. */
	if (got == 0) {
		errno = ETIMEDOUT;
		die("no answer for 30 s");
	}
	for (uint32_t i = 0; i < n; i++)
		if ((fds[i].revents & ~POLLOUT) != 0)
			link_read(r, &r->links[i]);
}

static void
free_all(struct nats_run *r)
{
	for (uint32_t i = 0; i < r->options->connections; i++) {
		struct nats_link *l = &r->links[i];

		(void)close(l->fd);
		buf_free(&l->message);
		buf_free(&l->out);
		free(l->sent_ns);
	}
	free(r);
}

int
load_nats_run(const struct load_publisher_options *options)
{
	struct nats_run *r = xcalloc(1, sizeof(*r));
	bool good;

	r->options = options;
	r->window = MAX(options->window, 1);
	for (uint32_t i = 0; i < options->connections; i++)
		link_open(r, &r->links[i], i);
	r->begin_ns = load_now_ns();
	for (;;) {
		for (uint32_t i = 0; i < options->connections; i++)
			link_publish(r, &r->links[i]);
		if (!any_under_way(r) && all_published(r, load_now_ns()))
			break;
		wait_answers(r);
	}
	r->totals.seconds = (double)(load_now_ns() - r->begin_ns) /
	    (double)NS_PER_S;
	load_totals_print(&r->totals);
	good = r->totals.refused == 0;
	free_all(r);
	return good ? 0 : 1;
}
