/* What goes to the broker as one request, and what its answer says of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "common/publish_batch.h"

#define EPOCH  7u
#define FIRST  100u
#define GROUPS 5

/* What became of the groups, in the order in which they were told. */
static struct publish_result told[GROUPS];
static size_t n_told;

static void
result_cb(const struct publish_result *result, void *arg)
{
	assert_ptr_equal(arg, &told[n_told]);
	told[n_told++] = *result;
}

static struct item
item_of(const char *frame)
{
	return (struct item){ .tenant = slice_str("-"),
	    .key = slice_str("job:a"), .event_type = slice_str("job.log"),
	    .subject = slice_str(""), .frame = slice_str(frame) };
}

/* Groups of one, two ... items. */
static struct publish_batch *
batch_of(size_t groups)
{
	struct publish_batch *b = publish_batch_new();
	struct item items[GROUPS];

	for (size_t i = 0; i < NELEM(items); i++)
		items[i] = item_of("\"data\":{}");
	n_told = 0;
	for (size_t g = 0; g < groups; g++)
		publish_batch_add(b, items, g + 1, result_cb, &told[g]);
	return b;
}

static void
exception(struct buf *b, uint32_t group, enum record_code code)
{
	struct record_exception e = { .group = group, .code = code,
	    .item = group, .position = { EPOCH, 40 + group },
	    .last = { EPOCH, 50 + group }, .state = 3, .attempt = 2 };

	memset(e.body, (int)group, sizeof(e.body));
	record_exception_encode(b, &e);
}

/* An answer's bytes without its exceptions. */
static struct buf
answer_of(uint8_t status, uint64_t count, uint32_t exceptions)
{
	struct buf b = BUF_EMPTY;

	buf_u8(&b, status);
	buf_u64(&b, 9);
	buf_u32(&b, EPOCH);
	buf_u64(&b, FIRST);
	buf_u64(&b, count);
	buf_u32(&b, exceptions);
	return b;
}

static void
appended(size_t group, uint64_t position)
{
	const struct publish_result *r = &told[group];

	assert_int_equal(r->code, RECORD_APPENDED);
	assert_int_equal(r->count, group + 1);
	assert_int_equal(r->position.epoch, EPOCH);
	assert_int_equal(r->position.number, position);
	assert_int_equal(r->last.number, position + group);
}

static void
test_groups_without_an_exception_stand_in_a_row(void **unused UNUSED)
{
	struct publish_batch *b = batch_of(GROUPS);
	struct buf bytes = answer_of(PUBLISH_OK, 15, 0);
	struct publish_answer a;

	assert_int_equal(b->count, 15);
	assert_int_equal(publish_answer_decode(bytes.data, bytes.len, &a), 0);
	assert_int_equal(a.batch, 9);
	publish_batch_results(b, &a);
	assert_int_equal(n_told, GROUPS);
	for (size_t g = 0, at = FIRST; g < GROUPS; at += ++g)
		appended(g, at);
	buf_free(&bytes);
	publish_batch_free(b);
}

/* Of five, the first, the third and the last were not appended. */
static void
with_three_exceptions(struct buf *b)
{
	exception(b, 0, RECORD_DUPLICATE);
	exception(b, 2, RECORD_GUARD_LOST);
	exception(b, 4, RECORD_ENDED);
}

static void
test_an_exception_is_told_to_its_own_group_alone(void **unused UNUSED)
{
	struct publish_batch *b = batch_of(GROUPS);
	struct buf bytes = answer_of(PUBLISH_OK, 6, 3);
	struct publish_answer a;

	with_three_exceptions(&bytes);
	assert_int_equal(publish_answer_decode(bytes.data, bytes.len, &a), 0);
	publish_batch_results(b, &a);
	assert_int_equal(n_told, GROUPS);
	assert_int_equal(told[0].code, RECORD_DUPLICATE);
	assert_int_equal(told[0].last.number, 50);
	appended(1, FIRST);
	assert_int_equal(told[2].code, RECORD_GUARD_LOST);
	assert_int_equal(told[2].position.number, 42);
	assert_int_equal(told[2].state, 3);
	assert_int_equal(told[2].attempt, 2);
	assert_int_equal(told[2].item, 2);
	appended(3, FIRST + 2);
	assert_int_equal(told[4].code, RECORD_ENDED);
	buf_free(&bytes);
	publish_batch_free(b);
}

static void
test_its_record_says_the_same_as_its_answer(void **unused UNUSED)
{
	const struct record_header h = { .epoch = EPOCH, .first = FIRST,
	    .batch = 9, .count = 6, .exceptions = 3 };
	struct publish_batch *b = batch_of(GROUPS);
	struct buf bytes = BUF_EMPTY;
	struct publish_answer a;

	with_three_exceptions(&bytes);
	assert_int_equal(publish_answer_of_record(&h,
	    rd_init(bytes.data, bytes.len), &a), 0);
	assert_int_equal(a.status, PUBLISH_OK);
	assert_int_equal(a.batch, 9);
	publish_batch_results(b, &a);
	assert_int_equal(n_told, GROUPS);
	assert_int_equal(told[2].code, RECORD_GUARD_LOST);
	appended(3, FIRST + 2);
	assert_int_equal(publish_answer_of_record(&h,
	    rd_init(bytes.data, bytes.len - 1), &a), -1);
	buf_free(&bytes);
	publish_batch_free(b);
}

/* What is cut off must not pass for "appended". */
static void
test_an_answer_that_is_not_whole_is_none(void **unused UNUSED)
{
	struct buf bytes = answer_of(PUBLISH_OK, 6, 3);
	struct publish_answer a;

	with_three_exceptions(&bytes);
	for (size_t n = 0; n < bytes.len; n++)
		assert_int_equal(publish_answer_decode(bytes.data, n, &a), -1);
	assert_int_equal(publish_answer_decode(bytes.data, bytes.len, &a), 0);
	buf_free(&bytes);
}

static void
test_an_answer_with_what_nobody_says_is_none(void **unused UNUSED)
{
	struct buf status = answer_of(PUBLISH_STATUS_MAX, 0, 0);
	struct buf twice = answer_of(PUBLISH_OK, 0, 2);
	struct buf code = answer_of(PUBLISH_OK, 0, 1);
	struct publish_answer a;

	exception(&twice, 1, RECORD_ENDED);
	exception(&twice, 1, RECORD_ENDED);
	exception(&code, 1, RECORD_CODE_MAX);
	assert_int_equal(publish_answer_decode(status.data, status.len, &a),
	    -1);
	assert_int_equal(publish_answer_decode(twice.data, twice.len, &a), -1);
	assert_int_equal(publish_answer_decode(code.data, code.len, &a), -1);
	buf_free(&status);
	buf_free(&twice);
	buf_free(&code);
}

static void
test_a_batch_takes_what_there_is_room_for(void **unused UNUSED)
{
	struct publish_batch *b = batch_of(GROUPS);

	assert_true(publish_batch_takes(b, EVENT_BATCH_MAX - 15, 1));
	assert_false(publish_batch_takes(b, EVENT_BATCH_MAX - 14, 1));
	assert_true(publish_batch_takes(b, 1,
	    EVENT_BATCH_BYTES - b->items.len));
	assert_false(publish_batch_takes(b, 1,
	    EVENT_BATCH_BYTES - b->items.len + 1));
	publish_batch_reset(b);
	assert_true(publish_batch_takes(b, EVENT_BATCH_MAX,
	    EVENT_BATCH_BYTES));
	assert_int_equal(b->n_groups, 0);
	publish_batch_free(b);
}

/* The guess is what back-pressure counts with: never too small. */
static void
test_items_take_no_more_bytes_than_was_said(void **unused UNUSED)
{
	struct publish_batch *b = publish_batch_new();
	struct item items[] = { item_of(""), item_of("\"data\":{\"a\":1}") };

	items[1].flags = ITEM_LIFECYCLE | ITEM_IDEMPOTENT | ITEM_GUARDED |
	    ITEM_LOG | ITEM_PART;
	publish_batch_add(b, items, NELEM(items), NULL, NULL);
	assert_true(b->items.len <= publish_batch_bytes(items, NELEM(items)));
	publish_batch_free(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_groups_without_an_exception_stand_in_a_row),
		cmocka_unit_test(
		    test_an_exception_is_told_to_its_own_group_alone),
		cmocka_unit_test(test_its_record_says_the_same_as_its_answer),
		cmocka_unit_test(test_an_answer_that_is_not_whole_is_none),
		cmocka_unit_test(test_an_answer_with_what_nobody_says_is_none),
		cmocka_unit_test(test_a_batch_takes_what_there_is_room_for),
		cmocka_unit_test(test_items_take_no_more_bytes_than_was_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
