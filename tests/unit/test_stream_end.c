/*
 * stream_end: which ends a client with several streams is told of, whatever
 * comes between a question and its answer. The broker, the client's socket and
 * the clock are made up here.
 */
#include "gateway/stream_end.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "gateway/hub.h"
#include "gateway/open_logs.h"
#include "gateway/stream_private.h"

#define TIP       100u
#define HEARTBEAT 5000

static struct gateway gateway = { .magic = GATEWAY_MAGIC };
static struct conn client;
static struct buf told;           /* "job:a@9 " for each stream.end */
static int64_t now_ms;
static bool busy;
/* The question that is under way. */
static query_last_cb asked_cb;
static uint64_t ticket, tickets;
static struct buf asked;          /* its keys: "job:a job:b " */

/* --- what stream_end calls ------------------------------------------------ */

int64_t
gateway_now_ms(void)
{
	return now_ms;
}

uint64_t
query_last(struct query_client *c UNUSED, struct slice tenant UNUSED,
    const struct slice *selectors, size_t n, int64_t deadline_ms UNUSED,
    query_last_cb cb, void *arg)
{
	assert_ptr_equal(arg, &client);
	assert_int_equal(ticket, 0);   /* one at a time */
	buf_reset(&asked);
	for (size_t i = 0; i < n; i++)
		buf_addf(&asked, "%.*s ", (int)selectors[i].n,
		    selectors[i].p);
	asked_cb = cb;
	ticket = ++tickets;
	return ticket;
}

bool
query_is_busy(const struct query_client *c UNUSED)
{
	return busy;
}

void
stream_lookback_cancel(struct conn *c)
{
	ticket = c->stream.lookback = 0;
}

void
stream_control(struct conn *c UNUSED, const struct sse_control *control,
    struct slice key)
{
	assert_int_equal(control->kind, SSE_END);
	buf_addf(&told, "%.*s@%d-%d ", (int)key.n, key.p,
	    (int)control->tip.epoch, (int)control->tip.number);
}

int
stream_flush(struct conn *c UNUSED)
{
	return 1;
}

void
conn_finish(struct conn *c UNUSED, enum metrics_close cause UNUSED)
{
	fail();
}

/* --- the client ----------------------------------------------------------- */

/* Live, at that position, with these streams. */
static void
join(uint64_t at, size_t n, const char *const keys[])
{
	struct slice selectors[HUB_SELECTORS_MAX];

	for (size_t i = 0; i < n; i++)
		selectors[i] = slice_str(keys[i]);
	client = (struct conn){ .magic = CONN_MAGIC, .state = CONN_STREAM,
	    .gateway = &gateway, .progress_ms = now_ms };
	client.stream.phase = STREAM_LIVE;
	client.stream.heartbeat_ms = HEARTBEAT;
	client.stream.cursor = (struct position){ 1, at };
	client.stream.sub = hub_acquire(gateway.hub, slice_str("-"),
	    selectors, n, NULL, 0);
}

/* Which stands behind the tip. */
static void
answer(uint64_t last, const struct query_stream *streams, size_t n)
{
	struct query_last word = { .as_of = { 1, TIP }, .last = last, .n = n };
	query_last_cb cb = asked_cb;

	assert_int_not_equal(ticket, 0);
	memcpy(word.streams, streams, n * sizeof(*streams));
	for (size_t i = 0; i < n; i++)
		word.ended = MAX(word.ended, streams[i].last.number);
	ticket = 0;
	cb(&word, NULL, &client);
}

static const char *
text(struct buf *b)
{
	return buf_cstr(b);
}

static int
setup(void **state UNUSED)
{
	struct err err;

	gateway.ring = ring_new(RING_BYTES_MIN, &err);
	assert_non_null(gateway.ring);
	ring_advance(gateway.ring, (struct position){ 1, TIP });
	gateway.hub = hub_new(gateway.ring);
	gateway.open_logs = open_logs_new();
	now_ms = 1000;
	busy = false;
	ticket = tickets = 0;
	return 0;
}

static int
teardown(void **state UNUSED)
{
	stream_end_forget(&client);
	hub_release(gateway.hub, client.stream.sub);
	hub_free(gateway.hub);
	ring_free(gateway.ring);
	open_logs_free(gateway.open_logs);
	buf_free(&told);
	buf_free(&asked);
	return 0;
}

/* --- tests ---------------------------------------------------------------- */

static const char *const two[] = { "job:a", "job:b" };
/* Of the epoch before. */
static const struct query_stream ended = { QUERY_ENDED, 3, { 5, 90 }, 0 };
static const struct query_stream on = { QUERY_GOES_ON, 0, { 1, 95 }, 0 };

static void
test_all_that_is_owed_is_asked_at_once_and_what_ended_is_told(
    void **state UNUSED)
{
	static const char *const keys[] = { "job:a", "job:*", "job:b",
		"job:c" };
	const struct query_stream open = { QUERY_LOG_OPEN, 3, { 1, 80 },
		99999 };
	const struct query_stream words[] = { ended, open, on };

	join(TIP, NELEM(keys), keys);
	stream_end_owe(&client, UINT64_MAX);
	assert_true(client.stream.ask_end);
	(void)stream_end_settle(&client);
	assert_string_equal(text(&asked), "job:a job:b job:c ");
	answer(95, words, 3);
	assert_string_equal(text(&told), "job:a@5-90 ");
	assert_int_equal(client.stream.owed, 0);
	assert_false(client.stream.over);
}

static void
test_the_end_of_the_only_one_names_its_last_event_as_it_was(
    void **state UNUSED)
{
	join(TIP, 1, two);
	stream_end_ask(&client);
	answer(90, &ended, 1);
	assert_string_equal(text(&told), "job:a@5-90 ");
	assert_true(client.stream.over);
}

static void
test_an_answer_about_one_stream_is_never_told_of_another(void **state UNUSED)
{
	join(TIP, 2, two);
	stream_end_owe(&client, 1);
	(void)stream_end_settle(&client);
	assert_string_equal(text(&asked), "job:a ");
	/* What the broker is asked about ends live, with more to be sent: the
	 * question is given up, and none is under way. */
	client.stream.cursor.number = TIP - 1;
	client.stream.sub->lost_through = TIP;
	stream_ended(&client, slice_str("job:a"), 3,
	    (struct position){ 1, 90 });
	assert_int_equal(ticket, 0);
	assert_int_equal(client.stream.lookback, 0);
	assert_true(client.stream.ask_end);
	client.stream.cursor.number = TIP;
	(void)stream_end_settle(&client);
	/* Whether all have ended, and so nothing of job:b alone. */
	assert_string_equal(text(&asked), "job:a job:b ");
	assert_string_equal(text(&told), "job:a@1-90 ");
}

static void
test_what_is_owed_later_takes_the_place_of_what_was_asked(void **state UNUSED)
{
	const struct query_stream both[] = { ended, ended };

	join(TIP, 2, two);
	stream_end_ask(&client);
	assert_string_equal(text(&asked), "job:a job:b ");
	stream_end_owe(&client, 2);
	assert_int_equal(ticket, 0);
	(void)stream_end_settle(&client);
	assert_string_equal(text(&asked), "job:b ");
	answer(90, &ended, 1);
	assert_string_equal(text(&told), "job:b@5-90 ");
	/* Then whether they all have. */
	assert_string_equal(text(&asked), "job:a job:b ");
	answer(90, both, 2);
	assert_true(client.stream.over);
	assert_string_equal(text(&told), "job:b@5-90 ");
}

static void
test_what_the_broker_knows_and_this_gateway_does_not_waits(void **state UNUSED)
{
	join(TIP, 2, two);
	stream_end_owe(&client, 1);
	(void)stream_end_settle(&client);
	answer(TIP + 1, &ended, 1);
	assert_int_equal(told.len, 0);
	assert_int_equal(client.stream.owed, 1);
	(void)stream_end_settle(&client);
	assert_int_not_equal(ticket, 0);
}

static void
test_after_busy_or_no_answer_none_is_asked_before_the_heartbeat(
    void **state UNUSED)
{
	struct err err = { 0 };

	busy = true;
	join(TIP, 2, two);
	stream_end_owe(&client, UINT64_MAX);
	(void)stream_end_settle(&client);
	busy = false;
	for (int round = 1; round <= 2; round++) {
		assert_int_equal(ticket, 0);
		now_ms += HEARTBEAT - 1;
		(void)stream_end_settle(&client);
		assert_int_equal(ticket, 0);
		now_ms++;
		(void)stream_end_settle(&client);
		assert_int_equal(ticket, round);
		client.progress_ms = now_ms;
		ticket = 0;
		asked_cb(NULL, &err, &client);
		assert_true(client.stream.ask_end);
	}
}

static void
test_a_log_that_is_open_is_not_over_until_it_is_closed(void **state UNUSED)
{
	static const char *const one[] = { "job:a" };

	join(TIP, 1, one);
	open_logs_add(gateway.open_logs, slice_str("-"), slice_str("job:a"),
	    3, (struct position){ 1, 90 }, 99999);
	stream_end_ask(&client);
	answer(90, &ended, 1);
	assert_int_equal(told.len, 0);
	stream_end_by_grace(&client, slice_str("job:a"), 3,
	    (struct position){ 1, 90 });
	assert_string_equal(text(&told), "job:a@1-90 ");
	assert_true(client.stream.over);
}

static void
test_of_several_none_is_over_while_the_snapshot_is_to_come(void **state UNUSED)
{
	join(TIP, 2, two);
	client.stream.phase = STREAM_BLIND;
	/* The other may have ended before it came. */
	stream_ended(&client, slice_str(two[0]), 3,
	    (struct position){ 1, TIP });
	assert_false(stream_end_settle(&client));
	assert_int_equal(ticket, 0);
	assert_int_equal(told.len, 0);
	client.stream.phase = STREAM_LIVE;
	(void)stream_end_settle(&client);
	assert_int_not_equal(ticket, 0);
	assert_string_equal(text(&told), "job:a@1-100 ");
	(void)stream_end_settle(&client);
	assert_string_equal(text(&told), "job:a@1-100 ");
	/* Of the only one its end is told wherever it stands. */
	join(TIP, 1, two);
	client.stream.phase = STREAM_BLIND;
	stream_end_ask(&client);
	answer(90, &ended, 1);
	assert_true(client.stream.over);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_all_that_is_owed_is_asked_at_once_and_what_ended_is_told),
		TEST(test_the_end_of_the_only_one_names_its_last_event_as_it_was),
		TEST(test_an_answer_about_one_stream_is_never_told_of_another),
		TEST(test_what_is_owed_later_takes_the_place_of_what_was_asked),
		TEST(test_what_the_broker_knows_and_this_gateway_does_not_waits),
		TEST(test_after_busy_or_no_answer_none_is_asked_before_the_heartbeat),
		TEST(test_a_log_that_is_open_is_not_over_until_it_is_closed),
		TEST(
		    test_of_several_none_is_over_while_the_snapshot_is_to_come),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
