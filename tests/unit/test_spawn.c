/* spawn: the environment a child gets. The child is this program again. */
#include "supervisor/spawn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define TUNABLES "GLIBC_TUNABLES"
#define GNUTLS   "GNUTLS_NO_IMPLICIT_INIT"
#define THEIRS   "glibc.malloc.arena_max=7"

/* What the child found, as the status it leaves with. */
enum found {
	FOUND_SPARING = 1 << 0,   /* an allocator that keeps nothing */
	FOUND_THEIRS = 1 << 1,    /* the operator's settings of it */
	FOUND_GNUTLS = 1 << 2,
	FOUND_HOME = 1 << 3,      /* what the supervisor has */
};

static bool
has(const char *name, const char *part)
{
	const char *value = getenv(name);

	return value != NULL && strstr(value, part) != NULL;
}

static int
look(void)
{
	return (has(TUNABLES, "glibc.malloc.tcache_count=0") ?
	    FOUND_SPARING : 0) | (has(TUNABLES, THEIRS) ? FOUND_THEIRS : 0) |
	    (has(GNUTLS, "1") ? FOUND_GNUTLS : 0) |
	    (has("HOME", "/home/of/sluice") ? FOUND_HOME : 0);
}

/* What a child of that role found. */
static int
found_by(const char *role)
{
	struct err err = { 0 };
	struct spawned s;
	int status;

	assert_int_equal(spawn_process(role, "one", "/proc/self/exe", 1, &s,
	    &err), 0);
	assert_int_equal(waitpid(s.pid, &status, 0), s.pid);
	(void)close(s.pidfd);
	(void)close(s.channel_fd);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int
setup(void **state)
{
	(void)state;
	return setenv("HOME", "/home/of/sluice", 1) != 0 ||
	    unsetenv(TUNABLES) != 0 || unsetenv(GNUTLS) != 0;
}

static void
test_a_watchers_libraries_are_told_to_be_sparing(void **state)
{
	(void)state;
	assert_int_equal(found_by("watcher"),
	    FOUND_SPARING | FOUND_GNUTLS | FOUND_HOME);
}

static void
test_other_roles_get_our_own_environment(void **state)
{
	(void)state;
	assert_int_equal(found_by("broker"), FOUND_HOME);
	assert_int_equal(found_by("watch"), FOUND_HOME);
}

static void
test_what_the_operator_set_stays(void **state)
{
	(void)state;
	assert_int_equal(setenv(TUNABLES, THEIRS, 1), 0);
	assert_int_equal(setenv(GNUTLS, "0", 1), 0);
	assert_int_equal(found_by("watcher"), FOUND_THEIRS | FOUND_HOME);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(
		    test_a_watchers_libraries_are_told_to_be_sparing, setup),
		cmocka_unit_test_setup(
		    test_other_roles_get_our_own_environment, setup),
		cmocka_unit_test_setup(test_what_the_operator_set_stays,
		    setup),
	};

	if (argc == 3 && strncmp(argv[0], "sluice-", 7) == 0)
		return look();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
