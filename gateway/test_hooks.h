/*
 * test_hooks: what a gateway does for tests alone. Process: the gateway that
 * `make hooks` builds with -DTEST_HOOKS (build/hooks/sluice-gateway); in every
 * other nothing of it is left, no name of a variable either, which a test looks
 * at. Told by the environment:
 *
 *	SLUICE_TEST_SANDBOX=DIRECTORY	when it has started it tries what its
 *					sandbox is there to refuse, and some of
 *					what it must not, and writes what came
 *					of it to standard error (sandbox_probe)
 *	SLUICE_TEST_BUG=NAME		has a defect of that name, which a test
 *					must find (tests/chaos), or whose answer
 *					it wants to see
 */
#ifndef SLUICE_TEST_HOOKS_H
#define SLUICE_TEST_HOOKS_H

#include <stdbool.h>

#include "common/macros.h"

struct gateway;

#ifdef TEST_HOOKS

/* The end of its start: the sandbox is closed, nobody is served yet. */
void	test_hooks_started(const struct gateway *g);
/* Where a defect is to be put in: whether this one is wanted. The first time it
 * is says so in the log, so it is asked where the defect does its harm. */
bool	test_hooks_has_bug(const char *name);

#else

static inline void
test_hooks_started(const struct gateway *g UNUSED)
{
}

static inline bool
test_hooks_has_bug(const char *name UNUSED)
{
	return false;
}

#endif
#endif
