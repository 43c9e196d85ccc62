/* lifecycle against the contract's own drawing of each machine. */
#include "common/lifecycle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"

/* Every transition that the contract's section 3 names, written out; all other
 * pairs are illegal. "*" before the target: the attempt rises. */
static const char *const job[] = {
	"pending queued", "pending canceled",
	"queued leased", "queued throttled", "queued canceled",
	"queued timed_out",
	"throttled queued", "throttled canceled",
	"leased running", "leased queued", "leased failed",
	"leased canceled", "leased timed_out",
	"running succeeded", "running failed", "running canceled",
	"running timed_out", "running *queued",
};
static const char *const pack_run[] = {
	"pending queued", "pending canceled",
	"queued running", "queued canceled",
	"running waiting", "running succeeded", "running failed",
	"running canceled", "running timed_out",
	"waiting running", "waiting succeeded", "waiting failed",
	"waiting canceled", "waiting timed_out",
};
static const char *const step[] = {
	"pending running", "pending skipped",
	"running waiting", "running succeeded", "running failed",
	"running skipped", "running canceled", "running timed_out",
	"waiting running", "waiting succeeded", "waiting failed",
	"waiting skipped", "waiting canceled", "waiting timed_out",
	"failed *pending",
};
static const char *const run[] = {
	"pending running", "running succeeded",
	"running partially_succeeded", "running failed",
	"running canceled", "running timed_out",
};

static const struct drawing {
	enum lifecycle_machine	 machine;
	const char *const	*edges;
	size_t			 n;
	const char		*states;
	const char		*ends;    /* of them nothing leads on */
} drawings[] = {
	{ LIFECYCLE_OF_JOB, job, NELEM(job),
	  " pending queued throttled leased running succeeded failed canceled"
	  " timed_out ", " succeeded failed canceled timed_out " },
	{ LIFECYCLE_OF_PACK_RUN, pack_run, NELEM(pack_run),
	  " pending queued running waiting succeeded failed canceled"
	  " timed_out ", " succeeded failed canceled timed_out " },
	{ LIFECYCLE_OF_STEP, step, NELEM(step),
	  " pending running waiting succeeded failed skipped canceled"
	  " timed_out ", " succeeded skipped canceled timed_out " },
	{ LIFECYCLE_OF_RUN, run, NELEM(run),
	  " pending running succeeded partially_succeeded failed canceled"
	  " timed_out ",
	  " succeeded partially_succeeded failed canceled timed_out " },
	{ LIFECYCLE_OF_BUILD, NULL, 0, " complete failed cancelled ",
	  " complete failed cancelled " },
	{ LIFECYCLE_OF_LOG, NULL, 0, " complete ", " complete " },
};

static bool
names(const char *list, const char *word)
{
	char padded[64];

	(void)snprintf(padded, sizeof(padded), " %s ", word);
	return strstr(list, padded) != NULL;
}

static bool
drawn(const struct drawing *d, const char *from, const char *to,
    const char *mark)
{
	char edge[64];

	(void)snprintf(edge, sizeof(edge), "%s %s%s", from, mark, to);
	for (size_t i = 0; i < d->n; i++)
		if (strcmp(d->edges[i], edge) == 0)
			return true;
	return false;
}

static enum lifecycle_verdict
expected(const struct drawing *d, const char *from, const char *to,
    uint32_t raise)
{
	uint32_t n = lifecycle_has_attempts(d->machine) ? 1 : 0;

	if (!names(d->states, to))
		return LIFECYCLE_ILLEGAL;
	if (names(d->ends, from))
		return LIFECYCLE_ENDED;
	if (drawn(d, from, to, ""))
		return raise == 0 || n == 0 ? LIFECYCLE_ACCEPT :
		    LIFECYCLE_BAD_ATTEMPT;
	if (drawn(d, from, to, "*"))
		return raise == 1 ? LIFECYCLE_ACCEPT : LIFECYCLE_BAD_ATTEMPT;
	return LIFECYCLE_ILLEGAL;
}

static void
test_every_pair_of_states_is_judged_as_drawn(void **state)
{
	struct lifecycle_point now = { .attempt = 3, .body = { 1 } };
	struct lifecycle_point next = { .body = { 2 } };

	(void)state;
	for (size_t i = 0; i < NELEM(drawings); i++) {
		const struct drawing *d = &drawings[i];

		for (int from = 1; from < LIFECYCLE_STATE_MAX; from++) {
			if (!names(d->states, lifecycle_word((uint8_t)from)))
				continue;
			for (int to = 1; to < LIFECYCLE_STATE_MAX; to++) {
				for (uint32_t raise = 0; raise < 3; raise++) {
					now.state = (enum lifecycle_state)from;
					next.state = (enum lifecycle_state)to;
					next.attempt = now.attempt + raise;
					assert_int_equal(lifecycle_judge(
					    d->machine, &now, &next,
					    LIFECYCLE_NONE), expected(d,
					    lifecycle_word((uint8_t)from),
					    lifecycle_word((uint8_t)to),
					    raise));
				}
			}
		}
	}
}

static void
test_a_machine_has_its_states_and_ends_and_no_other(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(drawings); i++) {
		const struct drawing *d = &drawings[i];

		for (int s = 0; s < LIFECYCLE_STATE_MAX; s++) {
			const char *word = lifecycle_word((uint8_t)s);
			bool has = s > 0 && names(d->states, word);

			assert_int_equal(lifecycle_has(d->machine,
			    (enum lifecycle_state)s), has);
			if (s > 0 && names(d->ends, word))
				assert_true(lifecycle_final(d->machine,
				    (enum lifecycle_state)s));
			if (has)
				assert_int_equal(lifecycle_state_of(d->machine,
				    slice_str(word)), s);
		}
		assert_false(lifecycle_final(d->machine, LIFECYCLE_NONE));
		assert_int_equal(lifecycle_state_of(d->machine,
		    slice_str("")), LIFECYCLE_NONE);
		assert_int_equal(lifecycle_state_of(d->machine,
		    slice_str("Running")), LIFECYCLE_NONE);
	}
	assert_true(lifecycle_final(LIFECYCLE_OF_STEP, LIFECYCLE_FAILED));
	assert_false(lifecycle_has(LIFECYCLE_OF_NOTHING, LIFECYCLE_FAILED));
}

static void
test_any_state_may_be_first(void **state)
{
	struct lifecycle_point none = { .state = LIFECYCLE_NONE };

	(void)state;
	for (size_t i = 0; i < NELEM(drawings); i++)
		for (int s = 0; s < LIFECYCLE_STATE_MAX; s++) {
			struct lifecycle_point next = { .attempt = 7,
			    .state = (enum lifecycle_state)s };

			assert_int_equal(lifecycle_judge(drawings[i].machine,
			    &none, &next, LIFECYCLE_WAITING),
			    lifecycle_has(drawings[i].machine, next.state) ?
			    LIFECYCLE_ACCEPT : LIFECYCLE_ILLEGAL);
		}
}

static void
test_the_latest_event_again_is_a_repeat_even_at_the_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < NELEM(drawings); i++)
		for (int s = 1; s < LIFECYCLE_STATE_MAX; s++) {
			struct lifecycle_point now = { .attempt = 2,
			    .state = (enum lifecycle_state)s, .body = { 9 } };
			struct lifecycle_point next = now;

			if (!lifecycle_has(drawings[i].machine, now.state))
				continue;
			assert_int_equal(lifecycle_judge(drawings[i].machine,
			    &now, &next, LIFECYCLE_SKIPPED),
			    LIFECYCLE_REPEAT);
			next.body[EVENT_HASH_SIZE - 1] = 1;
			assert_int_not_equal(lifecycle_judge(
			    drawings[i].machine, &now, &next, LIFECYCLE_NONE),
			    LIFECYCLE_REPEAT);
			next = now;
			next.attempt++;
			assert_int_not_equal(lifecycle_judge(
			    drawings[i].machine, &now, &next, LIFECYCLE_NONE),
			    LIFECYCLE_REPEAT);
		}
}

static void
test_an_event_that_was_made_for_another_state_is_illegal(void **state)
{
	struct lifecycle_point now = { LIFECYCLE_LEASED, 1, { 1 } };
	struct lifecycle_point next = { LIFECYCLE_RUNNING, 1, { 2 } };

	(void)state;
	assert_int_equal(lifecycle_judge(LIFECYCLE_OF_JOB, &now, &next,
	    LIFECYCLE_LEASED), LIFECYCLE_ACCEPT);
	assert_int_equal(lifecycle_judge(LIFECYCLE_OF_JOB, &now, &next,
	    LIFECYCLE_NONE), LIFECYCLE_ACCEPT);
	assert_int_equal(lifecycle_judge(LIFECYCLE_OF_JOB, &now, &next,
	    LIFECYCLE_QUEUED), LIFECYCLE_BAD_PREVIOUS);
}

static void
test_aliases_are_the_machines_own_words(void **state)
{
	static const struct {
		enum lifecycle_machine	 machine;
		const char		*alias;
		enum lifecycle_state	 state;
	} t[] = {
		{ LIFECYCLE_OF_JOB, "created", LIFECYCLE_PENDING },
		{ LIFECYCLE_OF_JOB, "scheduled", LIFECYCLE_QUEUED },
		{ LIFECYCLE_OF_RUN, "scheduled", LIFECYCLE_NONE },
		{ LIFECYCLE_OF_JOB, "completed", LIFECYCLE_SUCCEEDED },
		{ LIFECYCLE_OF_STEP, "success", LIFECYCLE_SUCCEEDED },
		{ LIFECYCLE_OF_RUN, "cancelled", LIFECYCLE_CANCELED },
		{ LIFECYCLE_OF_BUILD, "cancelled", LIFECYCLE_CANCELLED },
		{ LIFECYCLE_OF_PACK_RUN, "timedout", LIFECYCLE_TIMED_OUT },
		{ LIFECYCLE_OF_PACK_RUN, "timed-out", LIFECYCLE_TIMED_OUT },
		{ LIFECYCLE_OF_JOB, "error", LIFECYCLE_FAILED },
	};

	(void)state;
	for (size_t i = 0; i < NELEM(t); i++)
		assert_int_equal(lifecycle_state_of(t[i].machine,
		    slice_str(t[i].alias)), t[i].state);
}

static void
test_words_are_told_of_state_bytes(void **state)
{
	struct buf b = BUF_EMPTY;

	(void)state;
	assert_string_equal(lifecycle_word(LIFECYCLE_FAILED |
	    LIFECYCLE_LOGS_OPEN), "failed");
	assert_string_equal(lifecycle_word(0), "unknown");
	assert_string_equal(lifecycle_word(LIFECYCLE_STATE_MAX), "unknown");
	lifecycle_next_words(LIFECYCLE_OF_STEP, LIFECYCLE_PENDING, &b);
	assert_int_equal(b.len, strlen("running, skipped"));
	assert_memory_equal(b.data, "running, skipped", b.len);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_pair_of_states_is_judged_as_drawn),
		cmocka_unit_test(
		    test_a_machine_has_its_states_and_ends_and_no_other),
		cmocka_unit_test(test_any_state_may_be_first),
		cmocka_unit_test(
		    test_the_latest_event_again_is_a_repeat_even_at_the_end),
		cmocka_unit_test(
		    test_an_event_that_was_made_for_another_state_is_illegal),
		cmocka_unit_test(test_aliases_are_the_machines_own_words),
		cmocka_unit_test(test_words_are_told_of_state_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
