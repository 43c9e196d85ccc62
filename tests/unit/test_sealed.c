/* What travels as a memfd, and the small questions about texts. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/macros.h"
#include "common/sealed.h"
#include "common/text.h"

static void
test_what_was_sealed_is_read_and_cannot_be_changed(void **unused UNUSED)
{
	struct err err;
	char back[16] = "";
	size_t n = 0;
	int fd = sealed_new("test", &err);

	assert_true(fd >= 0);
	assert_int_equal(sealed_write(fd, "sentence", 8, &err), 0);
	assert_int_equal(sealed_read(fd, back, sizeof(back), &n, &err), 0);
	assert_int_equal(n, 8);
	assert_string_equal(back, "sentence");
	assert_int_equal(sealed_read(fd, back, 3, &n, &err), 0);
	assert_int_equal(n, 3);
	assert_int_equal(pwrite(fd, "x", 1, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, 0), -1);
	(void)close(fd);
}

static void
test_what_is_not_sealed_is_refused(void **unused UNUSED)
{
	struct err err;
	char back[16];
	size_t n;
	int fd = sealed_new("test", &err);

	assert_int_equal(write(fd, "sentence", 8), 8);
	assert_int_equal(sealed_read(fd, back, sizeof(back), &n, &err), -1);
	assert_string_equal(err.text, "it is not sealed");
	(void)close(fd);
	fd = memfd_create("test", MFD_CLOEXEC);   /* cannot be sealed */
	assert_int_equal(sealed_write(fd, "sentence", 8, &err), -1);
	assert_int_equal(err.code, EPERM);
	(void)close(fd);
	assert_int_equal(sealed_read(-1, back, sizeof(back), &n, &err), -1);
}

static void
test_nothing_is_the_same_as_nothing_only(void **unused UNUSED)
{
	assert_true(text_same(NULL, NULL));
	assert_false(text_same(NULL, ""));
	assert_false(text_same("", NULL));
	assert_true(text_same("a", "a"));
	assert_false(text_same("a", "A"));
}

static void
test_a_hexadecimal_digit_is_read_in_either_case(void **unused UNUSED)
{
	static const char digits[] = "0123456789abcdef";
	static const char upper[] = "0123456789ABCDEF";

	for (int i = 0; i < 16; i++) {
		assert_int_equal(text_hex(digits[i]), i);
		assert_int_equal(text_hex(upper[i]), i);
	}
	assert_int_equal(text_hex('g'), -1);
	assert_int_equal(text_hex('G'), -1);
	assert_int_equal(text_hex('@'), -1);
	assert_int_equal(text_hex('\0'), -1);
	assert_int_equal(text_hex('\xff'), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_what_was_sealed_is_read_and_cannot_be_changed),
		cmocka_unit_test(test_what_is_not_sealed_is_refused),
		cmocka_unit_test(test_nothing_is_the_same_as_nothing_only),
		cmocka_unit_test(
		    test_a_hexadecimal_digit_is_read_in_either_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
