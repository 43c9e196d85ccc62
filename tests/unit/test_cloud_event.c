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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_member_has_its_attribute),
		cmocka_unit_test(
		    test_it_is_hardly_longer_than_the_shortest_event),
		cmocka_unit_test(test_what_would_lose_something_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
