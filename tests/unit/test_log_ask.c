/* log_ask: what the request for a log's lines says, and which are none. */
#include "gateway/log_ask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct http_request *
request(const char *key, const char *query, const char *fields)
{
	struct http_problem problem;
	struct buf head = BUF_EMPTY;
	struct http_request *r;

	buf_addf(&head, "POST /api/v1/streams/%s/logs%s HTTP/1.1\r\nHost: a\r\n"
	    "Content-Length: 0\r\n%s\r\n", key, query, fields);
	r = http_request_parse((const char *)head.data, head.len, &problem);
	assert_non_null(r);
	buf_free(&head);
	return r;
}

static void
expect_refused(const char *key, const char *query, const char *fields,
    int status, const char *part)
{
	struct http_request *r = request(key, query, fields);
	struct log_refusal refusal;
	struct log_ask ask;
	uint64_t offset;

	assert_int_equal(log_ask_read(r, &ask, &offset, &refusal), -1);
	assert_int_equal(refusal.status, status);
	assert_non_null(strstr(refusal.text, part));
	http_request_free(r);
}

static void
test_what_is_not_said_has_a_default(void **state)
{
	struct http_request *r = request("job:a%2Fb", "", "");
	struct log_refusal refusal;
	struct log_ask ask;
	uint64_t offset;

	(void)state;
	assert_int_equal(log_ask_read(r, &ask, &offset, &refusal), 0);
	assert_true(slice_is(ask.key, "job:a/b"));
	assert_string_equal(ask.event_type, "job.log");
	assert_true(slice_is(ask.stream, "stdout"));
	assert_int_equal(ask.level.n + ask.step_id.n, 0);
	assert_int_equal(ask.step_index, -1);
	assert_int_equal(ask.attempt, 1);
	assert_false(ask.last || ask.base64);
	assert_int_equal(ask.first, 0);
	assert_int_equal(offset, 0);
	http_request_free(r);
}

static void
test_everything_can_be_said(void **state)
{
	struct http_request *r = request("pod-logs:a", "?stream=stderr"
	    "&level=%C3%A9&step_id=s+1&step_index=0&attempt=2147483647&last=1"
	    "&encoding=base64&other=1",
	    "X-Log-Offset: 9007199254740991\r\n");
	struct log_refusal refusal;
	struct log_ask ask;
	uint64_t offset;

	(void)state;
	assert_int_equal(log_ask_read(r, &ask, &offset, &refusal), 0);
	assert_string_equal(ask.event_type, "log");
	assert_true(slice_is(ask.stream, "stderr"));
	assert_true(slice_is(ask.level, "\xc3\xa9"));
	assert_int_equal(ask.step_index, 0);
	assert_int_equal(ask.attempt, INT32_MAX);
	assert_true(ask.last && ask.base64);
	assert_true(offset == LOG_OFFSET_MAX && ask.first == offset);
	http_request_free(r);
}

static void
test_what_is_not_understood_is_named(void **state)
{
	static const char *const queries[][2] = { { "?stream=", "stream" },
	    { "?level=%C2%85", "level" }, { "?step_index=1.0", "step_index" },
	    { "?step_index=2147483648", "step_index" },
	    { "?step_index=99999999999999999999", "step_index" },
	    { "?attempt=0", "attempt" }, { "?last=true", "last" },
	    { "?encoding=BASE64", "encoding" } };
	static const char *const offsets[] = { "0", "-1", "01", "", "1 ,2",
	    "9007199254740992", "18446744073709551617" };
	char field[64];

	(void)state;
	for (size_t i = 0; i < NELEM(queries); i++)
		expect_refused("job:a", queries[i][0], "", 400, queries[i][1]);
	for (size_t i = 0; i < NELEM(offsets); i++) {
		(void)snprintf(field, sizeof(field), "X-Log-Offset: %s\r\n",
		    offsets[i]);
		expect_refused("job:a", "", field, 400, "X-Log-Offset");
	}
	expect_refused("job:a", "", "X-Log-Offset: 1\r\nX-Log-Offset: 1\r\n",
	    400, "X-Log-Offset");
	expect_refused("job", "", "", 400, "");
	expect_refused("job:*", "", "", 400, "");
	expect_refused("run:a", "", "", 404, "run");
	expect_refused("watcher:a", "", "", 404, "watcher");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_not_said_has_a_default),
		cmocka_unit_test(test_everything_can_be_said),
		cmocka_unit_test(test_what_is_not_understood_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
