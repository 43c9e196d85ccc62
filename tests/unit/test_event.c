#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/crc32c.h"
#include "common/event.h"
#include "common/record.h"

static void
test_keys_follow_the_contracts_grammar(void **state)
{
	static const char *const good[] = { "job:8f2c", "pack-run:a/b:c~d._-",
		"resource:prod/deployment/ns/web", "notifications:0" };
	static const char *const bad[] = { "", "job", "job:", "jobs:a",
		"job:-a", "job:a b", "job:a\n", ":a", "Job:a", "job:/a" };
	enum stream_type type;
	struct err err;
	char longest[600];

	(void)state;
	for (size_t i = 0; i < NELEM(good); i++)
		assert_int_equal(stream_key_check(slice_str(good[i]), &type,
		    &err), 0);
	assert_int_equal(type, STREAM_NOTIFICATIONS);
	for (size_t i = 0; i < NELEM(bad); i++)
		assert_int_equal(stream_key_check(slice_str(bad[i]), &type,
		    NULL), -1);
	memset(longest, 'a', sizeof(longest));
	memcpy(longest, "job:", 4);
	assert_int_equal(stream_key_check((struct slice){ longest, 4 + 512 },
	    NULL, NULL), 0);
	assert_int_equal(stream_key_check((struct slice){ longest, 4 + 513 },
	    NULL, NULL), -1);
}

static void
test_selectors_are_keys_or_prefixes_by_segment(void **state)
{
	size_t n;

	(void)state;
	assert_int_equal(stream_selector_check(slice_str("job:*"), &n, NULL),
	    0);
	assert_int_equal(n, 4);
	assert_int_equal(stream_selector_check(slice_str("resource:prod/*"),
	    &n, NULL), 0);
	assert_int_equal(n, 14);
	assert_int_equal(stream_selector_check(slice_str("job:a"), &n, NULL),
	    0);
	assert_int_equal(n, 0);
	assert_int_equal(stream_selector_check(slice_str("job:a*"), &n, NULL),
	    -1);
	assert_int_equal(stream_selector_check(slice_str("*"), &n, NULL), -1);
	assert_int_equal(stream_selector_check(slice_str("x:*"), &n, NULL),
	    -1);
	assert_true(stream_selector_matches(slice_str("resource:a/*"),
	    slice_str("resource:a/pod")));
	assert_false(stream_selector_matches(slice_str("resource:a/*"),
	    slice_str("resource:ab/pod")));
	assert_false(stream_selector_matches(slice_str("resource:a/*"),
	    slice_str("resource:a/")));
	assert_false(stream_selector_matches(slice_str("job:a"),
	    slice_str("job:ab")));
}

static void
test_event_types_and_slugs_are_checked(void **state)
{
	(void)state;
	assert_true(event_type_valid(slice_str("job.state_changed")));
	assert_true(event_type_valid(slice_str("log")));
	assert_false(event_type_valid(slice_str("")));
	assert_false(event_type_valid(slice_str("a..b")));
	assert_false(event_type_valid(slice_str("a.")));
	assert_false(event_type_valid(slice_str("1a")));
	assert_false(event_type_valid(slice_str("A")));
	assert_true(slug_valid(slice_str("prod-1.eu")));
	assert_false(slug_valid(slice_str("-prod")));
	assert_false(slug_valid(slice_str("Prod")));
}

static void
test_positions_have_one_spelling(void **state)
{
	static const char *const bad[] = { "65f1a2b3-", "65f1a2b3-01",
		"65F1a2b3-1", "65f1a2b-1", "65f1a2b3 1", "65f1a2b3-1 ",
		"65f1a2b3--1", "65f1a2b3-18446744073709551616" };
	struct position p = { 0, 0 };
	char buf[EVENT_ID_MAX];

	(void)state;
	assert_true(position_parse(slice_str("65f1a2b3-42"), &p));
	assert_int_equal(p.epoch, 0x65f1a2b3);
	assert_int_equal(p.number, 42);
	assert_string_equal(position_format(p, buf), "65f1a2b3-42");
	assert_true(position_parse(
	    slice_str("00000001-18446744073709551615"), &p));
	assert_true(p.number == UINT64_MAX);
	for (size_t i = 0; i < NELEM(bad); i++)
		assert_false(position_parse(slice_str(bad[i]), &p));
}

static struct item
sample(void)
{
	static const char frame[] = "\"type\":\"job\",\"data\":{\"a\":1}}";
	struct item item = { .group = 3, .flags = ITEM_LIFECYCLE |
	    ITEM_IDEMPOTENT | ITEM_GUARDED, .state = 9, .seq = 7,
	    .guard = { 1, 2 }, .position = { 3, 4 },
	    .tenant = slice_str("-"), .key = slice_str("job:a"),
	    .event_type = slice_str("job.state_changed"),
	    .subject = slice_str("a"), .frame = slice_str(frame),
	    .data_off = 20 };

	memset(item.idem, 5, sizeof(item.idem));
	memset(item.body, 6, sizeof(item.body));
	return item;
}

static void
test_an_item_survives_its_binary_form(void **state)
{
	struct item in = sample(), out;
	struct buf b = BUF_EMPTY;
	struct rd r;

	(void)state;
	for (int with = 0; with < 2; with++) {
		buf_reset(&b);
		item_encode(&b, &in, with != 0);
		r = rd_init(b.data, b.len);
		assert_int_equal(item_decode(&r, &out, with != 0), 0);
		assert_true(rd_done(&r));
		assert_int_equal(out.group, 3);
		assert_int_equal(out.state, 9);
		assert_int_equal(out.seq, 7);
		assert_true(position_eq(out.guard, in.guard));
		assert_true(slice_eq(out.frame, in.frame));
		assert_true(slice_is(item_data(&out), "{\"a\":1}"));
		assert_memory_equal(out.idem, in.idem, EVENT_HASH_SIZE);
		assert_memory_equal(out.body, in.body, EVENT_HASH_SIZE);
		for (size_t n = 0; n < b.len; n++) {
			r = rd_init(b.data, n);
			assert_int_equal(item_decode(&r, &out, with != 0),
			    -1);
		}
	}
	buf_free(&b);
}

static void
test_a_line_of_a_log_survives_its_binary_form(void **state)
{
	struct item in = sample(), out;
	struct buf b = BUF_EMPTY;
	struct rd r;

	(void)state;
	in.flags |= ITEM_LOG | ITEM_LOG_NEXT;
	in.attempt = UINT32_MAX;
	in.line_no = UINT64_MAX;
	item_encode(&b, &in, false);
	r = rd_init(b.data, b.len);
	assert_int_equal(item_decode(&r, &out, false), 0);
	assert_true(rd_done(&r));
	assert_int_equal(out.flags, in.flags);
	assert_int_equal(out.attempt, UINT32_MAX);
	assert_true(out.line_no == UINT64_MAX);
	assert_memory_equal(out.body, in.body, EVENT_HASH_SIZE);
	in.line_no = 0;
	buf_reset(&b);
	item_encode(&b, &in, false);
	r = rd_init(b.data, b.len);
	assert_int_equal(item_decode(&r, &out, false), -1);
	buf_free(&b);
}

static void
test_an_impossible_item_is_refused(void **state)
{
	struct item in = sample(), out;
	struct buf b = BUF_EMPTY;
	struct rd r;

	(void)state;
	in.data_off = (uint32_t)in.frame.n - 2;
	item_encode(&b, &in, false);
	r = rd_init(b.data, b.len);
	assert_int_equal(item_decode(&r, &out, false), -1);
	in = sample();
	in.flags |= ITEM_LOG_NEXT;   /* and no line */
	buf_reset(&b);
	item_encode(&b, &in, false);
	r = rd_init(b.data, b.len);
	assert_int_equal(item_decode(&r, &out, false), -1);
	buf_free(&b);
}

static void
test_crc32c_is_equal_by_hardware_and_by_table(void **state)
{
	uint8_t bytes[1031];
	uint32_t x = 1;

	(void)state;
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283u);
	assert_int_equal(crc32c_portable(0, "123456789", 9), 0xe3069283u);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		x = x * 1664525u + 1013904223u;
		bytes[i] = (uint8_t)(x >> 24);
	}
	for (size_t off = 0; off < 9; off++) {
		for (size_t n = 0; n < sizeof(bytes) - off; n += 1 + n / 7) {
			uint32_t whole = crc32c(0, bytes + off, n);

			assert_int_equal(whole, crc32c_portable(0,
			    bytes + off, n));
			assert_int_equal(whole, crc32c(crc32c(0, bytes + off,
			    n / 3), bytes + off + n / 3, n - n / 3));
		}
	}
}

static void
test_a_record_survives_and_any_changed_byte_is_seen(void **state)
{
	struct record_exception e = { 1, RECORD_GUARD_LOST, 2, { 5, 6 }, 7,
		8, { 9, 10 }, { 4, 3 } }, e2;
	struct record_header h = { .epoch = 5, .first = 100,
		.time_unix_ms = 1234, .publisher = slice_str("watcher/a"),
		.incarnation = 8, .batch = 9, .exceptions = 1 }, out;
	struct item item = sample(), got;
	struct buf b = BUF_EMPTY;
	struct err err;
	struct rd r;

	(void)state;
	item.flags &= (uint16_t)~ITEM_GUARDED;
	record_begin(&b, &h, &e);
	record_item(&b, &item);
	record_item(&b, &item);
	record_end(&b);
	assert_int_equal(record_decode(b.data, b.len, &out, &r, &err), 0);
	assert_int_equal(out.count, 2);
	assert_int_equal(out.length, b.len);
	assert_int_equal(out.batch, 9);
	assert_int_equal(record_exception_decode(&r, &e2), 0);
	assert_int_equal(e2.code, RECORD_GUARD_LOST);
	assert_int_equal(e2.position.number, 6);
	assert_int_equal(e2.last.epoch, 4);
	assert_int_equal(e2.last.number, 3);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(record_item_decode(&r, &out, i, &got), 0);
		assert_int_equal(got.position.number, 100 + i);
	}
	assert_true(rd_done(&r));
	for (size_t i = 0; i < b.len; i++) {
		b.data[i] ^= 0x10;
		assert_int_equal(record_decode(b.data, b.len, &out, &r, NULL),
		    -1);
		b.data[i] ^= 0x10;
		assert_int_equal(record_decode(b.data, i, &out, &r, NULL),
		    -1);
		assert_int_equal(record_head(b.data, i, &out, &r, NULL), -1);
	}
	/* Who was given it by one who made its sum does not make it again. */
	b.data[b.len - 1] ^= 0x10;
	assert_int_equal(record_head(b.data, b.len, &out, &r, &err), 0);
	assert_int_equal(out.batch, 9);
	assert_int_equal(record_exception_decode(&r, &e2), 0);
	buf_free(&b);
}

static void
test_a_heartbeat_is_told_from_a_record(void **state)
{
	const struct heartbeat in = { { 7, 8 }, 3, 2,
		HEARTBEAT_RECYCLING };
	struct heartbeat out;
	struct buf b = BUF_EMPTY;

	(void)state;
	heartbeat_encode(&b, &in);
	assert_int_equal(heartbeat_decode(b.data, b.len, &out), 1);
	assert_int_equal(out.tip.number, 8);
	assert_int_equal(out.oldest, 3);
	assert_int_equal(out.forgotten_through, 2);
	assert_int_equal(out.flags, HEARTBEAT_RECYCLING);
	assert_int_equal(heartbeat_decode(b.data, b.len - 4, &out), -1);
	b.data[20] ^= 1;
	assert_int_equal(heartbeat_decode(b.data, b.len, &out), -1);
	assert_int_equal(heartbeat_decode("abcdefgh", 8, &out), 0);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_follow_the_contracts_grammar),
		cmocka_unit_test(
		    test_selectors_are_keys_or_prefixes_by_segment),
		cmocka_unit_test(test_event_types_and_slugs_are_checked),
		cmocka_unit_test(test_positions_have_one_spelling),
		cmocka_unit_test(test_an_item_survives_its_binary_form),
		cmocka_unit_test(
		    test_a_line_of_a_log_survives_its_binary_form),
		cmocka_unit_test(test_an_impossible_item_is_refused),
		cmocka_unit_test(
		    test_crc32c_is_equal_by_hardware_and_by_table),
		cmocka_unit_test(
		    test_a_record_survives_and_any_changed_byte_is_seen),
		cmocka_unit_test(test_a_heartbeat_is_told_from_a_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
