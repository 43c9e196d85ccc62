/* access_review: whether the server's own rules allow what it refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "watcher/access_review.h"

static void
test_the_question_names_verb_group_resource_and_namespace(void **state)
{
	const struct kind *kind =
	    &kinds[kinds_find(slice_str("deployment"))];
	const struct request_place place = { .kind = kind,
		.namespace = "sh\"op" };
	struct buf b = BUF_EMPTY;

	(void)state;
	access_review_ask(&b, &place, "watch");
	assert_string_equal(buf_cstr(&b),
	    "{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":"
	    "\"SelfSubjectAccessReview\",\"spec\":{\"resourceAttributes\":"
	    "{\"verb\":\"watch\",\"group\":\"apps\",\"version\":\"v1\","
	    "\"resource\":\"deployments\",\"namespace\":\"sh\\\"op\"}}}");
	buf_free(&b);
}

static void
test_a_core_kind_in_the_whole_cluster_names_neither(void **state)
{
	const struct kind *kind = &kinds[kinds_find(slice_str("pod"))];
	const struct request_place place = { .kind = kind };
	struct buf b = BUF_EMPTY;

	(void)state;
	access_review_ask(&b, &place, "list");
	assert_string_equal(buf_cstr(&b),
	    "{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":"
	    "\"SelfSubjectAccessReview\",\"spec\":{\"resourceAttributes\":"
	    "{\"verb\":\"list\",\"version\":\"v1\","
	    "\"resource\":\"pods\"}}}");
	buf_free(&b);
}

static void
test_only_a_review_that_says_so_allows(void **state)
{
	static const char *const no[] = { "", "{}", "<html>",
		"{\"kind\":\"Status\",\"status\":{\"allowed\":true}}",
		"{\"kind\":\"SelfSubjectAccessReview\",\"status\":{}}",
		"{\"kind\":\"SelfSubjectAccessReview\","
		"\"status\":{\"allowed\":\"true\"}}",
		"{\"kind\":\"SelfSubjectAccessReview\","
		"\"status\":{\"allowed\":false}}" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		assert_false(access_review_allows(slice_str(no[i])));
	assert_true(access_review_allows(slice_str("{\"kind\":"
	    "\"SelfSubjectAccessReview\",\"status\":{\"allowed\":true,"
	    "\"reason\":\"RBAC\"}}")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_the_question_names_verb_group_resource_and_namespace),
		cmocka_unit_test(
		    test_a_core_kind_in_the_whole_cluster_names_neither),
		cmocka_unit_test(test_only_a_review_that_says_so_allows),
	};

	return cmocka_run_group_tests_name("access_review", tests, NULL, NULL);
}
