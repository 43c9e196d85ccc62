/* query_param: numbers, event types and doubles in a request's query. */
#include "gateway/query_param.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"

#define UNTOUCHED 77
#define ROOM      3

static bool
number(const char *text, uint64_t min, uint64_t max, uint64_t want)
{
	uint64_t n = UNTOUCHED;
	bool good = query_param_number(slice_str(text), min, max, &n);

	assert_int_equal(n, good ? want : UNTOUCHED);
	return good;
}

static void
test_a_number_is_decimal_and_within_its_bounds(void **unused UNUSED)
{
	assert_true(number("0", 0, 9, 0));
	assert_true(number("7", 7, 7, 7));
	assert_true(number("9007199254740991", 1, UINT64_MAX,
	    9007199254740991));
	assert_false(number("6", 7, 9, 0));
	assert_false(number("10", 7, 9, 0));
}

static void
test_what_is_no_number_is_refused(void **unused UNUSED)
{
	static const char *const none[] = { "", "-1", "+1", " 1", "1 ", "1.0",
		"0x1", "1e3", "01", "00", "a", "18446744073709551617",
		"12345678901234567" };

	for (size_t i = 0; i < NELEM(none); i++)
		assert_false(number(none[i], 0, UINT64_MAX, 0));
}

static void
test_types_are_appended_up_to_their_limit(void **unused UNUSED)
{
	struct slice types[ROOM];
	struct err err = { 0 };
	size_t n = 0;

	assert_int_equal(query_param_types(slice_str("a.b,c"), types, ROOM,
	    &n, &err), 0);
	assert_int_equal(n, 2);
	assert_true(slice_is(types[0], "a.b") && slice_is(types[1], "c"));
	assert_int_equal(query_param_types(slice_str(""), types, ROOM, &n,
	    &err), 0);
	assert_int_equal(query_param_types(slice_str("d"), types, ROOM, &n,
	    &err), 0);
	assert_int_equal(n, ROOM);
	assert_int_equal(query_param_types(slice_str("e"), types, ROOM, &n,
	    &err), -1);
	assert_string_equal(err.text, "more than 3 event types");
	assert_int_equal(n, ROOM);
}

static void
test_what_is_no_event_type_is_refused(void **unused UNUSED)
{
	static const char *const none[] = { "A", "a..b", ",a", "a,,b", "a b",
		"a.b,\n" };

	for (size_t i = 0; i < NELEM(none); i++) {
		struct slice types[ROOM];
		struct err err = { 0 };
		size_t n = 0;

		assert_int_equal(query_param_types(slice_str(none[i]), types,
		    ROOM, &n, &err), -1);
		assert_string_equal(err.text, "types: not an event type");
	}
}

static void
test_a_parameter_that_stands_there_again_is_seen(void **unused UNUSED)
{
	static const char head[] = "GET /x?a=1&b=1&a=2 HTTP/1.1\r\n"
	    "Host: a\r\n\r\n";
	struct http_problem problem;
	struct http_request *r = http_request_parse(head, strlen(head),
	    &problem);

	assert_non_null(r);
	assert_false(query_param_again(r, 0));
	assert_false(query_param_again(r, 1));
	assert_true(query_param_again(r, 2));
	http_request_free(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_number_is_decimal_and_within_its_bounds),
		cmocka_unit_test(test_what_is_no_number_is_refused),
		cmocka_unit_test(test_types_are_appended_up_to_their_limit),
		cmocka_unit_test(test_what_is_no_event_type_is_refused),
		cmocka_unit_test(test_a_parameter_that_stands_there_again_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
