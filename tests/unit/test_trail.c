/* Of which stream is the event at each kept position. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "broker/stream_table.h"
#include "broker/trail.h"
#include "common/macros.h"

#define MANY 5000u

static void
test_what_was_added_is_taken_in_order_and_not_before_its_time(
    void **state UNUSED)
{
	struct trail t = { 0 };
	uint64_t position;
	uint32_t stream;

	assert_false(trail_take(&t, UINT64_MAX, &position, &stream));
	/* The ring turns over and grows. */
	for (uint32_t i = 0; i < MANY; i++) {
		trail_add(&t, 100 + i, i * 3);
		if (i % 3 != 0)
			continue;
		assert_true(trail_take(&t, UINT64_MAX, &position, &stream));
		assert_int_equal(position, 100 + i / 3);
		assert_int_equal(stream, i / 3 * 3);
	}
	assert_int_equal(t.n, MANY - (MANY + 2) / 3);
	assert_false(trail_take(&t, t.first, &position, &stream));
	assert_true(trail_take(&t, t.first + 1, &position, &stream));
	trail_free(&t);
}

static void
test_a_position_known_already_changes_nothing_and_a_jump_begins_anew(
    void **state UNUSED)
{
	struct trail t = { 0 };
	uint64_t position;
	uint32_t stream;

	trail_add(&t, 5, 1);
	trail_add(&t, 6, 2);
	trail_add(&t, 6, 9);
	trail_add(&t, 5, 9);
	trail_add(&t, 4, 9);
	assert_int_equal(t.n, 2);
	trail_add(&t, UINT64_C(7000000000000), 3);
	assert_int_equal(t.n, 1);
	assert_true(trail_take(&t, UINT64_MAX, &position, &stream));
	assert_int_equal(position, UINT64_C(7000000000000));
	assert_int_equal(stream, 3);
	trail_free(&t);
}

static void
test_it_is_read_in_pieces_while_the_oldest_are_taken(void **state UNUSED)
{
	struct trail t = { 0 };
	uint32_t streams[10];
	uint64_t at = 0, position;
	uint32_t stream;

	assert_int_equal(trail_read(&t, &at, streams, NELEM(streams)), 0);
	for (uint32_t i = 0; i < 25; i++)
		trail_add(&t, 50 + i, i);
	assert_int_equal(trail_read(&t, &at, streams, NELEM(streams)), 10);
	assert_int_equal(at, 50);
	at += 10;
	while (trail_take(&t, 67, &position, &stream))
		continue;
	assert_int_equal(trail_read(&t, &at, streams, NELEM(streams)), 8);
	assert_int_equal(at, 67);
	assert_int_equal(streams[7], 24);
	at += 8;
	assert_int_equal(trail_read(&t, &at, streams, NELEM(streams)), 0);
	trail_free(&t);
}

static void
test_numbers_are_changed_and_those_of_nobody_are_none(void **state UNUSED)
{
	const uint32_t map[] = { 7, STREAM_TABLE_NONE, 5 };
	struct trail t = { 0 };
	uint32_t streams[4];
	uint64_t at = 0;

	for (uint32_t i = 0; i < 4; i++)
		trail_add(&t, 1 + i, i);
	trail_renumber(&t, map, NELEM(map));
	assert_int_equal(trail_read(&t, &at, streams, 4), 4);
	assert_int_equal(streams[0], 7);
	assert_int_equal(streams[1], STREAM_TABLE_NONE);
	assert_int_equal(streams[2], 5);
	assert_int_equal(streams[3], STREAM_TABLE_NONE);
	trail_free(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_what_was_added_is_taken_in_order_and_not_before_its_time),
		cmocka_unit_test(
		    test_a_position_known_already_changes_nothing_and_a_jump_begins_anew),
		cmocka_unit_test(
		    test_it_is_read_in_pieces_while_the_oldest_are_taken),
		cmocka_unit_test(
		    test_numbers_are_changed_and_those_of_nobody_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
