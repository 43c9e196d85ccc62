/* The thread between the broker's loop and the disk. */
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "broker/journal_thread.h"
#include "common/mono.h"
#include "common/xmalloc.h"

#define LIMIT_S 30   /* for what would never come */

struct fixture {
	char			 directory[32];
	struct event_base	*base;
	struct journal_thread	*thread;
	bool			 done;
	struct err		 trouble;
};

static atomic_bool disk_hangs, disk_fails;
static atomic_int syncs;             /* begun */

/* In place of libc's: a disk that takes as long as the test wants. */
int
fdatasync(int fildes)
{
	syncs++;
	while (disk_hangs)
		(void)poll(NULL, 0, 5);
	if (!disk_fails)
		return fsync(fildes);
	errno = EIO;
	return -1;
}

static void
done_cb(struct journal_job *job, void *arg)
{
	struct fixture *f = arg;

	assert_int_equal(job->rc, 0);
	f->done = true;
	(void)event_base_loopbreak(f->base);
}

static void
trouble_cb(const struct err *err, void *arg)
{
	struct fixture *f = arg;

	f->trouble = *err;
	(void)event_base_loopbreak(f->base);
}

/* With a sync every so many milliseconds. */
static int
begin(void **state, int64_t sync_ms)
{
	const struct journal_writer_options options = { .size = 1 << 24,
		.segment = 1 << 20 };
	struct recovered found = { .epoch = 7, .next = 1, .new_epoch = true };
	static struct fixture f;
	struct journal_writer *w;
	struct err err;

	disk_hangs = disk_fails = false;
	f = (struct fixture){ .directory = "/tmp/sl-XXXXXX" };
	*state = &f;
	if (mkdtemp(f.directory) == NULL)
		return -1;
	w = journal_writer_new(f.directory, &options, &err);
	if (w == NULL || journal_writer_start(w, &found, "boot",
	    wall_unix_ms(), &err) < 0)
		return -1;
	syncs = 0;
	f.base = event_base_new();
	f.thread = journal_thread_new(f.base, w, CONF_SYNC_INTERVAL, sync_ms,
	    done_cb, trouble_cb, &f, &err);
	return f.thread != NULL ? 0 : -1;
}

static int
setup(void **state)
{
	return begin(state, 1);
}

static int
setup_rarely_synced(void **state)
{
	return begin(state, LIMIT_S * 2000);
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	struct dirent *e;
	DIR *d;

	disk_hangs = disk_fails = false;
	journal_thread_free(f->thread);
	event_base_free(f->base);
	d = opendir(f->directory);
	if (d == NULL)
		return -1;
	while ((e = readdir(d)) != NULL)
		(void)unlinkat(dirfd(d), e->d_name, 0);
	(void)closedir(d);
	return rmdir(f->directory);
}

static void
run_for(struct fixture *f, struct timeval limit)
{
	(void)event_base_loopexit(f->base, &limit);
	(void)event_base_dispatch(f->base);
}

static void
submit(struct fixture *f, struct journal_job *job, uint64_t position)
{
	f->done = false;
	journal_job_reset(job);
	journal_job_add(job, "record", 6, position, position);
	journal_thread_submit(f->thread, job);
}

static void
write_one(struct fixture *f, struct journal_job *job, uint64_t position)
{
	submit(f, job, position);
	run_for(f, (struct timeval){ .tv_sec = LIMIT_S });
	assert_true(f->done);
}

static void
wait_for_syncs(int n)
{
	for (int i = 0; syncs < n && i < LIMIT_S * 1000; i++)
		(void)poll(NULL, 0, 1);
	assert_int_equal(syncs, n);
}

static void
test_a_job_is_done_when_it_is_written_not_when_it_is_synced(void **state)
{
	struct fixture *f = *state;
	struct journal_job job = { 0 };

	/* Beyond the first sync's due time. */
	(void)poll(NULL, 0, 20);
	disk_hangs = true;
	write_one(f, &job, 1);
	assert_true(f->done);
	journal_job_clear(&job);
}

static void
test_a_job_is_done_while_what_was_before_it_is_synced(void **state)
{
	struct fixture *f = *state;
	struct journal_job job = { 0 };

	disk_hangs = true;
	write_one(f, &job, 1);
	wait_for_syncs(1);
	write_one(f, &job, 2);
	assert_true(f->done);
	/* It is of the next sync, which is not due for long. */
	disk_hangs = false;
	(void)poll(NULL, 0, 20);
	assert_int_equal(syncs, 1);
	journal_job_clear(&job);
}

static void
test_a_disk_that_stands_still_holds_up_who_would_write_more(void **state)
{
	struct timeval limit = { .tv_sec = LIMIT_S };
	struct fixture *f = *state;
	struct journal_job job = { 0 };

	disk_hangs = true;
	write_one(f, &job, 1);
	wait_for_syncs(1);
	/* Longer than the time between two. */
	while (journal_thread_blocked_ms(f->thread) < 2)
		(void)poll(NULL, 0, 1);
	submit(f, &job, 2);
	run_for(f, (struct timeval){ .tv_usec = 100000 });
	assert_false(f->done);
	disk_hangs = false;
	run_for(f, limit);
	assert_true(f->done);
	/* What came meanwhile is synced, too. */
	wait_for_syncs(2);
	journal_job_clear(&job);
}

static void
test_a_sync_that_failed_is_told_without_another_job(void **state)
{
	struct timeval limit = { .tv_sec = LIMIT_S };
	struct fixture *f = *state;
	struct journal_job job = { 0 };

	disk_hangs = true;
	write_one(f, &job, 1);
	wait_for_syncs(1);
	disk_fails = true;
	disk_hangs = false;
	run_for(f, limit);
	assert_int_equal(f->trouble.code, EIO);
	assert_int_equal(syncs, 1);
	/* The kernel would not say it a second time. */
	disk_fails = false;
	write_one(f, &job, 2);
	assert_int_equal(syncs, 1);
	journal_job_clear(&job);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_a_job_is_done_when_it_is_written_not_when_it_is_synced,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_job_is_done_while_what_was_before_it_is_synced,
		    setup_rarely_synced, teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_disk_that_stands_still_holds_up_who_would_write_more,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_sync_that_failed_is_told_without_another_job,
		    setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
