/* The reader of the bus: what comes in a burst after its loop stood still. */
#include "tests/unit/subscriber_fixture.h"

#define PAUSE_MS  200
#define COARSE_MS 20   /* libevent's clock goes by the kernel's ticks */

static void
test_a_burst_of_heartbeats_is_no_reason_to_skip(void **state)
{
	struct seen *s = *state;

	connect_up(s);
	for (int i = 0; i < 100; i++)
		beat(s, EVENTS);
	await_read(s);
	await_events(s, EVENTS);
	assert_int_equal(s->gaps, 0);
	assert_true(s->beats > 0);
}

static void
test_a_dead_brokers_last_heartbeats_do_not_lead_back(void **state)
{
	struct seen *s = *state;

	late_beats(state, read_all, EVENTS - 10, 60);
	beat(s, EVENTS);
	await_read(s);
	assert_int_equal(s->events, EVENTS);
	assert_int_equal(s->gaps, 0);
	assert_int_equal(s->next, EVENTS + 1);
}

static void
test_a_tip_that_stays_behind_is_believed_in_the_end(void **state)
{
	struct seen *s = *state;

	connect_up(s);
	beat_until(s, EVENTS, &s->events, EVENTS);
	beat_until(s, EVENTS - 10, &s->gaps, 1);
	assert_int_equal(s->gaps, 1);
	assert_int_equal(s->next, EVENTS - 10 + 1);
}

static void
test_what_comes_in_a_pause_is_read_at_its_end(void **state)
{
	struct seen *s = *state;
	struct mono first;

	read_all(s);
	subscriber_pause(s->sub, PAUSE_MS);
	s->beats = 0;
	first = mono_now();
	beat(s, EVENTS);
	await(s, &s->beats, 1);
	beat(s, EVENTS);
	beat(s, EVENTS);
	await(s, &s->beats, 3);
	assert_int_equal(s->beats, 3);
	/* It began with the first one, or later. */
	assert_true(mono_diff_ms(mono_now(), first) >= PAUSE_MS -
	    COARSE_MS);
	/* After one in which nothing came it is still heard. */
	turn(s, 3 * PAUSE_MS);
	beat(s, EVENTS);
	await(s, &s->beats, 4);
	assert_int_equal(s->beats, 4);
	assert_int_equal(s->gaps, 0);
}

/* A record of an epoch that no heartbeat has told of says nothing about how far
 * the files count. */
static void
test_a_record_of_an_unknown_epoch_waits_for_its_heartbeat(void **state)
{
	struct record_header h = { .epoch = MEMORY_EPOCH,
		.first = MEMORY_FIRST, .publisher = slice_str("w/a"),
		.incarnation = 1, .batch = 1 };
	struct item item = { .tenant = slice_str("-"),
		.key = slice_str("job:a"), .event_type = slice_str("log"),
		.frame = slice_str("\"data\":{}}"), .data_off = 7, .seq = 1 };
	struct seen *s = *state;
	struct buf b = BUF_EMPTY;

	connect_up(s);
	record_begin(&b, &h, NULL);
	record_item(&b, &item);
	record_end(&b);
	assert_int_equal(bus_send(s->pub, b.data, b.len, NULL), 0);
	buf_free(&b);
	beat(s, 0);
	await_read(s);
	turn(s, 100);
	assert_int_equal(s->events, 0);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_a_burst_of_heartbeats_is_no_reason_to_skip),
		TEST(test_a_dead_brokers_last_heartbeats_do_not_lead_back),
		TEST(test_a_tip_that_stays_behind_is_believed_in_the_end),
		TEST(test_what_comes_in_a_pause_is_read_at_its_end),
		TEST(test_a_record_of_an_unknown_epoch_waits_for_its_heartbeat),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
