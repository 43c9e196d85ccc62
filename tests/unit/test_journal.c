/* Writer, recovery and reader of the journal on real directories. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
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

static int
setup(void **state)
{
	(void)state;
	(void)snprintf(directory, sizeof(directory), "/tmp/sl-XXXXXX");
	return mkdtemp(directory) != NULL ? 0 : -1;
}

static void
empty_directory(void)
{
	struct dirent *e;
	DIR *d = opendir(directory);

	assert_non_null(d);
	while ((e = readdir(d)) != NULL)
		(void)unlinkat(dirfd(d), e->d_name, 0);
	(void)closedir(d);
}

static int
teardown(void **state)
{
	(void)state;
	empty_directory();
	return rmdir(directory);
}

static struct life
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
static void
end(struct life *l)
{
	journal_writer_free(l->w);
	publish_core_free(l->core);
	sequencer_free(l->s);
	dedup_free(l->d);
}

/* One event of about `size` bytes as one record; its position, 0 = failed. */
static uint64_t
put(struct life *l, const char *key, size_t size)
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
	rc = journal_writer_append(l->w, o.record->data, &r, 1, false, NOW,
	    NULL);
	buf_free(&bytes);
	free(frame);
	return rc < 0 ? 0 : r.first;
}

static int
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

static char *
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

static void
patch(const char *path, off_t at, const void *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite(fd, p, n, at), n);
	(void)close(fd);
}

/* Reads all from `after`; counts events, returns the last position. */
static uint64_t
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

static void
test_a_killed_broker_goes_on_in_the_same_epoch(void **state)
{
	struct sequencer_stream found;
	uint64_t events, lost;
	uint32_t epoch;
	struct life l;

	(void)state;
	l = begin(BOOT_A, 1 << 20, 1 << 24);
	epoch = l.found.epoch;
	assert_int_equal(put(&l, "job:a", 100), 1);
	assert_int_equal(put(&l, "job:a", 100), 2);
	end(&l);
	l = begin(BOOT_A, 1 << 20, 1 << 24);
	assert_false(l.found.new_epoch);
	assert_int_equal(l.found.epoch, epoch);
	assert_int_equal(put(&l, "job:a", 100), 3);
	assert_true(sequencer_find(l.s, slice_str("-"), slice_str("job:a"),
	    &found));
	assert_int_equal(found.seq, 3);
	end(&l);
	assert_int_equal(read_all(0, 3, &events, &lost), 3);
	assert_int_equal(events, 3);
	assert_int_equal(read_all(1, 2, &events, &lost), 2);
}

static void
test_a_record_cut_at_any_byte_is_cut_and_the_epoch_goes_on(void **state)
{
	uint64_t events, lost;
	struct stat before;
	char *path;
	size_t length;
	struct life l;

	(void)state;
	l = begin(BOOT_A, 1 << 16, 1 << 24);
	(void)put(&l, "job:a", 50);
	length = 0;
	end(&l);
	path = newest("seg", false);
	for (size_t keep = 0; ; keep++) {
		static const uint8_t zeroes[4096];
		off_t at;
		int fd;

		l = begin(BOOT_A, 1 << 16, 1 << 24);
		if (l.found.new_epoch)
			fail_msg("cut at %zu: %s", keep, l.found.reason);
		assert_int_equal(l.found.next, 2);
		at = (off_t)JOURNAL_HEADER_SIZE;
		assert_int_equal(put(&l, "job:a", 60), 2);
		end(&l);
		/* Where the second record begins and how long it is. */
		fd = open(path, O_RDWR | O_CLOEXEC);
		for (int i = 0; i < 2; i++) {
			uint32_t n;

			at += (off_t)length;
			assert_int_equal(pread(fd, &n, 4, at), 4);
			length = n;
		}
		if (keep == length) {
			(void)close(fd);
			break;
		}
		assert_int_equal(fstat(fd, &before), 0);
		if (keep % 2 == 0)      /* the file ends, or zeroes follow */
			assert_int_equal(ftruncate(fd, at + (off_t)keep), 0);
		else
			assert_true(pwrite(fd, zeroes, length - keep,
			    at + (off_t)keep) > 0);
		(void)close(fd);
		length = 0;
	}
	free(path);
	assert_int_equal(read_all(0, 2, &events, &lost), 2);
}

static void
test_damage_in_the_middle_begins_a_new_epoch_above_all(void **state)
{
	uint64_t reserved, events, lost;
	struct writer_info info;
	uint32_t epoch;
	struct life l;
	char *path;

	(void)state;
	l = begin(BOOT_A, 1 << 20, 1 << 24);
	epoch = l.found.epoch;
	for (int i = 0; i < 10; i++)
		(void)put(&l, "job:a", 300);
	journal_writer_info(l.w, &info);
	reserved = info.reserved;
	end(&l);
	path = newest("seg", false);
	patch(path, JOURNAL_HEADER_SIZE + 900, "damage", 6);
	free(path);
	l = begin(BOOT_A, 1 << 20, 1 << 24);
	assert_true(l.found.new_epoch);
	assert_int_not_equal(l.found.epoch, epoch);
	assert_true(l.found.next > reserved);
	assert_non_null(strstr(l.found.reason, "crc"));
	assert_int_equal(put(&l, "job:b", 100), l.found.next);
	assert_int_equal(save_state(&l), 0);
	end(&l);
	/* The damage is answered: a kill now keeps the epoch. */
	l = begin(BOOT_A, 1 << 20, 1 << 24);
	assert_false(l.found.new_epoch);
	end(&l);
	assert_int_equal(read_all(0, l.found.next, &events, &lost),
	    l.found.next - 1);
	assert_int_equal(lost, 1);
}

static void
test_damage_is_seen_again_until_the_new_epoch_is_on_disk(void **state)
{
	struct life l;
	char *path, *epochs = xasprintf("%s/epochs.tmp", directory);

	(void)state;
	l = begin(BOOT_A, 1 << 20, 1 << 24);
	for (int i = 0; i < 10; i++)
		(void)put(&l, "job:a", 300);
	end(&l);
	path = newest("seg", false);
	patch(path, JOURNAL_HEADER_SIZE + 900, "damage", 6);
	free(path);
	/* The history cannot be written. */
	assert_int_equal(mkdir(epochs, 0700), 0);
	l = begin(BOOT_A, 1 << 20, 1 << 24);
	assert_true(l.found.new_epoch);
	assert_int_equal(l.start_rc, -1);
	end(&l);
	assert_int_equal(rmdir(epochs), 0);
	free(epochs);
	l = begin(BOOT_A, 1 << 20, 1 << 24);
	assert_true(l.found.new_epoch && l.found.next > WRITER_RESERVE);
	end(&l);
	/* Answered; killed before there was a state file. */
	l = begin(BOOT_A, 1 << 20, 1 << 24);
	assert_false(l.found.new_epoch);
	end(&l);
}

static void
test_reboot_decides_by_how_it_was_closed(void **state)
{
	struct life l;
	uint64_t first;

	(void)state;
	l = begin(BOOT_A, 1 << 20, 1 << 24);
	(void)put(&l, "job:a", 300);
	assert_int_equal(journal_writer_close(l.w, NULL), 0);
	end(&l);
	l = begin(BOOT_B, 1 << 20, 1 << 24);
	assert_false(l.found.new_epoch);
	assert_int_equal(put(&l, "job:a", 300), 2);
	end(&l);
	l = begin(BOOT_A, 1 << 20, 1 << 24);
	assert_true(l.found.new_epoch);
	assert_non_null(strstr(l.found.reason, "restarted"));
	assert_true(l.found.next > WRITER_RESERVE);
	first = put(&l, "job:a", 300);
	assert_int_equal(first, l.found.next);
	assert_int_equal(journal_writer_close(l.w, NULL), 0);
	end(&l);
	/* Closed in order, then its end was lost. */
	{
		char *path = newest("seg", false);

		assert_int_equal(truncate(path, JOURNAL_HEADER_SIZE), 0);
		free(path);
	}
	l = begin(BOOT_B, 1 << 20, 1 << 24);
	assert_true(l.found.new_epoch);
	assert_true(l.found.next > first);
	end(&l);
}

static void
test_a_lost_journal_or_history_begins_above_what_was(void **state)
{
	char *path, history[128];
	struct life l;

	(void)state;
	l = begin(BOOT_A, 1 << 20, 1 << 24);
	(void)put(&l, "job:a", 300);
	end(&l);
	path = newest("seg", false);
	assert_int_equal(unlink(path), 0);
	free(path);
	l = begin(BOOT_A, 1 << 20, 1 << 24);
	assert_true(l.found.new_epoch);
	assert_true(l.found.next > WRITER_RESERVE);
	(void)put(&l, "job:a", 300);
	end(&l);
	(void)snprintf(history, sizeof(history), "%s/epochs", directory);
	assert_int_equal(truncate(history, 20), 0);
	l = begin(BOOT_A, 1 << 20, 1 << 24);
	assert_true(l.found.new_epoch);
	assert_true(l.found.next > recover_floor(NOW));
	end(&l);
	assert_int_equal(unlink(history), 0);
	l = begin(BOOT_A, 1 << 20, 1 << 24);
	assert_true(l.found.new_epoch);
	assert_true(l.found.next > recover_floor(NOW));
	end(&l);
}

static void
test_no_segment_leaves_before_a_state_file_stands_behind_it(void **state)
{
	uint64_t events, lost, last, tip;
	struct writer_info info;
	struct life l;

	(void)state;
	l = begin(BOOT_A, 1 << 16, 1 << 18);
	for (int i = 0; i < 40; i++)
		(void)put(&l, "job:a", 30000);
	journal_writer_retain(l.w, NOW);
	journal_writer_info(l.w, &info);
	assert_int_equal(info.oldest, 1);
	assert_true(journal_writer_state_due(l.w));
	assert_int_equal(save_state(&l), 0);
	assert_false(journal_writer_state_due(l.w));
	journal_writer_retain(l.w, NOW);
	journal_writer_info(l.w, &info);
	assert_true(info.oldest > 1);
	assert_true(info.bytes <= 1 << 18);
	last = put(&l, "job:a", 30000);
	end(&l);
	l = begin(BOOT_A, 1 << 16, 1 << 18);
	assert_false(l.found.new_epoch);
	tip = sequencer_tip(l.s).number;
	assert_int_equal(tip, last);
	end(&l);
	assert_int_equal(read_all(0, last, &events, &lost), last);
	assert_int_equal(lost, 1);
	assert_int_equal(events, last - info.oldest + 1);
}

static void
test_a_reader_in_a_segment_that_leaves_is_told(void **state)
{
	struct journal_reader *r;
	const void *p;
	uint64_t first, last = 0;
	struct life l;
	struct err err;
	size_t n;

	(void)state;
	l = begin(BOOT_A, 1 << 16, 1 << 18);
	(void)put(&l, "job:a", 30000);
	r = journal_reader_new(directory, &err);
	assert_int_equal(journal_reader_next(r, 0, 1, &p, &n, &first, &err),
	    JOURNAL_RECORD);
	assert_int_equal(journal_reader_next(r, 1, 1, &p, &n, &first, &err),
	    JOURNAL_END);
	/* Announced but not written can not be; asked, it is just the end. */
	assert_int_equal(journal_reader_next(r, 1, 5, &p, &n, &first, &err),
	    JOURNAL_END);
	for (int i = 0; i < 40; i++)
		last = put(&l, "job:a", 30000);
	assert_int_equal(journal_reader_next(r, 1, last, &p, &n, &first,
	    &err), JOURNAL_RECORD);
	assert_int_equal(save_state(&l), 0);
	journal_writer_retain(l.w, NOW);
	assert_int_equal(journal_reader_next(r, 4, last, &p, &n, &first,
	    &err), JOURNAL_LOST);
	assert_int_equal(first, journal_reader_oldest(r));
	assert_int_equal(journal_reader_next(r, first - 1, last, &p, &n,
	    &first, &err), JOURNAL_RECORD);
	journal_reader_free(r);
	end(&l);
}

/* In a child: its limits and mounts end with it. Exit status 0 = good. */
static void
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

static void
full_disk(void)
{
	struct writer_info info;
	uint64_t events, lost, last = 0;
	struct life l;
	bool saved;

	CHECK(geteuid() == 0 ? unshare(CLONE_NEWNS) == 0 :
	    unshare(CLONE_NEWNS | CLONE_NEWUSER) == 0);
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(mount("tmpfs", directory, "tmpfs", 0, "size=600k") == 0);
	l = begin(BOOT_A, 1 << 17, 1 << 24);
	CHECK(l.start_rc == 0);
	for (int i = 0; i < 60; i++) {
		last = put(&l, "job:a", 30000);
		CHECK(last == (uint64_t)i + 1);
		if (i % 4 == 3) {
			saved = save_state(&l) == 0;
			CHECK(saved);
		}
	}
	journal_writer_info(l.w, &info);
	CHECK(info.recycled > 5);
	CHECK(info.oldest > 1 && !info.memory);
	end(&l);
	l = begin(BOOT_A, 1 << 17, 1 << 24);
	CHECK(!l.found.new_epoch && sequencer_tip(l.s).number == 60);
	end(&l);
	CHECK(read_all(0, 60, &events, &lost) == 60);
	CHECK(events == 60 - info.oldest + 1 && lost == 1);
}

static void
test_on_a_full_disk_the_oldest_segment_is_used_again(void **state)
{
	(void)state;
	in_child(full_disk);
}

/* A small disk of the child's own. */
static void
small_disk(void)
{
	CHECK(geteuid() == 0 ? unshare(CLONE_NEWNS) == 0 :
	    unshare(CLONE_NEWNS | CLONE_NEWUSER) == 0);
	CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
	CHECK(mount("tmpfs", directory, "tmpfs", 0, "size=600k") == 0);
}

/* Puts `n` events; saves the state when the writer asks for it. */
static void
put_many(struct life *l, int n)
{
	for (int i = 0; i < n; i++) {
		CHECK(put(l, "job:a", 30000) != 0);
		if (journal_writer_state_due(l->w))
			(void)save_state(l);
	}
}

/* Somebody else's file takes what is left, to the last block. */
static char *
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

static void
full_long_before_its_size(void)
{
	struct life l;

	small_disk();
	l = begin(BOOT_A, 1 << 16, 1 << 24);
	put_many(&l, 30);
	end(&l);
	/* Segments are larger now than the oldest ones are. */
	l = begin(BOOT_A, 1 << 17, 1 << 24);
	CHECK(l.start_rc == 0 && !l.found.new_epoch);
	put_many(&l, 30);
	CHECK(sequencer_tip(l.s).number == 60);
	end(&l);
}

static void
test_a_disk_may_be_full_long_before_the_journal_is(void **state)
{
	(void)state;
	in_child(full_long_before_its_size);
}

static void
full_to_the_last_block(void)
{
	struct writer_record r;
	struct life l;

	small_disk();
	l = begin(BOOT_A, 1 << 17, 1 << 24);
	put_many(&l, 16);
	free(fill_up());
	end(&l);
	l = begin(BOOT_A, 1 << 17, 1 << 24);
	CHECK(l.start_rc == 0 && !l.found.new_epoch);
	put_many(&l, 16);
	/* The reservation of positions is written anew. */
	free(fill_up());
	r = (struct writer_record){ 0, 4, 1 << 20, 1 << 20 };
	CHECK(journal_writer_append(l.w, (const uint8_t *)"test", &r, 1,
	    false, NOW, NULL) == 0);
	end(&l);
}

static void
test_epochs_are_written_on_a_full_disk(void **state)
{
	(void)state;
	in_child(full_to_the_last_block);
}

static int failing_syncs;

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
		TEST(test_a_killed_broker_goes_on_in_the_same_epoch),
		TEST(
		    test_a_record_cut_at_any_byte_is_cut_and_the_epoch_goes_on),
		TEST(test_damage_in_the_middle_begins_a_new_epoch_above_all),
		TEST(test_damage_is_seen_again_until_the_new_epoch_is_on_disk),
		TEST(test_reboot_decides_by_how_it_was_closed),
		TEST(test_a_lost_journal_or_history_begins_above_what_was),
		TEST(
		    test_no_segment_leaves_before_a_state_file_stands_behind_it),
		TEST(test_a_reader_in_a_segment_that_leaves_is_told),
		TEST(test_on_a_full_disk_the_oldest_segment_is_used_again),
		TEST(test_a_disk_may_be_full_long_before_the_journal_is),
		TEST(test_epochs_are_written_on_a_full_disk),
		TEST(test_memory_is_noted_when_the_disk_is_repaired),
		TEST(test_a_failed_sync_is_not_forgotten),
		TEST(test_an_io_error_leaves_nothing_behind_and_memory_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
