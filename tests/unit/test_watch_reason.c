/* watch_reason: what an operator and the machine are told of a failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "watcher/watch_reason.h"

static void
test_a_status_decides_what_the_machine_does(void **state)
{
	static const struct {
		long			status;
		enum watch_input	input;
	} cases[] = {
		{ 401, WATCH_IN_UNAUTHORIZED }, { 403, WATCH_IN_FORBIDDEN },
		{ 404, WATCH_IN_NOT_FOUND }, { 410, WATCH_IN_EXPIRED },
		{ 429, WATCH_IN_FAILED }, { 500, WATCH_IN_FAILED },
		{ 302, WATCH_IN_FAILED },
	};
	struct kube_error error = { 0 };
	struct watch_reason r;
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(cases); i++) {
		assert_int_equal(watch_reason_status(&r, cases[i].status,
		    &error), cases[i].input);
		assert_int_equal(r.code, cases[i].status);
	}
	error.too_large = true;
	assert_int_equal(watch_reason_status(&r, 504, &error),
	    WATCH_IN_TOO_LARGE);
}

static void
test_the_servers_own_reason_is_shown_else_the_number(void **state)
{
	struct kube_error said = { .reason = "Forbidden",
		.message = "pods is forbidden" }, silent = { 0 };
	struct watch_reason r;

	(void)state;
	(void)watch_reason_status(&r, 403, &said);
	assert_string_equal(r.reason, "Forbidden");
	assert_string_equal(r.message, "pods is forbidden");
	(void)watch_reason_status(&r, 502, &silent);
	assert_string_equal(r.reason, "Http502");
	assert_non_null(strstr(r.message, "is a load balancer or proxy on "
	    "the way?"));
}

static void
test_a_broken_watch_of_the_server_asks_for_a_list(void **state)
{
	struct kube_error error = { .code = 500, .reason = "StoreReadError" };
	struct watch_reason r;

	(void)state;
	assert_int_equal(watch_reason_event(&r, &error), WATCH_IN_EXPIRED);
	assert_int_equal(watch_reason_status(&r, 500, &error),
	    WATCH_IN_FAILED);
	error = (struct kube_error){ .code = 410, .reason = "Expired" };
	assert_int_equal(watch_reason_event(&r, &error), WATCH_IN_EXPIRED);
	assert_int_equal(r.code, 410);
}

static void
test_the_wait_a_server_asks_for_is_bounded(void **state)
{
	struct kube_error error = { .retry_after_s = 7 };

	(void)state;
	assert_int_equal(watch_reason_retry_ms(429, &error), 7000);
	assert_int_equal(watch_reason_retry_ms(504, &error), 0);
	error.retry_after_s = INT64_MAX;
	assert_int_equal(watch_reason_retry_ms(429, &error), 3600 * 1000);
	error.retry_after_s = -1;
	assert_int_equal(watch_reason_retry_ms(429, &error), 0);
}

static void
expect_no_answer(CURLcode code, long status, const char *reason,
    const char *part)
{
	struct kube_result result = { .curl = code, .status = status,
		.error = "curl's words" };
	struct watch_reason r;

	watch_reason_no_answer(&r, &result, "context a in FILE");
	assert_string_equal(r.reason, reason);
	assert_int_equal(r.code, status);
	assert_non_null(strstr(r.message, "curl's words"));
	assert_non_null(strstr(r.message, part));
}

static void
test_no_answer_names_what_failed_and_where_to_look(void **state)
{
	(void)state;
	expect_no_answer(CURLE_COULDNT_RESOLVE_HOST, 0, "DnsFailed",
	    "`server` of context a in FILE");
	expect_no_answer(CURLE_COULDNT_CONNECT, 0, "ConnectFailed",
	    "API server up");
	expect_no_answer(CURLE_OPERATION_TIMEDOUT, 0, "Timeout", "FILE");
	expect_no_answer(CURLE_PEER_FAILED_VERIFICATION, 0, "TlsFailed",
	    "certificates of context a in FILE");
	expect_no_answer(CURLE_RECV_ERROR, 0, "ConnectionLost", "FILE");
}

static void
test_an_old_certificate_of_the_server_is_not_the_kubeconfigs(void **state)
{
	static const char *const errors[] = {
		"SSL certificate problem: certificate has expired",
		"SSL certificate problem: certificate is not yet valid",
	};
	struct kube_result result = { .curl = CURLE_PEER_FAILED_VERIFICATION };
	struct watch_reason r;
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(errors); i++) {
		result.error = errors[i];
		watch_reason_no_answer(&r, &result, "context a in FILE");
		assert_string_equal(r.reason, "TlsFailed");
		assert_non_null(strstr(r.message, errors[i]));
		assert_non_null(strstr(r.message, "renew it there, or set "
		    "this host's clock"));
		assert_non_null(strstr(r.message, "context a in FILE"));
		assert_null(strstr(r.message, "belong"));
	}
}

static void
test_an_answer_that_broke_off_is_not_a_wrong_address(void **state)
{
	struct kube_result result = { .curl = CURLE_RECV_ERROR, .status = 200,
		.error = "reset by peer" };
	struct watch_reason r;

	(void)state;
	watch_reason_no_answer(&r, &result, "context a in FILE");
	assert_string_equal(r.reason, "ConnectionLost");
	assert_string_equal(r.message, "reset by peer");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_status_decides_what_the_machine_does),
		cmocka_unit_test(
		    test_the_servers_own_reason_is_shown_else_the_number),
		cmocka_unit_test(
		    test_a_broken_watch_of_the_server_asks_for_a_list),
		cmocka_unit_test(test_the_wait_a_server_asks_for_is_bounded),
		cmocka_unit_test(
		    test_no_answer_names_what_failed_and_where_to_look),
		cmocka_unit_test(
		    test_an_old_certificate_of_the_server_is_not_the_kubeconfigs),
		cmocka_unit_test(
		    test_an_answer_that_broke_off_is_not_a_wrong_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
