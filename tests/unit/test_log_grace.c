/*
 * log_grace: how long a log is open and when its stream ends, whatever the
 * broker says and however late.
 */
#include "gateway/log_grace.h"

#include "tests/unit/log_grace_fixture.h"

/* An event that may end its stream is read, and its record is so old. */
static void
read_event(const char *key, uint64_t position, uint8_t flags, uint8_t state,
    int64_t age_ms)
{
	struct item item = make_item(key, "job.state_changed", "{}", 1,
	    position);

	put_flagged(gateway.ring, gateway.hub, EPOCH, position, key,
	    "job.state_changed", flags, state);
	item.flags = flags;
	item.state = state;
	log_grace_note(grace, &item, wall_unix_ms() - age_ms);
}

static void
no_answer(void)
{
	struct err err = { .text = "the broker is silent" };
	query_last_cb cb = last_cb;

	assert_non_null(cb);
	last_cb = NULL;
	cb(NULL, &err, grace);
}

/* --- what is read --------------------------------------------------------- */

static void
test_a_log_is_open_from_its_record_on_for_log_grace_at_most(void **state UNUSED)
{
	read_event("job:old", 101, ITEM_TERMINAL, OPEN, LATER_MS);
	assert_int_equal(left_of("-", "job:old"), 0);
	read_event("job:half", 102, ITEM_TERMINAL, OPEN, GRACE_MS / 2);
	assert_in_range(left_of("-", "job:half"), 1, GRACE_MS / 2);
	/* The broker's clock is ahead. */
	read_event("job:new", 103, ITEM_TERMINAL, OPEN, -LATER_MS);
	assert_int_equal(left_of("-", "job:new"), GRACE_MS);
}

static void
test_what_ends_with_its_log_closed_is_not_open(void **state UNUSED)
{
	read_event("job:plain", 101, ITEM_TERMINAL, 3, 0);
	read_event("job:at-once", 102, ITEM_TERMINAL | ITEM_LAST, OPEN, 0);
	read_event("job:line", 103, ITEM_LAST, 0, 0);
	assert_int_equal(open_logs_count(gateway.open_logs), 0);
}

static void
test_the_last_line_closes_a_log_and_ends_its_stream(void **state UNUSED)
{
	struct ring_frame f;

	/* Its end has left the ring. */
	open_log("-", "job:a", now_ms + GRACE_MS);
	read_event("job:a", 101, ITEM_LAST, 0, 0);
	assert_int_equal(left_of("-", "job:a"), -1);
	assert_true(ring_get(gateway.ring, 101, &f));
	assert_true(f.ends);
	assert_int_equal(f.state, OPEN);
}

/* --- whose time is over --------------------------------------------------- */

static void
test_the_broker_is_asked_when_the_time_is_over_and_not_before(
    void **state UNUSED)
{
	open_log("-", "job:a", now_ms + 10);
	log_grace_look(grace);
	assert_null(last_cb);
	now_ms += 10;
	log_grace_look(grace);
	assert_string_equal(text(&asked), "-: job:a ");
	/* Not twice at a time; and it stays open until there is an answer. */
	now_ms += GRACE_MS;
	log_grace_look(grace);
	assert_true(left_of("-", "job:a") > -LATER_MS);
	assert_int_equal(told.len, 0);
	answer(QUERY_ENDED, 90, 0);
	assert_string_equal(text(&told), "job:a@90 ");
	assert_int_equal(open_logs_count(gateway.open_logs), 0);
}

static void
test_who_is_told_of_an_end_is_told_where_the_stream_stands(void **state UNUSED)
{
	struct ring_frame f;

	read_event("job:a", 101, ITEM_TERMINAL, OPEN, LATER_MS);
	put(gateway.ring, gateway.hub, EPOCH, 102, "job:a", "job.log");
	log_grace_look(grace);
	answer(QUERY_ENDED, 102, 0);
	assert_string_equal(text(&told), "job:a@102 ");
	assert_true(ring_get(gateway.ring, 102, &f));
	assert_true(f.ends);
}

static void
test_an_end_waits_until_this_gateway_has_read_all_that_was_taken(
    void **state UNUSED)
{
	open_log("-", "job:a", now_ms);
	log_grace_look(grace);
	answer(QUERY_ENDED, TIP + 1, 0);
	assert_int_equal(told.len, 0);
	assert_int_equal(left_of("-", "job:a"), LOG_GRACE_LOOK_MS);
	put(gateway.ring, gateway.hub, EPOCH, TIP + 1, "job:z", "job.log");
	now_ms += LOG_GRACE_LOOK_MS;
	log_grace_look(grace);
	answer(QUERY_ENDED, TIP + 1, 0);
	assert_string_equal(text(&told), "job:a@90 ");
}

static void
test_a_log_that_the_broker_keeps_open_is_asked_about_again(void **state UNUSED)
{
	open_log("-", "job:a", now_ms);
	log_grace_look(grace);
	answer(QUERY_LOG_OPEN, 90, wall_unix_ms() + LATER_MS);
	assert_int_equal(left_of("-", "job:a"), LOG_GRACE_AGAIN_MS);
	now_ms += LOG_GRACE_AGAIN_MS;
	log_grace_look(grace);
	/* Its last moment has passed on the way. */
	answer(QUERY_LOG_OPEN, 90, wall_unix_ms() - LATER_MS);
	assert_int_equal(left_of("-", "job:a"), LOG_GRACE_LOOK_MS);
	assert_int_equal(told.len, 0);
}

static void
test_a_stream_that_goes_on_has_no_end_and_a_forgotten_one_has(
    void **state UNUSED)
{
	open_log("-", "job:on", now_ms);
	log_grace_look(grace);
	answer(QUERY_GOES_ON, 95, 0);
	assert_int_equal(told.len, 0);
	open_log("-", "job:gone", now_ms);
	log_grace_look(grace);
	answer(QUERY_UNKNOWN, 0, 0);
	assert_string_equal(text(&told), "job:gone@90 ");
	assert_int_equal(open_logs_count(gateway.open_logs), 0);
}

static void
test_an_end_waits_for_a_broker_that_is_away(void **state UNUSED)
{
	open_log("-", "job:a", now_ms);
	busy = true;
	log_grace_look(grace);
	assert_int_equal(left_of("-", "job:a"), 0);
	busy = false;
	full = true;
	log_grace_look(grace);
	assert_int_equal(left_of("-", "job:a"), LOG_GRACE_ASK_MS);
	full = false;
	for (int round = 0; round < 3; round++) {
		now_ms += LOG_GRACE_ASK_MS;
		log_grace_look(grace);
		no_answer();
		assert_int_equal(told.len, 0);
	}
	now_ms += LOG_GRACE_ASK_MS;
	log_grace_look(grace);
	answer(QUERY_ENDED, 90, 0);
	assert_string_equal(text(&told), "job:a@90 ");
}

static void
test_a_last_line_that_comes_before_the_answer_counts(void **state UNUSED)
{
	open_log("-", "job:a", now_ms);
	log_grace_look(grace);
	read_event("job:a", 101, ITEM_LAST, 0, 0);
	answer(QUERY_ENDED, 101, 0);
	assert_int_equal(told.len, 0);
}

/* Each once, in questions of one tenant. */
static void
test_many_streams_of_two_tenants_are_asked_about_each_once(void **state UNUSED)
{
	const int each = 150;
	int questions = 0, red = 0, blue = 0;
	char key[16];

	for (int i = 0; i < each; i++) {
		(void)snprintf(key, sizeof(key), "job:%d", i);
		open_log("red", key, now_ms);
		open_log("blue", key, now_ms);
	}
	log_grace_look(grace);
	for (; last_cb != NULL; questions++) {
		const char *tenant = text(&asked);

		if (strncmp(tenant, "red:", 4) == 0)
			red += (int)n_asked;
		else if (strncmp(tenant, "blue:", 5) == 0)
			blue += (int)n_asked;
		assert_true(questions < 2 * each);
		answer(QUERY_ENDED, 90, 0);
	}
	assert_int_equal(red, each);
	assert_int_equal(blue, each);
	assert_int_equal(open_logs_count(gateway.open_logs), 0);
	/* Nobody subscribed to theirs. */
	assert_int_equal(told.len, 0);
}

static void
test_of_too_many_the_one_over_first_ends_before_its_time(void **state UNUSED)
{
	char key[16];

	for (unsigned int i = 0; i <= OPEN_LOGS_MAX; i++) {
		(void)snprintf(key, sizeof(key), "job:%u", i);
		open_log("-", key, now_ms + i);
	}
	log_grace_look(grace);
	answer(QUERY_LOG_OPEN, 90, wall_unix_ms() + LATER_MS);
	assert_string_equal(text(&told), "job:0@90 ");
	assert_int_equal(open_logs_count(gateway.open_logs), OPEN_LOGS_MAX);
	log_grace_look(grace);
	assert_null(last_cb);
}

/* --- a reload ------------------------------------------------------------- */

static void
test_a_reload_takes_log_grace_over_and_the_broker_is_asked_of_all(
    void **state UNUSED)
{
	struct conf fresh = role.conf;

	open_log("-", "job:a", now_ms + GRACE_MS);
	for (size_t i = 0; i <= STREAM_TYPE_MAX; i++)
		fresh.streams[i].log_grace_ms = 100;
	log_grace_reload(grace, &fresh);
	log_grace_look(grace);
	assert_string_equal(text(&asked), "-: job:a ");
	answer(QUERY_ENDED, 90, 0);
	assert_string_equal(text(&told), "job:a@90 ");
	read_event("job:b", 101, ITEM_TERMINAL, OPEN, -LATER_MS);
	assert_int_equal(left_of("-", "job:b"), 100);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_a_log_is_open_from_its_record_on_for_log_grace_at_most),
		TEST(test_what_ends_with_its_log_closed_is_not_open),
		TEST(test_the_last_line_closes_a_log_and_ends_its_stream),
		TEST(test_the_broker_is_asked_when_the_time_is_over_and_not_before),
		TEST(test_who_is_told_of_an_end_is_told_where_the_stream_stands),
		TEST(test_an_end_waits_until_this_gateway_has_read_all_that_was_taken),
		TEST(test_a_log_that_the_broker_keeps_open_is_asked_about_again),
		TEST(test_a_stream_that_goes_on_has_no_end_and_a_forgotten_one_has),
		TEST(test_an_end_waits_for_a_broker_that_is_away),
		TEST(test_a_last_line_that_comes_before_the_answer_counts),
		TEST(test_many_streams_of_two_tenants_are_asked_about_each_once),
		TEST(test_of_too_many_the_one_over_first_ends_before_its_time),
		TEST(test_a_reload_takes_log_grace_over_and_the_broker_is_asked_of_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
