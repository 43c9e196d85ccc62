/* Which epoch a position is of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/epoch_list.h"
#include "common/macros.h"

static void
test_a_position_is_of_the_epoch_that_began_last_before_it(void **state UNUSED)
{
	struct epoch_list l = { .n = 0 };

	assert_int_equal(epoch_list_of(&l, 1), 0);
	epoch_list_add(&l, 7, 10);
	epoch_list_add(&l, 5, 20);
	epoch_list_add(&l, 9, 100);
	assert_int_equal(epoch_list_of(&l, 10), 7);
	assert_int_equal(epoch_list_of(&l, 19), 7);
	assert_int_equal(epoch_list_of(&l, 20), 5);
	assert_int_equal(epoch_list_of(&l, 99), 5);
	assert_int_equal(epoch_list_of(&l, UINT64_MAX), 9);
	/* From before all that is known. */
	assert_int_equal(epoch_list_of(&l, 9), 7);
}

static void
test_what_is_known_changes_nothing_and_an_empty_epoch_goes(void **state UNUSED)
{
	struct epoch_list l = { .n = 0 };

	epoch_list_add(&l, 7, 10);
	epoch_list_add(&l, 7, 15);
	assert_int_equal(l.n, 1);
	epoch_list_add(&l, 8, 20);
	epoch_list_add(&l, 9, 20);
	assert_int_equal(l.n, 2);
	assert_int_equal(epoch_list_of(&l, 20), 9);
	/* Told by an event, before what is known. */
	epoch_list_add(&l, 3, 4);
	assert_int_equal(epoch_list_of(&l, 9), 3);
	assert_int_equal(epoch_list_of(&l, 10), 7);
}

static void
test_the_newest_are_kept(void **state UNUSED)
{
	struct epoch_list l = { .n = 0 };

	for (uint32_t i = 1; i <= EPOCH_LIST_MAX + 2; i++)
		epoch_list_add(&l, i, i * UINT64_C(10));
	assert_int_equal(l.n, EPOCH_LIST_MAX);
	assert_int_equal(epoch_list_of(&l, 10), 3);
	assert_int_equal(epoch_list_of(&l, UINT64_MAX), EPOCH_LIST_MAX + 2);
	epoch_list_add(&l, 99, 1);
	assert_int_equal(epoch_list_of(&l, 1), 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_position_is_of_the_epoch_that_began_last_before_it),
		cmocka_unit_test(
		    test_what_is_known_changes_nothing_and_an_empty_epoch_goes),
		cmocka_unit_test(test_the_newest_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
