/*
 * What the journal's unit tests share: a directory of their own, one life of a
 * broker over it, events to write and to read back, and a small disk.
 */
#ifndef SLUICE_JOURNAL_FIXTURE_H
#define SLUICE_JOURNAL_FIXTURE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "broker/journal_writer.h"
#include "broker/state_file.h"
#include "common/journal.h"
#include "common/xmalloc.h"

#define BOOT_A "aaaaaaaa-0000-0000-0000-000000000000"
#define BOOT_B "bbbbbbbb-0000-0000-0000-000000000000"
#define NOW    INT64_C(1700000000000)

/* One life of a broker over a directory. */
struct life {
	struct sequencer	*s;
	struct dedup		*d;
	struct publish_core	*core;
	struct journal_writer	*w;
	struct recovered	 found;
	int			 start_rc;
	uint64_t		 batch;
};

static char directory[64];

static UNUSED int
setup(void **state)
{
	(void)state;
	(void)snprintf(directory, sizeof(directory), "/tmp/sl-XXXXXX");
	return mkdtemp(directory) != NULL ? 0 : -1;
}

static UNUSED void
empty_directory(void)
{
	struct dirent *e;
	DIR *d = opendir(directory);

	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		(void)unlinkat(dirfd(d), e->d_name, 0);
	(void)closedir(d);
}

static UNUSED int
teardown(void **state)
{
	(void)state;
	empty_directory();
	return rmdir(directory);
}

static UNUSED struct life
begin(const char *boot, uint64_t segment, uint64_t size)
{
	const struct journal_writer_options options = { .size = size,
		.segment = segment };
	struct life l = { 0 };
	struct err err = { 0 };

	l.s = sequencer_new(1000, 1);
	l.d = dedup_new(1000000, 1000, 2);
	l.core = publish_core_new(l.s, l.d);
	l.w = journal_writer_new(directory, &options, &err);
	if (l.w == NULL)
		fail_msg("%s", err.text);
	if (journal_recover(journal_writer_directory(l.w), l.core, l.s, l.d,
	    true, boot, NOW, &l.found, &err) < 0)
		fail_msg("%s", err.text);
	l.start_rc = journal_writer_start(l.w, &l.found, boot, NOW, &err);
	free(l.found.segments);
	return l;
}

/* As after a SIGKILL: nothing is closed in order. */
static UNUSED void
end(struct life *l)
{
	journal_writer_free(l->w);
	publish_core_free(l->core);
	sequencer_free(l->s);
	dedup_free(l->d);
}

/* One event of about `size` bytes as one record, synced or not; its position,
 * 0 = failed. */
static UNUSED uint64_t
put_sync(struct life *l, const char *key, size_t size, bool sync)
{
	char *frame = xmalloc(size + 16);
	struct item item = { .tenant = slice_str("-"),
		.key = slice_str(key), .event_type = slice_str("log"),
		.data_off = 7 };
	struct buf bytes = BUF_EMPTY;
	struct writer_record r = { 0 };
	struct publish_request q;
	struct publish_outcome o;
	int rc;

	memset(frame, 'x', size + 16);
	memcpy(frame, "\"data\":{\"", 9);
	memcpy(frame + size, "\":1}}", 5);
	item.frame = (struct slice){ frame, size + 5 };
	buf_u8(&bytes, PUBLISH_OP_EVENTS);
	buf_str16(&bytes, "w/a", 3);
	buf_u64(&bytes, 1);
	buf_u64(&bytes, ++l->batch + 1000 * l->found.next);
	buf_u32(&bytes, 1);
	item_encode(&bytes, &item, false);
	assert_int_equal(publish_request_decode(bytes.data, bytes.len, &q),
	    0);
	assert_int_equal(publish_batch(l->core, &q, NOW, &o), 0);
	r.length = o.record->len;
	r.first = r.last = o.first.number;
	rc = journal_writer_append(l->w, o.record->data, &r, 1, sync, NOW,
	    NULL);
	buf_free(&bytes);
	free(frame);
	return rc < 0 ? 0 : r.first;
}

static UNUSED uint64_t
put(struct life *l, const char *key, size_t size)
{
	return put_sync(l, key, size, false);
}

static UNUSED int
save_state(struct life *l)
{
	struct state_saver v;
	struct buf b = BUF_EMPTY;
	bool first = true, last = false;
	int rc = 0;

	state_saver_begin(&v, l->s, l->d);
	while (!last && rc == 0) {
		buf_reset(&b);
		last = state_saver_next(&v, &b);
		rc = journal_writer_state(l->w, v.position.number, first,
		    last, b.data, b.len, NULL);
		first = false;
	}
	buf_free(&b);
	return rc;
}

static UNUSED char *
newest(const char *suffix, bool oldest)
{
	char name[JOURNAL_FILE_NAME_MAX];
	uint64_t *list = NULL;
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ssize_t n = journal_file_list(fd, suffix, &list, NULL);
	char *path;

	(void)close(fd);
	assert_true(n > 0);
	path = xasprintf("%s/%s", directory, journal_file_name(name,
	    list[oldest ? 0 : n - 1], suffix));
	free(list);
	return path;
}

static UNUSED void
patch(const char *path, off_t at, const void *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite(fd, p, n, at), n);
	(void)close(fd);
}

/* Reads all from `after`; counts events, returns the last position. */
static UNUSED uint64_t
read_all(uint64_t after, uint64_t limit, uint64_t *ret_events,
    uint64_t *ret_lost)
{
	struct err err;
	struct journal_reader *r = journal_reader_new(directory, &err);
	const void *p;
	uint64_t first;
	size_t n;

	*ret_events = 0;
	*ret_lost = 0;
	for (;;) {
		enum journal_next next = journal_reader_next(r, after, limit,
		    &p, &n, &first, &err);

		if (next == JOURNAL_RECORD) {
			struct record_header h;
			struct rd rd;

			assert_int_equal(record_decode(p, n, &h, &rd, &err),
			    0);
			assert_int_equal(h.first, after + 1);
			after = h.first + h.count - 1;
			*ret_events += h.count;
		} else if (next == JOURNAL_LOST && first <= limit) {
			(*ret_lost)++;
			after = first - 1;
		} else {
			break;
		}
	}
	journal_reader_free(r);
	return after;
}

/* In a child: its limits and mounts end with it. Exit status 0 = good. */
static UNUSED void
in_child(void (*what)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		what();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

#define CHECK(c) do { if (!(c)) { \
	fprintf(stderr, "line %d: %s\n", __LINE__, #c); _exit(1); } } while (0)

/* A small disk of the child's own. */
static UNUSED void
small_disk(void)
{
	CHECK(geteuid() == 0 ? unshare(CLONE_NEWNS) == 0 :
	    unshare(CLONE_NEWNS | CLONE_NEWUSER) == 0);
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(mount("tmpfs", directory, "tmpfs", 0, "size=600k") == 0);
}

/* Puts `n` events; saves the state when the writer asks for it. */
static UNUSED void
put_many(struct life *l, int n)
{
	for (int i = 0; i < n; i++) {
		CHECK(put(l, "job:a", 30000) != 0);
		if (journal_writer_state_due(l->w))
			(void)save_state(l);
	}
}

/* Somebody else's file takes what is left, to the last block. */
static UNUSED char *
fill_up(void)
{
	static const char bytes[4096];
	char *path = xasprintf("%s/other", directory);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	while (write(fd, bytes, sizeof(bytes)) > 0)
		;
	CHECK(errno == ENOSPC);
	(void)close(fd);
	return path;
}

#endif
