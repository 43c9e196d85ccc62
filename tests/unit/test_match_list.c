/* The positions that match one subscription, against a plain model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/macros.h"
#include "gateway/match_list.h"

#define ALL 4000u

/* What is in it: every third position of [first, last]. */
static void
assert_holds(const struct match_list *l, uint64_t first, uint64_t last)
{
	uint64_t got[ALL], cursor;
	size_t i, n = match_list_after(l, 0, got, ALL);

	assert_int_equal(n, (last - first) / 3 + 1);
	for (i = 0; i < n; i++)
		assert_int_equal(got[i], first + 3 * i);
	for (cursor = first; cursor < last; cursor += 7) {
		assert_int_equal(match_list_after(l, cursor, got, 1), 1);
		assert_int_equal(got[0], cursor + 3 - (cursor - first) % 3);
	}
	assert_int_equal(match_list_after(l, last, got, 1), 0);
}

static void
test_it_grows_at_both_ends_and_keeps_the_order(void **state UNUSED)
{
	struct match_list l = MATCH_LIST_EMPTY;
	uint64_t first = 3000, last = 3000;

	match_list_append(&l, first);
	while (first > 300) {
		match_list_prepend(&l, first -= 3);
		match_list_append(&l, last += 3);
		if (first % 50 == 0)
			assert_holds(&l, first, last);
	}
	assert_holds(&l, first, last);
	match_list_free(&l);
}

static void
test_what_is_appended_again_is_in_it_once(void **state UNUSED)
{
	struct match_list l = MATCH_LIST_EMPTY;

	match_list_append(&l, 5);
	match_list_append(&l, 5);
	match_list_append(&l, 4);
	assert_int_equal(l.len, 1);
	match_list_free(&l);
}

static void
test_what_is_dropped_makes_room_and_the_last_of_it_is_told(void **state UNUSED)
{
	struct match_list l = MATCH_LIST_EMPTY;
	uint64_t i;

	assert_int_equal(match_list_drop(&l, 100), 0);
	for (i = 3; i <= 30000; i += 3) {
		match_list_append(&l, i);
		if (i > 90)
			assert_int_equal(match_list_drop(&l, i - 89), i - 90);
	}
	assert_int_equal(l.size, 32);
	assert_holds(&l, 30000 - 87, 30000);
	match_list_prepend(&l, 30000 - 90);
	assert_holds(&l, 30000 - 90, 30000);
	match_list_clear(&l);
	assert_int_equal(match_list_after(&l, 0, &i, 1), 0);
	match_list_prepend(&l, 9);
	match_list_append(&l, 12);
	assert_holds(&l, 9, 12);
	match_list_free(&l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_it_grows_at_both_ends_and_keeps_the_order),
		cmocka_unit_test(test_what_is_appended_again_is_in_it_once),
		cmocka_unit_test(
		    test_what_is_dropped_makes_room_and_the_last_of_it_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
