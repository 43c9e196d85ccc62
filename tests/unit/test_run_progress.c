/* What a run's jobs come to, as an event, and when it is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "common/xmalloc.h"
#include "store/run_handover.h"
#include "store/run_queue.h"

static struct run_progress
run_at(const char *tenant, const char *key, uint64_t changed)
{
	return (struct run_progress){ .tenant = xstrdup(tenant),
		.key = xstrdup(key), .state = LIFECYCLE_RUNNING,
		.guard = { 7, 3 }, .changed = { 7, changed },
		.counts[RUN_RUNNING] = 1 };
}

static void
test_every_state_of_a_job_counts_once(void **state)
{
	static const struct {
		enum lifecycle_state	job;
		enum run_count		count;
	} table[] = {
		{ LIFECYCLE_PENDING, RUN_QUEUED },
		{ LIFECYCLE_QUEUED, RUN_QUEUED },
		{ LIFECYCLE_THROTTLED, RUN_QUEUED },
		{ LIFECYCLE_LEASED, RUN_RUNNING },
		{ LIFECYCLE_RUNNING, RUN_RUNNING },
		{ LIFECYCLE_SUCCEEDED, RUN_SUCCEEDED },
		{ LIFECYCLE_FAILED, RUN_FAILED },
		{ LIFECYCLE_TIMED_OUT, RUN_FAILED },
		{ LIFECYCLE_CANCELED, RUN_CANCELED },
	};
	int all = 0;

	(void)state;
	for (size_t i = 0; i < NELEM(table); i++)
		assert_int_equal(run_progress_count(table[i].job),
		    table[i].count);
	for (int s = 1; s < LIFECYCLE_STATE_MAX; s++)
		all += lifecycle_has(LIFECYCLE_OF_JOB,
		    (enum lifecycle_state)s);
	assert_int_equal(all, NELEM(table));
}

static void
test_the_total_is_the_larger_of_what_is_said_and_known(void **state)
{
	struct run_progress p = run_at("-", "run:a", 0);

	(void)state;
	p.counts[RUN_RUNNING] = 0;
	p.own_total = 2;
	assert_int_equal(run_progress_total(&p), 2);
	for (uint64_t i = 1; i <= 3; i++)
		run_progress_move(&p, RUN_COUNT_MAX, RUN_QUEUED,
		    (struct position){ 7, i });
	assert_int_equal(run_progress_total(&p), 3);
	run_progress_move(&p, RUN_QUEUED, RUN_FAILED,
	    (struct position){ 7, 4 });
	assert_int_equal(run_progress_known(&p), 3);
	assert_int_equal(p.counts[RUN_QUEUED], 2);
	assert_int_equal(p.counts[RUN_FAILED], 1);
	/* What changes nothing is not news. */
	run_progress_move(&p, RUN_FAILED, RUN_FAILED,
	    (struct position){ 7, 5 });
	assert_int_equal(p.changed.number, 4);
	run_progress_clear(&p);
}

static void
test_the_event_says_it_all_and_is_guarded(void **state)
{
	struct run_progress p = run_at("acme", "run:a/b", 12);
	struct position told;
	struct run_event e;
	struct slice data;
	json_t *root, *want;

	(void)state;
	p.own_total = 9;
	p.counts[RUN_RUNNING] = 2;
	p.counts[RUN_CANCELED] = 1;
	run_event_make(&e, &p, 0);
	data = item_data(&e.item);
	root = json_loadb(data.p, data.n, 0, NULL);
	want = json_pack("{s:s, s:s, s:n, s:i, s:i, s:i, s:i, s:i, s:i}",
	    "run_id", "a/b", "state", "running", "previous_state",
	    "total_jobs", 9, "queued", 0, "running", 2, "succeeded", 0,
	    "failed", 0, "canceled", 1);
	assert_int_equal(json_equal(root, want), 1);
	json_decref(root);
	json_decref(want);
	assert_int_equal(e.item.flags, ITEM_GUARDED | ITEM_IDEMPOTENT);
	assert_true(position_eq(e.item.guard, p.guard));
	assert_true(slice_is(e.item.tenant, "acme"));
	assert_true(run_event_told(&e.item, &told));
	assert_true(position_eq(told, p.changed));
	/* A publisher's whose key ends alike, another one, and one without. */
	e.item.body[0] ^= 1;
	assert_false(run_event_told(&e.item, &told));
	e.item.body[0] ^= 1;
	e.item.body[EVENT_HASH_SIZE - 1] = 'x';
	e.item.idem[EVENT_HASH_SIZE - 1] = 'x';
	assert_false(run_event_told(&e.item, &told));
	e.item.flags = 0;
	assert_false(run_event_told(&e.item, &told));
	run_event_clear(&e);
	run_progress_clear(&p);
}

/* --- the queue ------------------------------------------------------------ */

static void
offer(struct run_queue *q, const char *tenant, const char *key,
    uint64_t changed)
{
	struct run_progress p = run_at(tenant, key, changed);

	run_queue_offer(q, &p);
	assert_null(p.tenant);
}

static void
test_of_each_run_the_latest_is_told_one_at_a_time(void **state)
{
	struct run_queue *q = run_queue_new(NULL);
	struct run_wait *w;
	int64_t wait;

	(void)state;
	assert_null(run_queue_due(q, 1000, &wait));
	assert_int_equal(wait, -1);
	offer(q, "-", "run:a", 5);
	offer(q, "-", "run:a", 6);
	w = run_queue_due(q, 1000, &wait);
	assert_int_equal(run_wait_progress(w)->changed.number, 6);
	run_wait_sent(w, 1000);
	offer(q, "-", "run:a", 7);
	assert_null(run_queue_due(q, 2000, &wait));
	run_wait_answered(w, true);
	w = run_queue_due(q, 2000, &wait);
	assert_int_equal(run_wait_progress(w)->changed.number, 7);
	run_wait_sent(w, 2000);
	run_wait_answered(w, true);
	/* The same again, from a writer that has not read of it yet. */
	offer(q, "-", "run:a", 7);
	assert_null(run_queue_due(q, 2001, &wait));
	run_queue_free(q);
}

static void
test_a_run_is_told_no_more_often_than_allowed(void **state)
{
	struct run_queue *q = run_queue_new(NULL);
	unsigned int told = 0;
	struct run_wait *w;
	int64_t wait;

	(void)state;
	for (int64_t now = 1; now <= 1000; now++) {
		offer(q, "-", "run:a", (uint64_t)now);
		w = run_queue_due(q, now, &wait);
		if (w == NULL) {
			assert_in_range(wait, 1, RUN_QUEUE_PAUSE_MS);
			continue;
		}
		told++;
		run_wait_sent(w, now);
		run_wait_answered(w, true);
	}
	assert_int_equal(told, 1000 / RUN_QUEUE_PAUSE_MS);
	/* The last is told, too, and then nothing is kept. */
	w = run_queue_due(q, 1001, &wait);
	assert_int_equal(run_wait_progress(w)->changed.number, 1000);
	run_wait_sent(w, 1001);
	run_wait_answered(w, true);
	assert_null(run_queue_due(q, 1001, &wait));
	assert_int_equal(wait, RUN_QUEUE_PAUSE_MS);
	assert_null(run_queue_due(q, 1001 + wait, &wait));
	assert_int_equal(wait, -1);
	run_queue_free(q);
}

/* Offers what may be the last, at every millisecond from *now on; how many are
 * told until `end`. */
static unsigned int
tell_last_counts(struct run_queue *q, int64_t *now, int64_t end)
{
	unsigned int told = 0;
	struct run_progress p;
	struct run_wait *w;
	int64_t wait;

	for (; *now < end; (*now)++) {
		p = run_at("-", "run:a", (uint64_t)*now);
		p.counts[RUN_RUNNING] = 0;
		p.counts[RUN_FAILED] = 1;
		run_queue_offer(q, &p);
		w = run_queue_due(q, *now, &wait);
		if (w == NULL) {
			assert_in_range(wait, 1, RUN_QUEUE_PAUSE_MS);
			continue;
		}
		told++;
		run_wait_sent(w, *now);
		run_wait_answered(w, true);
	}
	return told;
}

static void
test_counts_that_may_be_the_last_do_not_wait_for_the_pause(void **state)
{
	struct run_queue *q = run_queue_new(NULL);
	struct run_wait *w;
	int64_t wait, now = 1001;

	(void)state;
	offer(q, "-", "run:a", 5);
	w = run_queue_due(q, 1000, &wait);
	run_wait_sent(w, 1000);
	run_wait_answered(w, true);
	offer(q, "-", "run:a", 6);
	assert_null(run_queue_due(q, 1000, &wait));
	assert_int_equal(wait, RUN_QUEUE_PAUSE_MS);
	assert_int_equal(tell_last_counts(q, &now, 1002), 1);
	/* What was let forward is waited for. */
	offer(q, "-", "run:a", 1002);
	assert_null(run_queue_due(q, 1002, &wait));
	assert_int_equal(wait, 1000 + 2 * RUN_QUEUE_PAUSE_MS - 1002);
	/* A run of jobs one after the other: still four a second. */
	assert_int_equal(tell_last_counts(q, &now, 2002), 4);
	run_queue_free(q);
}

static void
test_what_was_not_taken_waits_for_the_runs_next_state(void **state)
{
	struct run_queue *q = run_queue_new(NULL);
	struct run_progress p;
	struct run_wait *w;
	int64_t wait;

	(void)state;
	offer(q, "-", "run:a", 5);
	w = run_queue_due(q, 1, &wait);
	run_wait_sent(w, 1);
	run_wait_answered(w, false);
	assert_null(run_queue_due(q, 1000, &wait));
	/* By now it has come: the same counts, another state. */
	offer(q, "-", "run:a", 5);
	w = run_queue_due(q, 1000, &wait);
	assert_non_null(w);
	run_wait_sent(w, 1000);
	/* Or it comes before the answer. */
	offer(q, "-", "run:a", 5);
	run_wait_answered(w, false);
	w = run_queue_due(q, 2000, &wait);
	assert_non_null(w);
	run_wait_sent(w, 2000);
	run_wait_answered(w, true);
	/* One that was told in an earlier life. */
	p = run_at("-", "run:b", 9);
	p.told = p.changed;
	run_queue_offer(q, &p);
	assert_null(run_queue_due(q, 3000, &wait));
	run_queue_free(q);
}

static void
test_runs_of_two_tenants_are_two_and_their_number_is_bounded(void **state)
{
	struct run_queue *q = run_queue_new(NULL);
	char key[32];
	int64_t wait;
	size_t n = 0;

	(void)state;
	offer(q, "a", "run:1", 1);
	offer(q, "b", "run:1", 2);
	for (size_t i = 2; i < RUN_QUEUE_MAX; i++) {
		assert_false(run_queue_full(q));
		(void)snprintf(key, sizeof(key), "run:%zu", i * 7919 % 65537);
		offer(q, "a", key, i);
	}
	assert_true(run_queue_full(q));
	for (struct run_wait *w; (w = run_queue_due(q, 1, &wait)) != NULL; n++)
		run_wait_sent(w, 1);
	assert_int_equal(n, RUN_QUEUE_MAX);
	run_queue_free(q);
}

/* --- from the writer to the loop ------------------------------------------ */

static void
test_more_is_wanted_when_all_that_was_handed_over_is_taken(void **state)
{
	struct run_handover h = { .n = 0 };
	struct run_progress p;

	(void)state;
	assert_false(run_handover_take(&h, &p));
	for (uint64_t i = 0; i < RUN_HANDOVER_MAX; i++) {
		assert_int_equal(run_handover_room(&h), RUN_HANDOVER_MAX - i);
		p = run_at("-", "run:a", i);
		run_handover_put(&h, &p);
		assert_null(p.tenant);
	}
	run_handover_more(&h, true);
	for (uint64_t i = 0; i < RUN_HANDOVER_MAX; i++) {
		assert_int_equal(run_handover_room(&h), 0);
		assert_false(run_handover_wanted(&h));
		assert_true(run_handover_take(&h, &p));
		assert_int_equal(p.changed.number, i);
		run_progress_clear(&p);
	}
	assert_true(run_handover_wanted(&h));
	assert_int_equal(run_handover_room(&h), RUN_HANDOVER_MAX);
	run_handover_more(&h, false);
	assert_false(run_handover_wanted(&h));
	p = run_at("-", "run:b", 1);
	run_handover_put(&h, &p);
	run_handover_clear(&h);
	assert_false(run_handover_take(&h, &p));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_state_of_a_job_counts_once),
		cmocka_unit_test(
		    test_the_total_is_the_larger_of_what_is_said_and_known),
		cmocka_unit_test(test_the_event_says_it_all_and_is_guarded),
		cmocka_unit_test(
		    test_of_each_run_the_latest_is_told_one_at_a_time),
		cmocka_unit_test(test_a_run_is_told_no_more_often_than_allowed),
		cmocka_unit_test(
		    test_counts_that_may_be_the_last_do_not_wait_for_the_pause),
		cmocka_unit_test(
		    test_what_was_not_taken_waits_for_the_runs_next_state),
		cmocka_unit_test(
		    test_runs_of_two_tenants_are_two_and_their_number_is_bounded),
		cmocka_unit_test(
		    test_more_is_wanted_when_all_that_was_handed_over_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
