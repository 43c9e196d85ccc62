/* watch_body: a watch's bytes into objects, versions, and what ended it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "watcher/watch_body.h"

static struct watch_body body;
static char seen[512];
static unsigned listed;

static void
object_cb(enum kube_event_type type, const struct kube_object *object,
    void *arg UNUSED)
{
	size_t n = strlen(seen);

	(void)snprintf(seen + n, sizeof(seen) - n, "%c%.*s ", "AMD"[type],
	    (int)object->resource_version.n, object->resource_version.p);
}

static void
listed_cb(void *arg UNUSED)
{
	listed++;
}

static const struct watch_body_ops ops = { object_cb, listed_cb };

static void
begin(const char *version, bool initial)
{
	watch_body_reset(&body);
	body = (struct watch_body){ 0 };
	(void)snprintf(body.version, sizeof(body.version), "%s", version);
	watch_body_begin(&body, initial);
	seen[0] = '\0';
	listed = 0;
}

static bool
feed(const char *text)
{
	return watch_body_feed(&body, text, strlen(text), &ops, NULL);
}

#define EVENT(type, kind, version) "{\"type\":\"" type "\",\"object\":{" \
	"\"kind\":\"" kind "\",\"metadata\":{\"name\":\"a\",\"namespace\":" \
	"\"n\",\"uid\":\"u\",\"resourceVersion\":\"" version "\"}}}\n"
#define BOOKMARK(version, annotations) "{\"type\":\"BOOKMARK\",\"object\":" \
	"{\"kind\":\"Pod\",\"metadata\":{\"resourceVersion\":\"" version \
	"\"" annotations "}}}\n"
#define END_MARK ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}"

static void
test_the_version_follows_events_and_bookmarks(void **state UNUSED)
{
	begin("9", false);
	assert_true(feed(EVENT("ADDED", "Pod", "10")));
	assert_string_equal(body.version, "10");
	assert_true(feed(BOOKMARK("15", "") EVENT("DELETED", "Pod", "16")));
	assert_string_equal(body.version, "16");
	assert_string_equal(seen, "A10 D16 ");
	assert_true(body.events);
	/* The same again, as a proxy may send it: no harm. */
	assert_true(feed(EVENT("DELETED", "Pod", "16")));
	watch_body_reset(&body);
}

/* k8s-watch.md A 38 */
static void
test_an_older_event_means_that_history_went_back(void **state UNUSED)
{
	begin("100", false);
	assert_false(feed(EVENT("MODIFIED", "Pod", "99")));
	assert_int_equal(body.end, WATCH_BODY_BACK);
	assert_string_equal(seen, "");
	assert_string_equal(body.version, "100");
	assert_non_null(strstr(body.err.text, "99 after 100"));
	watch_body_reset(&body);
	begin("100", false);
	assert_true(feed(BOOKMARK("100", "")));
	assert_false(feed(BOOKMARK("99", "")));
	assert_int_equal(body.end, WATCH_BODY_BACK);
	watch_body_reset(&body);
}

/* k8s-watch.md A 5, A.4 */
static void
test_what_exists_comes_in_no_order_until_its_bookmark(void **state UNUSED)
{
	begin("70", true);
	assert_true(feed(EVENT("ADDED", "Pod", "30")
	    EVENT("ADDED", "Pod", "20") BOOKMARK("31", "")));
	assert_string_equal(body.version, "70");
	assert_int_equal(listed, 0);
	assert_true(feed(BOOKMARK("40", END_MARK)));
	assert_int_equal(listed, 1);
	assert_false(body.initial);
	assert_string_equal(body.version, "40");
	assert_true(feed(EVENT("MODIFIED", "Pod", "41")));
	assert_false(feed(EVENT("MODIFIED", "Pod", "39")));
	assert_int_equal(body.end, WATCH_BODY_BACK);
	watch_body_reset(&body);
}

static void
test_only_metadata_is_accepted_where_only_that_was_asked_for(
    void **state UNUSED)
{
	begin("1", false);
	body.metadata = true;
	assert_true(feed(EVENT("ADDED", "PartialObjectMetadata", "2")));
	assert_false(feed(EVENT("ADDED", "Secret", "3")));
	assert_int_equal(body.end, WATCH_BODY_BAD);
	assert_string_equal(seen, "A2 ");
	watch_body_reset(&body);
}

static void
test_an_error_ends_it_with_the_server_s_words(void **state UNUSED)
{
	begin("1", false);
	assert_false(feed("{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\","
	    "\"code\":410,\"reason\":\"Expired\",\"message\":\"too old\"}}\n"));
	assert_int_equal(body.end, WATCH_BODY_ERROR);
	assert_int_equal(body.error.code, 410);
	assert_string_equal(body.error.reason, "Expired");
	watch_body_reset(&body);
}

static void
test_what_is_no_event_ends_it(void **state UNUSED)
{
	static const char *const bad[] = {
		"<html>\n", "{\"type\":\"ADDED\"}\n", "[]\n", "null\n",
		"{\"type\":\"SURPRISE\",\"object\":{}}\n",
		EVENT("ADDED", "Pod", "x/../y"),
	};
	size_t i;

	for (i = 0; i < NELEM(bad); i++) {
		begin("1", false);
		assert_false(feed(bad[i]));
		assert_int_equal(body.end, WATCH_BODY_BAD);
		assert_true(body.err.text[0] != '\0');
		watch_body_reset(&body);
	}
}

static void
test_an_error_without_a_status_is_still_one(void **state UNUSED)
{
	static const char *const odd[] = {
		"{\"type\":\"ERROR\",\"object\":{\"kind\":\"Pod\"}}\n",
		"{\"type\":\"ERROR\",\"object\":\"gone\"}\n",
		"{\"type\":\"ERROR\",\"object\":null}\n",
		"{\"type\":\"ERROR\",\"object\":[1]}\n",
	};
	size_t i;

	for (i = 0; i < NELEM(odd); i++) {
		begin("1", false);
		assert_false(feed(odd[i]));
		assert_int_not_equal(body.end, WATCH_BODY_OPEN);
		watch_body_reset(&body);
	}
}

/* k8s-watch.md A 16 */
static void
test_a_body_cut_at_any_byte_gives_the_same(void **state UNUSED)
{
	static const char text[] = EVENT("ADDED", "Pod", "2") "\r\n"
	    BOOKMARK("5", "") EVENT("DELETED", "Pod", "6") "{\"type\":";
	size_t i, n = strlen(text);

	for (i = 0; i <= n; i++) {
		begin("1", false);
		assert_true(watch_body_feed(&body, text, i, &ops, NULL));
		assert_true(watch_body_feed(&body, text + i, n - i, &ops,
		    NULL));
		assert_string_equal(seen, "A2 D6 ");
		assert_string_equal(body.version, "6");
		watch_body_reset(&body);
	}
}

static void
test_a_frame_over_16_mib_is_skipped_and_counted(void **state UNUSED)
{
	size_t n = 17u * 1024 * 1024;
	char *big = malloc(n);

	assert_non_null(big);
	memset(big, ' ', n);
	big[0] = '{';
	big[n - 1] = '\n';
	begin("1", false);
	assert_true(watch_body_feed(&body, big, n / 2, &ops, NULL));
	assert_true(watch_body_feed(&body, big + n / 2, n - n / 2, &ops,
	    NULL));
	assert_int_equal(body.stream.oversized, 1);
	assert_true(feed(EVENT("ADDED", "Pod", "2")));
	assert_string_equal(seen, "A2 ");
	/* The next watch has skipped nothing yet. */
	watch_body_begin(&body, false);
	assert_int_equal(body.stream.oversized, 0);
	watch_body_reset(&body);
	free(big);
}

static void
test_an_object_of_a_name_no_key_can_hold_is_skipped(void **state UNUSED)
{
	begin("1", false);
	assert_true(feed("{\"type\":\"ADDED\",\"object\":{\"metadata\":{"
	    "\"name\":\"a/b\",\"uid\":\"u\",\"resourceVersion\":\"2\"}}}\n"));
	assert_string_equal(seen, "");
	assert_int_equal(body.unfit, 1);
	assert_string_equal(body.version, "2");
	watch_body_reset(&body);
}

/* k8s-watch.md A 32: up to 128 bits, compared by length, then bytes. */
static void
test_versions_compare_as_numbers_of_any_length(void **state UNUSED)
{
	static const struct {
		const char	*a, *b;
		bool		 older;
	} cases[] = {
		{ "9", "10", true }, { "10", "9", false },
		{ "10", "10", false }, { "0", "1", true },
		{ "99999999999999999999999999999999999999",
		    "100000000000000000000000000000000000000", true },
		{ "", "1", false }, { "1", "", false },
		{ "abc", "abd", false }, { "01", "2", false },
		{ "1", "2x", false },
	};
	size_t i;

	for (i = 0; i < NELEM(cases); i++)
		assert_int_equal(watch_body_older(slice_str(cases[i].a),
		    slice_str(cases[i].b)), cases[i].older);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_the_version_follows_events_and_bookmarks),
		cmocka_unit_test(
		    test_an_older_event_means_that_history_went_back),
		cmocka_unit_test(
		    test_what_exists_comes_in_no_order_until_its_bookmark),
		cmocka_unit_test(
		    test_only_metadata_is_accepted_where_only_that_was_asked_for),
		cmocka_unit_test(
		    test_an_error_ends_it_with_the_server_s_words),
		cmocka_unit_test(test_what_is_no_event_ends_it),
		cmocka_unit_test(test_an_error_without_a_status_is_still_one),
		cmocka_unit_test(test_a_body_cut_at_any_byte_gives_the_same),
		cmocka_unit_test(
		    test_a_frame_over_16_mib_is_skipped_and_counted),
		cmocka_unit_test(
		    test_an_object_of_a_name_no_key_can_hold_is_skipped),
		cmocka_unit_test(
		    test_versions_compare_as_numbers_of_any_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
