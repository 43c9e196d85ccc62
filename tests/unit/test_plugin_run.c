/* Programs are run to their end, whatever they do. */
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "common/macros.h"
#include "common/mono.h"
#include "exec/plugin_run.h"

#define LIMIT_MS 60000   /* for what ends by itself */

static struct plugin_result result;
static struct err err;

static void
run(const char *script, int64_t limit_ms)
{
	char name[] = "sh", option[] = "-c";
	char *argv[] = { name, option, (char *)(uintptr_t)script, NULL };
	char path[] = "PATH=/usr/bin:/bin", *env[] = { path, NULL };

	if (plugin_run("/bin/sh", argv, env, limit_ms, &result, &err) < 0)
		fail_msg("%s", err.text);
}

static int
clear(void **state)
{
	(void)state;
	plugin_run_free(&result);
	return 0;
}

static void
test_output_errors_and_status_are_kept(void **state)
{
	(void)state;
	run("echo out; echo err >&2; exit 3", LIMIT_MS);
	assert_int_equal(WEXITSTATUS(result.status), 3);
	assert_string_equal(buf_cstr(&result.output), "out\n");
	assert_string_equal(buf_cstr(&result.errors), "err\n");
	assert_false(result.late);
	assert_false(result.flood);
}

static void
test_it_has_no_input_and_no_other_file(void **state)
{
	(void)state;
	run("cat; ls /proc/self/fd | wc -l", LIMIT_MS);
	/* 0, 1, 2, and the directory that ls reads */
	assert_string_equal(buf_cstr(&result.output), "4\n");
}

/* waitpid with a limit: 0 when the child did not end in time. */
static pid_t
waitpid_for(pid_t child, int *ret_status, int64_t limit_ms)
{
	struct mono begun = mono_now();
	pid_t got;

	while ((got = waitpid(child, ret_status, WNOHANG)) == 0 &&
	    mono_diff_ms(mono_now(), begun) < limit_ms)
		poll(NULL, 0, 5);
	return got;
}

static void
test_one_that_hangs_is_killed_with_its_children(void **state)
{
	struct mono begun;
	pid_t child = 0;
	int status;

	(void)state;
	/* An orphan comes to this program, not to an init that may never
	 * reap. */
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	/* Longer where it did not come to its child before it was killed. */
	for (int64_t ms = 300; child == 0 && ms < LIMIT_MS; ms *= 3) {
		plugin_run_free(&result);
		begun = mono_now();
		run("sleep 1000 & echo $!; trap '' TERM; wait; sleep 1000",
		    ms);
		assert_true(result.late);
		assert_true(mono_diff_ms(mono_now(), begun) < ms + 4700);
		child = (pid_t)strtol(buf_cstr(&result.output), NULL, 10);
	}
	assert_true(child > 1);
	/* Killed: what plugin_run ends with is ours to reap now. */
	assert_int_equal(waitpid_for(child, &status, LIMIT_MS), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void
test_a_child_left_behind_does_not_keep_us(void **state)
{
	struct mono begun = mono_now();

	(void)state;
	run("sleep 1000 & echo out", LIMIT_MS);
	assert_string_equal(buf_cstr(&result.output), "out\n");
	assert_false(result.late);
	assert_true(mono_diff_ms(mono_now(), begun) < 10000);
}

static void
test_one_that_prints_without_end_is_stopped_at_the_limit(void **state)
{
	(void)state;
	run("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done",
	    LIMIT_MS);
	assert_true(result.flood);
	assert_true(result.output.len <= PLUGIN_RUN_OUTPUT_MAX);
}

static void
test_of_many_errors_the_end_is_kept(void **state)
{
	(void)state;
	run("i=0; while [ $i -lt 5000 ]; do echo line $i >&2; i=$((i+1)); "
	    "done", LIMIT_MS);
	assert_true(result.errors.len <= PLUGIN_RUN_ERRORS_MAX);
	assert_non_null(strstr(buf_cstr(&result.errors), "line 4999\n"));
}

static void
test_a_program_that_is_not_there_ends_with_127(void **state)
{
	char name[] = "x", *argv[] = { name, NULL }, *env[] = { NULL };

	(void)state;
	assert_int_equal(plugin_run("/nowhere/x", argv, env, LIMIT_MS,
	    &result, &err), 0);
	assert_int_equal(WEXITSTATUS(result.status), 127);
	assert_non_null(strstr(buf_cstr(&result.errors), "exec failed"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, NULL, clear)
		T(test_output_errors_and_status_are_kept),
		T(test_it_has_no_input_and_no_other_file),
		T(test_one_that_hangs_is_killed_with_its_children),
		T(test_a_child_left_behind_does_not_keep_us),
		T(test_one_that_prints_without_end_is_stopped_at_the_limit),
		T(test_of_many_errors_the_end_is_kept),
		T(test_a_program_that_is_not_there_ends_with_127),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
