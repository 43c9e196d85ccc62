#include "tests/unit/store_fixture.h"

#include "common/query_wire.h"

static struct slice
slice_of(const struct buf *b)
{
	return (struct slice){ (const char *)b->data, b->len };
}

static void
snapshot_question(struct buf *b)
{
	const struct slice selectors[] = { slice_str("job:*"),
		slice_str("run:x") };

	query_wire_head(b, &(struct query_head){ QUERY_SNAPSHOT, 7, 8, 900 });
	query_wire_snapshot(b, (struct position){ 0xab, 41 }, slice_str("-"),
	    selectors, 2);
}

/* Reads a whole snapshot question of `n` bytes; -1 if it is not one. */
static int
read_question(const void *p, size_t n, struct query_head *head,
    struct position *wait, struct slice *tenant, struct slice **selectors,
    size_t *n_selectors)
{
	struct slice after;
	struct rd r = rd_init(p, n);

	if (query_wire_head_decode(&r, head) == -1 ||
	    query_wire_wait_decode(&r, wait) == -1)
		return -1;
	return query_wire_snapshot_decode(&r, tenant, selectors, n_selectors,
	    &after);
}

static void
test_a_snapshot_question_reads_back_as_it_was_asked(void **state UNUSED)
{
	struct slice tenant = { 0 }, *selectors = NULL;
	struct buf b = BUF_EMPTY;
	struct query_head head;
	struct position wait;
	size_t n = 0;

	snapshot_question(&b);
	if (read_question(b.data, b.len, &head, &wait, &tenant, &selectors,
	    &n) == -1) {
		fail_msg("the question was not read");
		return;   /* for the analyser */
	}
	assert_int_equal(head.op, QUERY_SNAPSHOT);
	assert_int_equal(head.asker, 7);
	assert_int_equal(head.ticket, 8);
	assert_int_equal(head.deadline_ms, 900);
	assert_int_equal(wait.epoch, 0xab);
	assert_int_equal(wait.number, 41);
	assert_true(slice_is(tenant, "-"));
	assert_int_equal(n, 2);
	assert_true(slice_is(selectors[0], "job:*"));
	assert_true(slice_is(selectors[1], "run:x"));
	free(selectors);
	buf_free(&b);
}

static void
test_a_question_cut_short_or_too_long_is_none(void **state UNUSED)
{
	struct slice tenant = { 0 }, *selectors = NULL;
	struct buf b = BUF_EMPTY;
	struct query_head head;
	struct position wait;
	size_t i, n = 0;
	void *exact;

	snapshot_question(&b);
	for (i = 0; i < b.len; i++) {
		/* Of its exact size: a sanitizer sees the byte after it. */
		exact = malloc(i + 1);
		assert_non_null(exact);
		memcpy(exact, b.data, i);
		assert_int_equal(read_question(exact, i, &head, &wait,
		    &tenant, &selectors, &n), -1);
		free(exact);
	}
	buf_u8(&b, 0);
	assert_int_equal(read_question(b.data, b.len, &head, &wait, &tenant,
	    &selectors, &n), -1);
	buf_free(&b);
}

static void
test_a_question_of_no_known_op_is_none(void **state UNUSED)
{
	struct query_head head = { QUERY_JSON, 1, 2, 3 };
	struct buf b = BUF_EMPTY;
	struct rd r;

	query_wire_head(&b, &head);
	b.data[0] = QUERY_OPEN_LOGS + 1;
	r = rd_init(b.data, b.len);
	assert_int_equal(query_wire_head_decode(&r, &head), -1);
	buf_free(&b);
}

static struct query_history_ask
history_question(struct buf *b)
{
	struct query_history_ask ask = { .tenant = slice_str("acme"),
		.key = slice_str("job:a/b"), .behind = true,
		.after = { 0xab, 17 }, .limit = QUERY_HISTORY_LIMIT,
		.n_types = QUERY_HISTORY_TYPES };

	for (size_t i = 0; i < QUERY_HISTORY_TYPES; i++)
		ask.types[i] = slice_str("job.log");
	query_wire_history(b, (struct position){ 0xab, 41 }, &ask);
	return ask;
}

static int
read_history_question(const void *p, size_t n, struct position *wait,
    struct query_history_ask *ret)
{
	struct rd r = rd_init(p, n);

	if (query_wire_wait_decode(&r, wait) == -1)
		return -1;
	return query_wire_history_decode(&r, ret);
}

static void
test_a_history_question_reads_back_as_it_was_asked(void **state UNUSED)
{
	struct query_history_ask asked, got = { .limit = 0 };
	struct buf b = BUF_EMPTY;
	struct position wait;

	asked = history_question(&b);
	assert_int_equal(read_history_question(b.data, b.len, &wait, &got),
	    0);
	assert_int_equal(wait.number, 41);
	assert_true(slice_eq(got.tenant, asked.tenant));
	assert_true(slice_eq(got.key, asked.key));
	assert_true(got.behind);
	assert_true(position_eq(got.after, asked.after));
	assert_int_equal(got.limit, asked.limit);
	assert_int_equal(got.n_types, QUERY_HISTORY_TYPES);
	assert_true(slice_is(got.types[QUERY_HISTORY_TYPES - 1], "job.log"));
	buf_free(&b);
}

static void
test_a_history_question_that_is_cut_or_too_much_is_none(void **state UNUSED)
{
	struct query_history_ask ask;
	struct buf b = BUF_EMPTY;
	struct position wait;
	size_t n;

	ask = history_question(&b);
	for (n = 0; n < b.len; n++)
		assert_int_equal(read_history_question(b.data, n, &wait,
		    &ask), -1);
	buf_u8(&b, 0);
	assert_int_equal(read_history_question(b.data, b.len, &wait, &ask),
	    -1);
	buf_reset(&b);
	ask.n_types = 0;
	ask.limit = 0;
	query_wire_history(&b, (struct position){ 0, 0 }, &ask);
	assert_int_equal(read_history_question(b.data, b.len, &wait, &ask),
	    -1);
	buf_reset(&b);
	ask.limit = QUERY_HISTORY_LIMIT + 1;
	query_wire_history(&b, (struct position){ 0, 0 }, &ask);
	assert_int_equal(read_history_question(b.data, b.len, &wait, &ask),
	    -1);
	buf_free(&b);
}

static void
test_a_history_reads_back_with_its_gaps(void **state UNUSED)
{
	struct query_history in = { .as_of = { 0xab, 90 }, .more = true,
		.end = { 0xab, 80 }, .gaps = { { QUERY_GAP_EVICTED, 3, 0 },
		{ QUERY_GAP_CURSOR_AHEAD, 0, 0 } }, .n_gaps = 2, .count = 5 };
	struct query_history got;
	struct buf b = BUF_EMPTY;
	size_t n;

	buf_u8(&b, 0);
	query_wire_answer_history(&b, &in);
	for (n = 0; n < b.len; n++)
		assert_int_equal(query_wire_answer_history_decode(
		    (struct slice){ (const char *)b.data, n }, &got), -1);
	assert_int_equal(query_wire_answer_history_decode(slice_of(&b), &got),
	    0);
	assert_int_equal(got.as_of.number, 90);
	assert_true(got.more);
	assert_int_equal(got.end.number, 80);
	assert_int_equal(got.n_gaps, 2);
	assert_int_equal(got.gaps[0].from, 3);
	assert_int_equal(got.gaps[0].to, 0);
	assert_int_equal(got.gaps[1].reason, QUERY_GAP_CURSOR_AHEAD);
	assert_int_equal(got.count, 5);
	assert_int_equal(got.items.left, 0);
	buf_free(&b);
}

static void
test_more_selectors_than_allowed_are_refused_before_room_is_made(
    void **state UNUSED)
{
	struct slice tenant = { 0 }, after, *selectors = NULL;
	struct buf b = BUF_EMPTY;
	struct rd r;
	size_t n = 0;

	buf_str16(&b, "-", 1);
	buf_u16(&b, QUERY_SELECTORS_MAX + 1);
	r = rd_init(b.data, b.len);
	assert_int_equal(query_wire_snapshot_decode(&r, &tenant, &selectors,
	    &n, &after), -1);
	buf_free(&b);
}

static void
test_a_question_for_the_last_position_reads_back_and_is_bounded(
    void **state UNUSED)
{
	const struct slice asked[] = { slice_str("job:*"),
		slice_str("run:x") };
	struct slice tenant, selectors[QUERY_LAST_SELECTORS_MAX];
	struct buf b = BUF_EMPTY;
	struct rd r;
	size_t i, n = 0;

	query_wire_last(&b, slice_str("red"), asked, 2);
	for (i = 0; i < b.len; i++) {
		r = rd_init(b.data, i);
		assert_int_equal(query_wire_last_decode(&r, &tenant,
		    selectors, &n), -1);
	}
	r = rd_init(b.data, b.len);
	assert_int_equal(query_wire_last_decode(&r, &tenant, selectors, &n),
	    0);
	assert_true(slice_is(tenant, "red"));
	assert_int_equal(n, 2);
	assert_true(slice_is(selectors[1], "run:x"));
	buf_reset(&b);
	buf_str16(&b, "-", 1);
	buf_u16(&b, QUERY_LAST_SELECTORS_MAX + 1);
	for (i = 0; i <= QUERY_LAST_SELECTORS_MAX; i++)
		buf_str16(&b, "job:x", 5);
	r = rd_init(b.data, b.len);
	assert_int_equal(query_wire_last_decode(&r, &tenant, selectors, &n),
	    -1);
	buf_free(&b);
}

static void
test_the_last_position_reads_back_and_an_error_is_none(void **state UNUSED)
{
	const struct query_last last = { { 0xab, 41 }, 17, 12, 5, 16, 3, 2,
		{ { QUERY_ENDED, 3, { 0xaa, 17 }, 0 },
		{ QUERY_LOG_OPEN, 4, { 0xab, 15 }, 99 } } };
	struct query_last found = { .last = 0 };
	struct buf b = BUF_EMPTY;
	struct slice json;
	uint16_t status;

	query_wire_answer_last(&b, &last);
	assert_true(query_wire_answer_ok(slice_of(&b)));
	assert_int_equal(query_wire_answer_last_decode(slice_of(&b), &found),
	    0);
	assert_true(position_eq(found.as_of, last.as_of));
	assert_int_equal(found.last, 17);
	assert_int_equal(found.oldest, 12);
	assert_int_equal(found.gone, 5);
	assert_int_equal(found.ended, 16);
	assert_int_equal(found.state, 3);
	assert_int_equal(found.n, 2);
	assert_int_equal(found.streams[0].how, QUERY_ENDED);
	assert_true(position_eq(found.streams[0].last,
	    (struct position){ 0xaa, 17 }));
	assert_int_equal(found.streams[1].state, 4);
	assert_int_equal(found.streams[1].until_ms, 99);
	b.data[b.len - 22] = QUERY_HOW_MAX;
	assert_int_equal(query_wire_answer_last_decode(slice_of(&b), &found),
	    -1);
	while (b.len-- > 1)
		assert_int_equal(query_wire_answer_last_decode(slice_of(&b),
		    &found), -1);
	buf_reset(&b);
	query_wire_answer_error_encode(&b, 503, "{}");
	assert_false(query_wire_answer_ok(slice_of(&b)));
	assert_int_equal(query_wire_answer_error(slice_of(&b), &status,
	    &json), 0);
	assert_int_equal(status, 503);
	buf_free(&b);
}

#define FROM UINT64_C(0x100000007)

static void
test_a_page_of_open_logs_reads_back_and_is_bounded(void **state UNUSED)
{
	const struct query_open_logs page = { .as_of = { 0xab, 41 },
		.next = FROM, .count = 1 };
	const struct query_open_log log = { slice_str("red"),
		slice_str("job:x"), 3, { 0xaa, 17 }, 99 };
	struct query_open_logs found;
	struct query_open_log one;
	struct buf b = BUF_EMPTY;
	struct rd r;
	uint64_t from = 0;

	query_wire_open_logs(&b, FROM);
	r = rd_init(b.data, b.len - 1);
	assert_int_equal(query_wire_open_logs_decode(&r, &from), -1);
	r = rd_init(b.data, b.len);
	assert_int_equal(query_wire_open_logs_decode(&r, &from), 0);
	assert_int_equal(from, FROM);
	buf_reset(&b);
	query_wire_answer_open_logs(&b, &page);
	query_wire_open_log(&b, &log);
	assert_int_equal(query_wire_answer_open_logs_decode(slice_of(&b),
	    &found), 0);
	assert_true(position_eq(found.as_of, page.as_of));
	assert_int_equal(found.next, FROM);
	assert_int_equal(found.count, 1);
	r = found.logs;
	assert_int_equal(query_wire_open_log_decode(&r, &one), 0);
	assert_true(slice_is(one.tenant, "red"));
	assert_true(slice_is(one.key, "job:x"));
	assert_int_equal(one.state, 3);
	assert_true(position_eq(one.last, (struct position){ 0xaa, 17 }));
	assert_int_equal(one.until_ms, 99);
	b.len--;
	assert_int_equal(query_wire_answer_open_logs_decode(slice_of(&b),
	    &found), 0);
	assert_int_equal(query_wire_open_log_decode(&found.logs, &one), -1);
	b.len = 20;
	assert_int_equal(query_wire_answer_open_logs_decode(slice_of(&b),
	    &found), -1);
	buf_free(&b);
}

static void
test_an_answer_is_read_by_what_it_begins_with(void **state UNUSED)
{
	struct query_snapshot snapshot;
	struct buf b = BUF_EMPTY;
	struct slice json;
	uint16_t status;

	assert_false(query_wire_answer_ok(slice_of(&b)));
	buf_u8(&b, 0);
	buf_u32(&b, 0xab);
	buf_u64(&b, 41);
	buf_u8(&b, 1);
	buf_u32(&b, 0);
	assert_true(query_wire_answer_ok(slice_of(&b)));
	assert_int_equal(query_wire_answer_snapshot(slice_of(&b), &snapshot),
	    0);
	assert_int_equal(snapshot.as_of.number, 41);
	assert_true(snapshot.complete && rd_done(&snapshot.items));
	b.len--;
	assert_int_equal(query_wire_answer_snapshot(slice_of(&b), &snapshot),
	    -1);
	buf_reset(&b);
	buf_u8(&b, 1);
	buf_u16(&b, 413);
	buf_str32(&b, "{}", 2);
	assert_false(query_wire_answer_ok(slice_of(&b)));
	assert_int_equal(query_wire_answer_error(slice_of(&b), &status,
	    &json), 0);
	assert_int_equal(status, 413);
	assert_true(slice_is(json, "{}"));
	buf_u8(&b, 0);
	assert_int_equal(query_wire_answer_error(slice_of(&b), &status,
	    &json), -1);
	buf_reset(&b);
	buf_u8(&b, 1);
	buf_u16(&b, 0);
	buf_str32(&b, "{}", 2);
	assert_int_equal(query_wire_answer_error(slice_of(&b), &status,
	    &json), -1);
	buf_free(&b);
}

static void
test_a_page_names_the_key_it_stands_behind(void **state UNUSED)
{
	static const char *const behind[] = { "", "job:a/b" };
	struct slice tenant, after, *selectors;
	struct buf b = BUF_EMPTY;
	struct position wait;
	struct rd r;
	size_t i, n;

	for (i = 0; i < 2; i++) {
		buf_reset(&b);
		query_wire_page(&b, (struct position){ 1, 2 }, slice_str("-"),
		    slice_str("job:a/*"), slice_str(behind[i]));
		r = rd_init(b.data, b.len);
		assert_int_equal(query_wire_wait_decode(&r, &wait), 0);
		assert_int_equal(query_wire_snapshot_decode(&r, &tenant,
		    &selectors, &n, &after), 0);
		assert_int_equal(n, 1);
		assert_non_null(after.p);
		assert_true(slice_is(after, behind[i]));
		free(selectors);
	}
	buf_free(&b);
	/* What is no page has none. */
	query_wire_snapshot(&b, (struct position){ 1, 2 }, slice_str("-"),
	    &(struct slice){ "job:a", 5 }, 1);
	r = rd_init(b.data, b.len);
	assert_int_equal(query_wire_wait_decode(&r, &wait), 0);
	assert_int_equal(query_wire_snapshot_decode(&r, &tenant, &selectors,
	    &n, &after), 0);
	assert_null(after.p);
	free(selectors);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_snapshot_question_reads_back_as_it_was_asked),
		cmocka_unit_test(
		    test_a_question_cut_short_or_too_long_is_none),
		cmocka_unit_test(test_a_question_of_no_known_op_is_none),
		cmocka_unit_test(
		    test_more_selectors_than_allowed_are_refused_before_room_is_made),
		cmocka_unit_test(
		    test_a_question_for_the_last_position_reads_back_and_is_bounded),
		cmocka_unit_test(
		    test_the_last_position_reads_back_and_an_error_is_none),
		cmocka_unit_test(
		    test_a_page_of_open_logs_reads_back_and_is_bounded),
		cmocka_unit_test(
		    test_an_answer_is_read_by_what_it_begins_with),
		cmocka_unit_test(test_a_page_names_the_key_it_stands_behind),
		cmocka_unit_test(
		    test_a_history_question_reads_back_as_it_was_asked),
		cmocka_unit_test(
		    test_a_history_question_that_is_cut_or_too_much_is_none),
		cmocka_unit_test(test_a_history_reads_back_with_its_gaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
