/* hub: who wants what, who is next, what was lost. */
#include "gateway/flight.h"
#include "gateway/stream_kind.h"
#include "tests/unit/ring_fixture.h"

static struct hub_subscription *
acquire(struct hub *h, const char *a, const char *b, const char *type)
{
	struct slice selectors[2] = { slice_str(a),
	    slice_str(b != NULL ? b : a) };
	struct slice types[1] = { slice_str(type != NULL ? type : "") };

	return hub_acquire(h, slice_str("-"), selectors, 2, types,
	    type != NULL ? 1 : 0);
}

static void
test_equal_subscriptions_are_one(void **state)
{
	struct err err = { 0 };
	struct ring *r = ring_new(RING_BYTES_MIN, &err);
	struct hub *h = hub_new(r);
	struct hub_subscription *a, *b, *c;

	(void)state;
	a = acquire(h, "job:a", "run:b", NULL);
	b = acquire(h, "run:b", "job:a", NULL);
	c = acquire(h, "run:b", "job:a", "job.log");
	assert_ptr_equal(a, b);
	assert_ptr_not_equal(a, c);
	assert_int_equal(hub_count(h), 2);
	assert_false(hub_release(h, a));
	assert_true(hub_release(h, b));
	assert_true(hub_release(h, c));
	assert_int_equal(hub_count(h), 0);
	hub_free(h);
	ring_free(r);
}

static void
test_who_is_dirty_for_longest_is_next(void **state)
{
	struct err err = { 0 };
	struct ring *r = ring_new(RING_BYTES_MIN, &err);
	struct hub *h = hub_new(r);
	struct hub_subscription *a, *b, *c;
	unsigned int i;

	(void)state;
	a = acquire(h, "job:a", NULL, NULL);
	b = acquire(h, "job:b", NULL, NULL);
	c = acquire(h, "job:c", NULL, NULL);
	hub_mark_dirty(h, a);
	hub_mark_dirty(h, b);
	hub_mark_dirty(h, c);
	hub_mark_dirty(h, a);
	assert_int_equal(hub_dirty(h), 3);
	/* One that has more to send waits for the others. */
	for (i = 0; i < 100; i++) {
		assert_ptr_equal(hub_next_dirty(h), a);
		hub_mark_dirty(h, a);
		assert_ptr_equal(hub_next_dirty(h), b);
		hub_mark_dirty(h, b);
		assert_ptr_equal(hub_next_dirty(h), c);
		hub_mark_dirty(h, c);
	}
	assert_true(hub_release(h, b));
	assert_ptr_equal(hub_next_dirty(h), a);
	assert_ptr_equal(hub_next_dirty(h), c);
	assert_null(hub_next_dirty(h));
	assert_true(hub_release(h, a));
	assert_true(hub_release(h, c));
	hub_free(h);
	ring_free(r);
}

static void
test_keys_prefixes_and_types_choose_events(void **state)
{
	struct err err = { 0 };
	struct ring *r = ring_new(RING_BYTES_MIN, &err);
	struct hub *h = hub_new(r);
	struct hub_subscription *key, *prefix, *all, *both, *typed, *late;
	uint64_t got[8];

	(void)state;
	key = acquire(h, "resource:a/pod/n/x", NULL, NULL);
	prefix = acquire(h, "resource:a/pod/*", NULL, NULL);
	all = acquire(h, "resource:*", NULL, NULL);
	both = acquire(h, "resource:*", "resource:a/pod/n/x", NULL);
	typed = acquire(h, "resource:*", NULL, "resource.deleted");
	put(r, h, EPOCH, 1, "resource:a/pod/n/x", "status_update");
	put(r, h, EPOCH, 2, "resource:a/pod/n/y", "status_update");
	put(r, h, EPOCH, 3, "resource:a/podx/n/y", "resource.deleted");
	put(r, h, EPOCH, 4, "resource:b/pod/n/x", "status_update");
	put(r, h, EPOCH, 5, "job:a", "job.log");
	late = acquire(h, "resource:a/*", NULL, NULL);
	assert_int_equal(hub_list(h, key, 0, got, 8), 1);
	assert_int_equal(got[0], 1);
	assert_int_equal(hub_list(h, prefix, 0, got, 8), 2);
	assert_int_equal(hub_list(h, prefix, 1, got, 8), 1);
	assert_int_equal(got[0], 2);
	assert_int_equal(hub_list(h, all, 0, got, 8), 4);
	assert_int_equal(hub_list(h, both, 0, got, 8), 4);
	assert_int_equal(hub_list(h, typed, 0, got, 8), 1);
	assert_int_equal(got[0], 3);
	assert_int_equal(hub_list(h, late, 0, got, 8), 3);
	assert_int_equal(hub_next(h, all, 3), 4);
	assert_int_equal(hub_next(h, all, 4), 0);
	assert_true(hub_wants(prefix, slice_str("-"),
	    slice_str("resource:a/pod/z"), slice_str("x")));
	assert_false(hub_wants(prefix, slice_str("t"),
	    slice_str("resource:a/pod/z"), slice_str("x")));
	hub_free(h);
	ring_free(r);
}

static void
test_dirty_subscriptions_come_once_and_another_tenant_gets_nothing(void **state)
{
	struct err err = { 0 };
	struct ring *r = ring_new(RING_BYTES_MIN, &err);
	struct hub *h = hub_new(r);
	struct slice key = slice_str("job:a");
	struct hub_subscription *mine, *other;

	(void)state;
	mine = acquire(h, "job:a", NULL, NULL);
	other = hub_acquire(h, slice_str("t2"), &key, 1, NULL, 0);
	put(r, h, EPOCH, 1, "job:a", "job.log");
	put(r, h, EPOCH, 2, "job:a", "job.log");
	assert_ptr_equal(hub_next_dirty(h), mine);
	assert_null(hub_next_dirty(h));
	assert_int_equal(hub_next(h, other, 0), 0);
	put(r, h, EPOCH, 3, "job:a", "job.log");
	assert_true(hub_release(h, mine));
	assert_null(hub_next_dirty(h));
	hub_free(h);
	ring_free(r);
}

static void
test_a_list_says_which_match_was_lost(void **state)
{
	struct err err = { 0 };
	struct ring *r = ring_new(RING_BYTES_MIN, &err);
	struct hub *h = hub_new(r);
	struct hub_subscription *s = acquire(h, "job:a", NULL, NULL);
	uint64_t i, got[4], lost;

	(void)state;
	for (i = 1; i <= 9000; i++)
		put(r, h, EPOCH, i, i % 100 == 0 ? "job:a" : "job:b",
		    "job.log");
	assert_int_equal(hub_list(h, s, 0, got, 4), 4);
	lost = s->lost_through;
	assert_int_equal(lost % 100, 0);
	assert_true(lost < ring_oldest(r));
	assert_int_equal(got[0], lost + 100);
	assert_true(s->list.size <= 256);
	ring_clear(r, (struct position){ EPOCH, 20000 });
	hub_cleared(h);
	assert_int_equal(hub_next(h, s, 0), 0);
	assert_int_equal(s->lost_through, 19999);
	hub_free(h);
	ring_free(r);
}

/* Frames of many keys, more than three steps of them. */
static uint64_t
put_many(struct ring *r, struct hub *h)
{
	char key[32];
	uint64_t i, n = 3 * HUB_REACH_STEP + 100;

	for (i = 1; i <= n; i++) {
		(void)snprintf(key, sizeof(key), "%s:%" PRIu64,
		    i % 2 == 0 ? "job" : "run", i % 500);
		put(r, h, EPOCH, i, key, i % 3 == 0 ? "job.log" : "x.n");
	}
	assert_int_equal(ring_oldest(r), 1);
	return n;
}

static void
test_a_new_prefix_looks_back_in_bounded_steps_only_as_far_as_is_asked(
    void **state)
{
	struct err err = { 0 };
	struct ring *r = ring_new(16 * 1024 * 1024, &err);
	struct hub *h = hub_new(r);
	uint64_t n = put_many(r, h), at, list[8];
	struct hub_subscription *s, *same;
	uint32_t i;

	(void)state;
	s = acquire(h, "job:*", NULL, "job.log");
	assert_int_equal(s->lost_through, n - HUB_REACH_STEP);
	/* Nobody asked: it stays so, and is complete from there on. */
	assert_true(hub_reach(h, s, n - 10));
	assert_int_equal(s->lost_through, n - HUB_REACH_STEP);
	same = acquire(h, "job:*", NULL, "job.log");
	assert_ptr_equal(same, s);
	assert_int_equal(s->lost_through, n - HUB_REACH_STEP);
	/* Meanwhile it goes on at the other end. */
	put(r, h, EPOCH, n + 1, "job:1", "job.log");
	assert_false(hub_reach(h, s, 7));
	assert_int_equal(s->lost_through, n - 2 * HUB_REACH_STEP);
	assert_false(hub_reach(h, s, 7));
	assert_true(hub_reach(h, s, 7));
	assert_int_equal(s->lost_through, 7);
	at = 7;
	for (i = 0; i < s->list.len; i++) {
		assert_int_equal(hub_list(h, s, at, list, 8) > 0, 1);
		if (i + 1 < s->list.len) {
			assert_int_equal(list[0] % 6, 0);
			assert_true(list[0] - at <= 6);
		}
		at = list[0];
	}
	assert_int_equal(at, n + 1);
	assert_int_equal(s->list.len, n / 6 - 1 + 1);
	hub_free(h);
	ring_free(r);
}

static void
test_keys_are_found_however_far_back_and_a_long_chain_in_steps(void **state)
{
	struct err err = { 0 };
	struct ring *r = ring_new(16 * 1024 * 1024, &err);
	struct hub *h = hub_new(r);
	struct hub_subscription *few, *many;
	uint64_t i, n = put_many(r, h), got[4];

	(void)state;
	few = acquire(h, "job:2", "run:1", NULL);
	assert_int_equal(few->lost_through, 0);
	assert_int_equal(hub_list(h, few, 0, got, 4), 4);
	assert_int_equal(got[0], 1);
	assert_int_equal(got[1], 2);
	assert_int_equal(got[2], 501);
	for (i = 1; i <= 2 * HUB_REACH_STEP; i++)
		put(r, h, EPOCH, n + i, "job:2", "x.n");
	many = acquire(h, "job:2", NULL, NULL);
	assert_int_equal(many->lost_through, n + HUB_REACH_STEP);
	while (!hub_reach(h, many, 1))
		continue;
	assert_int_equal(hub_next(h, many, 1), 2);
	assert_int_equal(hub_next(h, many, 2), 502);
	assert_int_equal(hub_next(h, many, n), n + 1);
	hub_free(h);
	ring_free(r);
}

static void
test_a_list_reaches_back_no_further_than_the_ring(void **state)
{
	struct err err = { 0 };
	struct ring *r = ring_new(RING_BYTES_MIN, &err);
	struct hub *h = hub_new(r);
	struct hub_subscription *s;
	uint64_t i, oldest;

	(void)state;
	for (i = 1; i <= 9000; i++)
		put(r, h, EPOCH, i, "job:a", "job.log");
	oldest = ring_oldest(r);
	assert_true(oldest > 1);
	s = acquire(h, "job:*", NULL, NULL);
	while (s->lost_through > oldest - 1)
		assert_false(hub_reach(h, s, oldest - 2));
	assert_false(hub_reach(h, s, oldest - 2));
	assert_int_equal(s->lost_through, oldest - 1);
	assert_true(hub_reach(h, s, oldest - 1));
	assert_int_equal(hub_next(h, s, 0), oldest);
	hub_free(h);
	ring_free(r);
}

static void
test_what_may_end_a_stream_is_listed_whatever_types_are_wanted(
    void **state UNUSED)
{
	struct err err = { 0 };
	struct ring *r = ring_new(RING_BYTES_MIN, &err);
	struct hub *h = hub_new(r);
	struct hub_subscription *live = acquire(h, "job:a", NULL, "job.log");
	struct hub_subscription *key, *prefix;

	put(r, h, EPOCH, 1, "job:a", "job.state_changed");
	put_flagged(r, h, EPOCH, 2, "job:a", "job.state_changed",
	    ITEM_TERMINAL, 1);
	put_flagged(r, h, EPOCH, 3, "job:b", "job.state_changed",
	    ITEM_TERMINAL, 1);
	key = acquire(h, "job:a", "job:c", "job.log");
	prefix = acquire(h, "job:*", NULL, "job.log");
	assert_int_equal(hub_next(h, live, 0), 2);
	assert_int_equal(hub_next(h, live, 2), 0);
	assert_int_equal(hub_next(h, key, 0), 2);
	assert_int_equal(hub_next(h, key, 2), 0);
	assert_int_equal(hub_next(h, prefix, 0), 2);
	assert_int_equal(hub_next(h, prefix, 2), 3);
	hub_free(h);
	ring_free(r);
}

static void
test_a_new_list_has_the_frame_that_ends_a_stream_whatever_it_is(
    void **state UNUSED)
{
	const uint8_t open = 3 | LIFECYCLE_LOGS_OPEN;
	struct err err = { 0 };
	struct ring *r = ring_new(RING_BYTES_MIN, &err);
	struct hub *h = hub_new(r);
	struct hub_subscription *key, *prefix;
	struct ring_frame f;

	put_flagged(r, h, EPOCH, 1, "job:a", "job.state_changed",
	    ITEM_LIFECYCLE | ITEM_TERMINAL, open);
	put(r, h, EPOCH, 2, "job:a", "job.log");
	put(r, h, EPOCH, 3, "job:a", "job.log");
	/* Its time of grace is over. */
	assert_int_equal(ring_end_stream(r, slice_str("-"),
	    slice_str("job:a"), open), 3);
	key = acquire(h, "job:a", NULL, "x.y");
	prefix = acquire(h, "job:*", NULL, "x.y");
	assert_int_equal(hub_next(h, key, 1), 3);
	assert_int_equal(hub_next(h, prefix, 1), 3);
	/* Not to be sent, but for the end behind it. */
	assert_true(ring_get(r, 3, &f));
	assert_true(flight_is_special(key, &f));
	/* It goes on: what stays in the list is still not wanted. */
	put_flagged(r, h, EPOCH, 4, "job:a", "job.state_changed",
	    ITEM_LIFECYCLE, 0);
	assert_true(ring_get(r, 3, &f));
	assert_false(f.ends);
	assert_true(flight_is_special(key, &f));
	hub_free(h);
	ring_free(r);
}

static void
count_cb(struct hub_subscription *s, void *arg)
{
	assert_non_null(s);
	++*(int *)arg;
}

static void
test_who_names_a_stream_twice_is_called_once_each_time(void **state UNUSED)
{
	struct err err = { 0 };
	struct ring *r = ring_new(RING_BYTES_MIN, &err);
	struct hub *h = hub_new(r);
	int calls = 0;

	(void)acquire(h, "job:a", "job:*", NULL);
	(void)acquire(h, "job:b", "job:*", NULL);
	(void)acquire(h, "job:b", NULL, NULL);
	hub_each_of(h, slice_str("-"), slice_str("job:a"), count_cb, &calls);
	assert_int_equal(calls, 2);
	hub_each_of(h, slice_str("-"), slice_str("job:b"), count_cb, &calls);
	assert_int_equal(calls, 5);
	hub_free(h);
	ring_free(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equal_subscriptions_are_one),
		cmocka_unit_test(test_who_is_dirty_for_longest_is_next),
		cmocka_unit_test(test_keys_prefixes_and_types_choose_events),
		cmocka_unit_test(
	    test_dirty_subscriptions_come_once_and_another_tenant_gets_nothing),
		cmocka_unit_test(test_a_list_says_which_match_was_lost),
		cmocka_unit_test(
	    test_a_new_prefix_looks_back_in_bounded_steps_only_as_far_as_is_asked),
		cmocka_unit_test(
	    test_keys_are_found_however_far_back_and_a_long_chain_in_steps),
		cmocka_unit_test(
	    test_a_list_reaches_back_no_further_than_the_ring),
		cmocka_unit_test(
	    test_what_may_end_a_stream_is_listed_whatever_types_are_wanted),
		cmocka_unit_test(
	    test_a_new_list_has_the_frame_that_ends_a_stream_whatever_it_is),
		cmocka_unit_test(
		    test_who_names_a_stream_twice_is_called_once_each_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
