/* The spool on a disk that changes files, or does not give or keep them. */
#include "tests/unit/spool_fixture.h"

#include <errno.h>
#include <sys/resource.h>

/* In front of libc's: as on a disk with an error, when the test says so. */
static bool sync_fails;
static int  syncs_until_one_fails;   /* 0: none does */

int	sync_in_front(int fd) __asm__("fdatasync");

int
sync_in_front(int fd)
{
	if (sync_fails || (syncs_until_one_fails > 0 &&
	    --syncs_until_one_fails == 0)) {
		errno = EIO;
		return -1;
	}
	return fsync(fd);
}

static void
test_a_wrong_byte_is_told_and_the_file_is_kept(void **state)
{
	struct place *p = *state;
	char *path = segment_path(p, 1);
	struct spool *s = open_at(p, LIMIT);
	char aside[160];

	assert_int_equal(append(s, p, 0, 10, NULL), 10);
	spool_close(s);
	flip(path, 16 + 4 * 48 + 20, 1);
	s = open_at(p, LIMIT);
	assert_non_null(strstr(p->damage, "0000000000000001.spool is damaged "
	    "at byte 208 of 496"));
	assert_int_equal(spool_pending(s), 4);
	assert_int_equal(append(s, p, 4, 1, NULL), 1);
	assert_int_equal(take_all(s, p, 0), 5);
	(void)snprintf(aside, sizeof(aside), "%s/%016x.damaged",
	    p->directory, 1u);
	assert_int_equal(access(aside, F_OK), 0);
	assert_int_equal(access(path, F_OK), -1);
	spool_close(s);
	free(path);
}

static void
test_zeros_at_the_end_count_as_cut(void **state)
{
	struct place *p = *state;
	char *path = segment_path(p, 1);
	struct spool *s = open_at(p, LIMIT);

	assert_int_equal(append(s, p, 0, 2, NULL), 2);
	spool_close(s);
	assert_int_equal(truncate(path, 16 + 2 * 48 + 1000), 0);
	s = open_at(p, LIMIT);
	assert_string_equal(p->damage, "");
	assert_int_equal(take_all(s, p, 0), 2);
	spool_close(s);
	free(path);
}

/* After a power loss the size of a file may be on the disk, and its data not:
 * up to a whole segment of zeros. */
static void
test_a_start_over_megabytes_of_zeros_is_quick(void **state)
{
	struct place *p = *state;
	char *path = segment_path(p, 1);
	struct spool *s = open_at(p, LIMIT);

	assert_int_equal(append(s, p, 0, 2, NULL), 2);
	spool_close(s);
	assert_int_equal(truncate(path, SPOOL_SEGMENT_BYTES), 0);
	(void)alarm(60);   /* where each byte looks at all the rest: hours */
	s = open_at(p, LIMIT);
	assert_string_equal(p->damage, "");
	assert_int_equal(take_all(s, p, 0), 2);
	(void)alarm(0);
	spool_close(s);
	free(path);
}

/* A record of which the head and a part came, in front of whole ones or not. */
static void
test_what_stands_behind_zeros_is_found(void **state)
{
	struct place *p = *state;
	const size_t cut = 16 + 2 * 48;
	char *path = segment_path(p, 1);
	struct spool *s = open_at(p, LIMIT);
	char whole[48], zeros[40000] = { 0 };
	int fd;

	assert_int_equal(append(s, p, 0, 3, NULL), 3);
	spool_close(s);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, whole, 48, (off_t)cut), 48);
	/* 48 KiB it says: more than there is. */
	assert_int_equal(pwrite(fd, "\0\xc0\0\0abcd", 8, (off_t)cut), 8);
	assert_int_equal(pwrite(fd, zeros, sizeof(zeros), (off_t)cut + 8),
	    sizeof(zeros));
	s = open_at(p, LIMIT);
	assert_string_equal(p->damage, "");
	spool_close(s);
	assert_int_equal(pwrite(fd, "\0\xc0\0\0abcd", 8, (off_t)cut), 8);
	assert_int_equal(pwrite(fd, zeros, sizeof(zeros), (off_t)cut + 8),
	    sizeof(zeros));
	assert_int_equal(pwrite(fd, whole, 48, (off_t)cut + 1007), 48);
	(void)close(fd);
	s = open_at(p, LIMIT);
	assert_non_null(strstr(p->damage, "is damaged at byte 112"));
	assert_int_equal(take_all(s, p, 0), 2);
	spool_close(s);
	free(path);
}

/* A segment that was ended has no half record: what looks like one was
 * changed. */
static void
test_what_is_cut_in_an_ended_segment_is_damage(void **state)
{
	struct place *p = *state;
	char *path = segment_path(p, 1);
	struct spool *s = open_at(p, LIMIT);

	p->size = 40000;
	assert_int_equal(append(s, p, 0, 110, NULL), 110);
	spool_close(s);
	/* The size of its last record. */
	flip(path, 16 + 104 * 40008 + 1, 0x20);
	s = open_at(p, LIMIT);
	assert_non_null(strstr(p->damage, "0000000000000001.spool is damaged"));
	assert_int_equal(spool_pending(s), 110 - 1);
	spool_close(s);
	free(path);
}

static void
test_what_is_cut_before_a_whole_record_is_damage(void **state)
{
	struct place *p = *state;
	char *path = segment_path(p, 1);
	struct spool *s = open_at(p, LIMIT);

	assert_int_equal(append(s, p, 0, 10, NULL), 10);
	spool_close(s);
	flip(path, 16 + 4 * 48 + 1, 0x40);
	s = open_at(p, LIMIT);
	assert_non_null(strstr(p->damage, "is damaged at byte 208 of 496"));
	assert_int_equal(take_all(s, p, 0), 4);
	spool_close(s);
	free(path);
}

static size_t
aside(const struct place *p)
{
	char path[160];
	size_t n = 0;

	for (unsigned int i = 0; i < 40; i++) {
		(void)snprintf(path, sizeof(path), "%s/%016x.damaged",
		    p->directory, i);
		n += access(path, F_OK) == 0;
	}
	return n;
}

static void
test_a_start_sets_a_file_aside_that_cannot_be_read(void **state)
{
	struct place *p = *state;
	char *path = segment_path(p, 1);
	struct spool *s = open_at(p, LIMIT);

	p->size = 40000;
	assert_int_equal(append(s, p, 0, 150, NULL), 150);
	spool_close(s);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	s = open_at(p, LIMIT);
	assert_non_null(strstr(p->damage, "0000000000000001.spool"));
	assert_int_equal(spool_pending(s), 150 - 105);
	assert_int_equal(take_all(s, p, 105), 150);
	spool_close(s);
	assert_int_equal(aside(p), 1);
	(void)snprintf(path, strlen(path) + 1, "%s/%016x.damaged",
	    p->directory, 1u);
	(void)rmdir(path);
	free(path);
}

static bool
nothing_cb(struct slice text UNUSED, void *arg UNUSED)
{
	return true;
}

static void
test_a_file_that_changed_can_be_given_up(void **state)
{
	struct place *p = *state;
	char *path = segment_path(p, 1);
	struct spool *s = open_at(p, LIMIT);
	struct err err;

	p->size = 40000;
	assert_int_equal(append(s, p, 0, 150, NULL), 150);
	assert_int_equal(take(s, p, 0, 5), 5);
	flip(path, 16 + 5 * 40008 + 100, 1);
	assert_int_equal(spool_read(s, nothing_cb, NULL, &err), -1);
	assert_true(spool_is_broken(s));
	assert_int_equal(spool_set_aside(s, p->damage), 100);
	assert_non_null(strstr(p->damage, "100 events are not sent"));
	assert_int_equal(aside(p), 1);
	assert_int_equal(append(s, p, 150, 1, &err), 1);
	assert_int_equal(take_all(s, p, 105), 151);
	spool_close(s);
	s = open_at(p, LIMIT);
	assert_int_equal(spool_pending(s), 0);
	spool_close(s);
	free(path);
}

static void
test_what_stands_before_a_change_is_read_first(void **state)
{
	struct place *p = *state;
	char *path = segment_path(p, 1);
	struct spool *s = open_at(p, LIMIT);
	struct err err;

	assert_int_equal(append(s, p, 0, 10, NULL), 10);
	flip(path, 16 + 4 * 48 + 20, 1);
	assert_int_equal(take(s, p, 0, SIZE_MAX), 4);
	assert_int_equal(spool_read(s, nothing_cb, NULL, &err), -1);
	assert_true(spool_is_broken(s));
	/* The file that is being written, too. */
	assert_int_equal(spool_set_aside(s, p->damage), 6);
	assert_int_equal(append(s, p, 10, 3, &err), 3);
	assert_int_equal(take_all(s, p, 10), 13);
	spool_close(s);
	free(path);
}

static void
test_too_many_open_files_say_nothing_of_a_file(void **state)
{
	struct place *p = *state;
	struct spool *s = open_at(p, LIMIT);
	struct rlimit before;
	struct err err;
	int rc;

	assert_int_equal(append(s, p, 0, 10, NULL), 10);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	(void)setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 0,
	    before.rlim_max });
	rc = spool_read(s, nothing_cb, NULL, &err);
	(void)setrlimit(RLIMIT_NOFILE, &before);
	assert_int_equal(rc, -1);
	assert_false(spool_is_broken(s));
	assert_int_equal(take_all(s, p, 0), 10);
	spool_close(s);
}

/* After a sync that has failed another of the same file succeeds, and the data
 * may be gone all the same. */
static void
test_a_sync_that_has_failed_is_told_at_the_end(void **state)
{
	struct place *p = *state;
	char *second = segment_path(p, 2);
	struct err err;
	struct spool *s = spool_open(p->directory, LIMIT, SLUICE_SYNC_SECOND,
	    p->damage, &err);

	assert_int_equal(append(s, p, 0, 3, &err), 3);
	sync_fails = true;
	assert_int_equal(spool_sync(s, &err), -1);
	assert_non_null(strstr(err.text, "may be lost with the machine"));
	sync_fails = false;
	assert_int_equal(append(s, p, 3, 3, &err), 3);
	assert_int_equal(access(second, F_OK), 0);
	assert_int_equal(spool_sync(s, &err), 0);
	assert_int_equal(spool_close(s), -1);
	/* What was sent needs no file. */
	s = spool_open(p->directory, LIMIT, SLUICE_SYNC_SECOND, p->damage,
	    &err);
	assert_int_equal(append(s, p, 6, 1, &err), 1);
	sync_fails = true;
	assert_int_equal(spool_sync(s, &err), -1);
	sync_fails = false;
	assert_int_equal(take_all(s, p, 0), 7);
	assert_int_equal(spool_close(s), 0);
	free(second);
}

static void
test_what_could_not_be_synced_at_once_is_not_spooled(void **state)
{
	struct place *p = *state;
	struct err err;
	struct spool *s = spool_open(p->directory, LIMIT, SLUICE_SYNC_EACH,
	    p->damage, &err);

	assert_int_equal(append(s, p, 0, 3, &err), 3);
	sync_fails = true;
	assert_int_equal(append(s, p, 3, 3, &err), 0);
	assert_int_equal(append(s, p, 3, 3, &err), 0);
	sync_fails = false;
	assert_int_equal(append(s, p, 3, 3, &err), 3);
	assert_int_equal(take_all(s, p, 0), 6);
	assert_int_equal(spool_close(s), 0);
}

/* A batch that went out of memory is spilled while its answer is on its way,
 * and the answer takes it without having read it. */
static void
test_what_was_not_read_is_taken_behind_an_empty_segment(void **state)
{
	struct place *p = *state;
	struct err err;
	struct spool *s = spool_open(p->directory, LIMIT, SLUICE_SYNC_EACH,
	    p->damage, &err);

	/* The head of the segment is kept, the first record is not. */
	syncs_until_one_fails = 2;
	assert_int_equal(append(s, p, 0, 1, &err), 0);
	assert_int_equal(append(s, p, 0, 2, &err), 2);
	spool_take(s, p->size);
	assert_int_equal(spool_commit(s, &err), 0);
	assert_int_equal(spool_pending(s), 1);
	assert_int_equal(spool_close(s), 0);
	s = spool_open(p->directory, LIMIT, SLUICE_SYNC_EACH, p->damage, &err);
	assert_string_equal(p->damage, "");
	assert_int_equal(take_all(s, p, 1), 2);
	assert_int_equal(spool_close(s), 0);
}

static void
test_what_was_set_aside_is_not_written_over(void **state)
{
	struct place *p = *state;
	struct spool *s = open_at(p, LIMIT);
	struct err err;
	char *path;

	/* Nothing of it can be read: no segment is left, but its number is. */
	for (unsigned int i = 1; i <= 2; i++) {
		path = segment_path(p, i);
		assert_int_equal(append(s, p, 0, 3, &err), 3);
		assert_int_equal(spool_close(s), 0);
		flip(path, 16 + 20, 1);
		s = open_at(p, LIMIT);
		assert_int_equal(spool_pending(s), 0);
		assert_int_equal(aside(p), i);
		free(path);
	}
	spool_close(s);
}

static void
test_a_file_that_is_there_is_no_new_segment(void **state)
{
	struct place *p = *state;
	char *first = segment_path(p, 1), *second = segment_path(p, 2);
	struct spool *s = open_at(p, LIMIT);
	struct stat st;
	struct err err;
	int fd;

	fd = open(first, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, 4096), 0);
	(void)close(fd);
	assert_int_equal(append(s, p, 0, 3, &err), 3);
	assert_int_equal(access(second, F_OK), 0);
	assert_int_equal(stat(first, &st), 0);
	assert_int_equal(st.st_size, 4096);
	assert_int_equal(take_all(s, p, 0), 3);
	spool_close(s);
	free(first);
	free(second);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(test_a_wrong_byte_is_told_and_the_file_is_kept),
		T(test_zeros_at_the_end_count_as_cut),
		T(test_a_start_over_megabytes_of_zeros_is_quick),
		T(test_what_stands_behind_zeros_is_found),
		T(test_what_is_cut_in_an_ended_segment_is_damage),
		T(test_what_is_cut_before_a_whole_record_is_damage),
		T(test_a_start_sets_a_file_aside_that_cannot_be_read),
		T(test_a_file_that_changed_can_be_given_up),
		T(test_what_stands_before_a_change_is_read_first),
		T(test_too_many_open_files_say_nothing_of_a_file),
		T(test_a_sync_that_has_failed_is_told_at_the_end),
		T(test_what_could_not_be_synced_at_once_is_not_spooled),
		T(test_what_was_not_read_is_taken_behind_an_empty_segment),
		T(test_what_was_set_aside_is_not_written_over),
		T(test_a_file_that_is_there_is_no_new_segment),
	};
#undef T
	return cmocka_run_group_tests(tests, NULL, NULL);
}
