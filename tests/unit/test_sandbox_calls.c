/* sandbox_calls: the filter holds for threads that ran before it, and for calls
 * of another architecture. Each test is a process of its own, since nobody gets
 * rid of a filter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/sandbox_calls.h"
#include "gateway/sealed_address.h"

static void
filter(void)
{
	struct err err = { 0 };

	if (sealed_address_add("/nowhere", &err) == -1 ||
	    sealed_address_seal(&err) == -1 ||
	    sandbox_calls_filter(&err) == -1) {
		(void)fprintf(stderr, "%s\n", err.text);
		_exit(99);
	}
}

/* What waitpid says of a process that ran this. */
static int
status_of(void (*run)(void))
{
	pid_t pid = fork();
	int status;

	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		run();
		_exit(98);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static int begin[2], done[2];

static void *
try_socket(void *arg)
{
	char byte;

	if (read(begin[0], &byte, 1) != 1)
		_exit(97);
	*(int *)arg = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) == -1 ?
	    errno : 0;
	if (write(done[1], "x", 1) != 1)
		_exit(96);
	(void)poll(NULL, 0, -1);
	return NULL;
}

static void
run_with_an_earlier_thread(void)
{
	pthread_t thread;
	int code = -1;
	char byte;

	if (pipe(begin) != 0 || pipe(done) != 0 ||
	    pthread_create(&thread, NULL, try_socket, &code) != 0)
		_exit(95);
	filter();
	if (write(begin[1], "x", 1) != 1 || read(done[0], &byte, 1) != 1)
		_exit(94);
	_exit(code);
}

static void
test_a_thread_that_ran_before_is_under_the_filter_too(void **state)
{
	int status = status_of(run_with_an_earlier_thread);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EPERM);
}

#ifdef __x86_64__
/* getpid of x32: a native number with one bit more. */
static void
run_x32(void)
{
	filter();
	(void)syscall(0x40000000 | SYS_getpid);
}

static void
test_a_call_of_another_architecture_ends_the_process(void **state)
{
	int status = status_of(run_x32);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}
#endif

static void
run_refused(void)
{
	int code;

	filter();
	code = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) == -1 ? errno :
	    0;
	_exit(code);
}

static void
test_a_call_that_is_refused_fails_and_the_process_goes_on(void **state)
{
	int status = status_of(run_refused);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EPERM);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_a_call_that_is_refused_fails_and_the_process_goes_on),
		cmocka_unit_test(
		    test_a_thread_that_ran_before_is_under_the_filter_too),
#ifdef __x86_64__
		cmocka_unit_test(
		    test_a_call_of_another_architecture_ends_the_process),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
