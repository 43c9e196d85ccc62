/*
 * log_grace: which logs are open, as the broker lists them page by page, over
 * its restarts and what is lost meanwhile.
 */
#include "gateway/log_grace.h"

#include "tests/unit/log_grace_fixture.h"

/* --- which there are ------------------------------------------------------ */

/* A page of these streams of tenant "-", told at a position. */
static void
tell_page(uint64_t as_of, uint64_t next, size_t n, const char *const keys[],
    uint64_t last)
{
	struct query_open_logs page = { .as_of = { EPOCH, as_of },
		.next = next, .count = (uint32_t)n };
	query_open_logs_cb cb = page_cb;
	struct query_open_log log = { .tenant = slice_str("-"), .state = OPEN,
		.last = { EPOCH - 1, last },
		.until_ms = wall_unix_ms() + LATER_MS };
	struct buf b = BUF_EMPTY;

	assert_int_not_equal(listing, 0);
	for (size_t i = 0; i < n; i++) {
		log.key = slice_str(keys[i]);
		query_wire_open_log(&b, &log);
	}
	page.logs = rd_init(b.data, b.len);
	listing = 0;
	cb(&page, NULL, grace);
	buf_free(&b);
}

static const char *const two[] = { "job:a", "job:b" };
static const char *const others[] = { "job:b", "job:c" };

static void
test_the_list_is_known_with_its_last_page(void **state UNUSED)
{
	assert_false(log_grace_knows(grace));
	assert_int_equal(listed_from, 0);
	assert_false(log_grace_knows(grace));   /* asks no second time */
	tell_page(TIP, 7, NELEM(two), two, 90);
	assert_int_equal(listed_from, 7);
	assert_false(log_grace_knows(grace));
	tell_page(TIP, 0, 1, others + 1, 91);
	assert_true(log_grace_knows(grace));
	assert_int_equal(listing, 0);
	assert_int_equal(open_logs_count(gateway.open_logs), 3);
	assert_int_equal(left_of("-", "job:c"), LOG_GRACE_AGAIN_MS);
	assert_true(position_eq(open_logs_get(gateway.open_logs,
	    slice_str("-"), slice_str("job:c"))->position,
	    (struct position){ EPOCH - 1, 91 }));
}

/* The broker was restarted, and begins again. */
static void
test_what_two_pages_tell_is_there_once_and_ends_once(void **state UNUSED)
{
	(void)log_grace_knows(grace);
	tell_page(TIP, 7, NELEM(two), two, 90);
	tell_page(TIP, 9, NELEM(others), others, 90);
	tell_page(TIP, 0, NELEM(two), two, 90);
	assert_int_equal(open_logs_count(gateway.open_logs), 3);
	now_ms += LOG_GRACE_AGAIN_MS;
	log_grace_look(grace);
	assert_int_equal(n_asked, 3);
	answer(QUERY_ENDED, 90, 0);
	assert_null(last_cb);
	assert_int_equal(told.len, 3 * strlen("job:a@90 "));
}

static void
test_a_page_that_does_not_come_is_asked_for_from_the_beginning(
    void **state UNUSED)
{
	struct err err = { .text = "the broker is silent" };

	full = true;
	assert_false(log_grace_knows(grace));
	full = false;
	assert_false(log_grace_knows(grace));
	tell_page(TIP, 7, NELEM(two), two, 90);
	listing = 0;
	page_cb(NULL, &err, grace);
	assert_int_equal(listing, 0);   /* with the next heartbeat */
	assert_false(log_grace_knows(grace));
	assert_int_equal(listed_from, 0);
}

static void
test_what_this_gateway_read_since_is_newer_than_the_list(void **state UNUSED)
{
	/* job:a's log was closed, job:b began again, job:c has a line more. */
	put_flagged(gateway.ring, gateway.hub, EPOCH, 101, "job:a", "job.log",
	    ITEM_LAST, 0);
	(void)ring_end_stream(gateway.ring, slice_str("-"),
	    slice_str("job:a"), OPEN);
	put_flagged(gateway.ring, gateway.hub, EPOCH, 102, "job:b",
	    "job.state_changed", ITEM_LIFECYCLE, 1);
	put(gateway.ring, gateway.hub, EPOCH, 103, "job:c", "job.log");
	(void)log_grace_knows(grace);
	tell_page(TIP, 7, NELEM(two), two, 90);
	tell_page(TIP, 0, 1, others + 1, 90);
	assert_int_equal(left_of("-", "job:a"), -1);
	assert_int_equal(left_of("-", "job:b"), -1);
	/* Of that one the broker is asked at once. */
	assert_int_equal(left_of("-", "job:c"), 0);
}

static void
test_after_a_loss_the_list_is_asked_for_anew_and_a_page_before_is_void(
    void **state UNUSED)
{
	uint64_t before;

	open_log("-", "job:x", now_ms + GRACE_MS);
	(void)log_grace_knows(grace);
	tell_page(TIP, 7, NELEM(two), two, 90);
	before = listing;
	log_grace_lost(grace);
	assert_int_equal(cancelled, before);
	assert_int_equal(left_of("-", "job:x"), 0);
	assert_false(log_grace_knows(grace));
	assert_int_equal(listed_from, 0);
	tell_page(TIP, 0, NELEM(others), others, 90);
	assert_true(log_grace_knows(grace));
	assert_int_equal(open_logs_count(gateway.open_logs), 4);
	log_grace_lost(grace);
	assert_false(log_grace_knows(grace));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_the_list_is_known_with_its_last_page),
		TEST(test_what_two_pages_tell_is_there_once_and_ends_once),
		TEST(test_a_page_that_does_not_come_is_asked_for_from_the_beginning),
		TEST(test_what_this_gateway_read_since_is_newer_than_the_list),
		TEST(test_after_a_loss_the_list_is_asked_for_anew_and_a_page_before_is_void),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
