/* child_text: the cause of an exit, and the line of a change. */
#include "supervisor/child_text.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
expect_exit(int status, const char *state, const char *text, const char *want)
{
	struct msg_status said = { 0 };
	char got[100];

	(void)snprintf(said.state, sizeof(said.state), "%s", state);
	(void)snprintf(said.text, sizeof(said.text), "%s", text);
	child_text_exit(got, sizeof(got), status, &said);
	assert_string_equal(got, want);
}

static void
test_an_exit_is_told_with_the_last_words_of_who_failed(void **state)
{
	(void)state;
	expect_exit(3 << 8, "", "", "exit status 3");
	expect_exit(1 << 8, "failed", "no room", "exit status 1: no room");
	expect_exit(1 << 8, "good", "all is well", "exit status 1");
	expect_exit(SIGKILL, "failed", "no room",
	    "killed by signal 9 (KILL)");
	expect_exit(60, "", "", "killed by signal 60 (?)");
}

static void
expect_change(struct child_text_change c, enum log_level level,
    const char *want)
{
	char got[CHILD_TEXT_MAX];

	c.title = "watcher/prod";
	c.ms = 12;
	c.retry_ms = 300000;
	assert_int_equal(child_text_change(got, &c), level);
	assert_string_equal(got, want);
}

static void
test_the_end_of_the_longest_cause_is_there_it_has_the_remedy(void **state)
{
	struct msg_status said = { .state = "failed" };
	struct child_text_change c = { .old = CHILD_BACKOFF,
		.now = CHILD_FAILED, .retry_ms = 300000 };
	char title[] = "watcher/" "0123456789012345678901234567890123456789"
	    "01234567890123456789012", cause[CHILD_CAUSE_MAX];
	char got[CHILD_TEXT_MAX];

	(void)state;
	memset(said.text, 'x', sizeof(said.text) - 1);
	said.text[sizeof(said.text) - 2] = '!';
	child_text_exit(cause, sizeof(cause), 255 << 8, &said);
	assert_int_equal(cause[strlen(cause) - 1], '!');
	c.title = title;
	c.cause = cause;
	c.ms = INT64_MAX;
	(void)child_text_change(got, &c);
	assert_non_null(strstr(got, "x!; tried again in 300 s, or by: "
	    "sluicectl start watcher/"));
	assert_string_equal(got + strlen(got) - strlen(title), title);
}

static void
test_a_change_names_both_states_the_cause_and_the_pid(void **state)
{
	(void)state;
	expect_change((struct child_text_change){ .old = CHILD_STARTING,
	    .now = CHILD_READY, .cause = "said READY", .pid = 7 },
	    LOG_LEVEL_INFO, "state: watcher/prod: starting -> ready after "
	    "12 ms: said READY, pid 7");
	expect_change((struct child_text_change){ .old = CHILD_READY,
	    .now = CHILD_BACKOFF, .cause = "exit status 3" },
	    LOG_LEVEL_WARN, "state: watcher/prod: ready -> backoff after "
	    "12 ms: exit status 3");
}

static void
test_a_failed_child_says_how_it_is_started_again(void **state)
{
	(void)state;
	expect_change((struct child_text_change){ .old = CHILD_STARTING,
	    .now = CHILD_FAILED, .cause = "exit status 78" },
	    LOG_LEVEL_ERROR, "state: watcher/prod: starting -> failed after "
	    "12 ms: exit status 78; tried again in 300 s, or by: sluicectl "
	    "start watcher/prod");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_the_end_of_the_longest_cause_is_there_it_has_the_remedy),
		cmocka_unit_test(
		    test_an_exit_is_told_with_the_last_words_of_who_failed),
		cmocka_unit_test(
		    test_a_change_names_both_states_the_cause_and_the_pid),
		cmocka_unit_test(
		    test_a_failed_child_says_how_it_is_started_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
