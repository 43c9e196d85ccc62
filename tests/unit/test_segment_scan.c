/* segment_scan: records in order, and what stands behind the last. */
#include "broker/segment_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/journal.h"

#define EPOCH 7u
#define FIRST 100u

/* A record of one event, as it stands in a segment. */
static void
add_record(struct buf *b, uint32_t epoch, uint64_t position)
{
	static const char frame[] = "\"data\":{}}";
	struct record_header h = { .epoch = epoch, .first = position,
	    .count = 1, .publisher = slice_str("w/a"), .incarnation = 1,
	    .batch = position };
	struct item item = { .seq = 1, .position = { epoch, position },
	    .tenant = slice_str("-"), .key = slice_str("job:a"),
	    .event_type = slice_str("log"), .frame = slice_str(frame),
	    .data_off = 7 };
	struct buf record = BUF_EMPTY;

	record_begin(&record, &h, NULL);
	record_item(&record, &item);
	record_end(&record);
	buf_add(b, record.data, record.len);
	buf_free(&record);
}

/* A segment of these bytes behind a header, and a megabyte of reserve. */
static int
segment_of(const struct buf *b)
{
	int fd = memfd_create("segment", MFD_CLOEXEC);

	assert_int_equal(pwrite(fd, b->data, b->len, JOURNAL_HEADER_SIZE),
	    b->len);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	return fd;
}

/* Goes to the end; how many records there were. */
static int
scan(struct segment_scan *s, int fd, enum segment_next *ret_end)
{
	struct record_header h;
	const uint8_t *p;
	int n = 0;

	segment_scan_begin(s, fd, EPOCH, FIRST);
	while ((*ret_end = segment_scan_next(s, &p, &h)) == SEGMENT_RECORD) {
		segment_scan_step(s, &h);
		n++;
	}
	return n;
}

static void
expect(struct buf *b, int records, enum segment_next end, bool clean,
    bool half)
{
	struct segment_scan s;
	enum segment_next got;
	int fd = segment_of(b);

	assert_int_equal(scan(&s, fd, &got), records);
	assert_int_equal(got, end);
	assert_int_equal(s.next, FIRST + (uint64_t)records);
	assert_int_equal(segment_scan_clean(&s), clean);
	assert_int_equal(segment_scan_half_record(&s), half);
	segment_scan_end(&s);
	(void)close(fd);
}

static void
test_records_are_read_in_order_to_a_clean_end(void **state)
{
	struct buf b = BUF_EMPTY;

	(void)state;
	expect(&b, 0, SEGMENT_END, true, true);
	for (uint64_t i = 0; i < 30; i++)
		add_record(&b, EPOCH, FIRST + i);
	expect(&b, 30, SEGMENT_END, true, true);
	buf_free(&b);
}

static void
test_a_record_broken_off_anywhere_is_a_half_record(void **state)
{
	struct buf b = BUF_EMPTY;
	size_t one, whole;

	(void)state;
	add_record(&b, EPOCH, FIRST);
	one = b.len;
	add_record(&b, EPOCH, FIRST + 1);
	whole = b.len;
	for (size_t n = one + 4; n < whole; n++) {
		b.len = n;
		expect(&b, 1, SEGMENT_BAD, false, true);
	}
	buf_free(&b);
}

static void
test_a_changed_byte_a_hole_and_a_foreign_record_are_damage(void **state)
{
	struct buf b = BUF_EMPTY;
	size_t one;

	(void)state;
	add_record(&b, EPOCH, FIRST);
	one = b.len;
	add_record(&b, EPOCH, FIRST + 1);
	b.data[one + 20] ^= 1;
	expect(&b, 1, SEGMENT_BAD, false, false);
	b.len = one;
	add_record(&b, EPOCH, FIRST + 2);
	expect(&b, 1, SEGMENT_BAD, false, false);
	b.len = one;
	add_record(&b, EPOCH + 1, FIRST + 1);
	expect(&b, 1, SEGMENT_BAD, false, false);
	buf_free(&b);
}

static void
test_zeroes_that_hide_data_are_not_a_clean_end(void **state)
{
	static const char zeroes[6000];
	struct buf b = BUF_EMPTY;

	(void)state;
	add_record(&b, EPOCH, FIRST);
	buf_add(&b, zeroes, sizeof(zeroes));
	buf_addc(&b, 'x');
	expect(&b, 1, SEGMENT_END, false, false);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_records_are_read_in_order_to_a_clean_end),
		cmocka_unit_test(
		    test_a_record_broken_off_anywhere_is_a_half_record),
		cmocka_unit_test(
		    test_a_changed_byte_a_hole_and_a_foreign_record_are_damage),
		cmocka_unit_test(
		    test_zeroes_that_hide_data_are_not_a_clean_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
