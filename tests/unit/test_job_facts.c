/* job_facts: what a Job says, and the legal way to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "watcher/job_facts.h"

#define STARTED "\"startTime\":\"2026-01-01T00:00:01Z\""
#define COND(type, reason) "\"conditions\":[{\"type\":\"" type "\"," \
	"\"status\":\"True\",\"reason\":\"" reason "\",\"message\":\"m\"," \
	"\"lastTransitionTime\":\"2026-01-01T00:00:09Z\"}]"
#define SECOND_9 INT64_C(1767225609000)

static struct job_facts
facts(const char *spec, const char *status)
{
	struct kube_object o = { .spec = slice_str(spec),
		.status = slice_str(status), .created_unix_ms = 1000 };
	struct job_facts f;

	job_facts_read(&o, &f);
	return f;
}

static void
test_each_status_is_a_state_of_the_job_machine(void **state)
{
	static const struct {
		const char		*spec, *status;
		enum lifecycle_state	 state;
		uint32_t		 failed;
		const char		*reason;
	} cases[] = {
		{ "{}", "{}", LIFECYCLE_PENDING, 0, "" },
		{ "{}", "", LIFECYCLE_PENDING, 0, "" },
		{ "{}", "{" STARTED "}", LIFECYCLE_QUEUED, 0, "" },
		{ "{}", "{" STARTED ",\"active\":2}", LIFECYCLE_RUNNING, 0,
		    "" },
		{ "{}", "{" STARTED ",\"failed\":1}", LIFECYCLE_QUEUED, 1,
		    "" },
		{ "{\"suspend\":true}", "{" COND("Suspended", "JobSuspended")
		    "}", LIFECYCLE_THROTTLED, 0, "JobSuspended" },
		/* Until its controller has said so, and after it. */
		{ "{\"suspend\":true}", "{" STARTED ",\"active\":1}",
		    LIFECYCLE_RUNNING, 0, "" },
		{ "{\"suspend\":false}", "{" COND("Suspended", "JobSuspended")
		    "}", LIFECYCLE_PENDING, 0, "" },
		{ "{}", "{" STARTED "," COND("Complete", "CompletionsReached")
		    "}", LIFECYCLE_SUCCEEDED, 0, "CompletionsReached" },
		{ "{}", "{" STARTED ",\"failed\":7," COND("Failed",
		    "BackoffLimitExceeded") "}", LIFECYCLE_FAILED, 7,
		    "BackoffLimitExceeded" },
		{ "{}", "{" STARTED "," COND("Failed", "DeadlineExceeded") "}",
		    LIFECYCLE_TIMED_OUT, 0, "DeadlineExceeded" },
		/* Announced, with pods that still run. */
		{ "{}", "{" STARTED ",\"active\":1," COND("FailureTarget", "R")
		    "}", LIFECYCLE_RUNNING, 0, "" },
		{ "{}", "{" STARTED ",\"active\":1,"
		    COND("SuccessCriteriaMet", "R") "}", LIFECYCLE_RUNNING, 0,
		    "" },
		/* Their failures are no reason to try again. */
		{ "{}", "{" STARTED ",\"failed\":1,\"terminating\":1,"
		    COND("FailureTarget", "DeadlineExceeded") "}",
		    LIFECYCLE_RUNNING, 0, "" },
		{ "{}", "{" STARTED ",\"failed\":1,"
		    COND("SuccessCriteriaMet", "R") "}", LIFECYCLE_RUNNING, 1,
		    "" },
		{ "{\"backoffLimit\":0}", "{" STARTED ",\"failed\":1}",
		    LIFECYCLE_QUEUED, 0, "" },
		/* Nor are those of pods that ran side by side. */
		{ "{\"backoffLimit\":0,\"parallelism\":10}", "{" STARTED
		    ",\"failed\":10," COND("Failed", "BackoffLimitExceeded")
		    "}", LIFECYCLE_FAILED, 1, "BackoffLimitExceeded" },
		{ "{\"backoffLimit\":2}", "{" STARTED ",\"failed\":9,"
		    COND("Complete", "R") "}", LIFECYCLE_SUCCEEDED, 2, "R" },
		{ "{\"backoffLimit\":3}", "{" STARTED ",\"failed\":2,"
		    COND("Failed", "PodFailurePolicy") "}", LIFECYCLE_FAILED,
		    2, "PodFailurePolicy" },
		/* What no API server sends. */
		{ "[]", "{\"active\":-1,\"failed\":\"x\",\"conditions\":{}}",
		    LIFECYCLE_PENDING, 0, "" },
		{ "{}", "{\"failed\":2147483647}", LIFECYCLE_PENDING,
		    INT32_MAX - 1, "" },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++) {
		struct job_facts f = facts(cases[i].spec, cases[i].status);

		assert_int_equal(f.state, cases[i].state);
		assert_int_equal(f.failed, cases[i].failed);
		assert_string_equal(f.text.reason, cases[i].reason);
	}
}

static void
test_times_and_attempts_are_those_of_the_object(void **state)
{
	struct job_facts f = facts("{\"backoffLimit\":6}",
	    "{" STARTED "," COND("Failed", "R") "}");

	(void)state;
	assert_int_equal(f.max_attempts, 7);
	assert_int_equal(f.created_unix_ms, 1000);
	assert_int_equal(f.finished_unix_ms - f.started_unix_ms, 8000);
	assert_int_equal(f.finished_unix_ms, SECOND_9);
	f = facts("{}", "{\"completionTime\":\"2026-01-01T00:00:08Z\","
	    COND("Complete", "R") "}");
	assert_int_equal(f.max_attempts, 0);
	assert_int_equal(f.finished_unix_ms, SECOND_9 - 1000);
	f = facts("{\"backoffLimit\":2147483647}", "{}");
	assert_int_equal(f.max_attempts, 0);
}

/* The steps as text: "queued 1, leased 1". */
static const char *
path(enum lifecycle_state from, uint32_t attempt, enum lifecycle_state to,
    uint32_t failed)
{
	static char text[1024];
	struct job_step steps[JOB_STEPS_MAX];
	size_t n = job_facts_path((struct job_step){ from, attempt }, to,
	    failed, steps), at = 0;

	text[0] = '\0';
	for (size_t i = 0; i < n; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
		    "%s%s %u", i == 0 ? "" : ", ",
		    lifecycle_word((uint8_t)steps[i].state), steps[i].attempt);
	return text;
}

static void
test_a_stream_goes_through_every_state_between(void **state)
{
	static const struct {
		enum lifecycle_state	 from;
		uint32_t		 attempt;
		enum lifecycle_state	 to;
		uint32_t		 failed;
		const char		*steps;
	} cases[] = {
		/* A stream begins where the job is. */
		{ LIFECYCLE_NONE, 0, LIFECYCLE_PENDING, 0, "pending 1" },
		{ LIFECYCLE_NONE, 0, LIFECYCLE_RUNNING, 2, "running 3" },
		{ LIFECYCLE_NONE, 0, LIFECYCLE_SUCCEEDED, 0, "succeeded 1" },
		{ LIFECYCLE_NONE, 0, LIFECYCLE_FAILED, 7, "failed 7" },
		{ LIFECYCLE_PENDING, 1, LIFECYCLE_PENDING, 0, "" },
		{ LIFECYCLE_PENDING, 1, LIFECYCLE_QUEUED, 0, "queued 1" },
		{ LIFECYCLE_QUEUED, 1, LIFECYCLE_RUNNING, 0,
		    "leased 1, running 1" },
		{ LIFECYCLE_RUNNING, 1, LIFECYCLE_SUCCEEDED, 0,
		    "succeeded 1" },
		{ LIFECYCLE_PENDING, 1, LIFECYCLE_SUCCEEDED, 0,
		    "queued 1, leased 1, running 1, succeeded 1" },
		/* Failed without a pod, and with one. */
		{ LIFECYCLE_QUEUED, 1, LIFECYCLE_FAILED, 0,
		    "leased 1, failed 1" },
		{ LIFECYCLE_QUEUED, 1, LIFECYCLE_FAILED, 1,
		    "leased 1, running 1, failed 1" },
		{ LIFECYCLE_QUEUED, 1, LIFECYCLE_TIMED_OUT, 0,
		    "timed_out 1" },
		{ LIFECYCLE_PENDING, 1, LIFECYCLE_TIMED_OUT, 0,
		    "queued 1, timed_out 1" },
		/* Tries. */
		{ LIFECYCLE_RUNNING, 1, LIFECYCLE_QUEUED, 1, "queued 2" },
		{ LIFECYCLE_RUNNING, 1, LIFECYCLE_RUNNING, 1,
		    "queued 2, leased 2, running 2" },
		{ LIFECYCLE_RUNNING, 1, LIFECYCLE_FAILED, 2,
		    "queued 2, leased 2, running 2, failed 2" },
		{ LIFECYCLE_RUNNING, 2, LIFECYCLE_FAILED, 2, "failed 2" },
		{ LIFECYCLE_QUEUED, 2, LIFECYCLE_QUEUED, 1, "" },
		/* All pods have succeeded, Complete is on its way. */
		{ LIFECYCLE_RUNNING, 1, LIFECYCLE_QUEUED, 0, "" },
		/* Suspended, and resumed: its startTime is gone meanwhile. */
		{ LIFECYCLE_PENDING, 1, LIFECYCLE_THROTTLED, 0,
		    "queued 1, throttled 1" },
		{ LIFECYCLE_RUNNING, 1, LIFECYCLE_THROTTLED, 0,
		    "queued 2, throttled 2" },
		{ LIFECYCLE_THROTTLED, 2, LIFECYCLE_PENDING, 0, "queued 2" },
		{ LIFECYCLE_QUEUED, 2, LIFECYCLE_PENDING, 0, "" },
		{ LIFECYCLE_THROTTLED, 2, LIFECYCLE_RUNNING, 0,
		    "queued 2, leased 2, running 2" },
		{ LIFECYCLE_THROTTLED, 1, LIFECYCLE_TIMED_OUT, 0,
		    "queued 1, timed_out 1" },
		/* Deleted. */
		{ LIFECYCLE_THROTTLED, 2, LIFECYCLE_CANCELED, 5,
		    "canceled 2" },
		/* The end is final. */
		{ LIFECYCLE_SUCCEEDED, 1, LIFECYCLE_RUNNING, 3, "" },
		{ LIFECYCLE_CANCELED, 1, LIFECYCLE_SUCCEEDED, 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(cases); i++)
		assert_string_equal(path(cases[i].from, cases[i].attempt,
		    cases[i].to, cases[i].failed), cases[i].steps);
}

/* A million pods that failed at once are not a million events. */
static void
test_of_many_attempts_some_are_told(void **state)
{
	struct job_step steps[JOB_STEPS_MAX], from = { LIFECYCLE_PENDING, 1 };
	size_t n = job_facts_path(from, LIFECYCLE_FAILED, 1000000, steps);

	(void)state;
	assert_int_equal(n, JOB_STEPS_MAX);
	assert_int_equal(steps[n - 1].state, LIFECYCLE_FAILED);
	assert_int_equal(steps[n - 1].attempt, 1 + JOB_ATTEMPTS_MAX);
}

/* Whatever a Job does, what its stream shows is a path of the machine. */
static void
test_any_history_of_a_job_is_a_legal_path(void **state)
{
	static const enum lifecycle_state all[] = { LIFECYCLE_PENDING,
		LIFECYCLE_QUEUED, LIFECYCLE_RUNNING, LIFECYCLE_THROTTLED,
		LIFECYCLE_SUCCEEDED, LIFECYCLE_FAILED, LIFECYCLE_TIMED_OUT,
		LIFECYCLE_CANCELED };
	struct job_step steps[JOB_STEPS_MAX];
	unsigned seed = 1, ends = 0;

	(void)state;
	for (int run = 0; run < 20000; run++) {
		struct lifecycle_point at = { 0 }, next = { 0 };
		uint32_t failed = 0;

		for (int look = 0; look < 8; look++) {
			enum lifecycle_state to;
			size_t n;

			seed = seed * 1103515245u + 12345u;
			to = all[(seed >> 16) % (look < 5 ? 4 : 8)];
			failed += (seed >> 24) % 16 == 0 ? 20 :
			    (seed >> 24) % 3 == 0;
			if (at.state == LIFECYCLE_NONE &&
			    to == LIFECYCLE_CANCELED)
				continue;
			n = job_facts_path((struct job_step){ at.state,
			    at.attempt }, to, failed, steps);
			for (size_t i = 0; i < n; i++) {
				next.state = steps[i].state;
				next.attempt = steps[i].attempt;
				assert_int_equal(lifecycle_judge(
				    LIFECYCLE_OF_JOB, &at, &next, at.state),
				    LIFECYCLE_ACCEPT);
				at = next;
			}
			if (lifecycle_final(LIFECYCLE_OF_JOB, to)) {
				assert_true(lifecycle_final(LIFECYCLE_OF_JOB,
				    at.state));
				ends++;
			}
		}
	}
	assert_true(ends > 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_each_status_is_a_state_of_the_job_machine),
		cmocka_unit_test(
		    test_times_and_attempts_are_those_of_the_object),
		cmocka_unit_test(test_a_stream_goes_through_every_state_between),
		cmocka_unit_test(test_of_many_attempts_some_are_told),
		cmocka_unit_test(test_any_history_of_a_job_is_a_legal_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
