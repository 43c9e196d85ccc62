/* base64: what is decoded is what was encoded, and nothing else is read. */
#include "gateway/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
test_the_examples_of_rfc_4648(void **state)
{
	static const char *const rows[][2] = { { "", "" }, { "f", "Zg==" },
	    { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
	    { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
	    { "\xfb\xff\xbf", "+/+/" } };
	struct buf b = BUF_EMPTY;

	(void)state;
	for (size_t i = 0; i < NELEM(rows); i++) {
		struct slice plain = slice_str(rows[i][0]);

		buf_reset(&b);
		base64_encode(&b, plain.p, plain.n);
		assert_string_equal(buf_cstr(&b), rows[i][1]);
		buf_reset(&b);
		assert_true(base64_decode(slice_str(rows[i][1]), &b));
		assert_string_equal(buf_cstr(&b), rows[i][0]);
	}
	buf_free(&b);
}

static void
test_anything_else_is_refused(void **state)
{
	static const char *const bad[] = { "Z", "Zg", "Zg=", "Zg===", "====",
	    "=", "Zm9v====", "Zm 9", "-_-_", "Zh==", "Zm9=", "Z===", "Zg==Zg==",
	    "Zm9v\n" };
	struct buf b = BUF_EMPTY;

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++)
		assert_false(base64_decode(slice_str(bad[i]), &b));
	assert_int_equal(b.len, 0);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_examples_of_rfc_4648),
		cmocka_unit_test(test_anything_else_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
