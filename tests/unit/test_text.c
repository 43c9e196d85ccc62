/* text: strings that may be absent, and what characters stand for. */
#include "common/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"

/* What each of the 256 characters stands for, if it stands there at all. */
static void
check(int (*value)(char c), const char *signs, const int *values, size_t n)
{
	for (int c = 0; c < 256; c++) {
		int want = -1;

		for (size_t i = 0; i < n; i++)
			if (signs[i] == (char)c)
				want = values[i];
		assert_int_equal(value((char)c), want);
	}
}

static void
test_a_string_that_is_absent_is_like_no_other(void **unused UNUSED)
{
	assert_true(text_same(NULL, NULL));
	assert_true(text_same("a", "a"));
	assert_false(text_same("a", NULL));
	assert_false(text_same(NULL, ""));
	assert_false(text_same("a", "A"));
}

static void
test_hexadecimal_digits_count_in_either_case(void **unused UNUSED)
{
	static const char signs[] = "0123456789abcdefABCDEF";
	int values[sizeof(signs) - 1];

	for (int i = 0; i < (int)NELEM(values); i++)
		values[i] = i < 16 ? i : i - 6;
	check(text_hex, signs, values, NELEM(values));
}

static void
test_letters_of_base64_are_numbered_up_to_its_last_two(void **unused UNUSED)
{
	static const char signs[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789";
	int values[sizeof(signs) - 1];

	for (int i = 0; i < (int)NELEM(values); i++)
		values[i] = i;
	check(text_base64, signs, values, NELEM(values));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_string_that_is_absent_is_like_no_other),
		cmocka_unit_test(test_hexadecimal_digits_count_in_either_case),
		cmocka_unit_test(
		    test_letters_of_base64_are_numbered_up_to_its_last_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
