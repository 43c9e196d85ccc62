/* publish_rest: which events of a request that is not atomic go next. */
#include "gateway/publish_rest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "common/xmalloc.h"

#define EVENTS 1000

static struct publish_rest *
rest(size_t n)
{
	static struct item items[EVENTS];
	static const struct event_state states[EVENTS];

	for (size_t i = 0; i < n; i++)
		items[i] = (struct item){ .tenant = slice_str("-"),
			.key = slice_str("job:a"), .line_no = i,
			.frame = slice_str("{}") };
	return publish_rest_new(items, states, n);
}

static void
next_is(struct publish_rest *r, uint32_t first, size_t n)
{
	struct publish_stretch s;

	assert_true(publish_rest_next(r, &s));
	assert_int_equal(s.first, first);
	assert_int_equal(s.n, n);
	assert_int_equal(s.items[0].line_no, first);
	assert_true(slice_is(s.items[n - 1].key, "job:a"));
}

static void
test_what_nobody_refuses_goes_at_once(void **state UNUSED)
{
	struct publish_rest *r = rest(EVENTS);
	struct publish_stretch s;

	next_is(r, 0, EVENTS);
	assert_false(publish_rest_next(r, &s));
	publish_rest_free(r);
}

static void
test_who_is_to_blame_goes_alone_behind_those_before_it(void **state UNUSED)
{
	struct publish_rest *r = rest(10);
	struct publish_stretch s;

	next_is(r, 0, 10);
	publish_rest_refused(r, 7);
	next_is(r, 0, 7);
	next_is(r, 7, 1);
	next_is(r, 8, 2);
	assert_false(publish_rest_next(r, &s));
	publish_rest_free(r);
}

static void
test_where_nobody_knows_who_is_to_blame_the_half_goes(void **state UNUSED)
{
	struct publish_rest *r = rest(8);

	next_is(r, 0, 8);
	publish_rest_refused(r, PUBLISH_REST_UNKNOWN);
	next_is(r, 0, 4);
	publish_rest_refused(r, PUBLISH_REST_UNKNOWN);
	next_is(r, 0, 2);
	publish_rest_refused(r, PUBLISH_REST_UNKNOWN);
	next_is(r, 0, 1);
	next_is(r, 1, 2);
	next_is(r, 3, 4);
	next_is(r, 7, 1);
	publish_rest_free(r);
}

struct cost {
	size_t	rounds;   /* groups that went to the broker, one by one */
	size_t	events;   /* in them, and so machines it was asked about */
};

/* One of every `bad` is refused for good, and with it each stretch it is in:
 * the first of it is to blame, or nobody is known to be. */
static struct cost
cost_of(size_t n, size_t bad, bool known)
{
	struct publish_rest *r = rest(n);
	struct publish_stretch s;
	struct cost cost = { 0, 0 };
	size_t next = 0;

	while (publish_rest_next(r, &s)) {
		size_t at = (bad - s.first % bad) % bad;

		assert_int_equal(s.first, next);
		cost.rounds++;
		cost.events += s.n;
		if (at < s.n)
			publish_rest_refused(r, known ? at :
			    PUBLISH_REST_UNKNOWN);
		if (at >= s.n || s.n == 1)
			next += s.n;
	}
	assert_int_equal(next, n);
	publish_rest_free(r);
	return cost;
}

static void
test_each_is_settled_once_and_in_order_whatever_is_refused(void **state UNUSED)
{
	for (size_t n = 1; n <= 40; n++)
		for (size_t bad = 1; bad <= n + 1; bad++) {
			assert_true(cost_of(n, bad, true).rounds <= 3 * n);
			assert_true(cost_of(n, bad, false).rounds <= 3 * n);
		}
	/* A thousand of which ten are illegal: not a thousand rounds. */
	assert_true(cost_of(EVENTS, 100, true).rounds <= 100);
	/* All are: hardly more than one each. */
	assert_true(cost_of(EVENTS, 1, true).rounds <= EVENTS + 20);
}

/* It was the half of n * n: half a million for a request of a thousand. */
static void
test_what_is_asked_is_a_few_times_the_request_whatever_is_refused(
    void **state UNUSED)
{
	for (size_t bad = 1; bad <= EVENTS; bad++) {
		assert_true(cost_of(EVENTS, bad, true).events <= 6 * EVENTS);
		assert_true(cost_of(EVENTS, bad, false).events <= 6 * EVENTS);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_nobody_refuses_goes_at_once),
		cmocka_unit_test(
		    test_who_is_to_blame_goes_alone_behind_those_before_it),
		cmocka_unit_test(
		    test_where_nobody_knows_who_is_to_blame_the_half_goes),
		cmocka_unit_test(
		    test_each_is_settled_once_and_in_order_whatever_is_refused),
		cmocka_unit_test(
		    test_what_is_asked_is_a_few_times_the_request_whatever_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
