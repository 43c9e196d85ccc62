/* request_path: what is asked of an API server, letter for letter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "watcher/request_path.h"

static const struct kind pods = { .version = "v1", .resource = "pods",
	.group = "" };
static const struct kind jobs = { .version = "v1", .resource = "jobs",
	.group = "batch" };

static void
expect_list(const struct kind *kind, enum watch_version version,
    const char *last, const char *token, const char *expected)
{
	const struct request_list list = { version, last, token, false };
	const struct request_place place = { .kind = kind };
	struct buf b = BUF_EMPTY;

	request_path_list(&b, &place, &list);
	assert_string_equal(buf_cstr(&b), expected);
	buf_free(&b);
}

static void
test_the_core_group_has_a_path_of_its_own(void **state)
{
	(void)state;
	expect_list(&pods, WATCH_VERSION_EMPTY, "", NULL,
	    "/api/v1/pods?limit=500");
	expect_list(&jobs, WATCH_VERSION_EMPTY, "", NULL,
	    "/apis/batch/v1/jobs?limit=500");
}

static void
test_a_list_at_the_last_version_has_no_limit(void **state)
{
	(void)state;
	expect_list(&pods, WATCH_VERSION_LAST, "42", NULL,
	    "/api/v1/pods?resourceVersion=42");
	expect_list(&pods, WATCH_VERSION_LAST, "", NULL,
	    "/api/v1/pods?limit=500");
	expect_list(&pods, WATCH_VERSION_ZERO, "42", NULL,
	    "/api/v1/pods?limit=500&resourceVersion=0");
	expect_list(&pods, WATCH_VERSION_EMPTY, "42", NULL,
	    "/api/v1/pods?limit=500");
}

/* k8s-watch.md A 2 */
static void
test_a_whole_list_is_asked_for_without_a_limit(void **state)
{
	static const char *const expected[] = {
		[WATCH_VERSION_ZERO] = "/api/v1/pods?resourceVersion=0",
		[WATCH_VERSION_LAST] = "/api/v1/pods?resourceVersion=42",
		[WATCH_VERSION_EMPTY] = "/api/v1/pods",
	};
	const struct request_place place = { .kind = &pods };
	unsigned i;

	(void)state;
	for (i = 0; i < 3; i++) {
		const struct request_list list = { (enum watch_version)i,
			"42", NULL, true };
		struct buf b = BUF_EMPTY;

		request_path_list(&b, &place, &list);
		assert_string_equal(buf_cstr(&b), expected[i]);
		buf_free(&b);
	}
}

static void
test_a_further_page_never_names_a_version(void **state)
{
	(void)state;
	expect_list(&pods, WATCH_VERSION_LAST, "42", "abc",
	    "/api/v1/pods?limit=500&continue=abc");
	expect_list(&pods, WATCH_VERSION_ZERO, "42", "abc",
	    "/api/v1/pods?limit=500&continue=abc");
}

static void
test_what_a_server_gave_stays_inside_its_parameter(void **state)
{
	const struct request_place place = { .kind = &jobs };
	struct buf b = BUF_EMPTY;

	(void)state;
	expect_list(&pods, WATCH_VERSION_EMPTY, "", "a&limit=0#/ +=%\xc3\xa9~",
	    "/api/v1/pods?limit=500&continue="
	    "a%26limit%3D0%23%2F%20%2B%3D%25%C3%A9~");
	expect_list(&pods, WATCH_VERSION_LAST, "1&watch=1", NULL,
	    "/api/v1/pods?resourceVersion=1%26watch%3D1");
	request_path_watch(&b, &place, "7&x", 300);
	assert_string_equal(buf_cstr(&b), "/apis/batch/v1/jobs?watch=1"
	    "&resourceVersion=7%26x&allowWatchBookmarks=true"
	    "&timeoutSeconds=300");
	buf_free(&b);
}

static void
test_a_namespace_stands_before_the_resource(void **state)
{
	const struct request_place place = { .kind = &jobs,
		.namespace = "shop" };
	const struct request_place odd = { .kind = &pods,
		.namespace = "a/b" };
	const struct request_list list = { WATCH_VERSION_EMPTY, "", NULL,
		false };
	struct buf b = BUF_EMPTY;

	(void)state;
	request_path_list(&b, &place, &list);
	assert_string_equal(buf_cstr(&b),
	    "/apis/batch/v1/namespaces/shop/jobs?limit=500");
	buf_reset(&b);
	request_path_list(&b, &odd, &list);
	assert_string_equal(buf_cstr(&b),
	    "/api/v1/namespaces/a%2Fb/pods?limit=500");
	buf_free(&b);
}

/* k8s-watch.md A.4, A 38 */
static void
test_a_stream_begins_at_the_newest_and_a_probe_costs_one_object(void **state)
{
	const struct request_place place = { .kind = &pods };
	struct buf b = BUF_EMPTY;

	(void)state;
	request_path_stream(&b, &place, 300);
	assert_string_equal(buf_cstr(&b), "/api/v1/pods?watch=1"
	    "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
	    "&resourceVersion=&allowWatchBookmarks=true&timeoutSeconds=300");
	buf_reset(&b);
	request_path_probe(&b, &place, "42");
	assert_string_equal(buf_cstr(&b), "/api/v1/pods?limit=1"
	    "&resourceVersion=42&resourceVersionMatch=NotOlderThan");
	buf_free(&b);
}

/* k8s-watch.md A 27: every request for the kind, whatever else it says. */
static void
test_a_selector_stands_at_the_end_of_every_query(void **state)
{
	static const struct request_list lists[] = {
		{ WATCH_VERSION_EMPTY, "", NULL, true },
		{ WATCH_VERSION_ZERO, "", NULL, true },
		{ WATCH_VERSION_LAST, "7", NULL, false },
		{ WATCH_VERSION_EMPTY, "", "t", false },
	};
	static const char *const expected[] = {
		"/api/v1/pods?fieldSelector=type%21%3Dhelm.sh%2Frelease.v1",
		"/api/v1/pods?resourceVersion=0"
		"&fieldSelector=type%21%3Dhelm.sh%2Frelease.v1",
		"/api/v1/pods?resourceVersion=7"
		"&fieldSelector=type%21%3Dhelm.sh%2Frelease.v1",
		"/api/v1/pods?limit=500&continue=t"
		"&fieldSelector=type%21%3Dhelm.sh%2Frelease.v1",
	};
	const struct request_place place = { .kind = &pods,
		.fields = REQUEST_PATH_NO_HELM };
	struct buf b = BUF_EMPTY;
	unsigned i;

	(void)state;
	for (i = 0; i < 4; i++) {
		buf_reset(&b);
		request_path_list(&b, &place, &lists[i]);
		assert_string_equal(buf_cstr(&b), expected[i]);
	}
	buf_reset(&b);
	request_path_watch(&b, &place, "7", 300);
	assert_non_null(strstr(buf_cstr(&b), "timeoutSeconds=300"
	    "&fieldSelector=type%21%3Dhelm.sh%2Frelease.v1"));
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_core_group_has_a_path_of_its_own),
		cmocka_unit_test(test_a_list_at_the_last_version_has_no_limit),
		cmocka_unit_test(
		    test_a_whole_list_is_asked_for_without_a_limit),
		cmocka_unit_test(test_a_further_page_never_names_a_version),
		cmocka_unit_test(
		    test_what_a_server_gave_stays_inside_its_parameter),
		cmocka_unit_test(test_a_namespace_stands_before_the_resource),
		cmocka_unit_test(
		    test_a_selector_stands_at_the_end_of_every_query),
		cmocka_unit_test(
		    test_a_stream_begins_at_the_newest_and_a_probe_costs_one_object),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
