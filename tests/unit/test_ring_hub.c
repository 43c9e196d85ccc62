/* ring and hub: what is kept, what was lost, who wants what; sse_frame. */
#include "gateway/hub.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/xmalloc.h"
#include "gateway/ring.h"
#include "gateway/sse_frame.h"

#define EPOCH 0x65f1a2b3u

static struct item
make_item(const char *key, const char *type, const char *frame, uint64_t seq,
    uint64_t position)
{
	struct item item = {
		.seq = seq,
		.position = { EPOCH, position },
		.tenant = slice_str("-"),
		.key = slice_str(key),
		.event_type = slice_str(type),
		.subject = slice_str("s"),
		.frame = slice_str(frame),
		.data_off = (uint32_t)(strstr(frame, "{") - frame),
	};

	return item;
}

static void
dispatch_cb(const struct item *item, void *arg)
{
	if (arg != NULL)
		hub_dispatch(arg, item->tenant, item->key, item->event_type,
		    item->position.number);
}

/* One record with one event of `key` at `position`. */
static void
put(struct ring *r, struct hub *h, uint32_t epoch, uint64_t position,
    const char *key, const char *type)
{
	struct buf b = BUF_EMPTY;
	struct err err = { 0 };
	char frame[200];
	struct record_header header = { .epoch = epoch, .first = position,
	    .count = 1, .publisher = slice_str("test/1"), .incarnation = 1,
	    .batch = position };
	struct item item;

	(void)snprintf(frame, sizeof(frame), "\"stream_key\":\"%s\",\"data\":"
	    "{\"p\":%" PRIu64 "}}", key, position);
	item = make_item(key, type, frame, position, position);
	record_begin(&b, &header, NULL);
	record_item(&b, &item);
	record_end(&b);
	if (ring_input(r, b.data, b.len, dispatch_cb, h, &err) == -1)
		fail_msg("%s", err.text);
	buf_free(&b);
}

/* --- sse_frame --------------------------------------------------------------- */

/* Unwraps one chunk and checks it is nothing but that. */
static char *
unchunk(const struct buf *b)
{
	char *end, *text;
	size_t n = strtoul((const char *)b->data, &end, 16);

	assert_memory_equal(end, "\r\n", 2);
	end += 2;
	assert_int_equal((size_t)(end - (char *)b->data) + n + 2, b->len);
	assert_memory_equal(end + n, "\r\n", 2);
	text = xstrndup(end, n);
	assert_int_equal(strlen(text), n);
	return text;
}

static void
test_an_event_is_event_data_id_in_one_chunk(void **state)
{
	struct item item = make_item("job:8f2c", "job.state_changed",
	    "\"type\":\"job\",\"data\":{\"a\":1}}", 3, 41);
	struct buf b = BUF_EMPTY, c = BUF_EMPTY;
	char *text;

	(void)state;
	assert_int_equal(sse_event(&b, &item), 0);
	text = unchunk(&b);
	assert_string_equal(text, "event: job.state_changed\n"
	    "data: {\"id\":\"65f1a2b3-41\",\"seq\":3,\"type\":\"job\","
	    "\"data\":{\"a\":1}}\nid: 65f1a2b3-41\n\n");
	free(text);
	assert_int_equal(sse_event_without_id(&c, b.data, b.len), 0);
	text = unchunk(&c);
	assert_string_equal(text, "event: job.state_changed\n"
	    "data: {\"id\":\"65f1a2b3-41\",\"seq\":3,\"type\":\"job\","
	    "\"data\":{\"a\":1}}\n\n");
	free(text);
	buf_free(&b);
	buf_free(&c);
}

static void
test_nothing_can_inject_a_frame(void **state)
{
	static const char *const types[] = { "", "a\nid: x", "a\rb", "A.b",
	    "a..b", "a b", ".a", "a." };
	static const char *const frames[] = { "\"a\":{\n}}", "\"a\":{\r}}",
	    "\"a\":{}}\n\nevent: x" };
	struct buf b = BUF_EMPTY;
	struct item item;
	char *big;
	size_t i;

	(void)state;
	buf_adds(&b, "before");
	for (i = 0; i < NELEM(types); i++) {
		item = make_item("job:a", types[i], "\"a\":{}}", 1, 1);
		assert_int_equal(sse_event(&b, &item), -1);
	}
	for (i = 0; i < NELEM(frames); i++) {
		item = make_item("job:a", "a", frames[i], 1, 1);
		assert_int_equal(sse_event(&b, &item), -1);
	}
	item = make_item("job:a", "a", "\"a\":{}}", 1, 1);
	item.frame.p = "\"a\":{\0}}";
	item.frame.n = 8;
	assert_int_equal(sse_event(&b, &item), -1);
	item = make_item("job:a", "a", "\"a\":{}}", 1, 1);
	item.position.epoch = 0;
	assert_int_equal(sse_event(&b, &item), -1);
	big = xmalloc(EVENT_DATA_LINE_MAX + 1);
	memset(big, 'x', EVENT_DATA_LINE_MAX + 1);
	big[0] = '{';
	item.position.epoch = EPOCH;
	item.frame = (struct slice){ big, EVENT_DATA_LINE_MAX };
	assert_int_equal(sse_event(&b, &item), -1);
	item.frame.n = EVENT_DATA_LINE_MAX - strlen("{'id':'65f1a2b3-1',"
	    "'seq':1,");
	assert_int_equal(sse_event(&b, &item), 0);
	assert_memory_equal(b.data, "before", 6);
	free(big);
	buf_free(&b);
}

static char *
control_text(const struct sse_control *c)
{
	struct buf b = BUF_EMPTY;
	char *text;

	assert_int_equal(sse_control(&b, c, slice_str("[\"job:a\"]")), 0);
	text = unchunk(&b);
	buf_free(&b);
	return text;
}

static void
test_control_frames_are_a_function_of_their_parameters(void **state)
{
	struct sse_control c = { .kind = SSE_GAP, .reason = SSE_EVICTED,
	    .oldest = { EPOCH, 5 }, .tip = { EPOCH, 9 } };
	char *text;

	(void)state;
	text = control_text(&c);
	assert_string_equal(text, "event: stream.gap\ndata: "
	    "{\"from\":\"65f1a2b3-5\",\"to\":\"65f1a2b3-9\","
	    "\"reason\":\"evicted\"}\n\n");
	free(text);
	c = (struct sse_control){ .kind = SSE_HEARTBEAT, .n = 2,
	    .ts_unix_ms = 1000, .tip = { EPOCH, 9 }, .id = { EPOCH, 9 } };
	text = control_text(&c);
	assert_string_equal(text, "event: heartbeat\ndata: "
	    "{\"ts\":\"1970-01-01T00:00:01.000Z\",\"tip\":\"65f1a2b3-9\","
	    "\"n\":2}\nid: 65f1a2b3-9\n\n");
	free(text);
	c.kind = SSE_HEARTBEAT_COMMENT;
	text = control_text(&c);
	assert_string_equal(text, ": heartbeat\nid: 65f1a2b3-9\n\n");
	free(text);
	c = (struct sse_control){ .kind = SSE_CLOSING, .retry_ms = 3000,
	    .reason = SSE_SHUTDOWN };
	text = control_text(&c);
	assert_string_equal(text, "event: stream.closing\ndata: "
	    "{\"reason\":\"shutdown\",\"retry_ms\":3000}\n\n");
	free(text);
	c = (struct sse_control){ .kind = SSE_RETRY, .retry_ms = 3000 };
	text = control_text(&c);
	assert_string_equal(text, "retry: 3000\n\n");
	free(text);
	c = (struct sse_control){ .kind = SSE_OPEN, .retry_ms = 3000,
	    .tip = { EPOCH, 9 }, .oldest = { EPOCH, 1 }, .n = 255,
	    .heartbeat_ms = 15000, .idle_timeout_ms = 0 };
	text = control_text(&c);
	assert_string_equal(text, "event: stream.open\ndata: "
	    "{\"stream_keys\":[\"job:a\"],\"epoch\":\"65f1a2b3\","
	    "\"tip\":\"65f1a2b3-9\",\"oldest\":\"65f1a2b3-1\","
	    "\"heartbeat_ms\":15000,\"idle_timeout_ms\":0,"
	    "\"retry_ms\":3000,\"connection_id\":\"ff\"}\n\n");
	free(text);
}

static void
test_only_the_last_snapshot_frame_has_a_bookmark(void **state)
{
	struct item item = make_item("job:8f2c", "job.state_changed",
	    "\"data\":{\"a\":1}}", 3, 41);
	struct buf b = BUF_EMPTY;
	char *text;

	(void)state;
	assert_int_equal(sse_snapshot(&b, &item, (struct position){ EPOCH,
	    50 }, 1, 2, (struct position){ 0, 0 }), 0);
	text = unchunk(&b);
	assert_string_equal(text, "event: snapshot\ndata: {\"stream_key\":"
	    "\"job:8f2c\",\"event_type\":\"job.state_changed\","
	    "\"subject\":\"s\",\"seq\":3,\"as_of\":\"65f1a2b3-50\","
	    "\"data\":{\"a\":1},\"i\":1,\"n\":2}\n\n");
	free(text);
	buf_reset(&b);
	assert_int_equal(sse_snapshot(&b, &item, (struct position){ EPOCH,
	    50 }, 2, 2, (struct position){ EPOCH, 50 }), 0);
	text = unchunk(&b);
	assert_non_null(strstr(text, "}\nid: 65f1a2b3-50\n\n"));
	free(text);
	assert_true(sse_name_reserved(slice_str("error")));
	assert_true(sse_name_reserved(slice_str("stream.anything")));
	assert_false(sse_name_reserved(slice_str("node_update")));
	buf_free(&b);
}

/* --- ring -------------------------------------------------------------------- */

static void
test_the_ring_keeps_the_newest_and_says_what_is_whole(void **state)
{
	struct err err = { 0 };
	struct ring *r = ring_new(RING_BYTES_MIN, &err);
	struct ring_frame f;
	uint64_t i, first;
	char key[32];

	(void)state;
	assert_non_null(r);
	for (i = 1; i <= 20000; i++) {
		(void)snprintf(key, sizeof(key), "job:%" PRIu64, i % 7);
		put(r, NULL, EPOCH, i, key, "job.log");
		first = ring_oldest(r);
		assert_true(first >= 1 && first <= i);
		assert_true(ring_get(r, first, &f));
		assert_true(ring_get(r, i, &f));
	}
	assert_int_equal(ring_tip(r).number, 20000);
	assert_true(ring_oldest(r) > 18000 && ring_oldest(r) < 19900);
	assert_int_equal(ring_stats(r).frames, 20000 - ring_oldest(r) + 1);
	assert_int_equal(ring_stats(r).evicted, ring_oldest(r) - 1);
	assert_false(ring_get(r, ring_oldest(r) - 1, &f));
	assert_false(ring_get(r, 20001, &f));
	/* The chain of one stream: every seventh, to the newest. */
	first = ring_stream_first(r, slice_str("-"), slice_str("job:3"));
	assert_int_equal(first % 7, 3);
	assert_true(first < ring_oldest(r) + 7);
	for (i = first; ; i = f.next) {
		assert_true(ring_get(r, i, &f));
		assert_true(slice_is(f.key, "job:3"));
		assert_true(slice_is(f.event_type, "job.log"));
		if (f.next == 0)
			break;
		assert_int_equal(f.next, i + 7);
	}
	assert_true(i > 20000 - 7);
	assert_int_equal(ring_stream_first(r, slice_str("-"),
	    slice_str("job:9")), 0);
	ring_free(r);
}

static void
test_a_repeated_record_changes_nothing_and_a_hole_clears(void **state)
{
	struct err err = { 0 };
	struct ring *r = ring_new(RING_BYTES_MIN, &err);

	(void)state;
	put(r, NULL, EPOCH, 7, "job:a", "job.log");
	put(r, NULL, EPOCH, 8, "job:a", "job.log");
	put(r, NULL, EPOCH, 8, "job:a", "job.log");
	assert_int_equal(ring_oldest(r), 7);
	assert_int_equal(ring_stats(r).frames, 2);
	put(r, NULL, EPOCH, 20, "job:a", "job.log");
	assert_int_equal(ring_oldest(r), 20);
	assert_int_equal(ring_stats(r).frames, 1);
	put(r, NULL, EPOCH + 1, 21, "job:a", "job.log");
	assert_int_equal(ring_oldest(r), 21);
	assert_int_equal(ring_tip(r).epoch, EPOCH + 1);
	assert_int_equal(ring_input(r, "garbage!", 8, dispatch_cb, NULL,
	    &err), -1);
	ring_free(r);
}

static void
test_streams_that_left_the_ring_are_forgotten(void **state)
{
	struct err err = { 0 };
	struct ring *r = ring_new(RING_BYTES_MIN, &err);
	uint64_t i;
	char key[32];

	(void)state;
	for (i = 1; i <= 10000; i++) {
		(void)snprintf(key, sizeof(key), "job:%" PRIu64, i);
		put(r, NULL, EPOCH, i, key, "job.log");
	}
	assert_int_equal(ring_stats(r).streams, ring_stats(r).frames);
	ring_free(r);
}

/* --- hub --------------------------------------------------------------------- */

static struct hub_subscription *
acquire(struct hub *h, const char *a, const char *b, const char *type)
{
	struct slice selectors[2] = { slice_str(a),
	    slice_str(b != NULL ? b : a) };
	struct slice types[1] = { slice_str(type != NULL ? type : "") };

	return hub_acquire(h, slice_str("-"), selectors, 2, types,
	    type != NULL ? 1 : 0);
}

static void
test_equal_subscriptions_are_one(void **state)
{
	struct err err = { 0 };
	struct ring *r = ring_new(RING_BYTES_MIN, &err);
	struct hub *h = hub_new(r);
	struct hub_subscription *a, *b, *c;

	(void)state;
	a = acquire(h, "job:a", "run:b", NULL);
	b = acquire(h, "run:b", "job:a", NULL);
	c = acquire(h, "run:b", "job:a", "job.log");
	assert_ptr_equal(a, b);
	assert_ptr_not_equal(a, c);
	assert_int_equal(hub_count(h), 2);
	assert_false(hub_release(h, a));
	assert_true(hub_release(h, b));
	assert_true(hub_release(h, c));
	assert_int_equal(hub_count(h), 0);
	hub_free(h);
	ring_free(r);
}

static void
test_who_is_dirty_for_longest_is_next(void **state)
{
	struct err err = { 0 };
	struct ring *r = ring_new(RING_BYTES_MIN, &err);
	struct hub *h = hub_new(r);
	struct hub_subscription *a, *b, *c;
	unsigned int i;

	(void)state;
	a = acquire(h, "job:a", NULL, NULL);
	b = acquire(h, "job:b", NULL, NULL);
	c = acquire(h, "job:c", NULL, NULL);
	hub_mark_dirty(h, a);
	hub_mark_dirty(h, b);
	hub_mark_dirty(h, c);
	hub_mark_dirty(h, a);
	assert_int_equal(hub_dirty(h), 3);
	/* One that has more to send waits for the others. */
	for (i = 0; i < 100; i++) {
		assert_ptr_equal(hub_next_dirty(h), a);
		hub_mark_dirty(h, a);
		assert_ptr_equal(hub_next_dirty(h), b);
		hub_mark_dirty(h, b);
		assert_ptr_equal(hub_next_dirty(h), c);
		hub_mark_dirty(h, c);
	}
	assert_true(hub_release(h, b));
	assert_ptr_equal(hub_next_dirty(h), a);
	assert_ptr_equal(hub_next_dirty(h), c);
	assert_null(hub_next_dirty(h));
	assert_true(hub_release(h, a));
	assert_true(hub_release(h, c));
	hub_free(h);
	ring_free(r);
}

static void
test_keys_prefixes_and_types_choose_events(void **state)
{
	struct err err = { 0 };
	struct ring *r = ring_new(RING_BYTES_MIN, &err);
	struct hub *h = hub_new(r);
	struct hub_subscription *key, *prefix, *all, *both, *typed, *late;
	uint64_t got[8];

	(void)state;
	key = acquire(h, "resource:a/pod/n/x", NULL, NULL);
	prefix = acquire(h, "resource:a/pod/*", NULL, NULL);
	all = acquire(h, "resource:*", NULL, NULL);
	both = acquire(h, "resource:*", "resource:a/pod/n/x", NULL);
	typed = acquire(h, "resource:*", NULL, "resource.deleted");
	put(r, h, EPOCH, 1, "resource:a/pod/n/x", "status_update");
	put(r, h, EPOCH, 2, "resource:a/pod/n/y", "status_update");
	put(r, h, EPOCH, 3, "resource:a/podx/n/y", "resource.deleted");
	put(r, h, EPOCH, 4, "resource:b/pod/n/x", "status_update");
	put(r, h, EPOCH, 5, "job:a", "job.log");
	late = acquire(h, "resource:a/*", NULL, NULL);
	assert_int_equal(hub_list(h, key, 0, got, 8), 1);
	assert_int_equal(got[0], 1);
	assert_int_equal(hub_list(h, prefix, 0, got, 8), 2);
	assert_int_equal(hub_list(h, prefix, 1, got, 8), 1);
	assert_int_equal(got[0], 2);
	assert_int_equal(hub_list(h, all, 0, got, 8), 4);
	assert_int_equal(hub_list(h, both, 0, got, 8), 4);
	assert_int_equal(hub_list(h, typed, 0, got, 8), 1);
	assert_int_equal(got[0], 3);
	assert_int_equal(hub_list(h, late, 0, got, 8), 3);
	assert_int_equal(hub_next(h, all, 3), 4);
	assert_int_equal(hub_next(h, all, 4), 0);
	assert_true(hub_wants(prefix, slice_str("-"),
	    slice_str("resource:a/pod/z"), slice_str("x")));
	assert_false(hub_wants(prefix, slice_str("t"),
	    slice_str("resource:a/pod/z"), slice_str("x")));
	hub_free(h);
	ring_free(r);
}

static void
test_dirty_subscriptions_come_once_and_another_tenant_gets_nothing(void **state)
{
	struct err err = { 0 };
	struct ring *r = ring_new(RING_BYTES_MIN, &err);
	struct hub *h = hub_new(r);
	struct slice key = slice_str("job:a");
	struct hub_subscription *mine, *other;

	(void)state;
	mine = acquire(h, "job:a", NULL, NULL);
	other = hub_acquire(h, slice_str("t2"), &key, 1, NULL, 0);
	put(r, h, EPOCH, 1, "job:a", "job.log");
	put(r, h, EPOCH, 2, "job:a", "job.log");
	assert_ptr_equal(hub_next_dirty(h), mine);
	assert_null(hub_next_dirty(h));
	assert_int_equal(hub_next(h, other, 0), 0);
	put(r, h, EPOCH, 3, "job:a", "job.log");
	assert_true(hub_release(h, mine));
	assert_null(hub_next_dirty(h));
	hub_free(h);
	ring_free(r);
}

static void
test_a_list_says_which_match_was_lost(void **state)
{
	struct err err = { 0 };
	struct ring *r = ring_new(RING_BYTES_MIN, &err);
	struct hub *h = hub_new(r);
	struct hub_subscription *s = acquire(h, "job:a", NULL, NULL);
	uint64_t i, got[4], lost;

	(void)state;
	for (i = 1; i <= 9000; i++)
		put(r, h, EPOCH, i, i % 100 == 0 ? "job:a" : "job:b",
		    "job.log");
	assert_int_equal(hub_list(h, s, 0, got, 4), 4);
	lost = s->lost_through;
	assert_int_equal(lost % 100, 0);
	assert_true(lost < ring_oldest(r));
	assert_int_equal(got[0], lost + 100);
	assert_true(s->size <= 256);
	ring_clear(r, (struct position){ EPOCH, 20000 });
	hub_cleared(h);
	assert_int_equal(hub_next(h, s, 0), 0);
	assert_int_equal(s->lost_through, 19999);
	hub_free(h);
	ring_free(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_an_event_is_event_data_id_in_one_chunk),
	    cmocka_unit_test(test_nothing_can_inject_a_frame),
	    cmocka_unit_test(
	        test_control_frames_are_a_function_of_their_parameters),
	    cmocka_unit_test(test_only_the_last_snapshot_frame_has_a_bookmark),
	    cmocka_unit_test(
	        test_the_ring_keeps_the_newest_and_says_what_is_whole),
	    cmocka_unit_test(
	        test_a_repeated_record_changes_nothing_and_a_hole_clears),
	    cmocka_unit_test(test_streams_that_left_the_ring_are_forgotten),
	    cmocka_unit_test(test_equal_subscriptions_are_one),
	    cmocka_unit_test(test_who_is_dirty_for_longest_is_next),
	    cmocka_unit_test(test_keys_prefixes_and_types_choose_events),
	    cmocka_unit_test(
	        test_dirty_subscriptions_come_once_and_another_tenant_gets_nothing),
	    cmocka_unit_test(test_a_list_says_which_match_was_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
