/* The start over a journal of an earlier life. */
#include "tests/unit/journal_fixture.h"

#include "broker/fence_file.h"

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

/* From the history: of what a state file covers no event is read again. */
static void
test_what_stands_in_an_earlier_epoch_keeps_it(void **state)
{
	struct sequencer_stream found;
	uint32_t epoch;
	struct life l;

	(void)state;
	l = begin(BOOT_A, 1 << 20, 1 << 24);
	epoch = l.found.epoch;
	assert_int_equal(put(&l, "job:a", 100), 1);
	assert_int_equal(put(&l, "job:b", 100), 2);
	assert_int_equal(save_state(&l), 0);
	end(&l);
	for (int boot = 0; boot < 2; boot++) {
		l = begin(boot == 0 ? BOOT_B : BOOT_A, 1 << 20, 1 << 24);
		assert_true(l.found.new_epoch);
		assert_true(sequencer_find(l.s, slice_str("-"),
		    slice_str("job:a"), &found));
		assert_true(position_eq(found.last,
		    (struct position){ epoch, 1 }));
		assert_true(put(&l, "job:b", 100) > 2);
		assert_true(sequencer_find(l.s, slice_str("-"),
		    slice_str("job:b"), &found));
		assert_int_equal(found.last.epoch, l.found.epoch);
		assert_int_equal(save_state(&l), 0);
		end(&l);
	}
}

/* Whatever a state file covers of it: where the journal begins stays. */
static void
test_a_segment_that_was_empty_when_the_power_went_holds_nothing(void **state)
{
	uint64_t first;
	struct writer_info info;
	struct life l;

	(void)state;
	l = begin(BOOT_A, 1 << 20, 1 << 24);
	end(&l);
	l = begin(BOOT_B, 1 << 20, 1 << 24);
	assert_true(l.found.new_epoch);
	first = put(&l, "job:a", 100);
	assert_int_equal(save_state(&l), 0);
	end(&l);
	for (int i = 0; i < 2; i++) {
		l = begin(BOOT_B, 1 << 20, 1 << 24);
		assert_false(l.found.new_epoch);
		journal_writer_info(l.w, &info);
		assert_int_equal(info.oldest, first);
		end(&l);
	}
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

/* Of publisher w/x. */
static enum dedup_verdict
registered(const struct life *l, uint64_t incarnation)
{
	return dedup_register(l->d, slice_str("w/x"), incarnation);
}

static void
test_a_registration_survives_without_a_record(void **state)
{
	struct buf b = BUF_EMPTY;
	struct life l;
	char *path = xasprintf("%s/%s", directory, JOURNAL_FILE_PUBLISHERS);

	(void)state;
	l = begin(BOOT_A, 1 << 20, 1 << 24);
	assert_int_equal(registered(&l, 7), DEDUP_NEW);
	fence_file_encode(l.d, &b);
	assert_int_equal(journal_writer_publishers(l.w, b.data, b.len, NULL),
	    0);
	end(&l);
	l = begin(BOOT_A, 1 << 20, 1 << 24);
	assert_int_equal(registered(&l, 6), DEDUP_FENCED);
	assert_int_equal(registered(&l, 7), DEDUP_NEW);
	end(&l);
	/* Damage is told; it is no reason for a new epoch. */
	for (size_t i = 0; i < b.len; i++) {
		b.data[i] ^= 0x01;
		patch(path, (off_t)i, b.data + i, 1);
		l = begin(BOOT_A, 1 << 20, 1 << 24);
		assert_false(l.found.new_epoch);
		assert_non_null(strstr(l.found.notes, "publishers: is "));
		assert_int_equal(registered(&l, 6), DEDUP_NEW);
		end(&l);
		b.data[i] ^= 0x01;
		patch(path, (off_t)i, b.data + i, 1);
	}
	free(path);
	buf_free(&b);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_a_killed_broker_goes_on_in_the_same_epoch),
		TEST(test_a_segment_that_was_empty_when_the_power_went_holds_nothing),
		TEST(test_what_stands_in_an_earlier_epoch_keeps_it),
		TEST(
		    test_a_record_cut_at_any_byte_is_cut_and_the_epoch_goes_on),
		TEST(test_damage_in_the_middle_begins_a_new_epoch_above_all),
		TEST(test_damage_is_seen_again_until_the_new_epoch_is_on_disk),
		TEST(test_reboot_decides_by_how_it_was_closed),
		TEST(test_a_lost_journal_or_history_begins_above_what_was),
		TEST(test_a_registration_survives_without_a_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
