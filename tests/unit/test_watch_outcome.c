/* watch_outcome: what a request came to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "watcher/watch_outcome.h"

static const struct watch_asked list = { .origin = "context a in b" };
static const struct watch_asked stream = { .stream = true, .open = true,
	.origin = "context a in b" };

static struct kube_result
answer(long status, const char *body)
{
	return (struct kube_result){ .curl = CURLE_OK, .status = status,
		.error = "", .body = slice_str(body) };
}

static void
test_a_whole_200_is_left_to_what_it_brought(void **state)
{
	struct kube_result r = answer(200, "");
	struct watch_outcome o = { 0 };

	(void)state;
	assert_true(watch_outcome_result(&o, &r, &list));
	assert_false(o.decided);
	assert_false(o.explained);
}

static void
test_the_first_decision_stands(void **state)
{
	struct kube_result r = { .curl = CURLE_WRITE_ERROR, .status = 200,
		.error = "Failed writing body" };
	struct watch_outcome o = { 0 };

	(void)state;
	watch_outcome_refuse(&o, "no list");
	assert_false(watch_outcome_result(&o, &r, &list));
	assert_int_equal(o.input, WATCH_IN_FAILED);
	assert_true(o.refused);
	assert_false(o.cut);
	assert_string_equal(o.why.message, "no list");
}

static void
test_a_200_that_breaks_off_is_cut_and_silence_is_unreachable(void **state)
{
	struct kube_result cut = { .curl = CURLE_PARTIAL_FILE, .status = 200,
		.error = "closed" };
	struct kube_result none = { .curl = CURLE_COULDNT_CONNECT,
		.error = "refused" };
	struct watch_outcome a = { 0 }, b = { 0 };

	(void)state;
	assert_false(watch_outcome_result(&a, &cut, &list));
	assert_true(a.cut);
	assert_false(a.unreachable);
	assert_false(watch_outcome_result(&b, &none, &list));
	assert_false(b.cut);
	assert_true(b.unreachable);
	assert_int_equal(b.input, WATCH_IN_FAILED);
	assert_string_equal(b.why.reason, "ConnectFailed");
}

/* What a comparison follows. */
static void
test_a_server_that_was_away_shows_in_what_it_answers(void **state)
{
	static const struct {
		long	 status;
		bool	 outage;
	} cases[] = {
		{ 0, true }, { 429, true }, { 500, true }, { 502, true },
		{ 503, true }, { 401, false }, { 403, false }, { 404, false },
		{ 410, false }, { 400, false },
	};
	struct watch_outcome ended = { .decided = true,
		.input = WATCH_IN_ENDED };
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(cases); i++) {
		struct kube_result r = answer(cases[i].status, "");
		struct watch_outcome o = { 0 };

		r.curl = r.status == 0 ? CURLE_COULDNT_CONNECT : CURLE_OK;
		assert_false(watch_outcome_result(&o, &r, &list));
		assert_int_equal(watch_outcome_outage(&o), cases[i].outage);
	}
	assert_false(watch_outcome_outage(&ended));
	ended = (struct watch_outcome){ .input = WATCH_IN_STALE };
	assert_false(watch_outcome_outage(&ended));
	ended.silent = true;
	assert_true(watch_outcome_outage(&ended));
	ended = (struct watch_outcome){ .input = WATCH_IN_FAILED,
		.cut = true };
	assert_true(watch_outcome_outage(&ended));
}

static void
test_only_a_list_by_watch_can_be_unsupported(void **state)
{
	struct kube_result r = answer(422, "{\"kind\":\"Status\"}");
	struct watch_outcome a = { 0 }, b = { 0 };

	(void)state;
	assert_false(watch_outcome_result(&a, &r, &stream));
	assert_int_equal(a.input, WATCH_IN_UNSUPPORTED);
	assert_false(watch_outcome_result(&b, &r, &list));
	assert_int_equal(b.input, WATCH_IN_FAILED);
}

static void
test_406_for_metadata_tells_the_remedy(void **state)
{
	const struct watch_asked sealed = { .metadata = true, .origin = "" };
	struct kube_result r = answer(406, "");
	struct watch_outcome o = { 0 };

	(void)state;
	assert_false(watch_outcome_result(&o, &r, &sealed));
	assert_string_equal(o.why.reason, "NotAcceptable");
	assert_non_null(strstr(o.why.message, "watch.kinds"));
}

/* An error that asks for a pause is no fault of the version. */
static void
test_an_error_event_is_an_answer_unless_it_asks_to_wait(void **state)
{
	struct watch_body body = { .end = WATCH_BODY_ERROR,
		.error = { .code = 500, .reason = "InternalError" } };
	struct watch_outcome a = { 0 }, b = { 0 };

	(void)state;
	watch_outcome_body(&a, &body, &list);
	assert_true(a.refused && a.explained);
	body.error.code = 429;
	body.error.retry_after_s = 3;
	watch_outcome_body(&b, &body, &list);
	assert_false(b.refused);
	assert_int_equal(b.retry_after_ms, 3000);
}

/* k8s-watch.md A 7: as an answer or under a 200, by today's word and by that of
 * servers up to 1.17. */
static void
test_a_version_too_old_is_expired_in_each_form_and_word(void **state)
{
	static const char *const words[] = { "Expired", "Gone" };
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		struct watch_body body = { .end = WATCH_BODY_ERROR,
			.error = { .code = 410 } };
		struct watch_outcome a = { 0 }, b = { 0 };
		struct kube_result r;
		char status[96];

		(void)snprintf(body.error.reason, sizeof(body.error.reason),
		    "%s", words[i]);
		watch_outcome_body(&a, &body, &list);
		assert_int_equal(a.input, WATCH_IN_EXPIRED);
		(void)snprintf(status, sizeof(status), "{\"kind\":\"Status\","
		    "\"code\":410,\"reason\":\"%s\"}", words[i]);
		r = answer(410, status);
		assert_false(watch_outcome_result(&b, &r, &list));
		assert_int_equal(b.input, WATCH_IN_EXPIRED);
	}
}

static void
test_a_page_says_where_it_stands(void **state)
{
	static const char first[] = "{\"kind\":\"PodList\",\"metadata\":"
	    "{\"resourceVersion\":\"7\",\"continue\":\"t\"},\"items\":[]}";
	struct watch_outcome a = { 0 }, b = { 0 };
	struct list_pages pages = { 0 };
	struct err err = { 0 };

	(void)state;
	assert_int_equal(list_pages_feed(&pages, first, sizeof(first) - 1,
	    NULL, NULL, &err), 0);
	watch_outcome_page(&a, &pages);
	assert_int_equal(a.input, WATCH_IN_PAGE);
	assert_int_equal(list_pages_feed(&pages, first, 40, NULL, NULL, &err),
	    0);
	watch_outcome_page(&b, &pages);
	assert_int_equal(b.input, WATCH_IN_FAILED);
	assert_true(b.refused);
	list_pages_reset(&pages);
}

static void
test_of_a_review_only_what_it_allows_replaces_the_refusal(void **state)
{
	struct watch_outcome o = { 0 };

	(void)state;
	watch_outcome_say(&o, 0, "Stale", "the API server sent nothing");
	watch_outcome_decide(&o, WATCH_IN_STALE);
	assert_false(watch_outcome_explains(&o, WATCH_REVIEWING));
	assert_true(watch_outcome_explains(&o, WATCH_LISTING));
	o.input = WATCH_IN_DENIED;
	assert_false(watch_outcome_explains(&o, WATCH_REVIEWING));
	o.input = WATCH_IN_ALLOWED;
	assert_true(watch_outcome_explains(&o, WATCH_REVIEWING));
	o.explained = false;
	assert_false(watch_outcome_explains(&o, WATCH_REVIEWING));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_of_a_review_only_what_it_allows_replaces_the_refusal),
		cmocka_unit_test(test_a_whole_200_is_left_to_what_it_brought),
		cmocka_unit_test(test_the_first_decision_stands),
		cmocka_unit_test(
		    test_a_200_that_breaks_off_is_cut_and_silence_is_unreachable),
		cmocka_unit_test(
		    test_a_server_that_was_away_shows_in_what_it_answers),
		cmocka_unit_test(test_only_a_list_by_watch_can_be_unsupported),
		cmocka_unit_test(test_406_for_metadata_tells_the_remedy),
		cmocka_unit_test(
		    test_an_error_event_is_an_answer_unless_it_asks_to_wait),
		cmocka_unit_test(
		    test_a_version_too_old_is_expired_in_each_form_and_word),
		cmocka_unit_test(test_a_page_says_where_it_stands),
	};

	return cmocka_run_group_tests_name("watch_outcome", tests, NULL, NULL);
}
