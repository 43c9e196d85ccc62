/* journal_index: segments come and go, the pin stays, marks shorten a seek. */
#include "common/journal_index.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "common/journal.h"
#include "common/macros.h"

static void
firsts_are(const struct journal_index *x, const uint64_t *want, size_t n)
{
	assert_int_equal(x->n, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(x->segments[i].first, want[i]);
}

static void
test_the_pin_stays_on_its_segment_while_others_come_and_go(void **state)
{
	struct journal_index x = JOURNAL_INDEX_EMPTY;
	const uint64_t before[] = { 10, 20, 30 }, after[] = { 20, 25, 30, 40 };

	(void)state;
	journal_index_set_files(&x, before, NELEM(before));
	firsts_are(&x, before, NELEM(before));
	x.pinned = 1;
	journal_index_set_files(&x, after, NELEM(after));
	firsts_are(&x, after, NELEM(after));
	assert_int_equal(x.pinned, 0);
	journal_index_set_files(&x, before, NELEM(before));
	assert_int_equal(x.pinned, 1);
	journal_index_set_files(&x, after + 2, 2);
	assert_int_equal(x.pinned, JOURNAL_INDEX_NONE);
	journal_index_clear(&x);
	assert_int_equal(x.n, 0);
}

static void
test_a_position_is_sought_in_the_last_segment_that_may_hold_it(void **state)
{
	struct journal_index x = JOURNAL_INDEX_EMPTY;
	const uint64_t firsts[] = { 10, 20, 30 };

	(void)state;
	journal_index_set_files(&x, firsts, NELEM(firsts));
	assert_int_equal(journal_index_at(&x, 1), 0);
	assert_int_equal(journal_index_at(&x, 10), 0);
	assert_int_equal(journal_index_at(&x, 19), 0);
	assert_int_equal(journal_index_at(&x, 20), 1);
	assert_int_equal(journal_index_at(&x, UINT64_MAX), 2);
	journal_index_clear(&x);
}

static void
test_memory_segments_stay_through_a_scan_until_they_are_forgotten(
    void **state)
{
	struct journal_index x = JOURNAL_INDEX_EMPTY;
	const uint64_t files[] = { 10, 20 }, all[] = { 10, 15, 20 };
	int fd = memfd_create("segment", MFD_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	journal_index_set_files(&x, files, NELEM(files));
	journal_index_add_memory(&x, 15, 15, fd);
	firsts_are(&x, all, NELEM(all));
	journal_index_set_files(&x, files, NELEM(files));
	firsts_are(&x, all, NELEM(all));
	journal_index_forget(&x, 19);
	firsts_are(&x, all, NELEM(all));
	x.pinned = 1;
	journal_index_forget(&x, 20);
	firsts_are(&x, files, NELEM(files));
	assert_int_equal(x.pinned, JOURNAL_INDEX_NONE);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	journal_index_clear(&x);
}

static void
test_a_memory_segment_takes_the_place_of_another_with_its_name(void **state)
{
	struct journal_index x = JOURNAL_INDEX_EMPTY;
	const uint64_t one[] = { 10 };
	int fd = memfd_create("segment", MFD_CLOEXEC);

	(void)state;
	journal_index_set_files(&x, one, 1);
	journal_index_add_memory(&x, 10, 10, fd);
	firsts_are(&x, one, 1);
	assert_int_equal(x.segments[0].memory_fd, fd);
	journal_index_clear(&x);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void
test_files_count_until_where_memory_says(void **state)
{
	const uint64_t files[] = { 10, 20, 200 };
	struct journal_index x = JOURNAL_INDEX_EMPTY;

	(void)state;
	journal_index_set_files(&x, files, NELEM(files));
	assert_true(journal_index_end(&x, 1) == UINT64_MAX);
	journal_index_add_memory(&x, 100, 25,
	    memfd_create("segment", MFD_CLOEXEC));
	journal_index_add_memory(&x, 150, 25,
	    memfd_create("segment", MFD_CLOEXEC));
	assert_int_equal(journal_index_end(&x, 0), 25);
	assert_int_equal(journal_index_end(&x, 1), 25);
	assert_true(journal_index_end(&x, 2) == UINT64_MAX);
	/* The next life's, on disk again. */
	assert_true(journal_index_end(&x, 4) == UINT64_MAX);
	/* And memory once more. */
	journal_index_add_memory(&x, 300, 230,
	    memfd_create("segment", MFD_CLOEXEC));
	assert_int_equal(journal_index_end(&x, 1), 25);
	assert_int_equal(journal_index_end(&x, 4), 230);
	journal_index_clear(&x);
}

static void
test_memory_above_the_tip_is_retracted_and_files_count_again(void **state)
{
	const uint64_t files[] = { 10, 20, 400 };
	const uint64_t all[] = { 10, 20, 100, 300, 400 };
	const uint64_t left[] = { 10, 20, 100, 400 };
	struct journal_index x = JOURNAL_INDEX_EMPTY;
	int low = memfd_create("segment", MFD_CLOEXEC);
	int high = memfd_create("segment", MFD_CLOEXEC);

	(void)state;
	journal_index_set_files(&x, files, NELEM(files));
	journal_index_add_memory(&x, 100, 25, low);
	journal_index_add_memory(&x, 300, 25, high);
	x.pinned = 3;
	/* The next position is the memory's first. */
	journal_index_retract(&x, 299);
	firsts_are(&x, all, NELEM(all));
	journal_index_retract(&x, 298);
	firsts_are(&x, left, NELEM(left));
	assert_int_equal(x.pinned, JOURNAL_INDEX_NONE);
	assert_int_equal(fcntl(high, F_GETFD), -1);
	assert_int_equal(journal_index_end(&x, 1), 25);
	journal_index_retract(&x, 30);
	firsts_are(&x, files, NELEM(files));
	assert_int_equal(fcntl(low, F_GETFD), -1);
	assert_true(journal_index_end(&x, 1) == UINT64_MAX);
	journal_index_clear(&x);
}

static void
test_marks_are_a_mebibyte_apart_and_shorten_the_way(void **state)
{
	const uint64_t mib = 1024 * 1024, one[] = { 100 };
	struct journal_index x = JOURNAL_INDEX_EMPTY;
	uint64_t position, offset;

	(void)state;
	journal_index_set_files(&x, one, 1);
	x.pinned = 0;
	for (uint64_t i = 1; i <= 40; i++)
		journal_index_mark(&x, 100 + i,
		    JOURNAL_HEADER_SIZE + i * mib / 10);
	assert_int_equal(x.segments[0].n_marks, 4);
	journal_index_begin(&x, 0, 109, &position, &offset);
	assert_int_equal(position, 100);
	assert_int_equal(offset, JOURNAL_HEADER_SIZE);
	journal_index_begin(&x, 0, 125, &position, &offset);
	assert_int_equal(position, 120);
	assert_int_equal(offset, JOURNAL_HEADER_SIZE + 2 * mib);
	journal_index_begin(&x, 0, UINT64_MAX, &position, &offset);
	assert_int_equal(position, 140);
	journal_index_clear(&x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_the_pin_stays_on_its_segment_while_others_come_and_go),
		cmocka_unit_test(
	    test_a_position_is_sought_in_the_last_segment_that_may_hold_it),
		cmocka_unit_test(
	    test_memory_segments_stay_through_a_scan_until_they_are_forgotten),
		cmocka_unit_test(
	    test_a_memory_segment_takes_the_place_of_another_with_its_name),
		cmocka_unit_test(test_files_count_until_where_memory_says),
		cmocka_unit_test(
	    test_memory_above_the_tip_is_retracted_and_files_count_again),
		cmocka_unit_test(
		    test_marks_are_a_mebibyte_apart_and_shorten_the_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
