/* health/pool: with real threads; run with SAN=thread too. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "common/macros.h"
#include "common/mono.h"
#include "common/xmalloc.h"
#include "health/pool.h"

struct test_job {
	struct pool_job		 base;
	int			 value;
	atomic_int		*inside;      /* now running */
	atomic_int		*most;        /* ever at once */
	const atomic_bool	*cancelled;
};

static int dropped;

static void
nap_ms(long ms)
{
	struct timespec ts = { .tv_nsec = ms * 1000000 };

	(void)nanosleep(&ts, NULL);
}

static void
count(struct pool_job *base)
{
	struct test_job *job = CONTAINER_OF(base, struct test_job, base);
	int now = atomic_fetch_add(job->inside, 1) + 1;
	int most = atomic_load(job->most);

	while (now > most &&
	    !atomic_compare_exchange_weak(job->most, &most, now))
		;
	nap_ms(1);
	job->value *= 2;
	(void)atomic_fetch_sub(job->inside, 1);
}

static void
wait_for_cancel(struct pool_job *base)
{
	struct test_job *job = CONTAINER_OF(base, struct test_job, base);

	while (!atomic_load(job->cancelled))
		nap_ms(1);
}

static void
drop(struct pool_job *base)
{
	dropped++;
	free(CONTAINER_OF(base, struct test_job, base));
}

static void
wait_readable(struct pool *p)
{
	struct pollfd fd = { .fd = pool_fd(p), .events = POLLIN };

	assert_int_equal(poll(&fd, 1, 30000), 1);
}

static void
test_every_job_comes_back_once_and_never_more_than_five_at_once(
    void **state UNUSED)
{
	struct pool *p = pool_new(5, NULL);
	atomic_int inside = 0, most = 0;
	struct pool_job *base;
	struct test_job *job;
	int given = 0, back = 0, sum = 0;

	assert_non_null(p);
	while (back < 500) {
		while (given < 500) {
			job = xcalloc(1, sizeof(*job));
			job->base.run = count;
			job->value = given + 1;
			job->inside = &inside;
			job->most = &most;
			if (pool_submit(p, &job->base) < 0) {
				free(job);
				break;
			}
			given++;
		}
		wait_readable(p);
		while ((base = pool_collect(p)) != NULL) {
			job = CONTAINER_OF(base, struct test_job, base);
			sum += job->value;
			free(job);
			back++;
		}
	}
	assert_int_equal(sum, 500 * 501);
	assert_in_range(atomic_load(&most), 2, 5);
	assert_null(pool_collect(p));
	pool_free(p, drop);
}

static void
test_the_queue_is_bounded_and_stopping_takes_no_job_along(void **state UNUSED)
{
	struct pool *p = pool_new(2, NULL);
	struct test_job *job;
	struct mono before;
	int taken = 0;

	assert_non_null(p);
	dropped = 0;
	for (;;) {
		job = xcalloc(1, sizeof(*job));
		job->base.run = wait_for_cancel;
		job->cancelled = pool_cancelled(p);
		if (pool_submit(p, &job->base) < 0)
			break;
		taken++;
	}
	free(job);
	assert_int_equal(taken, POOL_QUEUE_MAX);
	before = mono_now();
	pool_free(p, drop);
	assert_int_equal(dropped, taken);
	assert_true(mono_diff_ms(mono_now(), before) < 5000);
}

static void
test_an_idle_pool_goes_at_once(void **state UNUSED)
{
	for (int i = 0; i < 50; i++)
		pool_free(pool_new(5, NULL), drop);
	pool_free(NULL, drop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
	    test_every_job_comes_back_once_and_never_more_than_five_at_once),
		cmocka_unit_test(
		    test_the_queue_is_bounded_and_stopping_takes_no_job_along),
		cmocka_unit_test(test_an_idle_pool_goes_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
