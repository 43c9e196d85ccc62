/* watch_figures: what is written is read, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "common/watch_figures.h"

static void
test_what_is_written_is_read(void **state)
{
	struct watch_figures pod = { .kind = "pod" }, back;
	struct watch_figures widget = { .kind = "widgets.example.com" };
	struct buf b = BUF_EMPTY;
	struct slice text;

	(void)state;
	for (unsigned i = 0; i < FIGURE_MAX; i++)
		widget.value[i] = i * UINT64_C(1000000000000);
	pod.value[0] = UINT64_MAX;
	watch_figures_add(&b, &widget);
	watch_figures_add(&b, &pod);
	text = (struct slice){ (const char *)b.data, b.len };
	assert_true(watch_figures_next(&text, &back));
	assert_string_equal(back.kind, "widgets.example.com");
	assert_memory_equal(back.value, widget.value, sizeof(back.value));
	assert_true(watch_figures_next(&text, &back));
	assert_string_equal(back.kind, "pod");
	assert_true(back.value[0] == UINT64_MAX);
	assert_false(watch_figures_next(&text, &back));
	buf_free(&b);
}

static void
test_thirty_kinds_with_the_longest_lines_fit_into_a_file(void **state)
{
	struct watch_figures f = { .kind = "" };
	struct buf b = BUF_EMPTY;

	(void)state;
	memset(f.kind, 'x', WATCH_FIGURES_KIND_MAX);
	memset(f.value, 0xff, sizeof(f.value));
	for (unsigned i = 0; i < 30; i++)
		watch_figures_add(&b, &f);
	assert_true(b.len <= WATCH_FIGURES_FILE_MAX);
	buf_free(&b);
}

static void
test_a_line_that_cannot_be_one_ends_the_reading(void **state)
{
	static const char *const bad[] = {
		"", "pod\n", "pod 1 2 3 4 5 6 7 8\n", "pod 1 2 3 4 5 6 7 8 9",
		"pod 1 2 3 4 5 6 7 8 9 10\n", "Pod 1 2 3 4 5 6 7 8 9\n",
		"p\"d 1 2 3 4 5 6 7 8 9\n", " 1 2 3 4 5 6 7 8 9\n",
		"pod 1 2 -3 4 5 6 7 8 9\n", "pod 1 2  4 5 6 7 8 9\n",
		"pod 1 2 3 4 5 6 7 8 18446744073709551616\n",
	};
	struct watch_figures f = { .kind = "" };
	struct slice text;

	(void)state;
	for (size_t i = 0; i < NELEM(bad); i++) {
		text = slice_str(bad[i]);
		assert_false(watch_figures_next(&text, &f));
		assert_string_equal(f.kind, "");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_written_is_read),
		cmocka_unit_test(
		    test_thirty_kinds_with_the_longest_lines_fit_into_a_file),
		cmocka_unit_test(
		    test_a_line_that_cannot_be_one_ends_the_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
