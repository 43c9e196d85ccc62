/* sse_frame: what clients get is what was meant, and nothing can be
 * injected. */
#include "gateway/sse_frame.h"

#include "gateway/stream_kind.h"

#include "tests/unit/ring_fixture.h"

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
	struct sse_parts parts;
	char *text;

	(void)state;
	assert_int_equal(sse_event(&b, &item), 0);
	text = unchunk(&b);
	assert_string_equal(text, "event: job.state_changed\n"
	    "data: {\"id\":\"65f1a2b3-41\",\"seq\":3,\"type\":\"job\","
	    "\"data\":{\"a\":1}}\nid: 65f1a2b3-41\n\n");
	free(text);
	assert_true(sse_event_parts(b.data, b.len, &parts));
	assert_true(slice_is(parts.event, "job.state_changed"));
	assert_true(slice_is(parts.id, "65f1a2b3-41"));
	parts.id = SLICE_NONE;
	assert_int_equal(sse_event_of(&c, &parts), 0);
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
	c = (struct sse_control){ .kind = SSE_END, .tip = { EPOCH, 9 },
	    .state = LIFECYCLE_TIMED_OUT | LIFECYCLE_LOGS_OPEN };
	text = control_text(&c);
	assert_string_equal(text, "event: stream.end\ndata: "
	    "{\"stream_key\":\"[\\\"job:a\\\"]\",\"final_state\":"
	    "\"timed_out\",\"last_id\":\"65f1a2b3-9\","
	    "\"reason\":\"terminal\"}\n\n");
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_event_is_event_data_id_in_one_chunk),
		cmocka_unit_test(test_nothing_can_inject_a_frame),
		cmocka_unit_test(
		    test_control_frames_are_a_function_of_their_parameters),
		cmocka_unit_test(
		    test_only_the_last_snapshot_frame_has_a_bookmark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
