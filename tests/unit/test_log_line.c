/* log_line: where lines end, and how a long one is cut. */
#include "gateway/log_line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/utf8.h"

static void
expect_lines(const char *bytes, size_t n, const char *wanted)
{
	struct slice rest = { bytes, n }, line;
	struct buf b = BUF_EMPTY;

	while (log_line_next(&rest, &line)) {
		buf_add(&b, line.p, line.n);
		buf_addc(&b, '|');
	}
	assert_string_equal(buf_cstr(&b), wanted);
	buf_free(&b);
}

static void
test_a_line_ends_with_lf_crlf_a_cr_or_the_bytes(void **state)
{
	(void)state;
	expect_lines("", 0, "");
	expect_lines("a", 1, "a|");
	expect_lines("a\n", 2, "a|");
	expect_lines("a\r\n", 3, "a|");
	expect_lines("a\r", 2, "a|");
	expect_lines("\n", 1, "|");
	expect_lines("a\n\nb", 4, "a||b|");
	expect_lines("1%\r2%\r\n\r3%", 10, "1%|2%||3%|");
	expect_lines("a\n\rb", 4, "a||b|");
	/* What a browser would take for a line's end is none. */
	expect_lines("a\xe2\x80\xa8" "b\x0b" "c\n", 8, "a\xe2\x80\xa8" "b\x0b"
	    "c|");
}

static void
test_pieces_are_whole_characters_and_never_too_large(void **state)
{
	static const char *const parts[] = { "a", "\"", "\t", "\xc3\xa9",
	    "\xe2\x80\xa8", "\xc2\x85", "\xf0\x9f\x98\x80", "\xff", "\xe2\x80",
	    "\x7f", "z" };
	struct buf text = BUF_EMPTY, json = BUF_EMPTY;

	(void)state;
	for (uint32_t i = 0, r = 1; i < 4000; i++) {
		const char *part = parts[(r >> 16) % NELEM(parts)];

		buf_adds(&text, part);
		r = r * 1103515245 + 12345;
	}
	buf_addc(&text, '\0');
	for (size_t max = 1; max < 400; max += 7) {
		for (size_t room = 6; room < 600; room += 31) {
			struct slice rest = { (const char *)text.data,
			    text.len };

			while (rest.n > 0) {
				size_t n = log_line_piece(rest, max, room);

				assert_in_range(n, 1, rest.n);
				buf_reset(&json);
				buf_json_text(&json, rest.p, n);
				assert_true(json.len <= room);
				assert_true(n <= max || n ==
				    utf8_length(rest.p, rest.n));
				rest.p += n;
				rest.n -= n;
			}
		}
	}
	buf_free(&text);
	buf_free(&json);
}

static void
test_a_character_is_not_cut(void **state)
{
	struct slice smiles = slice_str("\xf0\x9f\x98\x80\xf0\x9f\x98\x80");

	(void)state;
	assert_int_equal(log_line_piece(smiles, 7, 100), 4);
	assert_int_equal(log_line_piece(smiles, 8, 100), 8);
	assert_int_equal(log_line_piece(smiles, 2, 100), 4);
	assert_int_equal(log_line_piece(slice_str("abc"), 2, 100), 2);
	assert_int_equal(log_line_piece(slice_str("a\"\"b"), 100, 12), 4);
	assert_int_equal(log_line_piece(slice_str("a\x01\x01" "b"), 100, 12),
	    2);
}

static void
test_pieces_of_base64_can_be_joined(void **state)
{
	struct slice bytes = { "\0\1\2\3\4\5\6\7\10\11", 10 };

	(void)state;
	assert_int_equal(log_line_piece_base64(bytes, 10, 16), 10);
	assert_int_equal(log_line_piece_base64(bytes, 10, 12), 9);
	assert_int_equal(log_line_piece_base64(bytes, 8, 100), 6);
	assert_int_equal(log_line_piece_base64(bytes, 2, 3), 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_line_ends_with_lf_crlf_a_cr_or_the_bytes),
		cmocka_unit_test(
		    test_pieces_are_whole_characters_and_never_too_large),
		cmocka_unit_test(test_a_character_is_not_cut),
		cmocka_unit_test(test_pieces_of_base64_can_be_joined),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
