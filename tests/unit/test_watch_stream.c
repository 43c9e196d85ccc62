/* watch_stream: the same frames, wherever the bytes are split. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/xmalloc.h"
#include "tests/unit/frames_fixture.h"
#include "watcher/watch_stream.h"

static const char watch_text[] = "{\"a\":1}\n\n\r\n{\"b\":\"x\"}\r\n{\"c\"";

static void
test_frames_are_the_same_however_the_bytes_are_split(void **state)
{
	size_t n = sizeof(watch_text) - 1, i, k;

	(void)state;
	for (i = 0; i <= n; i++)
		for (k = i; k <= n; k++) {
			struct watch_stream s = { 0 };
			struct buf out = BUF_EMPTY;

			assert_true(watch_stream_feed(&s, watch_text, i,
			    frames_collect_cb, &out));
			assert_true(watch_stream_feed(&s, watch_text + i,
			    k - i, frames_collect_cb, &out));
			assert_true(watch_stream_feed(&s, watch_text + k,
			    n - k, frames_collect_cb, &out));
			assert_string_equal(buf_cstr(&out),
			    "{\"a\":1}|{\"b\":\"x\"}|");
			watch_stream_reset(&s);
			buf_free(&out);
		}
}

static void
test_a_sealed_stream_gives_the_same_frames_and_keeps_nothing(void **state)
{
	struct watch_stream s = { .sealed = true };
	struct buf out = BUF_EMPTY;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(watch_text) - 1; i++)
		assert_true(watch_stream_feed(&s, watch_text + i, 1,
		    frames_collect_cb, &out));
	assert_string_equal(buf_cstr(&out), "{\"a\":1}|{\"b\":\"x\"}|");
	assert_int_equal(s.partial.len, strlen("{\"c\""));
	watch_stream_reset(&s);
	assert_true(s.sealed);
	assert_null(s.partial.data);
	buf_free(&out);
}

static void
test_a_frame_over_the_limit_is_skipped_and_the_next_is_read(void **state)
{
	struct watch_stream s = { 0 };
	struct buf out = BUF_EMPTY;
	size_t n = 1024 * 1024, i;
	char *big = xmalloc(n);

	(void)state;
	memset(big, 'x', n);
	for (i = 0; i < 17; i++)
		assert_true(watch_stream_feed(&s, big, n, frames_collect_cb,
		    &out));
	assert_true(watch_stream_feed(&s, "\n{}\n", 4, frames_collect_cb,
	    &out));
	assert_string_equal(buf_cstr(&out), "{}|");
	assert_int_equal(s.oversized, 1);
	watch_stream_reset(&s);
	buf_free(&out);
	free(big);
}

static void
test_a_callback_can_stop_the_watch(void **state)
{
	struct watch_stream s = { 0 };

	(void)state;
	assert_false(watch_stream_feed(&s, "{}\n{}\n", 6, frames_refuse_cb,
	    NULL));
	watch_stream_reset(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_frames_are_the_same_however_the_bytes_are_split),
		cmocka_unit_test(
		    test_a_frame_over_the_limit_is_skipped_and_the_next_is_read),
		cmocka_unit_test(
		    test_a_sealed_stream_gives_the_same_frames_and_keeps_nothing),
		cmocka_unit_test(test_a_callback_can_stop_the_watch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
