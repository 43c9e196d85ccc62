/*
 * sandbox_probe: tries, from inside, what the sandbox must refuse and what it
 * must not: what a stranger would try who has taken the process over. Process:
 * the gateway with test hooks only (test_hooks); empty without them.
 *
 * One line on standard error: "sandbox_probe: " and a JSON object with, for
 * each try, the name of its errno, or "done". `directory` is the test's: it has
 * a file `secret` and a listening Unix socket `socket`. A build with a
 * sanitizer leaves processes and memory out, which that needs.
 */
#ifndef SLUICE_SANDBOX_PROBE_H
#define SLUICE_SANDBOX_PROBE_H

#include "common/conf.h"

#ifdef TEST_HOOKS
void	sandbox_probe(const struct conf *conf, const char *journal,
	    const char *directory);
#endif

#endif
