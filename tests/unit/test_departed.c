/* departed: what a watcher said was deleted while an answer was under way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "watcher/departed.h"

static void
test_only_what_departed_is_found_whatever_the_order(void **state)
{
	struct departed d = { .full = false };

	(void)state;
	assert_false(departed_has(&d, slice_str("pod/ns/a")));
	departed_add(&d, "pod", "ns/b");
	departed_add(&d, "pod", "ns/a");
	departed_add(&d, "pod", "ns/ab");
	departed_add(&d, "things.a.b", "/wide");
	assert_true(departed_has(&d, slice_str("pod/ns/a")));
	assert_true(departed_has(&d, slice_str("pod/ns/ab")));
	assert_true(departed_has(&d, slice_str("things.a.b/wide")));
	assert_false(departed_has(&d, slice_str("pod/ns/abc")));
	assert_false(departed_has(&d, slice_str("pod/ns/")));
	/* Also after the first look, and one that comes twice. */
	departed_add(&d, "hpa", "ns/z");
	departed_add(&d, "pod", "ns/a");
	assert_true(departed_has(&d, slice_str("hpa/ns/z")));
	assert_true(departed_has(&d, slice_str("pod/ns/a")));
	departed_clear(&d);
	assert_false(departed_has(&d, slice_str("pod/ns/a")));
}

static void
test_more_than_are_kept_makes_it_full_until_the_next_question(void **state)
{
	struct departed d = { .full = false };
	char path[32];
	unsigned i;

	(void)state;
	for (i = 0; i < DEPARTED_MAX; i++) {
		(void)snprintf(path, sizeof(path), "ns/%u", i);
		departed_add(&d, "pod", path);
	}
	assert_false(d.full);
	assert_true(departed_has(&d, slice_str("pod/ns/16383")));
	departed_add(&d, "pod", "ns/more");
	assert_true(d.full);
	assert_int_equal(d.n, DEPARTED_MAX);
	departed_clear(&d);
	assert_false(d.full);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_only_what_departed_is_found_whatever_the_order),
		cmocka_unit_test(
		    test_more_than_are_kept_makes_it_full_until_the_next_question),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
