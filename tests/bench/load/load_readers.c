#include "tests/bench/load/load_readers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/macros.h"
#include "common/xmalloc.h"
#include "tests/bench/load/load_frames.h"
#include "tests/bench/load/load_judge.h"
#include "tests/bench/load/load_mark.h"

#define EVENTS_MAX   1024
#define COMMAND_MAX  256
#define NS_PER_MS    1e6

struct reader {
	int			 fd;          /* -1: closed */
	bool			 stalled;
	bool			 pending;     /* its head is not there yet */
	struct load_seen	 seen;
	struct load_frames	 frames;
};

enum wish { WISH_NONE, WISH_OPEN, WISH_AWAIT, WISH_SNAPSHOTS, WISH_RESUME };

struct readers {
	const struct load_readers_options *options;
	struct reader		*all;
	int			 epoll;
	uint32_t		 next;        /* to be opened; n: none */
	uint32_t		 pending;
	uint32_t		 open;        /* have their head */
	bool			 resuming;
	enum wish		 wish;
	uint64_t		 target;      /* of each reader */
	uint32_t		 below;       /* readers below it */
	int64_t			 since_ns;    /* of the wish */
	int64_t			 now_ns;      /* when these bytes were read */
	uint64_t		 ended;       /* by the server, or unreadable */
	uint64_t		 bytes;
	struct load_judge	 judge;
	struct load_shared	*shared;
	char			 line[COMMAND_MAX];
	size_t			 line_n;
	bool			 quit;
};

static const char *const wish_names[] = {
	[WISH_NONE] = "none", [WISH_OPEN] = "open", [WISH_AWAIT] = "await",
	[WISH_SNAPSHOTS] = "snapshots", [WISH_RESUME] = "resume",
};

static char	bytes[LOAD_FRAMES_READ];

/* --- what is wished for ------------------------------------------------- */

static bool
is_below(const struct readers *rs, const struct reader *r)
{
	if (r->stalled || rs->wish < WISH_AWAIT)
		return false;
	return (rs->wish == WISH_SNAPSHOTS ? r->seen.snapshots :
	    r->seen.events) < rs->target;
}

static void
wish_done(struct readers *rs)
{
	if (rs->wish == WISH_NONE)
		return;
	if (rs->wish == WISH_OPEN ? rs->open < rs->options->connections :
	    rs->below > 0)
		return;
	printf("{\"%s\":%" PRIu64 ",\"ms\":%.3f}\n", wish_names[rs->wish],
	    rs->wish == WISH_OPEN ? rs->open : rs->target,
	    (double)(load_now_ns() - rs->since_ns) / NS_PER_MS);
	(void)fflush(stdout);
	rs->wish = WISH_NONE;
}

static void
wish_begin(struct readers *rs, enum wish wish, uint64_t target)
{
	rs->wish = wish;
	rs->target = target;
	rs->since_ns = load_now_ns();
	rs->below = 0;
	for (uint32_t i = 0; i < rs->options->connections; i++)
		rs->below += is_below(rs, &rs->all[i]);
}

/* --- frames ------------------------------------------------------------- */

struct feed {
	struct readers	*rs;
	struct reader	*r;
};

static void
take_frame(const struct load_frame *frame, void *arg)
{
	struct feed *feed = arg;
	struct readers *rs = feed->rs;
	bool below = is_below(rs, feed->r);

	load_judge_frame(&rs->judge, &feed->r->seen, frame, rs->now_ns);
	if (below && !is_below(rs, feed->r))
		rs->below--;
}

/* --- connections -------------------------------------------------------- */

static void
reader_close(struct readers *rs, struct reader *r)
{
	if (r->fd < 0)
		return;
	(void)close(r->fd);
	r->fd = -1;
	if (r->pending)
		rs->pending--;
	else
		rs->open--;
	r->pending = false;
	load_frames_clear(&r->frames);
}

/* A request for the stream of reader i. */
static char *
request_of(const struct readers *rs, uint32_t i)
{
	const struct load_readers_options *o = rs->options;
	const struct reader *r = &rs->all[i];
	const char *place = strstr(o->target, "{}"), *id = o->last_id;
	char *target, *request;

	if (place == NULL)
		target = xstrdup(o->target);
	else
		target = xasprintf("%.*s%" PRIu32 "%s",
		    (int)(place - o->target), o->target,
		    o->first + i % o->streams, place + 2);
	if (rs->resuming && r->seen.id[0] != '\0')
		id = r->seen.id;
	request = xasprintf("GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
	    "Accept: text/event-stream\r\n%s%s%s\r\n", target, o->port,
	    id != NULL ? "Last-Event-ID: " : "", id != NULL ? id : "",
	    id != NULL ? "\r\n" : "");
	free(target);
	return request;
}

static int
connected_socket(const struct load_readers_options *o, uint32_t i)
{
	struct sockaddr_in here = { .sin_family = AF_INET };
	struct sockaddr_in there = { .sin_family = AF_INET,
		.sin_port = htons(o->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	if (fd < 0)
		return -1;
	here.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + i % o->addresses);
	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on,
	    sizeof(on));
	if (o->receive > 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &o->receive,
		    sizeof(o->receive));
	if (bind(fd, (struct sockaddr *)&here, sizeof(here)) == 0 &&
	    (connect(fd, (struct sockaddr *)&there, sizeof(there)) == 0 ||
	    errno == EINPROGRESS))
		return fd;
	(void)close(fd);
	return -1;
}

static void
reader_interest(struct readers *rs, struct reader *r, int what, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = r };

	if (epoll_ctl(rs->epoll, what, r->fd, &e) < 0) {
		fprintf(stderr, "sse_load: epoll_ctl: %s\n", strerror(errno));
		exit(1);
	}
}

static void
reader_open(struct readers *rs, uint32_t i)
{
	struct reader *r = &rs->all[i];

	r->fd = connected_socket(rs->options, i);
	if (r->fd < 0) {
		fprintf(stderr, "sse_load: connection %" PRIu32 ": %s\n", i,
		    strerror(errno));
		exit(1);
	}
	r->pending = true;
	rs->pending++;
	reader_interest(rs, r, EPOLL_CTL_ADD, EPOLLOUT);
}

static void
open_more(struct readers *rs)
{
	while (rs->next < rs->options->connections &&
	    rs->pending < rs->options->pending) {
		if (rs->all[rs->next].fd < 0)
			reader_open(rs, rs->next);
		rs->next++;
	}
}

static void
reader_send(struct readers *rs, struct reader *r)
{
	char *request = request_of(rs, (uint32_t)(r - rs->all));
	size_t n = strlen(request);
	bool sent = send(r->fd, request, n, MSG_NOSIGNAL) == (ssize_t)n;

	free(request);
	if (!sent) {
		rs->ended++;
		reader_close(rs, r);
		return;
	}
	reader_interest(rs, r, EPOLL_CTL_MOD, EPOLLIN);
}

/* Its head is there. */
static void
reader_opened(struct readers *rs, struct reader *r)
{
	r->pending = false;
	rs->pending--;
	rs->open++;
	if (r->stalled)
		reader_interest(rs, r, EPOLL_CTL_DEL, 0);
}

static void
reader_read(struct readers *rs, struct reader *r)
{
	struct feed feed = { rs, r };
	ssize_t n = recv(r->fd, bytes, sizeof(bytes), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	rs->now_ns = load_now_ns();
	if (n <= 0 || !load_frames_feed(&r->frames, bytes, (size_t)n,
	    take_frame, &feed) || r->frames.last) {
		rs->ended++;
		reader_close(rs, r);
		return;
	}
	rs->bytes += (uint64_t)n;
	if (rs->shared != NULL)
		rs->shared->delivered = rs->judge.events;
	if (r->pending && r->frames.status != 0)
		reader_opened(rs, r);
}

/* --- commands ----------------------------------------------------------- */

static void
report(const struct readers *rs)
{
	const struct load_judge *n = &rs->judge;
	struct rusage usage;

	(void)getrusage(RUSAGE_SELF, &usage);
	printf("{\"open\":%" PRIu32 ",\"events\":%" PRIu64 ",\"fresh\":%" PRIu64
	    ",\"snapshots\":%" PRIu64 ",\"heartbeats\":%" PRIu64
	    ",\"gaps\":%" PRIu64 ",\"others\":%" PRIu64 ",\"lost\":%" PRIu64
	    ",\"repeated\":%" PRIu64 ",\"out_of_seq\":%" PRIu64
	    ",\"ended\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"cpu_s\":%.3f,",
	    rs->open, n->events, n->fresh, n->snapshots, n->heartbeats,
	    n->gaps, n->others, n->lost, n->repeated, n->out_of_seq, rs->ended,
	    rs->bytes, (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	    (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
	load_histogram_print(&rs->judge.latency);
	printf("}\n");
}

/* The next publisher counts from 1 again. */
static void
mark(struct readers *rs)
{
	load_judge_mark(&rs->judge);
	for (uint32_t i = 0; i < rs->options->connections; i++)
		load_judge_mark_reader(&rs->all[i].seen);
	printf("{\"marked\":1}\n");
}

static void
drop(struct readers *rs)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < rs->options->connections; i++) {
		if (rs->all[i].stalled || rs->all[i].fd < 0)
			continue;
		reader_close(rs, &rs->all[i]);
		n++;
	}
	printf("{\"dropped\":%" PRIu32 "}\n", n);
}

static void
command(struct readers *rs, const char *line)
{
	const char *space = strchr(line, ' ');
	uint64_t n = space != NULL ? strtoull(space + 1, NULL, 10) : 0;

	if (strcmp(line, "quit") == 0) {
		rs->quit = true;
	} else if (strcmp(line, "mark") == 0) {
		mark(rs);
	} else if (strcmp(line, "report") == 0) {
		report(rs);
	} else if (strcmp(line, "drop") == 0) {
		drop(rs);
	} else if (strncmp(line, "await ", 6) == 0) {
		wish_begin(rs, WISH_AWAIT, n);
	} else if (strncmp(line, "snapshots ", 10) == 0) {
		wish_begin(rs, WISH_SNAPSHOTS, n);
	} else if (strncmp(line, "resume ", 7) == 0) {
		wish_begin(rs, WISH_RESUME, n);
		rs->resuming = true;
		rs->next = 0;
	} else {
		fprintf(stderr, "sse_load: what is \"%s\"?\n", line);
		exit(2);
	}
	(void)fflush(stdout);
}

static void
read_commands(struct readers *rs)
{
	ssize_t n = read(STDIN_FILENO, rs->line + rs->line_n,
	    sizeof(rs->line) - 1 - rs->line_n);
	char *end;

	if (n <= 0) {
		rs->quit = true;
		return;
	}
	rs->line_n += (size_t)n;
	rs->line[rs->line_n] = '\0';
	while ((end = strchr(rs->line, '\n')) != NULL) {
		*end = '\0';
		command(rs, rs->line);
		rs->line_n -= (size_t)(end + 1 - rs->line);
		memmove(rs->line, end + 1, rs->line_n + 1);
	}
}

/* --- the loop ----------------------------------------------------------- */

static void
loop(struct readers *rs)
{
	static struct epoll_event events[EVENTS_MAX];
	int n;

	while (!rs->quit) {
		open_more(rs);
		wish_done(rs);
		n = epoll_wait(rs->epoll, events, EVENTS_MAX, -1);
		for (int i = 0; i < n; i++) {
			struct reader *r = events[i].data.ptr;

			if (r == NULL)
				read_commands(rs);
			else if (r->fd >= 0 &&
			    (events[i].events & EPOLLOUT) != 0)
				reader_send(rs, r);
			else if (r->fd >= 0)
				reader_read(rs, r);
		}
	}
}

int
load_readers_run(const struct load_readers_options *options)
{
	struct epoll_event commands = { .events = EPOLLIN };
	struct readers *rs = xcalloc(1, sizeof(*rs));
	uint32_t n = options->connections;

	rs->options = options;
	rs->judge.one_stream = strchr(options->target, '*') == NULL;
	rs->epoll = epoll_create1(EPOLL_CLOEXEC);
	rs->all = xcalloc(n, sizeof(*rs->all));
	for (uint32_t i = 0; i < n; i++) {
		rs->all[i].fd = -1;
		rs->all[i].stalled = i >= n - options->stalled;
	}
	if (options->shared != NULL &&
	    (rs->shared = load_shared_map(options->shared)) == NULL) {
		fprintf(stderr, "sse_load: %s: %s\n", options->shared,
		    strerror(errno));
		exit(1);
	}
	(void)epoll_ctl(rs->epoll, EPOLL_CTL_ADD, STDIN_FILENO, &commands);
	wish_begin(rs, WISH_OPEN, 0);
	loop(rs);
	for (uint32_t i = 0; i < n; i++)
		reader_close(rs, &rs->all[i]);
	load_shared_unmap(rs->shared);
	(void)close(rs->epoll);
	free(rs->all);
	free(rs);
	return 0;
}
