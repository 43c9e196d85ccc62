/* An event as it is handed over, and the line that is sent for it. */
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "common/xmalloc.h"
#include "lib/pub_event.h"

static const struct pub_defaults defaults = { .source = "/w/1",
	.key = "run-7", .now_unix_ms = 1000 };

static void
line_is(const char *json, const char *want)
{
	char *text = NULL;
	size_t size = 0;

	assert_int_equal(pub_event_of_json(json, strlen(json), &defaults,
	    &text, &size), SLUICE_OK);
	assert_string_equal(text, want);
	assert_int_equal(size, strlen(want));
	free(text);
}

static int
result_of(const char *json)
{
	char *text = NULL;
	size_t size;
	int rc = pub_event_of_json(json, strlen(json), &defaults, &text,
	    &size);

	free(text);
	return rc;
}

static void
test_key_time_and_source_are_added_in_front(void **unused UNUSED)
{
	line_is("{\"a\":1}", "{\"idempotency_key\":\"run-7\",\"timestamp\":"
	    "\"1970-01-01T00:00:01.000Z\",\"source\":\"/w/1\",\"a\":1}");
}

static void
test_what_the_event_has_is_left_as_it_is(void **unused UNUSED)
{
	const char *own = "{\"source\":\"/x\",\"idempotency_key\":\"k\","
	    "\"timestamp\":\"t\",\"n\":12345678901234567890.10e2}";

	line_is(own, own);
}

/* To the service null is no key, and a repeat would be taken twice. */
static void
test_null_is_replaced_in_its_place(void **unused UNUSED)
{
	struct pub_defaults none = defaults;
	char *text = NULL;
	size_t size = 0;
	const char *json = "{\"source\" : null,\"timestamp\":\"t\","
	    "\"data\":{\"source\":null},\"subject\":null,"
	    "\"idempotency\\u005fkey\":null }";

	line_is(json, "{\"source\" : \"/w/1\",\"timestamp\":\"t\","
	    "\"data\":{\"source\":null},\"subject\":null,"
	    "\"idempotency\\u005fkey\":\"run-7\" }");
	none.source = NULL;
	json = "{\"source\":null,\"timestamp\":1,\"idempotency_key\":2}";
	assert_int_equal(pub_event_of_json(json, strlen(json), &none, &text,
	    &size), SLUICE_OK);
	assert_string_equal(text, json);
	free(text);
}

static void
test_line_breaks_between_tokens_become_blanks(void **unused UNUSED)
{
	line_is(" {\r\n\"source\":\"a\\nb\",\n\"idempotency_key\":1,"
	    "\"timestamp\":2}\n", "{  \"source\":\"a\\nb\", "
	    "\"idempotency_key\":1,\"timestamp\":2}");
}

/* Alone it would be another body than as a line among others. */
static void
test_blanks_around_an_event_are_left_out(void **unused UNUSED)
{
	line_is(" \t{\"idempotency_key\":1,\"timestamp\":2,\"source\":3} \r\n",
	    "{\"idempotency_key\":1,\"timestamp\":2,\"source\":3}");
}

static void
test_what_is_no_object_with_members_is_refused(void **unused UNUSED)
{
	static const char *const bad[] = { "", "{}", "[1]", "1", "{\"a\":1",
		"{\"a\":1}{}", "{\"a\":1,\"a\":2}", "{\"a\":\"\xff\"}" };

	for (size_t i = 0; i < NELEM(bad); i++)
		assert_int_equal(result_of(bad[i]), SLUICE_INVALID);
}

static void
test_the_limit_holds_for_the_whole_line(void **unused UNUSED)
{
	char *json = xcalloc(1, SLUICE_EVENT_MAX + 100);
	size_t room;

	for (room = 0; room < SLUICE_EVENT_MAX; room++)
		json[room] = ' ';
	memcpy(json, "{\"a\":1", 6);
	json[SLUICE_EVENT_MAX - 1] = '}';
	assert_int_equal(result_of(json), SLUICE_TOO_LARGE);
	/* Three members of 29, 39 and 16 bytes are added. */
	json[SLUICE_EVENT_MAX - 1] = '\0';
	json[SLUICE_EVENT_MAX - 1 - 90] = '}';
	json[SLUICE_EVENT_MAX - 90] = '\0';
	assert_int_equal(result_of(json), SLUICE_OK);
	free(json);
}

static void
test_fields_become_an_event(void **unused UNUSED)
{
	struct sluice_event e = { .stream_key = "job:4\"2", .event_type =
	    "x.n", .data = "{\n}", .subject = "s", .version = 3 };
	char *text = NULL;
	size_t size;
	json_t *root;

	assert_int_equal(pub_event_of_fields(&e, &defaults, &text, &size),
	    SLUICE_OK);
	assert_null(strchr(text, '\n'));
	root = json_loadb(text, size, 0, NULL);
	assert_non_null(root);
	assert_string_equal(json_string_value(json_object_get(root, "type")),
	    "job");
	assert_string_equal(json_string_value(json_object_get(root,
	    "stream_key")), "job:4\"2");
	assert_int_equal(json_integer_value(json_object_get(root,
	    "version")), 3);
	assert_int_equal(json_object_size(root), 9);
	json_decref(root);
	free(text);
}

static void
test_fields_that_are_missing_are_refused(void **unused UNUSED)
{
	static const struct sluice_event bad[] = {
		{ .event_type = "x.n", .data = "{}" },
		{ .stream_key = "job", .event_type = "x.n", .data = "{}" },
		{ .stream_key = "job:1", .data = "{}" },
		{ .stream_key = "job:1", .event_type = "x.n" },
		{ .stream_key = "job:1", .event_type = "x.n", .data = "[]" },
		{ .stream_key = "job:1", .event_type = "x.n", .data = "{}",
		    .version = -1 },
	};
	char *text;
	size_t size;

	for (size_t i = 0; i < NELEM(bad); i++)
		assert_int_equal(pub_event_of_fields(&bad[i], &defaults,
		    &text, &size), SLUICE_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key_time_and_source_are_added_in_front),
		cmocka_unit_test(test_what_the_event_has_is_left_as_it_is),
		cmocka_unit_test(test_null_is_replaced_in_its_place),
		cmocka_unit_test(
		    test_line_breaks_between_tokens_become_blanks),
		cmocka_unit_test(test_blanks_around_an_event_are_left_out),
		cmocka_unit_test(
		    test_what_is_no_object_with_members_is_refused),
		cmocka_unit_test(test_the_limit_holds_for_the_whole_line),
		cmocka_unit_test(test_fields_become_an_event),
		cmocka_unit_test(test_fields_that_are_missing_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
