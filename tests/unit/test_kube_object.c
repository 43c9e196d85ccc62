/* kube_object: objects, events, errors and lists out of their bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/macros.h"
#include "watcher/kube_object.h"

static void
test_an_object_is_sliced_in_one_pass(void **state)
{
	struct kube_object o;
	struct err err;

	(void)state;
	assert_int_equal(kube_object_parse(slice_str("{\"spec\":{\"a\":1},"
	    "\"metadata\":{\"managedFields\":[{\"uid\":\"no\"}],\"uid\":\"u\","
	    "\"name\":\"n.1\",\"namespace\":\"s\",\"resourceVersion\":\"9\","
	    "\"generation\":2,\"creationTimestamp\":\"1970-01-01T00:00:01Z\","
	    "\"deletionTimestamp\":null}}"), &o, &err), 0);
	assert_true(slice_is(o.uid, "u"));
	assert_true(slice_is(o.name, "n.1"));
	assert_true(slice_is(o.spec, "{\"a\":1}"));
	assert_null(o.status.p);
	assert_int_equal(o.generation, 2);
	assert_int_equal(o.created_unix_ms, 1000);
	assert_false(o.deleting);
}

static void
test_objects_without_a_plain_identity_are_refused(void **state)
{
	static const char *const bad[] = { "{", "[]", "{}",
		"{\"metadata\":{\"name\":\"a\"}}",
		"{\"metadata\":{\"name\":7,\"uid\":\"u\"}}",
		"{\"metadata\":{\"name\":\"\",\"uid\":\"u\"}}",
		("{\"metadata\":{\"name\":\"a\",\"uid\":\"u\","
		    "\"namespace\":\"x y\"}}") };
	struct kube_object o;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < NELEM(bad); i++)
		if (kube_object_parse(slice_str(bad[i]), &o, &err) == 0)
			fail_msg("%s", bad[i]);
}

static void
test_an_unusual_name_is_read_as_its_key_has_it(void **state)
{
	struct kube_object o;
	struct kube_event ev;
	struct err err;

	(void)state;
	assert_int_equal(kube_object_parse(slice_str("{\"metadata\":{"
	    "\"name\":\"a@b\",\"uid\":\"u\"}}"), &o, &err), 0);
	assert_true(slice_is(o.name, "a~40b"));
	assert_false(o.unfit);
	assert_int_equal(kube_object_parse_event(slice_str("{\"type\":"
	    "\"ADDED\",\"object\":{\"metadata\":{\"name\":\"\\u003c\","
	    "\"uid\":\"u\"}}}"), &ev, &err), 0);
	assert_true(slice_is(ev.object.name, "~3C"));
}

static void
test_a_name_no_key_can_hold_makes_the_object_unfit(void **state)
{
	struct kube_object o;
	struct err err;

	(void)state;
	assert_int_equal(kube_object_parse(slice_str("{\"metadata\":{"
	    "\"name\":\"a/b\",\"uid\":\"u\"}}"), &o, &err), 0);
	assert_true(o.unfit);
	assert_null(o.name.p);
}

static void
test_events_of_every_type_are_read(void **state)
{
	struct kube_event ev;
	struct err err;

	(void)state;
	assert_int_equal(kube_object_parse_event(slice_str("{\"type\":"
	    "\"DELETED\",\"object\":{\"metadata\":{\"name\":\"a\",\"uid\":"
	    "\"u\"}}}"), &ev, &err), 0);
	assert_int_equal(ev.type, KUBE_EVENT_DELETED);
	assert_int_equal(kube_object_parse_event(slice_str("{\"object\":{"
	    "\"metadata\":{\"resourceVersion\":\"77\"}},\"type\":\"BOOKMARK\"}"
	    ), &ev, &err), 0);
	assert_int_equal(ev.type, KUBE_EVENT_BOOKMARK);
	assert_true(slice_is(ev.object.resource_version, "77"));
	assert_int_equal(kube_object_parse_event(slice_str("{\"type\":"
	    "\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,\"reason\":"
	    "\"Expired\",\"message\":\"too\\nold\"}}"), &ev, &err), 0);
	assert_int_equal(ev.error.code, 410);
	assert_string_equal(ev.error.reason, "Expired");
	assert_string_equal(ev.error.message, "too old");
	assert_int_equal(kube_object_parse_event(slice_str("{\"type\":1}"),
	    &ev, &err), 0);
	assert_int_equal(ev.type, KUBE_EVENT_UNKNOWN);
	assert_int_equal(kube_object_parse_event(slice_str("<html>"), &ev,
	    &err), -1);
}

static void
test_a_version_in_the_future_is_recognised(void **state)
{
	struct kube_error e;

	(void)state;
	assert_true(kube_object_parse_error(slice_str("{\"kind\":\"Status\","
	    "\"code\":504,\"details\":{\"retryAfterSeconds\":1,\"causes\":[{"
	    "\"reason\":\"ResourceVersionTooLarge\"}]}}"), &e));
	assert_true(e.too_large);
	assert_int_equal(e.retry_after_s, 1);
	assert_true(kube_object_parse_error(slice_str("{\"kind\":\"Status\","
	    "\"message\":\"Too large resource version: 5\"}"), &e));
	assert_true(e.too_large);
	assert_false(kube_object_parse_error(slice_str("not found"), &e));
}

static void
test_a_lists_metadata_must_have_a_version(void **state)
{
	struct kube_list l;
	struct err err;

	(void)state;
	assert_int_equal(kube_object_parse_list(slice_str("{"
	    "\"resourceVersion\":\"5\",\"continue\":\"t=\"}"), &l, &err), 0);
	assert_true(slice_is(l.continue_token, "t="));
	assert_int_equal(kube_object_parse_list(slice_str("{"
	    "\"resourceVersion\":\"5\",\"continue\":\"\"}"), &l, &err), 0);
	assert_int_equal(l.continue_token.n, 0);
	/* Never the last page by mistake. */
	assert_int_equal(kube_object_parse_list(slice_str("{"
	    "\"resourceVersion\":\"5\",\"continue\":\"t\\u003d\"}"), &l,
	    &err), -1);
	assert_int_equal(kube_object_parse_list(slice_str("{"
	    "\"resourceVersion\":\"5\",\"continue\":7}"), &l, &err), -1);
	assert_int_equal(kube_object_parse_list(slice_str("{}"), &l, &err),
	    -1);
	assert_int_equal(kube_object_parse_list(SLICE_NONE, &l, &err), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_object_is_sliced_in_one_pass),
		cmocka_unit_test(
		    test_objects_without_a_plain_identity_are_refused),
		cmocka_unit_test(
		    test_an_unusual_name_is_read_as_its_key_has_it),
		cmocka_unit_test(
		    test_a_name_no_key_can_hold_makes_the_object_unfit),
		cmocka_unit_test(test_events_of_every_type_are_read),
		cmocka_unit_test(test_a_version_in_the_future_is_recognised),
		cmocka_unit_test(test_a_lists_metadata_must_have_a_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
