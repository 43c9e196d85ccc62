/* A disk that fails: nothing is left behind, memory goes on. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "tests/unit/journal_fixture.h"

static int failing_syncs;
static bool failing_cuts;

/* In place of libc's: fails as often as a test says, as a kernel does that
 * tells a lost page once. */
int
fdatasync(int fildes)
{
	if (failing_syncs == 0)
		return fsync(fildes);
	failing_syncs--;
	errno = EIO;
	return -1;
}

/* As on a disk that has become read-only: nothing can be taken back. */
int	cut_in_front(int fd, off_t length) __asm__("ftruncate");

int
cut_in_front(int fd, off_t length)
{
	if (!failing_cuts)
		return (int)syscall(SYS_ftruncate, fd, length);
	errno = EROFS;
	return -1;
}

/* A reader's, told of the memory segment before or after it began to read. */
static void
reads_no_leftovers(struct life *l, bool told_first)
{
	uint64_t first, after = 0;
	struct journal_reader *r;
	struct err err;
	const void *p;
	size_t n;
	int fd;

	fd = journal_writer_memory_fd(l->w, 0, &first);
	assert_int_equal(first, 5000000);
	r = journal_reader_new(directory, &err);
	if (told_first)
		journal_reader_add_segment(r, first, dup(fd));
	for (; after < 2; after++)
		assert_int_equal(journal_reader_next(r, after, after + 1, &p,
		    &n, &first, &err), JOURNAL_RECORD);
	if (!told_first)
		journal_reader_add_segment(r, 5000000, dup(fd));
	assert_true(journal_reader_knows_memory(r, 2));
	assert_false(journal_reader_knows_memory(r, 5000000));
	for (; after < 5; after++) {
		assert_int_equal(journal_reader_next(r, after, 5000001, &p,
		    &n, &first, &err), JOURNAL_LOST);
		assert_int_equal(first, 5000000);
	}
	for (after = first - 1; after < 5000001; after++)
		assert_int_equal(journal_reader_next(r, after, 5000001, &p,
		    &n, &first, &err), JOURNAL_RECORD);
	journal_reader_free(r);
}

static void
test_what_cannot_be_taken_back_is_read_by_nobody(void **state)
{
	uint64_t events, lost;
	struct err err;
	struct life l;

	(void)state;
	l = begin(BOOT_A, 1 << 20, 1 << 24);
	assert_int_equal(put(&l, "job:a", 300), 1);
	assert_int_equal(put(&l, "job:a", 300), 2);
	failing_syncs = 1;
	failing_cuts = true;
	assert_int_equal(put_sync(&l, "job:a", 300, true), 0);
	failing_cuts = false;
	/* It is there, and looks like any other. */
	assert_int_equal(read_all(0, 3, &events, &lost), 3);
	assert_int_equal(journal_writer_memory(l.w, 99, 5000000, NOW, &err),
	    0);
	sequencer_begin_epoch(l.s, 99, 5000000);
	assert_int_equal(put(&l, "job:a", 300), 5000000);
	assert_int_equal(put(&l, "job:a", 300), 5000001);
	reads_no_leftovers(&l, true);
	reads_no_leftovers(&l, false);
	end(&l);
}

static void
test_a_failed_sync_is_not_forgotten(void **state)
{
	struct err err;
	struct life l;

	(void)state;
	l = begin(BOOT_A, 1 << 20, 1 << 24);
	assert_int_equal(put(&l, "job:a", 300), 1);
	failing_syncs = 1;
	assert_int_equal(save_state(&l), -1);
	assert_true(journal_writer_dirty(l.w));
	assert_int_equal(journal_writer_sync(l.w, &err), -1);
	assert_int_equal(err.code, EIO);
	assert_int_equal(journal_writer_memory(l.w, 99, 5000000, NOW, &err),
	    0);
	assert_int_equal(journal_writer_sync(l.w, &err), 0);
	end(&l);
}

static void
repaired_disk(void)
{
	struct life l;
	struct err err;
	char *path;

	small_disk();
	l = begin(BOOT_A, 1 << 17, 1 << 24);
	put_many(&l, 1);
	path = fill_up();
	CHECK(journal_writer_memory(l.w, 99, 5000000, NOW, &err) == 0);
	sequencer_begin_epoch(l.s, 99, 5000000);
	put_many(&l, 1);
	CHECK(unlink(path) == 0);
	free(path);
	journal_writer_note(l.w);
	put_many(&l, 1);
	end(&l);
	l = begin(BOOT_A, 1 << 17, 1 << 24);
	CHECK(l.found.new_epoch && l.found.next > 5000001);
	CHECK(strstr(l.found.reason, "memory") != NULL);
	end(&l);
}

static void
test_memory_is_noted_when_the_disk_is_repaired(void **state)
{
	(void)state;
	in_child(repaired_disk);
}

static void
broken_disk(void)
{
	const struct rlimit limit = { 1 << 16, 1 << 16 };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	uint64_t events, lost, first;
	struct writer_info info;
	struct journal_reader *r;
	const void *p;
	struct life l;
	struct err err;
	size_t n;
	int fd;

	(void)sigaction(SIGXFSZ, &ignore, NULL);
	l = begin(BOOT_A, 1 << 17, 1 << 24);
	CHECK(put(&l, "job:a", 30000) == 1);
	CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	CHECK(put(&l, "job:a", 30000) == 2);
	CHECK(put(&l, "job:a", 30000) == 0);
	/* Nothing of it is left behind. */
	CHECK(read_all(0, 10, &events, &lost) == 2 && lost == 0);
	CHECK(journal_writer_memory(l.w, 99, 5000000, NOW, &err) == 0);
	sequencer_begin_epoch(l.s, 99, 5000000);
	CHECK(put(&l, "job:a", 30000) == 5000000);
	journal_writer_info(l.w, &info);
	CHECK(info.memory);
	fd = journal_writer_memory_fd(l.w, 0, &first);
	CHECK(fd >= 0 && first == 5000000);
	r = journal_reader_new(directory, &err);
	journal_reader_add_segment(r, first, dup(fd));
	CHECK(journal_reader_next(r, 2, 5000000, &p, &n, &first, &err) ==
	    JOURNAL_LOST && first == 5000000);
	CHECK(journal_reader_next(r, first - 1, 5000000, &p, &n, &first,
	    &err) == JOURNAL_RECORD);
	journal_reader_free(r);
	/* One that is told of memory before it looked at the disk begins with
	 * the disk nevertheless, and sees the hole. */
	r = journal_reader_new(directory, &err);
	journal_reader_add_segment(r, 5000000, dup(fd));
	CHECK(journal_reader_next(r, 0, 5000000, &p, &n, &first, &err) ==
	    JOURNAL_RECORD);
	CHECK(journal_reader_next(r, 1, 5000000, &p, &n, &first, &err) ==
	    JOURNAL_RECORD);
	CHECK(journal_reader_next(r, 2, 5000000, &p, &n, &first, &err) ==
	    JOURNAL_LOST && first == 5000000);
	journal_reader_free(r);
	end(&l);
	/* What was in memory is gone: the next life must not reuse it. */
	l = begin(BOOT_A, 1 << 15, 1 << 24);
	CHECK(l.found.new_epoch && l.found.next > 5000000);
	CHECK(strstr(l.found.reason, "memory") != NULL);
	end(&l);
}

static void
test_an_io_error_leaves_nothing_behind_and_memory_goes_on(void **state)
{
	(void)state;
	in_child(broken_disk);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_what_cannot_be_taken_back_is_read_by_nobody),
		TEST(test_a_failed_sync_is_not_forgotten),
		TEST(test_memory_is_noted_when_the_disk_is_repaired),
		TEST(test_an_io_error_leaves_nothing_behind_and_memory_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
