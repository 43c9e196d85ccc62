/* The thread between the broker's loop and the disk. */
#include <dirent.h>
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
};

static atomic_bool disk_hangs;

/* In place of libc's: a disk that takes as long as the test wants. */
int
fdatasync(int fildes)
{
	while (disk_hangs)
		(void)poll(NULL, 0, 5);
	return fsync(fildes);
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
	(void)arg;
	fail_msg("%s", err->text);
}

static int
setup(void **state)
{
	const struct journal_writer_options options = { .size = 1 << 24,
		.segment = 1 << 20 };
	struct recovered found = { .epoch = 7, .next = 1, .new_epoch = true };
	static struct fixture f;
	struct journal_writer *w;
	struct err err;

	f = (struct fixture){ .directory = "/tmp/sl-XXXXXX" };
	*state = &f;
	if (mkdtemp(f.directory) == NULL)
		return -1;
	w = journal_writer_new(f.directory, &options, &err);
	if (w == NULL || journal_writer_start(w, &found, "boot",
	    wall_unix_ms(), &err) < 0)
		return -1;
	f.base = event_base_new();
	f.thread = journal_thread_new(f.base, w, CONF_SYNC_INTERVAL, 1,
	    done_cb, trouble_cb, &f, &err);
	return f.thread != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	struct dirent *e;
	DIR *d;

	disk_hangs = false;
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
test_a_job_is_done_when_it_is_written_not_when_it_is_synced(void **state)
{
	struct fixture *f = *state;
	struct journal_job job = { 0 };
	struct timeval limit = { .tv_sec = LIMIT_S };

	/* Beyond the first sync's due time. */
	(void)poll(NULL, 0, 20);
	disk_hangs = true;
	journal_job_add(&job, "record", 6, 1, 1);
	journal_thread_submit(f->thread, &job);
	(void)event_base_loopexit(f->base, &limit);
	(void)event_base_dispatch(f->base);
	assert_true(f->done);
	journal_job_clear(&job);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_a_job_is_done_when_it_is_written_not_when_it_is_synced,
		    setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
