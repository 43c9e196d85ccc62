#include "tests/bench/load/load_publisher.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/macros.h"
#include "common/xmalloc.h"

#define ANSWER_MAX   8192
#define NS_PER_S     1000000000LL
#define NS_PER_MS    1e6
#define PEEK_NS      100000      /* how often a full window is looked at */

/* One connection of the publisher, with at most one request under way. */
struct lane {
	int		 fd;
	bool		 busy;
	int64_t		 sent_ns;
	uint32_t	*numbers;    /* of the last event, by stream */
	struct buf	 request;
	size_t		 written;
	char		 answer[ANSWER_MAX];
	size_t		 answer_n;
};

struct publisher_run {
	const struct load_publisher_options *options;
	struct lane		 lanes[LOAD_LANES_MAX];
	uint32_t		 turn;       /* which lane is next */
	struct buf		 body;
	struct load_shared	*shared;
	int64_t			 begin_ns;
	struct load_totals	 totals;
};

static volatile sig_atomic_t ended;

static void
end_cb(int number UNUSED)
{
	ended = 1;
}

NORETURN static void
die(const char *what)
{
	fprintf(stderr, "sse_load: publisher: %s: %s\n", what,
	    strerror(errno));
	exit(1);
}

/* --- requests ----------------------------------------------------------- */

void
load_payload(struct buf *b, uint32_t stream, uint32_t bytes,
    const struct load_mark *mark)
{
	size_t begin = b->len, n;

	buf_addf(b, "{\"job_id\":\"b%" PRIu32 "\",\"attempt\":1,"
	    "\"percent\":1,\"message\":\"", stream);
	n = b->len - begin + LOAD_MARK_SIZE + 2;
	if (n < bytes) {
		memset(buf_reserve(b, bytes - n), 'x', bytes - n);
		buf_grew(b, bytes - n);
	}
	load_mark_write(buf_reserve(b, LOAD_MARK_SIZE), mark);
	buf_grew(b, LOAD_MARK_SIZE);
	buf_adds(b, "\"}");
}

static void
add_data(struct publisher_run *p, struct lane *lane, uint32_t stream)
{
	uint32_t index = (uint32_t)(lane - p->lanes);
	struct load_mark mark = { index, ++lane->numbers[stream],
		lane->sent_ns };

	load_payload(&p->body, p->options->first + stream, p->options->bytes,
	    &mark);
}

static void
add_event(struct publisher_run *p, struct lane *lane, uint32_t stream)
{
	if (p->options->bare) {
		add_data(p, lane, stream);
		return;
	}
	buf_addf(&p->body, "{\"type\":\"job\",\"stream_key\":\"job:b%" PRIu32
	    "\",\"event_type\":\"job.progress\",\"source\":\"/bench\","
	    "\"data\":", p->options->first + stream);
	add_data(p, lane, stream);
	buf_addc(&p->body, '}');
	if (p->options->batch > 1)
		buf_addc(&p->body, '\n');
}

/* The stream of the next event. With several lanes each lane keeps to its own
 * order in every stream, which is all that the marks promise. */
static uint32_t
next_stream(const struct publisher_run *p)
{
	return (uint32_t)(p->totals.events % p->options->streams);
}

static void
add_head(struct publisher_run *p, struct lane *lane, uint32_t stream)
{
	const struct load_publisher_options *o = p->options;
	const char *place = strstr(o->target, "{}");
	int before = place != NULL ? (int)(place - o->target) :
	    (int)strlen(o->target);

	buf_addf(&lane->request, "POST %.*s", before, o->target);
	if (place != NULL)
		buf_addf(&lane->request, "%" PRIu32 "%s", o->first + stream,
		    place + 2);
	buf_addf(&lane->request, " HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
	    "Content-Type: application/%s\r\nContent-Length: %zu\r\n\r\n",
	    o->port, o->batch > 1 ? "x-ndjson" : "json", p->body.len);
}

static void
lane_write(struct lane *lane)
{
	while (lane->written < lane->request.len) {
		ssize_t n = send(lane->fd, lane->request.data + lane->written,
		    lane->request.len - lane->written, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			die("send");
		lane->written += (size_t)n;
	}
}

/* Of the next request: the last one may be smaller. */
static uint64_t
batch_size(const struct publisher_run *p)
{
	uint64_t batch = p->options->batch;

	if (p->options->count == 0)
		return batch;
	return MIN(batch, p->options->count - p->totals.events);
}

static void
make_request(struct publisher_run *p, struct lane *lane, uint64_t batch)
{
	uint32_t stream = next_stream(p);

	buf_reset(&p->body);
	buf_reset(&lane->request);
	for (uint64_t i = 0; i < batch; i++) {
		add_event(p, lane, next_stream(p));
		p->totals.events++;
	}
	add_head(p, lane, stream);
	buf_add(&lane->request, p->body.data, p->body.len);
}

static void
lane_begin(struct publisher_run *p, struct lane *lane)
{
	uint64_t batch = batch_size(p);

	lane->sent_ns = load_now_ns();
	if (p->options->frozen && lane->request.len > 0 &&
	    batch == p->options->batch)
		p->totals.events += batch;
	else
		make_request(p, lane, batch);
	lane->busy = true;
	lane->written = lane->answer_n = 0;
	p->totals.requests++;
	lane_write(lane);
}

/* --- answers ------------------------------------------------------------ */

/* How long the whole answer is; 0: not known yet. */
static size_t
answer_size(const struct lane *lane)
{
	const char *end = strstr(lane->answer, "\r\n\r\n"), *length;
	size_t n = 0;

	if (end == NULL)
		return 0;
	length = strcasestr(lane->answer, "\r\nContent-Length:");
	if (length != NULL && length < end)
		n = strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
	return (size_t)(end + 4 - lane->answer) + n;
}

static void
lane_read(struct publisher_run *p, struct lane *lane)
{
	ssize_t n = recv(lane->fd, lane->answer + lane->answer_n,
	    ANSWER_MAX - 1 - lane->answer_n, 0);
	size_t size;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		die("the server closed a connection");
	lane->answer_n += (size_t)n;
	lane->answer[lane->answer_n] = '\0';
	size = answer_size(lane);
	if (size == 0 || lane->answer_n < size) {
		if (lane->answer_n == ANSWER_MAX - 1)
			die("an answer is too long");
		return;
	}
	lane->busy = false;
	load_histogram_add(&p->totals.answers, load_now_ns() - lane->sent_ns);
	if (strncmp(lane->answer, "HTTP/1.1 20", 11) != 0 &&
	    p->totals.refused++ == 0)
		fprintf(stderr, "sse_load: refused: %s\n", lane->answer);
}

/* --- the pace ----------------------------------------------------------- */

static bool
window_full(const struct publisher_run *p)
{
	const struct load_publisher_options *o = p->options;

	return o->window > 0 && (p->totals.events + o->batch) * o->fanout >
	    p->shared->delivered + (uint64_t)o->window * o->fanout;
}

static bool
all_sent(const struct publisher_run *p, int64_t now)
{
	const struct load_publisher_options *o = p->options;

	if (ended)
		return true;
	if (o->count > 0)
		return p->totals.events >= o->count;
	return (double)(now - p->begin_ns) >= o->seconds * (double)NS_PER_S;
}

/* When the next request is due. */
static int64_t
due_ns(const struct publisher_run *p)
{
	if (p->options->rate <= 0)
		return p->begin_ns;
	return p->begin_ns + (int64_t)((double)p->totals.events *
	    (double)NS_PER_S / p->options->rate);
}

static struct lane *
free_lane(struct publisher_run *p)
{
	for (uint32_t i = 0; i < p->options->connections; i++) {
		uint32_t at = (p->turn + i) % p->options->connections;

		if (!p->lanes[at].busy) {
			p->turn = at + 1;
			return &p->lanes[at];
		}
	}
	return NULL;
}

/* Sends what is due; ns until there may be more to send, -1: an answer first.
 */
static int64_t
send_due(struct publisher_run *p)
{
	struct lane *lane;
	int64_t now, due;

	for (;;) {
		now = load_now_ns();
		if (all_sent(p, now))
			return -1;
		due = due_ns(p);
		if (due > now)
			return due - now;
		if (window_full(p))
			return PEEK_NS;
		lane = free_lane(p);
		if (lane == NULL)
			return -1;
		if (p->options->rate > 0)
			p->totals.late_ns = MAX(p->totals.late_ns, now - due);
		lane_begin(p, lane);
	}
}

static bool
any_busy(const struct publisher_run *p)
{
	for (uint32_t i = 0; i < p->options->connections; i++)
		if (p->lanes[i].busy)
			return true;
	return false;
}

static void
wait_answers(struct publisher_run *p, int64_t wait_ns)
{
	struct timespec ts = { .tv_sec = wait_ns / NS_PER_S,
		.tv_nsec = wait_ns % NS_PER_S };
	struct pollfd fds[LOAD_LANES_MAX];
	uint32_t n = p->options->connections;

	for (uint32_t i = 0; i < n; i++) {
		const struct lane *lane = &p->lanes[i];

		fds[i] = (struct pollfd){ .fd = lane->busy ? lane->fd : -1,
			.events = lane->written < lane->request.len ?
			    POLLIN | POLLOUT : POLLIN };
	}
	if (ppoll(fds, n, wait_ns < 0 ? NULL : &ts, NULL) <= 0)
		return;
	for (uint32_t i = 0; i < n; i++) {
		if ((fds[i].revents & POLLOUT) != 0)
			lane_write(&p->lanes[i]);
		if ((fds[i].revents & ~POLLOUT) != 0)
			lane_read(p, &p->lanes[i]);
	}
}

/* --- begin and end ------------------------------------------------------ */

static void
lane_open(struct publisher_run *p, struct lane *lane)
{
	struct sockaddr_in there = { .sin_family = AF_INET,
		.sin_port = htons(p->options->port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int on = 1;

	lane->numbers = xcalloc(p->options->streams, sizeof(*lane->numbers));
	for (uint32_t i = 0; i < p->options->streams; i++)
		lane->numbers[i] = p->options->after;
	lane->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (lane->fd < 0 || connect(lane->fd, (struct sockaddr *)&there,
	    sizeof(there)) < 0)
		die("connect");
	(void)setsockopt(lane->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void
load_totals_print(const struct load_totals *t)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_SELF, &usage);
	printf("{\"events\":%" PRIu64 ",\"requests\":%" PRIu64
	    ",\"refused\":%" PRIu64 ",\"seconds\":%.6f,\"late_ms\":%.3f,"
	    "\"cpu_s\":%.3f,", t->events, t->requests, t->refused, t->seconds,
	    (double)t->late_ns / NS_PER_MS,
	    (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	    (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
	load_histogram_print(&t->answers);
	printf("}\n");
}

static void
free_all(struct publisher_run *p)
{
	for (uint32_t i = 0; i < p->options->connections; i++) {
		(void)close(p->lanes[i].fd);
		buf_free(&p->lanes[i].request);
		free(p->lanes[i].numbers);
	}
	load_shared_unmap(p->shared);
	buf_free(&p->body);
	free(p);
}

int
load_publisher_run(const struct load_publisher_options *options)
{
	struct publisher_run *p = xcalloc(1, sizeof(*p));
	struct sigaction end = { .sa_handler = end_cb };
	int64_t wait_ns;
	bool good;

	p->options = options;
	if (options->window > 0 &&
	    (p->shared = load_shared_map(options->shared)) == NULL)
		die(options->shared);
	for (uint32_t i = 0; i < options->connections; i++)
		lane_open(p, &p->lanes[i]);
	(void)sigaction(SIGTERM, &end, NULL);
	/* Else a pause of 100 us takes 50 more. */
	(void)prctl(PR_SET_TIMERSLACK, 1000UL);
	p->begin_ns = load_now_ns();
	for (;;) {
		wait_ns = send_due(p);
		if (wait_ns < 0 && !any_busy(p))
			break;
		wait_answers(p, wait_ns);
	}
	p->totals.seconds = (double)(load_now_ns() - p->begin_ns) /
	    (double)NS_PER_S;
	load_totals_print(&p->totals);
	good = p->totals.refused == 0;
	free_all(p);
	return good ? 0 : 1;
}
