/*
 * conn_row: the layout refuses what is not its own; and from a row, the ring
 * and the number of bytes taken, the next bytes are those that were sent: held
 * against a real stream on a real socket, whose reader is slow, so that frames
 * are taken in parts.
 */
#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/access.h"
#include "gateway/connection.h"
#include "gateway/flight.h"
#include "gateway/flush.h"
#include "gateway/replay.h"
#include "tests/unit/ring_fixture.h"

#define STEPS       4000
#define BACKLOG_MAX (2u * 1024 * 1024)
#define AHEAD_MAX   3000u    /* bytes that a prediction looks ahead */

/* --- what the gateway's main would give ----------------------------------- */

static int64_t now_ms = 1000000;

int64_t
gateway_now_ms(void)
{
	return now_ms;
}

void
gateway_hold_clock(bool hold UNUSED)
{
}

uint32_t
gateway_random(void)
{
	return 7;
}

bool
gateway_is_ready(const struct gateway *g UNUSED, const char **ret_why)
{
	*ret_why = "";
	return true;
}

/* --- the row by itself ---------------------------------------------------- */

static struct ring *
new_ring(size_t bytes)
{
	struct err err = { 0 };
	struct ring *r = ring_new(bytes, &err);

	assert_non_null(r);
	return r;
}

static struct hub_subscription *
subscribe(struct hub *h, const char *key)
{
	struct slice selector = slice_str(key);

	return hub_acquire(h, slice_str("-"), &selector, 1, NULL, 0);
}

static void
test_a_header_of_another_layout_is_refused(void **state UNUSED)
{
	const size_t bytes = sizeof(struct conn_row_header) +
	    100 * sizeof(struct conn_row);
	struct conn_row_header h, other;

	conn_row_header_init(&h, 100, 7);
	assert_true(conn_row_header_good(&h, bytes));
	other = h;
	other.version++;
	assert_false(conn_row_header_good(&other, bytes));
	other = h;
	other.row_size += 8;
	assert_false(conn_row_header_good(&other, bytes));
	other = h;
	other.magic ^= 1;
	assert_false(conn_row_header_good(&other, bytes));
	/* More rows than the table has room for. */
	assert_false(conn_row_header_good(&h, bytes - 1));
	assert_false(conn_row_header_good(&h, 0));
	other = h;
	other.rows = UINT32_MAX;
	assert_false(conn_row_header_good(&other, bytes));
}

static void
test_a_control_frame_goes_on_at_each_of_its_bytes(void **state UNUSED)
{
	static const struct sse_control frames[] = {
		{ .kind = SSE_HEARTBEAT, .id = { EPOCH, 2 },
		    .tip = { EPOCH, 2 }, .ts_unix_ms = 1700000000123, .n = 9 },
		{ .kind = SSE_HEARTBEAT_COMMENT, .id = { EPOCH, 2 } },
		{ .kind = SSE_OPEN, .tip = { EPOCH, 2 }, .oldest = { EPOCH, 1 },
		    .n = 0x700000001, .heartbeat_ms = 15000,
		    .idle_timeout_ms = 365LL * 86400 * 1000, .retry_ms = 3210 },
		{ .kind = SSE_GAP, .reason = SSE_EVICTED,
		    .oldest = { EPOCH, 1 }, .tip = { EPOCH, 2 } },
		{ .kind = SSE_CLOSING, .reason = SSE_IDLE_TIMEOUT,
		    .id = { EPOCH, 2 }, .tip = { EPOCH, 2 }, .retry_ms = 99 },
		{ .kind = SSE_RETRY, .retry_ms = 1234 },
		{ .kind = SSE_ERROR },
		{ .kind = SSE_TOO_LARGE, .n = 64 },
	};
	struct ring *r = new_ring(RING_BYTES_MIN);
	struct hub *h = hub_new(r);
	struct hub_subscription *s = subscribe(h, "job:a");
	struct conn_row row = { .subscription = 0 };
	struct position cursor;
	struct buf want = BUF_EMPTY, rest = BUF_EMPTY;
	size_t i, off;

	put(r, h, EPOCH, 1, "job:a", "x.n");
	put(r, h, EPOCH, 2, "job:a", "x.n");
	conn_row_begin(&row, 5);
	conn_row_subscribe(&row, s->id + 1);
	for (i = 0; i < NELEM(frames); i++) {
		buf_reset(&want);
		assert_int_equal(sse_control(&want, &frames[i],
		    slice_str("[\"job:a\"]")), 0);
		conn_row_control(&row, (struct position){ EPOCH, 2 }, 1000,
		    &frames[i], true);
		for (off = 0; off <= want.len; off++) {
			buf_reset(&rest);
			assert_true(conn_row_resume(&row, 1000 + off, h, r,
			    &cursor, &rest));
			assert_int_equal(cursor.number, 2);
			assert_int_equal(rest.len, want.len - off);
			assert_memory_equal(rest.data, want.data + off,
			    rest.len);
		}
		assert_false(conn_row_resume(&row, 999, h, r, &cursor, &rest));
		assert_false(conn_row_resume(&row, 1000 + off, h, r, &cursor,
		    &rest));
	}
	buf_free(&want);
	buf_free(&rest);
	(void)hub_release(h, s);
	hub_free(h);
	ring_free(r);
}

static void
test_what_cannot_be_known_is_refused(void **state UNUSED)
{
	struct ring *r = new_ring(RING_BYTES_MIN);
	struct hub *h = hub_new(r);
	struct hub_subscription *s = subscribe(h, "job:a");
	struct conn_row row = { .subscription = 0 };
	struct position base = { EPOCH, 1 }, cursor;
	struct buf rest = BUF_EMPTY;
	uint64_t position;

	put(r, h, EPOCH, 1, "job:a", "x.n");
	conn_row_begin(&row, 5);
	conn_row_subscribe(&row, s->id + 1);
	conn_row_anchor(&row, base, 10);
	assert_int_equal(row.generation % 2, 0);
	assert_true(conn_row_resume(&row, 10, h, r, &cursor, &rest));
	assert_int_equal(rest.len, 0);
	/* More than there is. */
	assert_false(conn_row_resume(&row, 11, h, r, &cursor, &rest));
	/* Its writer was killed while it wrote. */
	row.generation++;
	assert_false(conn_row_resume(&row, 10, h, r, &cursor, &rest));
	row.generation++;
	/* Something else is being sent. */
	conn_row_adrift(&row);
	assert_false(conn_row_resume(&row, 10, h, r, &cursor, &rest));
	/* No such subscription, and none at all. */
	conn_row_anchor(&row, base, 10);
	row.subscription += 1000;
	assert_false(conn_row_resume(&row, 10, h, r, &cursor, &rest));
	conn_row_subscribe(&row, 0);
	assert_false(conn_row_resume(&row, 10, h, r, &cursor, &rest));
	/* What follows has left the ring. */
	conn_row_subscribe(&row, s->id + 1);
	conn_row_anchor(&row, base, 10);
	for (position = 2; ring_oldest(r) <= 3; position++)
		put(r, h, EPOCH, position, "job:a", "x.n");
	assert_false(conn_row_resume(&row, 10, h, r, &cursor, &rest));
	/* Another epoch. */
	conn_row_anchor(&row, (struct position){ EPOCH - 1, position - 1 },
	    10);
	assert_false(conn_row_resume(&row, 10, h, r, &cursor, &rest));
	buf_free(&rest);
	(void)hub_release(h, s);
	hub_free(h);
	ring_free(r);
}

/* --- a real stream -------------------------------------------------------- */

struct bed {
	struct role	 role;
	struct gateway	 g;
	int		 client;
	struct buf	 got;       /* all that the client read */
	uint64_t	 position;
	struct conn	*conn;
};

/* What the client must read from `at` on. */
struct prediction {
	uint64_t	at;
	struct buf	bytes;
};

static struct prediction predictions[2 * STEPS];
static size_t n_predictions;

static void
find_conn(struct conn *c, void *arg)
{
	struct bed *b = arg;

	b->conn = c;
}

/* Until the loop has nothing to do at once. */
static void
turn(struct bed *b)
{
	(void)event_base_loop(b->role.base, EVLOOP_NONBLOCK);
	(void)event_base_loop(b->role.base, EVLOOP_NONBLOCK);
}

static void
open_bed(struct bed *b)
{
	/* Of streams that never end: no broker is there to be asked. */
	static const char request[] = "GET /api/v1/streams?stream=alerts:a"
	    "&stream=alerts:more/*&snapshot=0&last_event_id=now HTTP/1.1\r\n"
	    "Host: localhost\r\n\r\n";
	struct sockaddr_in sa = { .sin_family = AF_INET,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(sa);
	struct err err = { 0 };
	int listener, size = 4096;

	conf_init(&b->role.conf);
	b->role.incarnation = 3;
	b->role.base = event_base_new();
	b->g = (struct gateway){ .magic = GATEWAY_MAGIC, .role = &b->role,
	    .ring = new_ring(8u * 1024 * 1024), .beats = 1 };
	b->g.hub = hub_new(b->g.ring);
	b->g.flush = flush_new(&b->g);
	b->g.flights = xcalloc(1, sizeof(*b->g.flights));
	b->g.access = access_new(&b->g, &err);
	b->g.connections = connections_new(&b->g, &err);
	assert_non_null(b->g.connections);
	b->g.replay = replay_new(&b->g);
	put(b->g.ring, b->g.hub, EPOCH, ++b->position, "alerts:a", "x.n");
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&sa, n), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&sa, &n), 0);
	connections_listen(b->g.connections, 0, listener);
	b->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	(void)setsockopt(b->client, SOL_SOCKET, SO_RCVBUF, &size,
	    sizeof(size));
	assert_int_equal(connect(b->client, (struct sockaddr *)&sa, n), 0);
	assert_int_equal(write(b->client, request, sizeof(request) - 1),
	    sizeof(request) - 1);
	while (b->conn == NULL || b->conn->state != CONN_STREAM) {
		turn(b);
		connections_each(b->g.connections, find_conn, b);
	}
}

static void
close_bed(struct bed *b)
{
	size_t i;

	connections_free(b->g.connections);
	access_free(b->g.access);
	replay_free(b->g.replay);
	flush_free(b->g.flush);
	free(b->g.flights);
	hub_free(b->g.hub);
	ring_free(b->g.ring);
	event_base_free(b->role.base);
	conf_free(&b->role.conf);
	(void)close(b->client);
	buf_free(&b->got);
	for (i = 0; i < n_predictions; i++)
		buf_free(&predictions[i].bytes);
}

static void
take(struct bed *b, size_t max)
{
	ssize_t n;

	while (max > 0) {
		n = recv(b->client, buf_reserve(&b->got, 4096),
		    MIN(max, 4096), MSG_DONTWAIT);
		if (n <= 0)
			return;
		buf_grew(&b->got, (size_t)n);
		max -= (size_t)n;
	}
}

/* One event, mostly of a stream that is wanted, of up to 3,000 bytes. */
static void
publish(struct bed *b)
{
	static const char *const keys[] = {
		"alerts:a", "alerts:more/b", "job:other"
	};
	const char *key = keys[random() % 3];
	char frame[3200];
	struct item item;
	struct record_header header = { .epoch = EPOCH,
	    .first = ++b->position, .count = 1,
	    .publisher = slice_str("test/1"), .incarnation = 1,
	    .batch = b->position };
	struct err err = { 0 };
	struct buf record = BUF_EMPTY;

	(void)snprintf(frame, sizeof(frame), "\"stream_key\":\"%s\",\"data\":"
	    "{\"p\":%" PRIu64 ",\"pad\":\"%0*d\"}}", key, b->position,
	    (int)(random() % 3000), 0);
	item = make_item(key, "x.n", frame, b->position, b->position);
	record_begin(&record, &header, NULL);
	record_item(&record, &item);
	record_end(&record);
	assert_int_equal(ring_input(b->g.ring, record.data, record.len,
	    dispatch_cb, b->g.hub, &err), 0);
	buf_free(&record);
	flush_after_input(b->g.flush);
}

/* From this row, which may be older than `sent`. */
static bool
predict(struct bed *b, const struct conn_row *row, uint64_t sent)
{
	struct prediction *p = &predictions[n_predictions];
	struct position cursor;
	struct ring_frame f;
	uint64_t next;

	*p = (struct prediction){ .at = sent };
	if (!conn_row_resume(row, sent, b->g.hub, b->g.ring, &cursor,
	    &p->bytes)) {
		assert_int_equal(p->bytes.len, 0);
		return false;
	}
	for (next = cursor.number; p->bytes.len < AHEAD_MAX;) {
		next = hub_next(b->g.hub, b->conn->stream.sub, next);
		if (next == 0 || !ring_get(b->g.ring, next, &f))
			break;
		buf_add(&p->bytes, f.chunk, f.n);
	}
	n_predictions++;
	return true;
}

/* Until all that there is was sent and taken: a flush may hold news back for
 * some ms. */
static void
drain(struct bed *b)
{
	while (hub_next(b->g.hub, b->conn->stream.sub,
	    b->conn->stream.cursor.number) != 0 ||
	    b->got.len < b->conn->bytes || b->conn->out.len > 0) {
		take(b, SIZE_MAX);
		turn(b);
	}
}

static void
step(struct bed *b)
{
	int n = (int)(random() % 16);

	/* So that nothing that is wanted leaves the ring. */
	if (b->position * 1600 < b->got.len + BACKLOG_MAX)
		while (n-- > 0)
			publish(b);
	turn(b);
	take(b, (size_t)(random() % 12000));
	/* Heartbeats come where nothing is to be sent. */
	if (random() % 100 == 0) {
		drain(b);
		now_ms += 16000;
		stream_tick(b->conn, now_ms);
	}
}

static void
test_the_next_bytes_are_those_that_are_sent(void **state UNUSED)
{
	struct bed b = { .conn = NULL };
	struct conn_row before;
	uint64_t heartbeats;
	size_t i, good = 0, late = 0, inside = 0;

	srandom(20261122);
	open_bed(&b);
	for (i = 0; i < STEPS; i++) {
		before = *b.conn->row;
		heartbeats = b.g.metrics.heartbeats;
		step(&b);
		assert_int_equal(b.conn->state, CONN_STREAM);
		/* By the row as it is, and as it would be if the process had
		 * been killed before it moved the base; a heartbeat moves it
		 * before the first of its bytes goes. */
		if (predict(&b, b.conn->row, b.conn->bytes))
			good++;
		if (b.g.metrics.heartbeats == heartbeats &&
		    predict(&b, &before, b.conn->bytes))
			late++;
		if (b.conn->out.len > b.conn->out_off)
			inside++;
	}
	drain(&b);
	for (i = 0; i < n_predictions; i++) {
		assert_true(predictions[i].at + predictions[i].bytes.len <=
		    b.got.len);
		assert_memory_equal(b.got.data + predictions[i].at,
		    predictions[i].bytes.data, predictions[i].bytes.len);
	}
	/* All were known, and many stood inside of a frame. */
	assert_int_equal(good, STEPS);
	assert_true(late > STEPS / 2);
	assert_true(inside > STEPS / 100);
	close_bed(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_header_of_another_layout_is_refused),
		cmocka_unit_test(test_a_control_frame_goes_on_at_each_of_its_bytes),
		cmocka_unit_test(test_what_cannot_be_known_is_refused),
		cmocka_unit_test(test_the_next_bytes_are_those_that_are_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
