/*
 * health/schedule: fixed cases, then a model: hundreds of clusters, some of
 * which hang, under a fake clock; the rules are asserted at every step.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/xmalloc.h"
#include "health/schedule.h"

#define INTERVAL 60000
#define WARM_UP  20      /* checks until the first ones have spread */

static struct mono
at(int64_t ms)
{
	return mono_add_ms((struct mono){ 0 }, ms);
}

/* Starts and ends one check at t, and gives when the next one is due. */
static int64_t
check(struct schedule *s, struct schedule_entry *e, void *owner,
    enum schedule_outcome outcome, int64_t t)
{
	enum schedule_job job;
	int64_t wait;

	assert_ptr_equal(schedule_next(s, at(t), &job), owner);
	assert_int_equal(job, SCHEDULE_CHECK);
	assert_true(schedule_running(e));
	schedule_checked(s, e, outcome, at(t));
	wait = schedule_wait_ms(s, at(t));
	assert_true(wait > 0);
	return t + wait;
}

static void
test_a_new_cluster_is_due_at_once_and_then_every_minute(void **state)
{
	struct schedule *s = schedule_new(5, INTERVAL, 1);
	int owner, n = 0;
	struct schedule_entry *e = schedule_add(s, &owner, at(0));
	int64_t t = 0, next;
	bool spread = false;

	(void)state;
	assert_int_equal(schedule_wait_ms(s, at(0)), 0);
	for (; n < 100; n++, t = next) {
		next = check(s, e, &owner, SCHEDULE_ANSWERED, t);
		assert_in_range(next - t, INTERVAL * 9 / 10,
		    INTERVAL * 11 / 10);
		spread |= next - t != INTERVAL;
	}
	assert_true(spread);
	schedule_free(s);
}

static void
test_failures_come_back_soon_three_times_then_seldom(void **state)
{
	struct schedule *s = schedule_new(5, INTERVAL, 2);
	int owner;
	struct schedule_entry *e = schedule_add(s, &owner, at(0));
	int64_t t = 0, next;

	(void)state;
	for (int i = 0; i < 20; i++, t = next) {
		next = check(s, e, &owner, SCHEDULE_FAILED, t);
		if (i < 3)
			assert_in_range(next - t, 10000, 11000);
		else
			assert_in_range(next - t, 120000, 300000);
	}
	next = check(s, e, &owner, SCHEDULE_CONFIRM, t);
	assert_in_range(next - t, 10000, 10000);
	t = next;
	next = check(s, e, &owner, SCHEDULE_ANSWERED, t);
	assert_in_range(next - t, 54000, 66000);
	t = next;
	next = check(s, e, &owner, SCHEDULE_FAILED, t);
	assert_in_range(next - t, 10000, 11000);
	schedule_free(s);
}

static void
test_check_now_is_at_once_but_not_twice_in_five_seconds(void **state)
{
	struct schedule *s = schedule_new(5, INTERVAL, 3);
	int owner;
	enum schedule_job job;
	struct schedule_entry *e = schedule_add(s, &owner, at(0));

	(void)state;
	assert_int_equal(schedule_check_now(s, e, at(0)), SCHEDULE_NOW_DUE);
	(void)check(s, e, &owner, SCHEDULE_ANSWERED, 0);
	assert_int_equal(schedule_check_now(s, e, at(1000)),
	    SCHEDULE_NOW_LATER);
	assert_null(schedule_next(s, at(4999), &job));
	assert_in_range(schedule_wait_ms(s, at(4999)), 1, 1);
	assert_ptr_equal(schedule_next(s, at(5000), &job), &owner);
	assert_int_equal(schedule_check_now(s, e, at(5001)),
	    SCHEDULE_NOW_RUNNING);
	schedule_checked(s, e, SCHEDULE_ANSWERED, at(5002));
	assert_int_equal(schedule_check_now(s, e, at(20000)),
	    SCHEDULE_NOW_DUE);
	assert_ptr_equal(schedule_next(s, at(20000), &job), &owner);
	schedule_checked(s, e, SCHEDULE_ANSWERED, at(20000));
	schedule_free(s);
}

static void
test_metadata_does_not_move_the_next_check(void **state)
{
	struct schedule *s = schedule_new(5, INTERVAL, 4);
	int owner;
	enum schedule_job job;
	struct schedule_entry *e = schedule_add(s, &owner, at(0));
	int64_t due = check(s, e, &owner, SCHEDULE_ANSWERED, 0);

	(void)state;
	schedule_want_metadata(s, e, at(0));
	schedule_want_metadata(s, e, at(0));
	assert_int_equal(schedule_wait_ms(s, at(0)), 0);
	assert_ptr_equal(schedule_next(s, at(0), &job), &owner);
	assert_int_equal(job, SCHEDULE_METADATA);
	assert_null(schedule_next(s, at(due + 1), &job));
	schedule_fetched(s, e, at(9000));
	assert_int_equal(9000 + schedule_wait_ms(s, at(9000)), due);
	schedule_want_metadata(s, e, at(10000));
	assert_ptr_equal(schedule_next(s, at(10000), &job), &owner);
	assert_int_equal(schedule_check_now(s, e, at(10001)),
	    SCHEDULE_NOW_DUE);
	schedule_fetched(s, e, at(10002));
	assert_int_equal(schedule_wait_ms(s, at(10002)), 0);
	schedule_free(s);
}

static void
test_a_removed_cluster_is_never_started(void **state)
{
	struct schedule *s = schedule_new(2, INTERVAL, 5);
	int owners[50];
	struct schedule_entry *e[50];
	enum schedule_job job;
	void *owner;

	(void)state;
	for (int i = 0; i < 50; i++)
		e[i] = schedule_add(s, &owners[i], at(i));
	for (int i = 0; i < 50; i += 2)
		schedule_remove(s, e[i]);
	for (int i = 1; i < 50; i += 2) {
		owner = schedule_next(s, at(1000), &job);
		assert_ptr_equal(owner, &owners[i]);
		schedule_checked(s, e[i], SCHEDULE_ANSWERED, at(1000));
	}
	assert_null(schedule_next(s, at(1000), &job));
	schedule_free(s);
}

static void
test_one_worker_is_kept_for_proven_clusters(void **state)
{
	struct schedule *s = schedule_new(5, INTERVAL, 6);
	int good, bad[20], n = 0;
	struct schedule_entry *e = schedule_add(s, &good, at(0));
	enum schedule_job job;

	(void)state;
	(void)check(s, e, &good, SCHEDULE_ANSWERED, 0);
	for (int i = 0; i < 20; i++)
		(void)schedule_add(s, &bad[i], at(1));
	while (schedule_next(s, at(1), &job) != NULL)
		n++;
	assert_int_equal(n, 4);
	assert_int_equal(schedule_check_now(s, e, at(6000)),
	    SCHEDULE_NOW_DUE);
	assert_ptr_equal(schedule_next(s, at(6000), &job), &good);
	assert_int_equal(schedule_busy(s), 5);
	assert_int_equal(schedule_wait_ms(s, at(6000)), -1);
	schedule_free(s);
}

/* --- the model ------------------------------------------------------------ */
struct model_cluster {
	struct schedule_entry	*entry;
	bool			 hangs;
	bool			 running;
	int64_t			 done_at;
	enum schedule_job	 job;
	int			 checks;
};

struct model {
	struct schedule		*schedule;
	struct model_cluster	*clusters;
	int			 n;
	uint32_t		 workers;
	uint32_t		 busy;
	uint32_t		 random;
	int64_t			 now;
	int64_t			 worst_delay;
};

static uint32_t
rnd(struct model *m, uint32_t n)
{
	m->random = m->random * 1664525u + 1013904223u;
	return (m->random >> 8) % n;
}

static void
model_end_jobs(struct model *m)
{
	for (int i = 0; i < m->n; i++) {
		struct model_cluster *c = &m->clusters[i];

		if (!c->running || c->done_at > m->now)
			continue;
		c->running = false;
		m->busy--;
		if (c->job == SCHEDULE_METADATA) {
			schedule_fetched(m->schedule, c->entry, at(m->now));
			continue;
		}
		c->checks++;
		schedule_checked(m->schedule, c->entry, c->hangs ?
		    SCHEDULE_FAILED : SCHEDULE_ANSWERED, at(m->now));
		if (!c->hangs && rnd(m, 10) == 0)
			schedule_want_metadata(m->schedule, c->entry,
			    at(m->now));
	}
}

static void
model_start_jobs(struct model *m)
{
	struct model_cluster *c;
	enum schedule_job job;

	while ((c = schedule_next(m->schedule, at(m->now), &job)) != NULL) {
		assert_false(c->running);
		c->running = true;
		c->job = job;
		assert_true(++m->busy <= m->workers);
		if (job == SCHEDULE_METADATA)
			c->done_at = m->now + 100 + rnd(m, 9900);
		else if (c->hangs)
			c->done_at = m->now + 5000;
		else
			c->done_at = m->now + 5 + rnd(m, 50);
		if (job == SCHEDULE_CHECK && schedule_proven(c->entry) &&
		    c->checks > WARM_UP)
			m->worst_delay = MAX(m->worst_delay,
			    schedule_late_ms(c->entry));
	}
	assert_int_equal(m->busy, schedule_busy(m->schedule));
}

static int64_t
model_next_time(const struct model *m)
{
	int64_t wait = schedule_wait_ms(m->schedule, at(m->now));
	int64_t next = wait < 0 ? INT64_MAX : m->now + MAX(wait, 1);

	for (int i = 0; i < m->n; i++)
		if (m->clusters[i].running)
			next = MIN(next, m->clusters[i].done_at);
	assert_true(next > m->now && next < INT64_MAX);
	return next;
}

/* Runs `n` clusters, of which `hanging` hang for ever, for three hours. */
static void
model_run(int n, int hanging, uint32_t workers, uint32_t seed,
    int64_t may_be_late_ms)
{
	struct model m = { .n = n, .workers = workers, .random = seed };
	int64_t end = 3 * 3600 * 1000;

	m.schedule = schedule_new(workers, INTERVAL, seed);
	m.clusters = xcalloc((size_t)n, sizeof(*m.clusters));
	for (int i = 0; i < n; i++) {
		m.clusters[i].hangs = i < hanging;
		m.clusters[i].entry = schedule_add(m.schedule,
		    &m.clusters[i], at(0));
	}
	for (; m.now < end; m.now = model_next_time(&m)) {
		model_end_jobs(&m);
		model_start_jobs(&m);
	}
	for (int i = 0; i < n; i++) {
		/* 180 minutes: none is starved, none is hurried. */
		if (i < hanging)
			assert_in_range(m.clusters[i].checks, 20, 95);
		else
			assert_in_range(m.clusters[i].checks, 160, 202);
	}
	print_message("%d clusters, %d hang: at most %lld ms late\n", n,
	    hanging, (long long)m.worst_delay);
	assert_true(m.worst_delay <= may_be_late_ms);
	schedule_free(m.schedule);
	free(m.clusters);
}

static void
test_hanging_clusters_never_delay_a_healthy_one(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 10; seed++) {
		/* Not a millisecond past the end of the jitter ... */
		model_run(30, 20, 5, seed, 0);
		model_run(12, 8, 5, seed, 0);
		/* ... and where proven ones alone fill the workers, no more
		 * than what those take. */
		model_run(140, 40, 5, seed, 60);
	}
}

static void
test_a_thousand_healthy_clusters_are_checked_in_time(void **state)
{
	(void)state;
	model_run(1000, 0, 5, 42, 500);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_new_cluster_is_due_at_once_and_then_every_minute),
		cmocka_unit_test(
		    test_failures_come_back_soon_three_times_then_seldom),
		cmocka_unit_test(
		    test_check_now_is_at_once_but_not_twice_in_five_seconds),
		cmocka_unit_test(test_metadata_does_not_move_the_next_check),
		cmocka_unit_test(test_a_removed_cluster_is_never_started),
		cmocka_unit_test(test_one_worker_is_kept_for_proven_clusters),
		cmocka_unit_test(
		    test_hanging_clusters_never_delay_a_healthy_one),
		cmocka_unit_test(
		    test_a_thousand_healthy_clusters_are_checked_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
