/* cloud_event: every member of an event has its attribute, and nothing else
 * becomes a CloudEvent. */
#include "gateway/cloud_event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
expect(const char *event, const char *wanted)
{
	struct buf b = BUF_EMPTY;

	assert_true(cloud_event(&b, slice_str(event)));
	assert_string_equal(buf_cstr(&b), wanted);
	assert_true(b.len <= strlen(event) + CLOUD_EVENT_GROWTH);
	buf_free(&b);
}

static void
test_every_member_has_its_attribute(void **state)
{
	(void)state;
	expect("{\"id\":\"65f1a2b3-41\",\"seq\":18446744073709551615,"
	    "\"type\":\"job\",\"stream_key\":\"job:8f2c\","
	    "\"event_type\":\"job.state_changed\","
	    "\"timestamp\":\"2026-11-21T21:33:06.123Z\","
	    "\"source\":\"/worker/w-17\",\"subject\":\"s\",\"version\":1,"
	    "\"tenant\":\"-\",\"correlation_id\":\"c\",\"traceparent\":\"t\","
	    "\"idempotency_key\":\"k\",\"terminal\":false,"
	    "\"data\":{\"state\":\"leased\",\"n\":1.50}}",
	    "{\"specversion\":\"1.0\",\"id\":\"65f1a2b3-41\","
	    "\"sequence\":\"18446744073709551615\","
	    "\"streamkey\":\"job:8f2c\",\"type\":\"job.state_changed\","
	    "\"time\":\"2026-11-21T21:33:06.123Z\","
	    "\"source\":\"/worker/w-17\",\"subject\":\"s\",\"version\":1,"
	    "\"tenant\":\"-\",\"correlationid\":\"c\",\"traceparent\":\"t\","
	    "\"idempotencykey\":\"k\",\"terminal\":false,"
	    "\"data\":{\"state\":\"leased\",\"n\":1.50}}");
}

static void
test_it_is_hardly_longer_than_the_shortest_event(void **state)
{
	(void)state;
	expect("{\"id\":\"65f1a2b3-4\",\"seq\":1,\"type\":\"job\","
	    "\"stream_key\":\"job:a\",\"event_type\":\"x.n\",\"timestamp\":"
	    "\"2026-11-21T21:33:06.123Z\",\"source\":\"/p\",\"data\":{}}",
	    "{\"specversion\":\"1.0\",\"id\":\"65f1a2b3-4\",\"sequence\":"
	    "\"1\",\"streamkey\":\"job:a\",\"type\":\"x.n\",\"time\":"
	    "\"2026-11-21T21:33:06.123Z\",\"source\":\"/p\",\"data\":{}}");
}

static void
test_what_would_lose_something_is_refused(void **state)
{
	static const char *const bad[] = { "", "[]", "{}", "{\"id\":\"a\"",
	    "{\"id\":\"a\",\"other\":1}", "{\"id\":\"a\"}x", "{\"id\"}" };
	struct buf b = BUF_EMPTY;

	(void)state;
	buf_adds(&b, "before");
	for (size_t i = 0; i < NELEM(bad); i++) {
		assert_false(cloud_event(&b, slice_str(bad[i])));
		assert_string_equal(buf_cstr(&b), "before");
	}
	buf_free(&b);
}

/* --- and back ------------------------------------------------------------- */

static struct buf told;

static void
problem_cb(const char *path, const char *problem, void *arg)
{
	(void)arg;
	buf_addf(&told, "%s: %s\n", path, problem);
}

static unsigned int
read_one(struct buf *b, struct slice cloud)
{
	struct json_tree tree = { .blocks = NULL };
	struct json_value *parsed = json_tree_parse(&tree, cloud, NULL);
	unsigned int problems;

	assert_non_null(parsed);
	buf_reset(&told);
	problems = cloud_event_read(b, parsed, slice_str("acme"), problem_cb,
	    NULL);
	json_tree_free(&tree);
	return problems;
}

static void
expect_read(const char *cloud, const char *wanted)
{
	struct buf b = BUF_EMPTY;
	unsigned int problems = read_one(&b, slice_str(cloud));

	assert_string_equal(buf_cstr(&told), "");
	assert_int_equal(problems, 0);
	assert_string_equal(buf_cstr(&b), wanted);
	buf_free(&b);
	buf_free(&told);
}

static void
expect_told(const char *cloud, const char *wanted)
{
	struct buf b = BUF_EMPTY;

	assert_true(read_one(&b, slice_str(cloud)) > 0);
	assert_string_equal(buf_cstr(&told), wanted);
	buf_free(&b);
	buf_free(&told);
}

#define OURS "\"streamkey\":\"job:8f2c\",\"type\":\"job.state_changed\"," \
	"\"source\":\"/worker/w-17\","
#define HEAD "{\"specversion\":\"1.0\",\"id\":\"i\"," OURS

static void
test_an_event_comes_back_as_it_went(void **state)
{
	static const char members[] = "\"stream_key\":\"job:8f2c\","
	    "\"event_type\":\"job.state_changed\","
	    "\"timestamp\":\"2026-11-21T21:33:06.123Z\","
	    "\"source\":\"/worker/w-17\",\"subject\":\"s\xc3\xa9\\n\","
	    "\"version\":2,\"correlation_id\":\"c\",\"traceparent\":\"t\","
	    "\"idempotency_key\":\"k\",";
	static const char data[] =
	    "\"data\":{\"n\":1.50,\"big\":18446744073709551617}}";
	struct buf event = BUF_EMPTY, cloud = BUF_EMPTY, back = BUF_EMPTY;

	(void)state;
	/* The last ones are the server's, and given anew. */
	buf_addf(&event, "{\"id\":\"65f1a2b3-41\",\"seq\":7,"
	    "\"type\":\"job\",%s\"tenant\":\"acme\",\"terminal\":false,%s",
	    members, data);
	assert_true(cloud_event(&cloud, (struct slice){
	    (const char *)event.data, event.len }));
	assert_int_equal(read_one(&back, (struct slice){
	    (const char *)cloud.data, cloud.len }), 0);
	buf_reset(&event);
	buf_addf(&event, "{%s%s", members, data);
	assert_string_equal(buf_cstr(&back), buf_cstr(&event));
	buf_free(&event);
	buf_free(&cloud);
	buf_free(&back);
}

static void
test_what_makes_a_cloud_event_unique_makes_it_idempotent(void **state)
{
	(void)state;
	expect_read(HEAD "\"data\":{}}", "{\"stream_key\":\"job:8f2c\","
	    "\"event_type\":\"job.state_changed\","
	    "\"source\":\"/worker/w-17\",\"idempotency_key\":\"i\","
	    "\"data\":{}}");
	expect_read(HEAD "\"idempotencykey\":\"k\",\"subject\":null,"
	    "\"data\":{}}", "{\"stream_key\":\"job:8f2c\","
	    "\"event_type\":\"job.state_changed\","
	    "\"source\":\"/worker/w-17\",\"idempotency_key\":\"k\","
	    "\"data\":{}}");
}

static void
test_data_may_be_base64_of_json(void **state)
{
	(void)state;
	expect_read(HEAD "\"datacontenttype\":\"application/json; "
	    "charset=utf-8\",\"data_base64\":\"eyJhIjoxLjUwfQ==\"}",
	    "{\"stream_key\":\"job:8f2c\","
	    "\"event_type\":\"job.state_changed\","
	    "\"source\":\"/worker/w-17\",\"idempotency_key\":\"i\","
	    "\"data\":{\"a\":1.50}}");
	expect_told(HEAD "\"data_base64\":\"!\"}",
	    "data_base64: is not base64\n");
	expect_told(HEAD "\"data_base64\":\"e30sou=\"}",
	    "data_base64: is not base64\n");
	expect_told(HEAD "\"data_base64\":\"\"}",
	    "data_base64: is not a JSON object\n");
	/* {},"tenant":"x" is more than one value. */
	expect_told(HEAD "\"data_base64\":\"e30sInRlbmFudCI6Ingi\"}",
	    "data_base64: is not a JSON object\n");
	expect_told(HEAD "\"data_base64\":\"e30=\",\"data\":{}}",
	    "data_base64: stands beside data\n");
	expect_told(HEAD "\"data\":{},\"datacontenttype\":\"text/xml\"}",
	    "datacontenttype: must be JSON\n");
}

static void
test_what_an_event_cannot_carry_is_told_by_its_attribute(void **state)
{
	struct buf b = BUF_EMPTY;

	(void)state;
	expect_told("[]", ": a CloudEvent must be an object\n");
	expect_told("{\"specversion\":\"0.3\",\"data\":{}}",
	    "specversion: must be 1.0\nsource: is required\n"
	    "type: is required\nstreamkey: is required\n"
	    "id: is required, and a string\n");
	expect_told(HEAD "\"partitionkey\":\"p\",\"tenant\":\"other\","
	    "\"data\":{}}", "tenant: is not that of the token\n"
	    "partitionkey: is no attribute that an event can carry\n");
	expect_told(HEAD "\"stream_key\":\"job:b\",\"data\":{}}",
	    "stream_key: is no attribute that an event can carry\n");
	expect_told("{\"specversion\":\"1.0\",\"id\":\"a\\u0000b\"," OURS
	    "\"data\":{}}", "id: has a control character\n");
	buf_addc(&b, '{');
	for (unsigned int i = 0; i <= CLOUD_EVENT_ATTRIBUTES_MAX; i++)
		buf_addf(&b, "%s\"a%u\":1", i > 0 ? "," : "", i);
	buf_addc(&b, '}');
	expect_told(buf_cstr(&b), ": has too many attributes\n");
	buf_free(&b);
	for (int by_id = 0; by_id < 2; by_id++) {
		assert_string_equal(cloud_event_name("event_type", by_id),
		    "type");
		assert_string_equal(cloud_event_name("timestamp", by_id),
		    "time");
		assert_string_equal(cloud_event_name("data.state", by_id),
		    "data.state");
		assert_string_equal(cloud_event_name("type", by_id), "type");
	}
	assert_string_equal(cloud_event_name("idempotency_key", true), "id");
	assert_string_equal(cloud_event_name("idempotency_key", false),
	    "idempotencykey");
}

static void
expect_binary(const struct http_pair *headers, size_t n, const char *body,
    const char *wanted)
{
	struct buf b = BUF_EMPTY;

	assert_int_equal(cloud_event_binary(&b, headers, n, slice_str(body)),
	    wanted != NULL);
	if (wanted != NULL)
		assert_string_equal(buf_cstr(&b), wanted);
	buf_free(&b);
}

static void
test_binary_mode_is_the_structured_form_in_headers(void **state)
{
	struct http_pair headers[] = {
		{ slice_str("Host"), slice_str("h") },
		{ slice_str("ce-specversion"), slice_str("1.0") },
		{ slice_str("CE-Subject"),
		    slice_str("Euro %E2%82%AC %22 50%") },
		{ slice_str("ce-version"), slice_str("2") },
		{ slice_str("ce-x"), slice_str("%ff") },
	};

	(void)state;
	expect_binary(headers, 4, " {\"a\":1.0} ", "{\"specversion\":\"1.0\","
	    "\"subject\":\"Euro \xe2\x82\xac \\\" 50%\",\"version\":2,"
	    "\"data\": {\"a\":1.0} }");
	expect_binary(headers, 5, "{}", NULL);
	expect_binary(headers, 4, "", NULL);
	expect_binary(headers, 4, "{},\"tenant\":1", NULL);
	headers[3].value = slice_str("02");
	expect_binary(headers + 3, 1, "{}", "{\"version\":\"02\",\"data\":{}}");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_member_has_its_attribute),
		cmocka_unit_test(
		    test_it_is_hardly_longer_than_the_shortest_event),
		cmocka_unit_test(test_what_would_lose_something_is_refused),
		cmocka_unit_test(test_an_event_comes_back_as_it_went),
		cmocka_unit_test(
		    test_what_makes_a_cloud_event_unique_makes_it_idempotent),
		cmocka_unit_test(test_data_may_be_base64_of_json),
		cmocka_unit_test(
		    test_what_an_event_cannot_carry_is_told_by_its_attribute),
		cmocka_unit_test(
		    test_binary_mode_is_the_structured_form_in_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
