#include "tests/unit/journal_fixture.h"
#include "tests/unit/store_fixture.h"

#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#include <sqlite3.h>

#include "common/mono.h"
#include "common/record.h"
#include "common/xmalloc.h"
#include "store/db_writer.h"
#include "store/run_handover.h"

/* More than the queue holds, in events of this size. */
#define BIG   ((size_t)40 * 1024)
#define MANY  (DB_WRITER_QUEUE_MAX / BIG + 20)
#define SEGMENT (UINT64_C(8) << 20)

#define WAIT_MS 120000   /* for what comes, on a disk that may be slow */

static struct conf conf;
static struct db_writer *writer;
static struct life life;
static sqlite3 *lock;
static int notify_fd;
static uint32_t epoch;

/* The epoch of a journal comes from the time of its first start. */
static void
journal_begin(int64_t now_unix_ms)
{
	const struct journal_writer_options options = {
		.size = UINT64_C(1) << 30, .segment = SEGMENT };
	struct err err;

	life = (struct life){ .s = sequencer_new(1000, 1),
		.d = dedup_new(1000000, 1000, 2) };
	life.core = publish_core_new(life.s, life.d);
	life.w = journal_writer_new(directory, &options, &err);
	if (life.w == NULL || journal_recover(journal_writer_directory(life.w),
	    life.core, life.s, life.d, true, BOOT_A, now_unix_ms, &life.found,
	    &err) == -1 || journal_writer_start(life.w, &life.found, BOOT_A,
	    now_unix_ms, &err) == -1)
		fail_msg("%s", err.text);
	free(life.found.segments);
}

/* A writer over an empty journal; its database is locked by somebody else, so
 * that nothing it takes leaves the queue. */
static int
writer_setup(void **state)
{
	char projection[128], note[ERR_TEXT_MAX];
	struct err err;

	if (fixture_setup(state) == -1)
		return -1;
	conf_init(&conf);
	free(conf.state_directory);
	conf.state_directory = xstrdup(fixture_directory);
	(void)snprintf(directory, sizeof(directory), "%s/journal",
	    fixture_directory);
	if (mkdir(directory, 0700) == -1)
		return -1;
	(void)snprintf(projection, sizeof(projection), "%s",
	    fixture_path("projection.db"));
	notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	writer = db_writer_new(projection, &conf, notify_fd, note, &err);
	if (writer == NULL)
		fail_msg("%s", err.text);
	journal_begin(NOW);
	assert_int_equal(sqlite3_open(projection, &lock), SQLITE_OK);
	(void)sqlite3_busy_timeout(lock, WAIT_MS);
	assert_int_equal(sqlite3_exec(lock, "BEGIN IMMEDIATE", NULL, NULL,
	    NULL), SQLITE_OK);
	return 0;
}

static void
unlock(void)
{
	assert_int_equal(sqlite3_exec(lock, "ROLLBACK", NULL, NULL, NULL),
	    SQLITE_OK);
}

static int
writer_teardown(void **state)
{
	(void)sqlite3_close(lock);
	db_writer_stop(writer, 1000);
	db_writer_free(writer);
	end(&life);
	(void)close(notify_fd);
	conf_free(&conf);
	return fixture_teardown(state);
}

/* Hands over what the journal has after `after`. */
static void
hand_over(uint64_t after)
{
	struct record_header header;
	struct journal_reader *r;
	const void *bytes;
	uint64_t first;
	struct err err;
	struct rd rd;
	size_t n;

	r = journal_reader_new(directory, &err);
	while (journal_reader_next(r, after, UINT64_MAX, &bytes, &n, &first,
	    &err) == JOURNAL_RECORD) {
		assert_int_equal(record_decode(bytes, n, &header, &rd, &err),
		    0);
		after = header.first + header.count - 1;
		epoch = header.epoch;
		db_writer_record(writer, bytes, n,
		    (struct position){ epoch, after });
	}
	journal_reader_free(r);
}

/* Fills the queue, and the journal with what it cannot hold; returns the last
 * position. `more`: so many events on top. */
static uint64_t
run_over(size_t more)
{
	struct db_writer_status st;
	uint64_t last = 0;
	size_t i;

	for (i = 0; i < MANY + more; i++)
		last = put(&life, "build:b", BIG);
	hand_over(0);
	db_writer_status(writer, &st);
	assert_true(st.from_journal);
	assert_true(st.queued <= DB_WRITER_QUEUE_MAX + 1024);
	assert_int_equal(st.applied.number, 0);
	return last;
}

static struct db_writer_status
wait_for(struct position applied)
{
	const struct timespec pause = { 0, 20 * 1000 * 1000 };
	struct mono stop = mono_add_ms(mono_now(), WAIT_MS);
	struct db_writer_status st;

	do {
		(void)nanosleep(&pause, NULL);
		db_writer_status(writer, &st);
	} while ((st.applied.number != applied.number ||
	    st.applied.epoch != applied.epoch || st.from_journal) &&
	    mono_before(mono_now(), stop));
	assert_int_equal(st.applied.number, applied.number);
	assert_int_equal(st.applied.epoch, applied.epoch);
	assert_false(st.from_journal);
	return st;
}

static void
wait_for_trouble(const char *text)
{
	const struct timespec pause = { 0, 20 * 1000 * 1000 };
	struct mono stop = mono_add_ms(mono_now(), WAIT_MS);
	struct db_writer_status st;

	do {
		(void)nanosleep(&pause, NULL);
		db_writer_status(writer, &st);
	} while (strstr(st.trouble, text) == NULL &&
	    mono_before(mono_now(), stop));
	assert_non_null(strstr(st.trouble, text));
}

static void
test_what_the_queue_cannot_hold_is_read_from_the_journal(void **state UNUSED)
{
	struct db_writer_status st;
	uint64_t last = run_over(0);

	wait_for_trouble("locked");
	unlock();
	st = wait_for((struct position){ epoch, last });
	assert_false(st.gapped);
	assert_int_equal(st.change, last);
	assert_string_equal(st.trouble, "");
}

static void
test_what_the_journal_does_not_have_yet_is_waited_for(void **state UNUSED)
{
	struct db_writer_status st;
	uint64_t last = run_over(0);

	db_writer_record(writer, "", 0, (struct position){ epoch, last + 1 });
	unlock();
	wait_for_trouble("does not have event");
	assert_int_equal(put(&life, "build:b", 100), last + 1);
	st = wait_for((struct position){ epoch, last + 1 });
	assert_false(st.gapped);
	assert_int_equal(st.change, last + 1);
}

static void
test_a_new_journal_behind_a_full_queue_is_read_from_its_begin(void **state
    UNUSED)
{
	struct db_writer_status st;
	uint64_t last;
	uint32_t before;

	(void)run_over(0);
	before = epoch;
	end(&life);
	empty_directory();
	journal_begin(NOW + 60000);
	(void)put(&life, "build:b", 100);
	last = put(&life, "build:b", 100);
	assert_int_equal(last, 2);
	/* As the store's loop does: a gap first, then what follows it. */
	db_writer_gap(writer, (struct position){ before + 1, 0 });
	hand_over(0);
	assert_int_not_equal(epoch, before);
	unlock();
	st = wait_for((struct position){ epoch, last });
	assert_true(st.gapped);
	assert_int_equal(st.change, st.gap_change + last);
}

/* The path of the journal's last segment but one. */
static char *
segment_before_last(void)
{
	char name[JOURNAL_FILE_NAME_MAX];
	uint64_t *list = NULL;
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ssize_t n = journal_file_list(fd, "seg", &list, NULL);
	char *path;

	(void)close(fd);
	assert_true(n > 2);
	path = xasprintf("%s/%s", directory, journal_file_name(name,
	    list[n - 2], "seg"));
	free(list);
	return path;
}

static void
test_a_damaged_place_behind_a_full_queue_is_a_gap_and_not_the_end(void **state
    UNUSED)
{
	struct db_writer_status st;
	uint64_t last = run_over(3 * SEGMENT / BIG);
	char *path = segment_before_last();

	patch(path, (off_t)SEGMENT / 2, "yyyy", 4);
	free(path);
	unlock();
	st = wait_for((struct position){ epoch, last });
	assert_true(st.gapped);
	assert_true(st.gap_change > MANY && st.gap_change < st.change);
	assert_true(st.change < last);
}

static int
memory_segment(struct stat *ret)
{
	int fd = memfd_create("segment", MFD_CLOEXEC);

	assert_int_equal(fstat(fd, ret), 0);
	return fd;
}

/* Nobody has it open at this number any more. Asked by path: the descriptor is
 * the writer's, and looking at it while it is closed would be a race. */
static bool
let_go(int fd, const struct stat *was)
{
	char path[64];
	struct stat now;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return stat(path, &now) == -1 || now.st_ino != was->st_ino;
}

static struct conf *
another_conf(void)
{
	struct conf *another = xcalloc(1, sizeof(*another));

	conf_init(another);
	return another;
}

/* The queue is never empty meanwhile: its database stays locked. */
static void
test_memory_segments_that_are_over_are_let_go_of_by_a_busy_writer(void **state
    UNUSED)
{
	const struct timespec pause = { 0, 20 * 1000 * 1000 };
	struct mono stop = mono_add_ms(mono_now(), WAIT_MS);
	struct stat old, young;
	int old_fd = memory_segment(&old), young_fd = memory_segment(&young);

	db_writer_segment(writer, 1, old_fd);
	db_writer_segment(writer, 100, young_fd);
	(void)put(&life, "build:b", 100);
	hand_over(0);
	db_writer_oldest(writer, 99);
	db_writer_conf(writer, another_conf());
	wait_for_trouble("locked");
	assert_false(let_go(old_fd, &old));
	db_writer_oldest(writer, 100);
	db_writer_conf(writer, another_conf());
	while (!let_go(old_fd, &old) && mono_before(mono_now(), stop))
		(void)nanosleep(&pause, NULL);
	assert_true(let_go(old_fd, &old));
	assert_false(let_go(young_fd, &young));
	unlock();
	(void)wait_for((struct position){ epoch, 1 });
}

/* An empty one says that no file counts. */
static void
test_files_count_again_when_memory_is_retracted(void **state UNUSED)
{
	struct db_writer_status st;
	uint64_t last = run_over(0);
	struct stat unused;

	db_writer_segment(writer, last + 1000, memory_segment(&unused));
	db_writer_retract(writer, last);
	unlock();
	st = wait_for((struct position){ epoch, last });
	assert_false(st.gapped);
	assert_int_equal(st.change, last);
}

/* A record of events that stand at `first` and behind it. */
static void
submit(uint64_t first, struct item *items, uint32_t n)
{
	struct record_header header = { .epoch = FIXTURE_EPOCH,
	    .first = first, .count = n, .time_unix_ms = NOW };
	struct buf b = BUF_EMPTY;

	record_begin(&b, &header, NULL);
	for (uint32_t i = 0; i < n; i++) {
		record_item(&b, &items[i]);
		fixture_item_free(&items[i]);
	}
	record_end(&b);
	db_writer_record(writer, b.data, b.len, (struct position){
	    FIXTURE_EPOCH, first + n - 1 });
	buf_free(&b);
}

/* A run with a job that runs, at two positions. */
static void
run_with_job(unsigned int number)
{
	char run[32], job[32], data[64];
	struct item items[2];

	(void)snprintf(run, sizeof(run), "run:%u", number);
	(void)snprintf(job, sizeof(job), "job:%u", number);
	(void)snprintf(data, sizeof(data), "{\"run_id\":\"%u\"}", number);
	items[0] = fixture_item(0, run, "run.state_changed", "",
	    "{\"derive\":true}", ITEM_LIFECYCLE);
	items[1] = fixture_item(0, job, "job.state_changed", "", data,
	    ITEM_LIFECYCLE);
	items[0].state = items[1].state = LIFECYCLE_RUNNING;
	items[0].seq = items[1].seq = 2;
	submit(2 * (uint64_t)number + 1, items, 2);
}

/* One look at retention, at which the others came before, is 10 s away from
 * the next. */
static void
test_more_runs_than_are_handed_over_at_once_come_without_a_pause(void **state
    UNUSED)
{
	const unsigned int all = 3 * RUN_HANDOVER_MAX + 1;
	const struct timespec pause = { 0, 5 * 1000 * 1000 };
	struct run_progress run;
	struct mono stop;
	unsigned int n = 0;

	for (unsigned int i = 0; i < all; i++)
		run_with_job(i);
	unlock();
	(void)wait_for((struct position){ FIXTURE_EPOCH, 2 * all });
	stop = mono_add_ms(mono_now(), 2 * DB_WRITER_SWEEP_MS - 1000);
	while (n < all && mono_before(mono_now(), stop)) {
		if (!db_writer_take_run(writer, &run)) {
			(void)nanosleep(&pause, NULL);
			continue;
		}
		n++;
		run_progress_clear(&run);
	}
	assert_int_equal(n, all);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, writer_setup, \
	writer_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_the_queue_cannot_hold_is_read_from_the_journal),
		TEST(test_memory_segments_that_are_over_are_let_go_of_by_a_busy_writer),
		TEST(test_files_count_again_when_memory_is_retracted),
		TEST(test_what_the_journal_does_not_have_yet_is_waited_for),
		TEST(test_more_runs_than_are_handed_over_at_once_come_without_a_pause),
		TEST(test_a_damaged_place_behind_a_full_queue_is_a_gap_and_not_the_end),
		TEST(test_a_new_journal_behind_a_full_queue_is_read_from_its_begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
