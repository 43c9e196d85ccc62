/* What is UTF-8, and what a terminal would obey. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "common/utf8.h"

#define S(text) (text), sizeof(text) - 1

static void
test_what_is_well_formed_is_told_from_what_is_not(void **state UNUSED)
{
	assert_true(utf8_valid(
	    S("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80")));
	assert_true(utf8_valid(S("")));
	assert_false(utf8_valid(S("\xf4\x90\x80\x80")));
	assert_false(utf8_valid(S("\xe0\x80\x80")));
	assert_false(utf8_valid(S("\xed\xa0\x80")));
	assert_false(utf8_valid(S("\xc1\xbf")));
	assert_false(utf8_valid(S("\xe2\x82")));
}

static void
test_control_characters_are_those_of_both_sets(void **state UNUSED)
{
	assert_true(utf8_control(S("\x1b")));
	assert_true(utf8_control(S("\x7f")));
	assert_true(utf8_control(S("\xc2\x80")));
	assert_true(utf8_control(S("\xc2\x9b")));
	assert_false(utf8_control(S("\xc2\xa0")));
	assert_false(utf8_control(S(" ")));
	assert_false(utf8_control("\x1b", 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_what_is_well_formed_is_told_from_what_is_not),
		cmocka_unit_test(
		    test_control_characters_are_those_of_both_sets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
