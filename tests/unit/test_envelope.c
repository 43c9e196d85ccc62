/* envelope, json_slice, stream_kind, wheel: what a published event becomes. */
#include "gateway/envelope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/json_slice.h"
#include "common/mono.h"
#include "gateway/stream_kind.h"
#include "gateway/wheel.h"

#define NOW 1700000000000
/* Data of a job's state and of a log's line, without the closing brace. */
#define JOB(state) "{\"job_id\":\"a\",\"attempt\":1," \
	"\"previous_state\":null,\"state\":\"" state "\""
/* What else they need. */
#define REST_JOB  ",\"job_id\":\"a\",\"attempt\":1}"
#define REST_RUN  ",\"run_id\":\"a\"}"
#define REST_STEP ",\"pack_run_id\":\"a\",\"step_index\":0," \
	"\"step_count\":1,\"attempt\":1}"
#define LINE "{\"line\":\"l\",\"line_no\":1,\"stream\":\"stdout\""

static char told[4096];

static void
tell(const char *path, const char *problem, void *arg)
{
	size_t n = strlen(told);

	(void)arg;
	(void)snprintf(told + n, sizeof(told) - n, "%s: %s\n", path, problem);
}

static struct event_state event_state;

static unsigned int
make(const char *text, struct buf *frame, struct item *item,
    struct json_tree *tree)
{
	struct json_value *event;

	told[0] = '\0';
	*tree = (struct json_tree){ .blocks = NULL };
	event = json_tree_parse(tree, slice_str(text), NULL);
	assert_non_null(event);
	return envelope_item(event, slice_str("-"), slice_str("/p"), NOW,
	    frame, item, &event_state, tell, NULL);
}

static void
test_a_good_event_becomes_an_item_with_data_last(void **state)
{
	static const char text[] = "{\"data\": {\"b\" : [1.50, 2e3], \"a\":"
	    " \"x\\ny\"},\n\"stream_key\":\"job:8f2c\", \"event_type\":"
	    "\"x.progress\",\"source\":\"/worker/w-17\","
	    "\"subject\":\"s\xc3\xa9\",\"idempotency_key\":\"k\"}";
	struct buf frame = BUF_EMPTY;
	struct item item = { .group = 0 };
	struct json_tree tree;

	(void)state;
	assert_int_equal(make(text, &frame, &item, &tree), 0);
	assert_string_equal(buf_cstr(&frame), "\"type\":\"job\","
	    "\"stream_key\":\"job:8f2c\",\"event_type\":\"x.progress\","
	    "\"timestamp\":\"2023-11-14T22:13:20.000Z\","
	    "\"source\":\"/worker/w-17\",\"subject\":\"s\xc3\xa9\","
	    "\"version\":1,\"tenant\":\"-\",\"idempotency_key\":\"k\","
	    "\"data\":{\"b\":[1.50,2e3],\"a\":\"x\\ny\"}}");
	item.frame.p = (const char *)frame.data;
	assert_true(slice_is(item_data(&item),
	    "{\"b\":[1.50,2e3],\"a\":\"x\\ny\"}"));
	assert_int_equal(item.flags, ITEM_IDEMPOTENT);
	assert_true(slice_is(item.key, "job:8f2c"));
	json_tree_free(&tree);
	buf_free(&frame);
}

static void
test_every_problem_is_told_with_its_path(void **state)
{
	struct buf frame = BUF_EMPTY;
	struct item item;
	struct json_tree tree;

	(void)state;
	assert_int_equal(make("{\"id\":\"x\",\"type\":\"run\","
	    "\"stream_key\":\"job:a\",\"event_type\":\"heartbeat\","
	    "\"timestamp\":\"2023-11-14T22:19:00Z\",\"version\":0,"
	    "\"bogus\":1,\"data\":[]}", &frame, &item, &tree), 7);
	assert_non_null(strstr(told, "id: is given by the server"));
	assert_non_null(strstr(told, "bogus: is not a member"));
	assert_non_null(strstr(told, "type: does not agree"));
	assert_non_null(strstr(told, "event_type: is not one of"));
	assert_non_null(strstr(told, "timestamp: is more than 5 minutes"));
	assert_non_null(strstr(told, "version: must be"));
	assert_non_null(strstr(told, "data: must be an object"));
	json_tree_free(&tree);
	assert_int_equal(make("{}", &frame, &item, &tree), 3);
	json_tree_free(&tree);
	assert_int_equal(make("[]", &frame, &item, &tree), 1);
	json_tree_free(&tree);
	assert_int_equal(frame.len, 0);
	/* Its data by the schema of its event_type, of a known version. */
	assert_int_equal(make("{\"stream_key\":\"job:a\",\"event_type\":"
	    "\"job.progress\",\"version\":2,\"data\":{\"job_id\":\"b\","
	    "\"attempt\":0}}", &frame, &item, &tree), 4);
	assert_string_equal(told, "version: only 1 is known of this "
	    "event_type\ndata.attempt: must be at least 1\n"
	    "data: must have percent or done\n"
	    "data.job_id: must be the name in stream_key\n");
	json_tree_free(&tree);
	buf_free(&frame);
}

/* A null is what an absent member is: none of a stream or a type that is. */
static void
test_a_null_stands_for_no_member(void **state UNUSED)
{
	struct buf frame = BUF_EMPTY;
	struct item item;
	struct json_tree tree;

	assert_int_equal(make("{\"stream_key\":null,\"event_type\":null,"
	    "\"data\":null}", &frame, &item, &tree), 3);
	assert_non_null(strstr(told, "stream_key: is required"));
	assert_non_null(strstr(told, "event_type: is required"));
	assert_non_null(strstr(told, "data: must be an object"));
	json_tree_free(&tree);
	assert_int_equal(make("{\"stream_key\":null,\"event_type\":\"x.y\","
	    "\"data\":{}}", &frame, &item, &tree), 1);
	json_tree_free(&tree);
	assert_int_equal(make("{\"stream_key\":\"job:a\",\"event_type\":"
	    "\"x.y\",\"subject\":null,\"type\":null,\"data\":{}}", &frame,
	    &item, &tree), 0);
	json_tree_free(&tree);
	buf_free(&frame);
}

static void
test_the_same_key_and_source_hash_alike_and_others_do_not(void **state)
{
	static const char *const texts[] = {
	    "{\"stream_key\":\"job:a\",\"event_type\":\"x.y\",\"data\":{},"
	    "\"idempotency_key\":\"k\",\"source\":\"/a\"}",
	    "{\"stream_key\":\"job:b\",\"event_type\":\"x.y\",\"data\":{},"
	    "\"idempotency_key\":\"k\",\"source\":\"/a\"}",
	    "{\"stream_key\":\"job:a\",\"event_type\":\"x.y\",\"data\":{},"
	    "\"idempotency_key\":\"k\",\"source\":\"/b\"}",
	};
	struct item items[3];
	struct buf frame = BUF_EMPTY;
	struct json_tree tree;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		assert_int_equal(make(texts[i], &frame, &items[i], &tree),
		    0);
		json_tree_free(&tree);
	}
	assert_memory_equal(items[0].idem, items[1].idem, EVENT_HASH_SIZE);
	assert_memory_not_equal(items[0].idem, items[2].idem,
	    EVENT_HASH_SIZE);
	assert_memory_not_equal(items[0].body, items[1].body,
	    EVENT_HASH_SIZE);
	buf_free(&frame);
}

/* Flags and state of an event of this stream with this data. */
static struct item
judged(const char *key, const char *event_type, const char *data)
{
	struct buf frame = BUF_EMPTY;
	char text[512];
	struct json_tree tree;
	struct item item;

	(void)snprintf(text, sizeof(text), "{\"stream_key\":\"%s\","
	    "\"event_type\":\"%s\",\"data\":%s}", key, event_type, data);
	assert_int_equal(make(text, &frame, &item, &tree), 0);
	assert_int_equal(strstr(buf_cstr(&frame), "\"terminal\":true,\"data") !=
	    NULL, (item.flags & ITEM_TERMINAL) != 0);
	assert_int_equal(strstr(buf_cstr(&frame), "\"terminal\":") != NULL,
	    (item.flags & (ITEM_LIFECYCLE | ITEM_PART)) != 0);
	buf_free(&frame);
	json_tree_free(&tree);
	return item;
}

static void
test_a_terminal_event_is_known_by_its_state_and_says_so(void **state UNUSED)
{
	const uint8_t life = ITEM_LIFECYCLE, end = life | ITEM_TERMINAL;
	static const struct {
		const char	*key, *event_type, *data;
		uint16_t	 flags;
		uint8_t		 state;
	} cases[] = {
		{ "job:a", "job.state_changed", JOB("running") "}", life,
		  LIFECYCLE_RUNNING },
		{ "job:a", "job.state_changed", JOB("succeeded") "}", end,
		  LIFECYCLE_SUCCEEDED },
		{ "job:a", "job.state_changed", JOB("cancelled")
		  ",\"logs_open\":true}", end,
		  LIFECYCLE_CANCELED | LIFECYCLE_LOGS_OPEN },
		{ "pack-run:a", "pack_run.step", "{\"pack_run_id\":\"a\","
		  "\"step_index\":0,\"step_count\":1,\"attempt\":1,"
		  "\"previous_state\":\"created\",\"state\":\"failed\","
		  "\"step_id\":\"s\",\"logs_open\":true}", ITEM_PART,
		  LIFECYCLE_FAILED },
		{ "run:a", "run.state_changed", "{\"run_id\":\"a\","
		  "\"previous_state\":null,\"state\":"
		  "\"partially_succeeded\",\"logs_open\":false}",
		  end, LIFECYCLE_PARTIALLY_SUCCEEDED },
		{ "job:a", "job.progress", "{\"job_id\":\"a\",\"attempt\":1,"
		  "\"done\":1,\"state\":\"succeeded\"}", 0, 0 },
		{ "job:a", "x.y", "{\"state\":\"succeeded\"}", 0, 0 },
		{ "build:a", "failed", "{\"state\":\"complete\"}", end,
		  LIFECYCLE_FAILED },
		{ "import:a", "cancelled", "{}", end, LIFECYCLE_CANCELLED },
		{ "build:a", "progress", "{\"progress\":1,"
		  "\"state\":\"failed\"}", 0, 0 },
		{ "job:a", "job.log", LINE ",\"last\":true}",
		  ITEM_LAST | ITEM_LOG, 0 },
		{ "job:a", "job.log", LINE ",\"last\":false}", ITEM_LOG, 0 },
		{ "pod-logs:a", "log", LINE ",\"last\":false}", ITEM_LOG, 0 },
		{ "pod-logs:a", "log", LINE ",\"last\":true}",
		  end | ITEM_LAST | ITEM_LOG, LIFECYCLE_COMPLETE },
		/* The line that closes a log leaves none open. */
		{ "pod-logs:a", "log", LINE
		  ",\"last\":true,\"logs_open\":true}",
		  end | ITEM_LAST | ITEM_LOG, LIFECYCLE_COMPLETE },
		{ "job:a", "job.log", LINE ",\"attempt\":2}", ITEM_LOG, 0 },
		{ "pod-logs:a", "log", "{\"line\":\"l\"}", 0, 0 },
		{ "job:a", "job.progress", "{\"job_id\":\"a\",\"attempt\":1,"
		  "\"done\":1,\"line_no\":4}", 0, 0 },
		{ "watcher:a", "watcher.state_changed", "{\"cluster_id\":\"a\","
		  "\"kind\":\"pod\",\"previous_state\":null,"
		  "\"state\":\"stopped\"}", 0, 0 },
	};

	for (size_t i = 0; i < NELEM(cases); i++) {
		struct item item = judged(cases[i].key, cases[i].event_type,
		    cases[i].data);

		assert_int_equal(item.flags, cases[i].flags);
		assert_int_equal(item.state, cases[i].state);
	}
	assert_string_equal(lifecycle_word(0), "unknown");
	assert_string_equal(lifecycle_word(LIFECYCLE_STATE_MAX), "unknown");
}

/* The frame of a lifecycle event with this data, its hole filled. */
static const char *
filled(const char *key, const char *event_type, const char *data,
    enum lifecycle_state now)
{
	static struct buf frame, whole;
	char text[512];
	struct json_tree tree;
	struct item item;

	buf_free(&frame);
	buf_free(&whole);
	(void)snprintf(text, sizeof(text), "{\"stream_key\":\"%s\","
	    "\"event_type\":\"%s\",\"data\":%s}", key, event_type, data);
	assert_int_equal(make(text, &frame, &item, &tree), 0);
	event_state_fill(&whole, &item, &event_state, now);
	json_tree_free(&tree);
	return strstr(buf_cstr(&whole), "\"data\":") + strlen("\"data\":");
}

static void
test_aliases_never_leave_the_gateway(void **state UNUSED)
{
	assert_string_equal(filled("job:a", "job.state_changed",
	    "{ \"x\":1.50, \"state\" : \"cancelled\", \"previous_state\":"
	    "\"scheduled\",\"y\":\"cancelled\"" REST_JOB, LIFECYCLE_RUNNING),
	    "{\"x\":1.50,\"state\":\"canceled\",\"previous_state\":"
	    "\"queued\",\"y\":\"cancelled\"" REST_JOB "}");
	assert_int_equal(event_state.machine, LIFECYCLE_OF_JOB);
	assert_int_equal(event_state.previous, LIFECYCLE_QUEUED);
	/* Another spelling of the same word. */
	assert_string_equal(filled("run:a", "run.state_changed",
	    "{\"previous_state\":\"created\",\"stat\\u0065\":"
	    "\"r\\u0075nning\"" REST_RUN, LIFECYCLE_NONE),
	    "{\"previous_state\":\"pending\",\"stat\\u0065\":"
	    "\"running\"" REST_RUN "}");
}

static void
test_a_null_previous_state_is_filled_when_there_is_one(void **state UNUSED)
{
	const char *data = "{\"previous_state\":null,\"state\":\"timedout\","
	    "\"z\":null" REST_JOB;

	assert_string_equal(filled("job:a", "job.state_changed", data,
	    LIFECYCLE_NONE), "{\"previous_state\":null,"
	    "\"state\":\"timed_out\",\"z\":null" REST_JOB "}");
	assert_string_equal(filled("job:a", "job.state_changed", data,
	    LIFECYCLE_QUEUED), "{\"previous_state\":\"queued\","
	    "\"state\":\"timed_out\",\"z\":null" REST_JOB "}");
	/* Behind a word that became longer, and of an event without one. */
	assert_string_equal(filled("pack-run:a", "pack_run.step",
	    "{\"state\":\"error\",\"step_id\":\"s\","
	    "\"previous_state\":null" REST_STEP, LIFECYCLE_RUNNING),
	    "{\"state\":\"failed\",\"step_id\":\"s\","
	    "\"previous_state\":\"running\"" REST_STEP "}");
	assert_string_equal(filled("job:a", "job.progress",
	    "{\"previous_state\":null,\"done\":1" REST_JOB,
	    LIFECYCLE_RUNNING),
	    "{\"previous_state\":null,\"done\":1" REST_JOB "}");
}

/* Ends that their event's own name says: what stands in such members is any
 * text, and stays as it was written. */
static void
test_what_is_not_read_as_a_state_stays_as_it_is(void **state UNUSED)
{
	static const struct {
		const char	*key, *event_type, *data;
	} cases[] = {
		{ "build:a", "complete", "{\"state\":\"a\\\"},\\\"tenant\\\":"
		  "\\\"other\\\",\\\"z\\\":{\\\"y\\\":\\\"b\"}" },
		{ "build:a", "failed", "{\"state\":\"a\\n\\ndata: x\"}" },
		{ "import:a", "cancelled", "{\"state\":\"0123456789012345678901"
		  "2345678901234567890123456789012345678901234567890123456"
		  "789\",\"previous_state\":\"cancelled\"}" },
		{ "build:a", "complete", "{\"previous_state\":null}" },
		{ "pod-logs:a", "log", "{\"line\":\"l\",\"line_no\":1,"
		  "\"last\":true,\"state\":\"q\\\"q\"}" },
	};
	char expected[256];

	for (size_t i = 0; i < NELEM(cases); i++) {
		(void)snprintf(expected, sizeof(expected), "%s}",
		    cases[i].data);
		assert_string_equal(filled(cases[i].key, cases[i].event_type,
		    cases[i].data, LIFECYCLE_RUNNING), expected);
	}
}

static void
test_what_is_no_state_is_told_with_its_path(void **state UNUSED)
{
	static const struct {
		const char	*event, *told;
	} cases[] = {
		{ "{\"stream_key\":\"run:a\",\"event_type\":"
		  "\"run.state_changed\",\"data\":{\"previous_state\":"
		  "null" REST_RUN "}", "data.state: is required\n" },
		{ "{\"stream_key\":\"run:a\",\"event_type\":"
		  "\"run.state_changed\",\"data\":{\"previous_state\":3,"
		  "\"state\":\"queued\"" REST_RUN "}",
		  "data.previous_state: must be null, pending, running, "
		  "succeeded, partially_succeeded, failed, canceled or "
		  "timed_out\n"
		  "data.state: must be pending, running, succeeded, "
		  "partially_succeeded, failed, canceled or timed_out\n" },
		{ "{\"stream_key\":\"run:a\",\"event_type\":"
		  "\"run.progress\",\"data\":{\"previous_state\":null,"
		  "\"state\":\"running\",\"total_jobs\":-1" REST_RUN "}",
		  "data.total_jobs: must be at least 0\n" },
		{ "{\"stream_key\":\"pack-run:a\",\"event_type\":"
		  "\"pack_run.step\",\"data\":{\"state\":\"pending\","
		  "\"previous_state\":null" REST_STEP "}",
		  "data.step_id: is required\n" },
		{ "{\"stream_key\":\"pack-run:a\",\"event_type\":"
		  "\"pack_run.step\",\"subject\":\"b\",\"data\":"
		  "{\"state\":\"pending\",\"step_id\":\"a\","
		  "\"previous_state\":null" REST_STEP "}",
		  "subject: must be data.step_id\n" },
	};
	struct buf frame = BUF_EMPTY;
	struct item item;
	struct json_tree tree;

	for (size_t i = 0; i < NELEM(cases); i++) {
		assert_true(make(cases[i].event, &frame, &item, &tree) > 0);
		assert_string_equal(told, cases[i].told);
		json_tree_free(&tree);
	}
	buf_free(&frame);
}

static void
test_slices_of_json_keep_their_content(void **state)
{
	struct slice v, rest;
	struct buf b = BUF_EMPTY;

	(void)state;
	assert_true(json_slice_member(slice_str(" {\"a\" : \"}\\\"\", \"b\":"
	    "{\"data\":1}, \"data\":[ {\"x\":\"]\"} , 2 ] } "), "data", &v));
	assert_true(slice_is(v, "[ {\"x\":\"]\"} , 2 ]"));
	assert_true(json_slice_member(slice_str("{\"d\\u0061t\":1,"
	    "\"d\\u0061ta\":12345678901234567890}"), "data", &v));
	assert_true(slice_is(v, "12345678901234567890"));
	assert_false(json_slice_member(slice_str("{}"), "data", &v));
	assert_false(json_slice_member(slice_str("{\"a\":1"), "data", &v));
	assert_false(json_slice_value(slice_str("{\"a"), &v, &rest));
	json_slice_compact(&b, slice_str("{ \"a b\" :\t\"\xe2\x80\xa8\x7f"
	    "\xc2\x85 \\\" \\\\\" ,\n\"c\":[1 ,2]}"));
	assert_string_equal(buf_cstr(&b), "{\"a b\":\"\\u2028\\u007f\\u0085 "
	    "\\\" \\\\\",\"c\":[1,2]}");
	buf_free(&b);
}

static void
test_control_names_are_nobodys_events(void **state)
{
	(void)state;
	assert_true(stream_kind_admits(STREAM_JOB, slice_str("job.log")));
	assert_true(stream_kind_admits(STREAM_JOB, slice_str("x.mine")));
	assert_false(stream_kind_admits(STREAM_JOB, slice_str("run.event")));
	assert_false(stream_kind_admits(STREAM_JOB, slice_str("snapshot")));
	assert_false(stream_kind_admits(STREAM_JOB, slice_str("stream.x")));
	assert_int_equal(stream_kind_event(STREAM_RESOURCE,
	    slice_str("resource.deleted"))->flags, ITEM_DELETED);
	assert_int_equal(stream_kind_of(slice_str("pack-run:*")),
	    STREAM_PACK_RUN);
}

/* --- wheel ---------------------------------------------------------------- */

static uint32_t seen[16];
static size_t n_seen;

static void
seen_cb(uint32_t id, void *arg)
{
	(void)arg;
	seen[n_seen++] = id;
}

static void
test_a_deadline_is_looked_at_within_a_tick_and_once(void **state)
{
	struct wheel *w = wheel_new(8, 1000);

	(void)state;
	n_seen = 0;
	wheel_set(w, 1, 1200);
	wheel_set(w, 2, 1210);
	wheel_set(w, 3, 1210);
	wheel_remove(w, 3);
	wheel_advance(w, 1199, seen_cb, NULL);
	assert_int_equal(n_seen, 0);
	wheel_advance(w, 1200, seen_cb, NULL);
	assert_int_equal(n_seen, 1);
	wheel_advance(w, 1250, seen_cb, NULL);
	assert_int_equal(n_seen, 2);
	/* One far beyond the span is looked at early, none is forgotten. */
	wheel_set(w, 4, 10000000);
	wheel_advance(w, 1250 + WHEEL_TICK_MS * (int64_t)WHEEL_SLOTS, seen_cb,
	    NULL);
	assert_int_equal(n_seen, 3);
	/* After a stop of any length everybody due is seen. */
	wheel_set(w, 5, 60000);
	wheel_set(w, 6, 90000);
	wheel_advance(w, 1000000000, seen_cb, NULL);
	assert_int_equal(n_seen, 5);
	wheel_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_null_stands_for_no_member),
	    cmocka_unit_test(test_a_good_event_becomes_an_item_with_data_last),
	    cmocka_unit_test(test_every_problem_is_told_with_its_path),
	    cmocka_unit_test(
	        test_the_same_key_and_source_hash_alike_and_others_do_not),
	    cmocka_unit_test(
	        test_a_terminal_event_is_known_by_its_state_and_says_so),
	    cmocka_unit_test(test_aliases_never_leave_the_gateway),
	    cmocka_unit_test(
	        test_a_null_previous_state_is_filled_when_there_is_one),
	    cmocka_unit_test(
		test_what_is_not_read_as_a_state_stays_as_it_is),
	    cmocka_unit_test(test_what_is_no_state_is_told_with_its_path),
	    cmocka_unit_test(test_slices_of_json_keep_their_content),
	    cmocka_unit_test(test_control_names_are_nobodys_events),
	    cmocka_unit_test(
	        test_a_deadline_is_looked_at_within_a_tick_and_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
