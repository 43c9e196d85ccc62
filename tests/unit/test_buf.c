/* buf: integers, JSON text, and a reader that never passes its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/buf.h"

static void
test_what_is_written_reads_back(void **state)
{
	struct buf b = BUF_EMPTY;
	struct rd r;

	(void)state;
	buf_u8(&b, 0xfe);
	buf_u16(&b, 0xbeef);
	buf_u32(&b, 0xdeadbeef);
	buf_u64(&b, UINT64_MAX - 1);
	buf_str16(&b, "key", 3);
	buf_str32(&b, "", 0);
	buf_patch_u32(&b, 3, 7);
	r = rd_init(b.data, b.len);
	assert_int_equal(rd_u8(&r), 0xfe);
	assert_int_equal(rd_u16(&r), 0xbeef);
	assert_int_equal(rd_u32(&r), 7);
	assert_true(rd_u64(&r) == UINT64_MAX - 1);
	assert_true(slice_is(rd_str16(&r), "key"));
	assert_int_equal(rd_str32(&r).n, 0);
	assert_true(rd_done(&r));
	buf_free(&b);
}

static void
test_a_reader_cut_anywhere_fails_and_stays_failed(void **state)
{
	struct buf b = BUF_EMPTY;

	(void)state;
	buf_u32(&b, 1);
	buf_str16(&b, "abc", 3);
	for (size_t cut = 0; cut < b.len; cut++) {
		struct rd r = rd_init(b.data, cut);

		(void)rd_u32(&r);
		(void)rd_str16(&r);
		assert_true(r.failed);
		assert_false(rd_done(&r));
		assert_int_equal(rd_u8(&r), 0);
	}
	buf_free(&b);
}

static void
test_left_over_bytes_are_not_done(void **state)
{
	struct rd r = rd_init("ab", 2);

	(void)state;
	(void)rd_u8(&r);
	assert_false(rd_done(&r));
}

static void
test_json_text_escapes_what_an_sse_line_may_not_hold(void **state)
{
	static const struct {
		const char	*in;
		size_t		 n;
		const char	*out;
	} cases[] = {
		{ "plain", 5, "plain" },
		{ "a\"b\\c", 5, "a\\\"b\\\\c" },
		{ "line\r\nend", 9, "line\\u000d\\u000aend" },
		{ "nul\0!", 5, "nul\\u0000!" },
		{ "\x7f", 1, "\\u007f" },
		{ "\xe2\x80\xa8|\xe2\x80\xa9", 7, "\\u2028|\\u2029" },
		{ "\xe2\x80\xa7\xe2\x80", 5,
		    "\xe2\x80\xa7\\ufffd\\ufffd" },
		{ "a\xff\xc3(", 4, "a\\ufffd\\ufffd(" },
		{ "\xed\xa0\x80", 3, "\\ufffd\\ufffd\\ufffd" },
		{ "\xc3\xa9", 1, "\\ufffd" },
		{ "\xc3\xa9\xc3\xa9\n", 5, "\xc3\xa9\xc3\xa9\\u000a" },
		{ "\xf0\x9f\x98\x80", 4, "\xf0\x9f\x98\x80" },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct buf b = BUF_EMPTY;

		buf_json_text(&b, cases[i].in, cases[i].n);
		assert_string_equal(buf_cstr(&b), cases[i].out);
		buf_free(&b);
	}
}

static void
test_draining_keeps_the_rest(void **state)
{
	struct buf b = BUF_EMPTY;

	(void)state;
	buf_adds(&b, "head:");
	buf_addf(&b, "%s-%d", "tail", 7);
	buf_drain(&b, 5);
	assert_string_equal(buf_cstr(&b), "tail-7");
	buf_drain(&b, b.len);
	assert_int_equal(b.len, 0);
	buf_free(&b);
}

static void
test_a_sealed_buffer_grows_like_another(void **state UNUSED)
{
	struct buf sealed = BUF_EMPTY, plain = BUF_EMPTY;

	for (unsigned i = 0; i < 5000; i++) {
		buf_add_sealed(&sealed, &i, sizeof(i));
		buf_add(&plain, &i, sizeof(i));
		assert_true(sealed.len < sealed.size);
	}
	assert_int_equal(sealed.len, plain.len);
	assert_memory_equal(sealed.data, plain.data, plain.len);
	buf_add_sealed(&sealed, "", 0);
	assert_int_equal(sealed.len, plain.len);
	buf_wipe(&sealed);
	assert_null(sealed.data);
	buf_wipe(&sealed);
	buf_free(&plain);
}

static void
test_a_json_member_is_a_name_and_an_escaped_text(void **state)
{
	struct buf b = BUF_EMPTY;

	(void)state;
	buf_json_member(&b, "key", (struct slice){ "a\"\nbc", 4 });
	buf_addc(&b, ',');
	buf_json_member(&b, "none", SLICE_NONE);
	assert_string_equal(buf_cstr(&b),
	    "\"key\":\"a\\\"\\u000ab\",\"none\":\"\"");
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_reads_back),
		cmocka_unit_test(test_a_reader_cut_anywhere_fails_and_stays_failed),
		cmocka_unit_test(test_left_over_bytes_are_not_done),
		cmocka_unit_test(test_json_text_escapes_what_an_sse_line_may_not_hold),
		cmocka_unit_test(test_a_json_member_is_a_name_and_an_escaped_text),
		cmocka_unit_test(test_draining_keeps_the_rest),
		cmocka_unit_test(test_a_sealed_buffer_grows_like_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
