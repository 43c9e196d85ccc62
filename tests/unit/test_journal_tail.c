/* journal_tail: how much of the journal a gateway reads at its start. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/journal.h"
#include "common/journal_file.h"
#include "gateway/journal_tail.h"

#define SIZE 8192u

static char directory[] = "/tmp/test_journal_tail.XXXXXX";
static int dir_fd = -1;

static int
make_directory(void **state)
{
	(void)state;
	if (mkdtemp(directory) == NULL)
		return -1;
	dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir_fd < 0 ? -1 : 0;
}

static void
put_segment(uint32_t epoch, uint64_t first)
{
	struct journal_segment h = { .epoch = epoch, .first = first };
	char name[JOURNAL_FILE_NAME_MAX];
	struct buf b = BUF_EMPTY;
	int fd;

	journal_file_header_encode(&b, &h);
	fd = openat(dir_fd, journal_file_name(name, first, "seg"),
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, b.data, b.len), b.len);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	(void)close(fd);
	buf_free(&b);
}

static void
remove_segments(void)
{
	char name[JOURNAL_FILE_NAME_MAX];
	uint64_t *firsts = NULL;
	ssize_t n = journal_file_list(dir_fd, "seg", &firsts, NULL);

	for (ssize_t i = 0; i < n; i++)
		assert_int_equal(unlinkat(dir_fd, journal_file_name(name,
		    firsts[i], "seg"), 0), 0);
	free(firsts);
}

static int
remove_directory(void **state)
{
	(void)state;
	remove_segments();
	(void)close(dir_fd);
	return rmdir(directory);
}

static void
expect_start(size_t bytes, uint32_t epoch, uint64_t number)
{
	struct position start = journal_tail_start(directory, bytes);

	assert_int_equal(start.epoch, epoch);
	assert_int_equal(start.number, number);
}

static void
test_an_empty_or_missing_journal_is_read_from_the_oldest(void **state)
{
	(void)state;
	expect_start(SIZE, 0, 0);
	assert_int_equal(journal_tail_start("/nowhere", SIZE).epoch, 0);
}

static void
test_a_ring_is_filled_from_the_newest_and_one_segment_more(void **state)
{
	(void)state;
	for (uint64_t first = 1; first <= 301; first += 100)
		put_segment(7, first);
	expect_start(1, 7, 200);
	expect_start(SIZE, 7, 200);
	expect_start(SIZE + 1, 7, 100);
	/* All of it: the oldest may be gone by the time it is read. */
	expect_start(SIZE * 100, 0, 0);
	remove_segments();
}

static void
test_no_other_epoch_is_read(void **state)
{
	(void)state;
	put_segment(6, 1);
	put_segment(7, 101);
	put_segment(7, 201);
	expect_start(SIZE * 100, 7, 100);
	remove_segments();
}

static void
test_what_is_no_segment_ends_the_tail(void **state)
{
	int fd;

	(void)state;
	put_segment(7, 1);
	put_segment(7, 101);
	put_segment(7, 201);
	fd = openat(dir_fd, "0000000000000065.seg", O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "no", 2, 0), 2);
	(void)close(fd);
	expect_start(SIZE * 100, 7, 200);
	remove_segments();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_an_empty_or_missing_journal_is_read_from_the_oldest),
		cmocka_unit_test(
		    test_a_ring_is_filled_from_the_newest_and_one_segment_more),
		cmocka_unit_test(test_no_other_epoch_is_read),
		cmocka_unit_test(test_what_is_no_segment_ends_the_tail),
	};

	return cmocka_run_group_tests(tests, make_directory,
	    remove_directory);
}
