/* curl_lane: when a connection that was given up is handed back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/macros.h"
#include "watcher/curl_lane.h"

static struct event_base *base;
static unsigned handed_back;

static void
done_cb(void *private UNUSED, CURLcode code UNUSED)
{
	fail();
}

static void
unused_cb(struct curl_lane *lane, void *arg UNUSED)
{
	handed_back++;
	curl_lane_free(lane);
}

static struct curl_lane *
lane_with(size_t transfers)
{
	struct curl_lane *lane = curl_lane_new(base, done_cb, unused_cb, NULL);

	lane->n = transfers;
	return lane;
}

static int
setup(void **state UNUSED)
{
	base = event_base_new();
	handed_back = 0;
	return base == NULL;
}

static int
teardown(void **state UNUSED)
{
	event_base_free(base);
	return 0;
}

static void
run(void)
{
	assert_true(event_base_loop(base, EVLOOP_NONBLOCK) >= 0);
}

/* Whoever gives it up may have been called by its own libcurl. */
static void
test_an_unused_lane_is_handed_back_later(void **state UNUSED)
{
	curl_lane_give_up(lane_with(0));
	assert_int_equal(handed_back, 0);
	run();
	assert_int_equal(handed_back, 1);
}

static void
test_a_lane_in_use_is_handed_back_behind_its_last_transfer(
    void **state UNUSED)
{
	struct curl_lane *lane = lane_with(2);

	curl_lane_give_up(lane);
	curl_lane_left(lane);
	run();
	assert_int_equal(handed_back, 0);
	curl_lane_left(lane);
	assert_int_equal(handed_back, 0);
	run();
	assert_int_equal(handed_back, 1);
}

/* libcurl has the same say as ever: it deletes its timer when it has nothing
 * to wait for. */
static void
test_a_lane_is_handed_back_whatever_libcurl_does_with_its_timer(
    void **state UNUSED)
{
	struct curl_lane *lane = lane_with(1);

	curl_lane_give_up(lane);
	curl_lane_left(lane);
	(void)evtimer_del(lane->timer);
	run();
	assert_int_equal(handed_back, 1);
}

static void
test_a_lane_that_empties_stays_until_it_is_given_up(void **state UNUSED)
{
	struct curl_lane *lane = lane_with(1);

	curl_lane_left(lane);
	run();
	assert_int_equal(handed_back, 0);
	curl_lane_free(lane);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_an_unused_lane_is_handed_back_later, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_lane_in_use_is_handed_back_behind_its_last_transfer,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_lane_is_handed_back_whatever_libcurl_does_with_its_timer,
		    setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_a_lane_that_empties_stays_until_it_is_given_up,
		    setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
