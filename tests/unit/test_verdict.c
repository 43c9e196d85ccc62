/* health/verdict: when a status moves, told as scripts of results. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "health/verdict.h"

/* One step: seconds since the last, a result, the status reported after it. */
struct step {
	int			seconds;
	enum probe_code		code;
	enum cluster_status	status;
	uint32_t		failures;
};

static enum cluster_status
reported(const struct verdict *v, struct mono now)
{
	struct verdict_report r;

	verdict_report(v, now, &r);
	return r.status;
}

static struct mono
play(struct verdict *v, struct mono now, const struct step *steps, size_t n)
{
	struct probe_finding finding;

	for (size_t i = 0; i < n; i++) {
		now = mono_add_ms(now, steps[i].seconds * 1000);
		memset(&finding, 0, sizeof(finding));
		finding.code = steps[i].code;
		verdict_check(v, &finding, now);
		assert_int_equal(reported(v, now), steps[i].status);
		assert_int_equal(v->failures, steps[i].failures);
	}
	return now;
}

#define PLAY(v, now, ...) do {						\
	static const struct step steps_[] = { __VA_ARGS__ };		\
	(now) = play((v), (now), steps_, NELEM(steps_));		\
} while (0)

#define UP   CLUSTER_CONNECTED
#define DOWN CLUSTER_DISCONNECTED

static void
test_every_code_has_its_status(void **state UNUSED)
{
	static const enum cluster_status expected[PROBE_CODE_MAX] = {
		[PROBE_OK] = UP, [PROBE_THROTTLED] = UP, [PROBE_DNS] = DOWN,
		[PROBE_TCP] = DOWN, [PROBE_TIMEOUT] = DOWN,
		[PROBE_TLS] = CLUSTER_ERROR, [PROBE_AUTH] = CLUSTER_ERROR,
		[PROBE_HTTP] = CLUSTER_ERROR, [PROBE_DECRYPT] = CLUSTER_ERROR,
		[PROBE_FORBIDDEN] = CLUSTER_DEGRADED,
		[PROBE_NOT_READY] = CLUSTER_DEGRADED,
	};

	for (int i = 0; i < PROBE_CODE_MAX; i++)
		assert_int_equal(probe_code_status((enum probe_code)i),
		    expected[i]);
	assert_string_equal(probe_code_name(PROBE_NOT_READY), "not_ready");
	assert_int_equal(cluster_status_parse("degraded", 8),
	    CLUSTER_DEGRADED);
	assert_int_equal(cluster_status_parse("degrade", 7),
	    CLUSTER_STATUS_MAX);
}

static void
test_the_first_result_settles_an_unknown_cluster(void **state UNUSED)
{
	for (int i = 0; i < PROBE_CODE_MAX; i++) {
		struct verdict v = { 0 };
		struct probe_finding f = { .code = (enum probe_code)i };

		assert_int_equal(reported(&v, (struct mono){ 0 }),
		    CLUSTER_UNKNOWN);
		verdict_check(&v, &f, (struct mono){ 0 });
		assert_int_equal(reported(&v, (struct mono){ 0 }),
		    probe_code_status(f.code));
		assert_false(verdict_unconfirmed(&v));
	}
}

static void
test_down_takes_three_failures_and_thirty_seconds(void **state UNUSED)
{
	struct verdict v = { 0 };
	struct mono now = { 0 };

	PLAY(&v, now, { 0, PROBE_OK, UP, 0 }, { 60, PROBE_TCP, UP, 1 },
	    { 10, PROBE_TIMEOUT, UP, 2 }, { 10, PROBE_TCP, UP, 3 },
	    { 10, PROBE_TCP, DOWN, 4 }, { 200, PROBE_DNS, DOWN, 5 });
}

static void
test_thirty_seconds_alone_are_not_enough(void **state UNUSED)
{
	struct verdict v = { 0 };
	struct mono now = { 0 };

	PLAY(&v, now, { 0, PROBE_OK, UP, 0 }, { 60, PROBE_TCP, UP, 1 },
	    { 60, PROBE_TCP, UP, 2 }, { 1, PROBE_TCP, DOWN, 3 });
}

static void
test_one_good_answer_between_failures_starts_the_count_anew(
    void **state UNUSED)
{
	struct verdict v = { 0 };
	struct mono now = { 0 };

	PLAY(&v, now, { 0, PROBE_OK, UP, 0 }, { 60, PROBE_TCP, UP, 1 },
	    { 10, PROBE_TCP, UP, 2 }, { 10, PROBE_OK, UP, 0 },
	    { 60, PROBE_TCP, UP, 1 }, { 10, PROBE_TCP, UP, 2 },
	    { 10, PROBE_TCP, UP, 3 }, { 10, PROBE_TCP, DOWN, 4 });
}

static void
test_up_takes_two_good_answers(void **state UNUSED)
{
	struct verdict v = { 0 };
	struct mono now = { 0 };

	PLAY(&v, now, { 0, PROBE_TCP, DOWN, 1 }, { 10, PROBE_OK, DOWN, 0 });
	assert_true(verdict_unconfirmed(&v));
	PLAY(&v, now, { 10, PROBE_OK, UP, 0 });
	assert_false(verdict_unconfirmed(&v));
	PLAY(&v, now, { 60, PROBE_THROTTLED, UP, 0 });
}

static void
test_an_answer_of_another_kind_must_come_twice(void **state UNUSED)
{
	struct verdict v = { 0 };
	struct mono now = { 0 };

	PLAY(&v, now, { 0, PROBE_OK, UP, 0 }, { 60, PROBE_AUTH, UP, 1 },
	    { 10, PROBE_AUTH, CLUSTER_ERROR, 2 },
	    { 60, PROBE_NOT_READY, CLUSTER_DEGRADED, 3 },
	    { 60, PROBE_OK, CLUSTER_DEGRADED, 0 },
	    { 10, PROBE_NOT_READY, CLUSTER_DEGRADED, 1 },
	    { 10, PROBE_OK, CLUSTER_DEGRADED, 0 },
	    { 10, PROBE_OK, UP, 0 });
}

static void
test_failing_in_ever_new_ways_does_not_keep_a_good_name(void **state UNUSED)
{
	struct verdict v = { 0 };
	struct mono now = { 0 };

	PLAY(&v, now, { 0, PROBE_OK, UP, 0 }, { 60, PROBE_TCP, UP, 1 },
	    { 10, PROBE_HTTP, UP, 2 }, { 10, PROBE_TCP, UP, 3 },
	    { 10, PROBE_HTTP, CLUSTER_ERROR, 4 });
}

static void
test_flapping_is_degraded_until_it_is_quiet(void **state UNUSED)
{
	struct verdict v = { 0 };
	struct mono now = { 0 };
	struct verdict_report r;

	PLAY(&v, now, { 0, PROBE_OK, UP, 0 },
	    { 10, PROBE_AUTH, UP, 1 }, { 10, PROBE_AUTH, CLUSTER_ERROR, 2 },
	    { 10, PROBE_OK, CLUSTER_ERROR, 0 }, { 10, PROBE_OK, UP, 0 },
	    { 10, PROBE_AUTH, UP, 1 }, { 10, PROBE_AUTH, CLUSTER_ERROR, 2 },
	    { 10, PROBE_OK, CLUSTER_ERROR, 0 }, { 10, PROBE_OK, UP, 0 },
	    { 10, PROBE_AUTH, UP, 1 }, { 10, PROBE_AUTH, CLUSTER_ERROR, 2 },
	    { 10, PROBE_OK, CLUSTER_ERROR, 0 },
	    { 10, PROBE_OK, CLUSTER_DEGRADED, 0 });
	verdict_report(&v, now, &r);
	assert_non_null(strstr(r.message, "flapping"));
	PLAY(&v, now, { 300, PROBE_OK, CLUSTER_DEGRADED, 0 },
	    { 300, PROBE_OK, UP, 0 });
	verdict_report(&v, now, &r);
	assert_null(r.message);
}

static void
test_a_watcher_that_is_down_makes_a_connected_cluster_degraded(
    void **state UNUSED)
{
	struct verdict v = { 0 };
	struct mono now = { 0 };
	struct verdict_report r;

	verdict_watcher(&v, "failed");
	assert_int_equal(reported(&v, now), CLUSTER_UNKNOWN);
	PLAY(&v, now, { 0, PROBE_OK, CLUSTER_DEGRADED, 0 });
	verdict_report(&v, now, &r);
	assert_int_equal(r.code, PROBE_NOT_READY);
	assert_non_null(strstr(r.message, "failed"));
	verdict_watcher(&v, "ready");
	assert_int_equal(reported(&v, now), UP);
	verdict_watcher(&v, "backoff");
	assert_int_equal(reported(&v, now), CLUSTER_DEGRADED);
	verdict_watcher(&v, "ready");
	assert_int_equal(reported(&v, now), UP);
}

static void
test_a_watcher_that_dies_at_each_start_moves_the_status_once(
    void **state UNUSED)
{
	static const char *const round[] = { "starting", "hung", "killed",
		"backoff", "starting", "failed", "starting", "backoff" };
	struct verdict v = { 0 };
	struct mono now = { 0 };

	verdict_watcher(&v, "starting");
	PLAY(&v, now, { 0, PROBE_OK, UP, 0 });
	verdict_watcher(&v, "backoff");
	for (size_t i = 0; i < NELEM(round); i++) {
		verdict_watcher(&v, round[i]);
		assert_int_equal(reported(&v, now), CLUSTER_DEGRADED);
	}
	verdict_watcher(&v, "ready");
	assert_int_equal(reported(&v, now), UP);
	/* An orderly restart loses nothing. */
	verdict_watcher(&v, "stopping");
	verdict_watcher(&v, "starting");
	assert_int_equal(reported(&v, now), UP);
}

static void
test_a_watcher_that_is_down_does_not_better_a_bad_status(void **state UNUSED)
{
	struct verdict v = { 0 };
	struct mono now = { 0 };

	verdict_watcher(&v, "backoff");
	PLAY(&v, now, { 0, PROBE_TCP, DOWN, 1 });
}

static void
test_what_was_published_before_a_restart_goes_on(void **state UNUSED)
{
	struct verdict v = { 0 };
	struct mono now = { 0 };

	verdict_seed(&v, UP);
	PLAY(&v, now, { 0, PROBE_TIMEOUT, UP, 1 }, { 10, PROBE_OK, UP, 0 });
	verdict_seed(&v, DOWN);
	assert_int_equal(reported(&v, now), UP);
}

static void
test_no_sequence_of_results_leads_back_to_unknown(void **state UNUSED)
{
	struct verdict v = { 0 };
	struct mono now = { 0 };
	uint32_t random = 7;

	for (int i = 0; i < 100000; i++) {
		struct probe_finding f = { 0 };

		random = random * 1664525u + 1013904223u;
		f.code = (enum probe_code)(random >> 16) % PROBE_CODE_MAX;
		now = mono_add_ms(now, (int64_t)(random >> 8) % 70000);
		verdict_check(&v, &f, now);
		assert_int_not_equal(reported(&v, now), CLUSTER_UNKNOWN);
		assert_true((v.failures == 0) ==
		    (probe_code_status(f.code) == UP));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_code_has_its_status),
		cmocka_unit_test(
		    test_the_first_result_settles_an_unknown_cluster),
		cmocka_unit_test(
		    test_down_takes_three_failures_and_thirty_seconds),
		cmocka_unit_test(test_thirty_seconds_alone_are_not_enough),
		cmocka_unit_test(
		  test_one_good_answer_between_failures_starts_the_count_anew),
		cmocka_unit_test(test_up_takes_two_good_answers),
		cmocka_unit_test(
		    test_an_answer_of_another_kind_must_come_twice),
		cmocka_unit_test(
		    test_failing_in_ever_new_ways_does_not_keep_a_good_name),
		cmocka_unit_test(test_flapping_is_degraded_until_it_is_quiet),
		cmocka_unit_test(
		test_a_watcher_that_is_down_makes_a_connected_cluster_degraded),
		cmocka_unit_test(
		    test_a_watcher_that_dies_at_each_start_moves_the_status_once),
		cmocka_unit_test(
		    test_a_watcher_that_is_down_does_not_better_a_bad_status),
		cmocka_unit_test(
		    test_what_was_published_before_a_restart_goes_on),
		cmocka_unit_test(
		    test_no_sequence_of_results_leads_back_to_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
