/*
 * snapshot: who is given an answer, and what is left when clients go while
 * they are given it. The streams, the store's client and the clock are made
 * up here.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/xmalloc.h"
#include "gateway/connection.h"
#include "gateway/open_logs.h"
#include "gateway/snapshot.h"
#include "gateway/stream_kind.h"
#include "tests/unit/ring_fixture.h"

#define CLIENTS 3u

static struct conn clients[CLIENTS];
static struct gateway gateway = { .magic = GATEWAY_MAGIC };
static query_snapshot_cb asked_cb;
static void *asked_arg;
static unsigned int asked, given, refused, cancelled;
static int64_t now_ms;
static bool leave;

/* --- what snapshot calls -------------------------------------------------- */

int64_t
gateway_now_ms(void)
{
	return now_ms;
}

struct conn *
connections_get(struct connections *cs UNUSED, uint32_t id)
{
	return &clients[id];
}

bool
stream_wants_snapshot(const struct conn *c)
{
	return c->state == CONN_STREAM;
}

/* As a connection does that the peer has reset. */
static void
go(struct conn *c)
{
	c->state = CONN_FREE;
	if (c->stream.sub->clients == 1)
		snapshot_forget(&gateway, c->stream.sub);
	(void)hub_release(gateway.hub, c->stream.sub);
}

void
stream_take_snapshot(struct conn *c, struct snapshot *s UNUSED,
    const struct query_snapshot *answer UNUSED)
{
	given++;
	if (leave)
		go(c);
}

void
stream_refuse_snapshot(struct conn *c)
{
	refused++;
	if (leave)
		go(c);
}

uint64_t
query_snapshot(struct query_client *c UNUSED, struct slice tenant UNUSED,
    const struct slice *selectors UNUSED, size_t n UNUSED,
    struct position wait_for UNUSED, int64_t deadline_ms UNUSED,
    query_snapshot_cb cb, void *arg)
{
	asked_cb = cb;
	asked_arg = arg;
	return ++asked;
}

void
query_cancel(struct query_client *c UNUSED, uint64_t ticket UNUSED)
{
	cancelled++;
}

/* --- tests ---------------------------------------------------------------- */

static int
setup(void **state UNUSED)
{
	struct slice key = slice_str("job:a");
	struct position at = { 1, 8 };
	struct err err;
	uint32_t i;

	gateway.ring = ring_new(RING_BYTES_MIN, &err);
	assert_non_null(gateway.ring);
	ring_advance(gateway.ring, at);
	gateway.hub = hub_new(gateway.ring);
	for (i = 0; i < CLIENTS; i++) {
		clients[i] = (struct conn){ .magic = CONN_MAGIC, .id = i,
		    .state = CONN_STREAM, .gateway = &gateway };
		clients[i].stream.sub = hub_acquire(gateway.hub,
		    slice_str("-"), &key, 1, NULL, 0);
		clients[i].stream.next = i + 1 < CLIENTS ? i + 1 : CONN_NONE;
	}
	clients[0].stream.sub->first_client = 0;
	asked = given = refused = cancelled = 0;
	gateway.metrics.snapshot_questions = 0;
	gateway.metrics.snapshot_failures = 0;
	now_ms = 1000;
	leave = false;
	return 0;
}

static int
teardown(void **state UNUSED)
{
	uint32_t i;

	for (i = 0; i < CLIENTS; i++)
		if (clients[i].state != CONN_FREE)
			go(&clients[i]);
	assert_int_equal(hub_count(gateway.hub), 0);
	hub_free(gateway.hub);
	ring_free(gateway.ring);
	return 0;
}

static void
answer(void)
{
	struct query_snapshot empty = { .as_of = { 1, 8 }, .complete = true };

	asked_cb(&empty, NULL, asked_arg);
}

static void
answer_error(int code)
{
	struct err err;

	(void)err_set(&err, "made up");
	err.code = code;
	asked_cb(NULL, &err, asked_arg);
}

static void
test_one_answer_serves_all_who_wait(void **state UNUSED)
{
	uint32_t i;

	for (i = 0; i < CLIENTS; i++)
		snapshot_want(&gateway, &clients[i], (struct position){ 0, 0 });
	assert_int_equal(asked, 1);
	answer();
	assert_int_equal(given, CLIENTS);
}

static void
want_after(int64_t ms)
{
	now_ms += ms;
	snapshot_want(&gateway, &clients[0], (struct position){ 0, 0 });
}

static void
test_an_answer_serves_later_joiners_while_nothing_came_after_it(
    void **state UNUSED)
{
	want_after(0);
	answer();
	want_after(SNAPSHOT_FRESH_MS + 1);
	want_after(SNAPSHOT_SAME_MS - SNAPSHOT_FRESH_MS - 1);
	assert_int_equal(given, CLIENTS + 2);
	assert_int_equal(asked, 1);
	want_after(1);
	assert_int_equal(asked, 2);
	assert_int_equal(gateway.metrics.snapshot_questions, 2);
}

static void
test_an_answer_is_asked_for_again_when_anything_came_after_it(
    void **state UNUSED)
{
	want_after(0);
	answer();
	ring_clear(gateway.ring, (struct position){ 1, 10 });
	want_after(SNAPSHOT_FRESH_MS);
	assert_int_equal(asked, 1);
	want_after(1);
	assert_int_equal(asked, 2);
}

static void
test_all_clients_may_go_while_they_are_given_it(void **state UNUSED)
{
	snapshot_want(&gateway, &clients[0], (struct position){ 0, 0 });
	leave = true;
	answer();
	assert_int_equal(given, CLIENTS);
	assert_int_equal(hub_count(gateway.hub), 0);
}

static void
test_a_question_is_taken_back_with_the_last_client(void **state UNUSED)
{
	uint32_t i;

	snapshot_want(&gateway, &clients[1], (struct position){ 0, 0 });
	for (i = 0; i < CLIENTS; i++)
		go(&clients[i]);
	assert_int_equal(cancelled, 1);
}

static void
test_questions_in_vain_come_ever_more_slowly(void **state UNUSED)
{
	static const int64_t waits[] = { 250, 500, 1000, 2000, 4000, 5000,
		5000 };
	struct hub_subscription *sub = clients[0].stream.sub;
	unsigned int i;

	for (i = 0; i < NELEM(waits); i++) {
		snapshot_want(&gateway, &clients[0], (struct position){ 0, 0 });
		assert_int_equal(asked, i + 1);
		answer_error(ETIMEDOUT);
		assert_int_equal(snapshot_again_ms(sub), waits[i]);
		now_ms += waits[i] - 1;
		snapshot_want(&gateway, &clients[1], (struct position){ 0, 0 });
		assert_int_equal(asked, i + 1);
		now_ms++;
	}
	assert_int_equal(refused, 0);
	snapshot_want(&gateway, &clients[0], (struct position){ 0, 0 });
	answer();
	assert_int_equal(given, CLIENTS);
	assert_int_equal(snapshot_again_ms(sub), SNAPSHOT_AGAIN_MS);
}

static void
test_a_snapshot_over_the_limit_is_never_asked_for_again(void **state UNUSED)
{
	snapshot_want(&gateway, &clients[0], (struct position){ 0, 0 });
	answer_error(EMSGSIZE);
	assert_int_equal(refused, CLIENTS);
	now_ms += 3600000;
	snapshot_want(&gateway, &clients[1], (struct position){ 0, 0 });
	assert_int_equal(refused, CLIENTS + 1);
	assert_int_equal(asked, 1);
	assert_int_equal(given, 0);
}

static void
test_all_clients_may_go_when_it_is_refused(void **state UNUSED)
{
	snapshot_want(&gateway, &clients[0], (struct position){ 0, 0 });
	leave = true;
	answer_error(EMSGSIZE);
	assert_int_equal(refused, CLIENTS);
	assert_int_equal(hub_count(gateway.hub), 0);
}

/* --- ends ----------------------------------------------------------------- */

static void
add_item(struct buf *b, const char *key, const char *type, uint64_t position,
    uint8_t flags, uint8_t final)
{
	struct item item = {
		.flags = flags,
		.state = final,
		.seq = position,
		.position = { 1, position },
		.tenant = slice_str("-"),
		.key = slice_str(key),
		.event_type = slice_str(type),
		.frame = slice_str("\"data\":{}}"),
		.data_off = 7,
	};

	item_encode(b, &item, true);
}

static uint64_t last_line;   /* of job:b's log; 0: none */
static struct open_logs *put_off;

/* What a client of these selectors and types gets of job:a (ended at 3),
 * job:b (at 4, with its log open) and job:c (goes on), as the names of the
 * frames; `after` 0: of all. */
static void
expect_frames(const char *one, const char *two, const char *type,
    uint64_t after, const char *wanted, bool over)
{
	const uint8_t end = ITEM_LIFECYCLE | ITEM_TERMINAL;
	const uint8_t open = LIFECYCLE_FAILED | LIFECYCLE_LOGS_OPEN;
	struct slice selectors[] = { slice_str(one), slice_str(two) };
	struct slice types[] = { slice_str(type) };
	struct position from = { after > 0, after }, to = { 1, 8 };
	struct query_snapshot q = { .as_of = { 1, 8 }, .complete = true };
	struct buf items = BUF_EMPTY, names = BUF_EMPTY;
	struct hub_subscription *sub;
	struct snapshot *s;
	char *at;

	sub = hub_acquire(gateway.hub, slice_str("-"), selectors, 2, types,
	    *type != '\0');
	for (size_t i = 0; i < 2; i++) {
		if (slice_is(selectors[i], "job:a")) {
			add_item(&items, "job:a", "job.state_changed", 3, end,
			    LIFECYCLE_SUCCEEDED);
			add_item(&items, "job:a", "job.log", 2, 0, 0);
			q.count += 2;
		} else if (slice_is(selectors[i], "job:b")) {
			add_item(&items, "job:b", "job.state_changed", 4, end,
			    open);
			q.count++;
			if (last_line > 0)
				add_item(&items, "job:b", "job.log",
				    last_line, ITEM_LAST, 0);
			q.count += last_line > 0;
		} else {
			add_item(&items, "job:c", "job.state_changed", 5,
			    ITEM_LIFECYCLE, 0);
			q.count++;
		}
	}
	q.items = rd_init(items.data, items.len);
	s = snapshot_encode(&q, sub, &gateway, put_off, from, to);
	buf_addc(&s->frames, '\0');
	for (at = (char *)s->frames.data; (at = strstr(at, "event: ")) != NULL;
	    at += 7)
		buf_addc(&names, strncmp(at + 7, "snap", 4) == 0 ? 's' : 'e');
	assert_string_equal(buf_cstr(&names), wanted);
	assert_int_equal(s->over, over);
	snapshot_unref(s);
	(void)hub_release(gateway.hub, sub);
	buf_free(&items);
	buf_free(&names);
}

static void
test_a_named_stream_that_has_ended_is_told_behind_the_set(void **state UNUSED)
{
	gateway.open_logs = open_logs_new();
	expect_frames("job:a", "job:b", "", 0, "sssee", true);
	expect_frames("job:a", "job:c", "", 0, "ssse", false);
	expect_frames("job:a", "job:b", "job.log", 0, "see", true);
	expect_frames("job:a", "job:b", "x.y", 0, "ee", true);
	/* What is under a prefix shows its state only. */
	expect_frames("job:*", "job:a", "", 0, "ssse", false);
	/* Its last event was told live, and its end is to be, or is not. */
	put_off = open_logs_new();
	open_logs_add(put_off, slice_str("-"), slice_str("job:b"),
	    LIFECYCLE_FAILED, (struct position){ 1, 4 }, 4);
	expect_frames("job:a", "job:b", "", 3, "sse", true);
	open_logs_free(put_off);
	put_off = NULL;
	expect_frames("job:a", "job:b", "", 3, "ssee", true);
	/* What stands behind the set may have closed its log: who is told of
	 * the end here would get that after it. */
	put(gateway.ring, NULL, 1, 9, "job:b", "job.log");
	expect_frames("job:a", "job:b", "", 0, "ssse", false);
	expect_frames("job:a", "job:c", "", 0, "ssse", false);
	ring_clear(gateway.ring, (struct position){ 1, 10 });
	expect_frames("job:a", "job:b", "", 0, "ssse", false);
	/* Or this gateway has not heard of it. */
	ring_clear(gateway.ring, (struct position){ 1, 4 });
	expect_frames("job:a", "job:b", "", 0, "ssse", false);
	ring_clear(gateway.ring, (struct position){ 1, 9 });
	expect_frames("job:a", "job:b", "", 0, "sssee", true);
	/* Its log may yet go on. */
	open_logs_add(gateway.open_logs, slice_str("-"), slice_str("job:b"),
	    LIFECYCLE_FAILED, (struct position){ 1, 4 }, 5);
	expect_frames("job:a", "job:b", "", 0, "ssse", false);
	/* A last line closes it when it is not from before the end. */
	last_line = 3;
	expect_frames("job:a", "job:b", "", 0, "sssse", false);
	last_line = 5;
	expect_frames("job:a", "job:b", "", 0, "ssssee", true);
	last_line = 0;
	open_logs_free(gateway.open_logs);
}

/* Then none is better than a part of it that looks like the whole. */
static void
test_an_answer_that_cannot_be_read_is_asked_for_again(void **state UNUSED)
{
	struct query_snapshot q = { .as_of = { 1, 8 }, .complete = true,
		.count = 2 };
	struct buf items = BUF_EMPTY;

	gateway.open_logs = open_logs_new();
	add_item(&items, "job:a", "job.state_changed", 3, ITEM_LIFECYCLE, 0);
	add_item(&items, "job:b", "job.state_changed", 4, ITEM_LIFECYCLE, 0);
	q.items = rd_init(items.data, items.len - 1);
	snapshot_want(&gateway, &clients[0], (struct position){ 1, 8 });
	asked_cb(&q, NULL, asked_arg);
	assert_int_equal(given, 0);
	assert_int_equal(refused, 0);
	assert_int_equal(gateway.metrics.snapshot_failures, 1);
	snapshot_want(&gateway, &clients[0], (struct position){ 1, 8 });
	assert_int_equal(asked, 1);
	now_ms += SNAPSHOT_AGAIN_MAX_MS;
	snapshot_want(&gateway, &clients[0], (struct position){ 1, 8 });
	assert_int_equal(asked, 2);
	q.items = rd_init(items.data, items.len);
	asked_cb(&q, NULL, asked_arg);
	assert_int_equal(given, CLIENTS);
	open_logs_free(gateway.open_logs);
	buf_free(&items);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_one_answer_serves_all_who_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_an_answer_serves_later_joiners_while_nothing_came_after_it,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_an_answer_is_asked_for_again_when_anything_came_after_it,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_all_clients_may_go_while_they_are_given_it, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_question_is_taken_back_with_the_last_client, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    test_questions_in_vain_come_ever_more_slowly, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_snapshot_over_the_limit_is_never_asked_for_again,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_all_clients_may_go_when_it_is_refused, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(
		    test_an_answer_that_cannot_be_read_is_asked_for_again,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_named_stream_that_has_ended_is_told_behind_the_set,
		    setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
