/* Segments that leave, by size, by age or because the disk is full. */
#include "tests/unit/journal_fixture.h"

#include "broker/journal_segments.h"

#define HOUR INT64_C(3600000)

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
	uint64_t first, oldest, last = 0;
	struct record_header h;
	struct life l;
	struct rd rd;
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
	oldest = first;
	assert_int_equal(journal_reader_next(r, 0, last, &p, &n, &first,
	    &err), JOURNAL_LOST);
	assert_int_equal(first, oldest);
	assert_int_equal(journal_reader_next(r, oldest - 1, last, &p, &n,
	    &first, &err), JOURNAL_RECORD);
	assert_int_equal(record_decode(p, n, &h, &rd, &err), 0);
	assert_int_equal(h.first, oldest);
	journal_reader_free(r);
	end(&l);
}

/* Begins the next one, which holds the position `first` alone. */
static void
one_more(struct journal_segments *j, uint64_t first, int64_t now_ms)
{
	struct err err = { 0 };

	if (journal_segments_rotate(j, 1, first, 4, now_ms, &err) < 0 ||
	    journal_segments_write(j, "test", 4, first, &err) < 0)
		fail_msg("%s", err.text);
}

/* The first position that is left when they may be an hour old. */
static uint64_t
oldest_at(struct journal_segments *j, int64_t now_ms)
{
	struct segments_info info;

	journal_segments_retain(j, 1 << 24, HOUR, now_ms);
	journal_segments_info(j, &info);
	return info.oldest;
}

static void
test_a_segment_without_records_is_not_where_the_journal_begins(void **state)
{
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct journal_segments *j =
	    journal_segments_new(fd, directory, 1 << 16);
	struct segments_info info;
	struct err err = { 0 };

	(void)state;
	one_more(j, 1, NOW);
	/* The power went before anything stood in it. */
	assert_int_equal(journal_segments_rotate(j, 1, 2, 4, NOW, &err), 0);
	journal_segments_info(j, &info);
	assert_int_equal(info.oldest, 1);
	one_more(j, 1000001, NOW + 2 * HOUR);
	journal_segments_covered(j, 1000001);
	assert_int_equal(oldest_at(j, NOW + HOUR + 1), 1000001);
	/* Nor where it does when that is all. */
	assert_int_equal(journal_segments_rotate(j, 2, 1000002, 4,
	    NOW + 4 * HOUR, &err), 0);
	journal_segments_covered(j, 1000001);
	assert_int_equal(oldest_at(j, NOW + 100 * HOUR), 1000002);
	journal_segments_free(j);
	(void)close(fd);
}

static void
test_a_segment_leaves_when_the_next_one_is_older_than_retain(void **state)
{
	struct journal_segments *j;
	struct segments_info info;
	uint64_t *on_disk = NULL;
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	j = journal_segments_new(fd, directory, 1 << 16);
	one_more(j, 1, NOW);
	one_more(j, 2, NOW + HOUR);
	one_more(j, 3, NOW + 2 * HOUR);
	/* No state file stands behind any. */
	assert_int_equal(oldest_at(j, NOW + 100 * HOUR), 1);
	journal_segments_covered(j, 3);
	/* 0: no limit by age. */
	journal_segments_retain(j, 1 << 24, 0, NOW + 100 * HOUR);
	/* Its newest event may be as young as the second one's begin. */
	assert_int_equal(oldest_at(j, NOW + HOUR + 1), 1);
	assert_int_equal(oldest_at(j, NOW + 2 * HOUR), 1);
	assert_int_equal(oldest_at(j, NOW + 2 * HOUR + 1), 2);
	assert_int_equal(oldest_at(j, NOW + 3 * HOUR), 2);
	/* The current one stays, however old. */
	assert_int_equal(oldest_at(j, NOW + 100 * HOUR), 3);
	journal_segments_info(j, &info);
	assert_int_equal(info.count, 1);
	assert_int_equal(journal_file_list(fd, "seg", &on_disk, NULL), 1);
	assert_int_equal(on_disk[0], 3);
	free(on_disk);
	journal_segments_free(j);
	(void)close(fd);
}

static void
full_disk(void)
{
	struct writer_info info;
	uint64_t events, lost, last = 0;
	struct life l;
	bool saved;

	small_disk();
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
	CHECK(info.recycled > 5 && info.recycling);
	CHECK(info.oldest > 1 && !info.memory);
	end(&l);
	l = begin(BOOT_A, 1 << 17, 1 << 24);
	CHECK(!l.found.new_epoch && sequencer_tip(l.s).number == 60);
	end(&l);
	CHECK(read_all(0, 60, &events, &lost) == 60);
	CHECK(events == 60 - info.oldest + 1 && lost == 1);
}

static void
room_again(void)
{
	struct writer_info info;
	struct life l;
	char *other;

	small_disk();
	other = fill_up();
	CHECK(truncate(other, 200 << 10) == 0);
	l = begin(BOOT_A, 1 << 17, 1 << 24);
	put_many(&l, 20);
	journal_writer_info(l.w, &info);
	CHECK(info.recycling);
	CHECK(unlink(other) == 0);
	free(other);
	put_many(&l, 4);
	journal_writer_info(l.w, &info);
	CHECK(info.recycled != 0 && !info.recycling);
	end(&l);
}

static void
test_recycling_ends_when_there_is_room_again(void **state)
{
	(void)state;
	in_child(room_again);
}

static void
test_on_a_full_disk_the_oldest_segment_is_used_again(void **state)
{
	(void)state;
	in_child(full_disk);
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

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(
		    test_no_segment_leaves_before_a_state_file_stands_behind_it),
		TEST(test_a_reader_in_a_segment_that_leaves_is_told),
		TEST(test_a_segment_without_records_is_not_where_the_journal_begins),
		TEST(test_a_segment_leaves_when_the_next_one_is_older_than_retain),
		TEST(test_recycling_ends_when_there_is_room_again),
		TEST(test_on_a_full_disk_the_oldest_segment_is_used_again),
		TEST(test_a_disk_may_be_full_long_before_the_journal_is),
		TEST(test_epochs_are_written_on_a_full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
