/*
 * sandbox_calls: the filter of system calls itself, as a table of what is
 * allowed (sandbox says what for). Process: gateway.
 *
 * A call that is missing here shows as an error EPERM of what made it, and in
 * the kernel's log with its number (`scmp_sys_resolver NUMBER` names it): it is
 * added with the argument that it is wanted with, if it takes one that matters.
 */
#ifndef SLUICE_SANDBOX_CALLS_H
#define SLUICE_SANDBOX_CALLS_H

#include "common/err.h"

/* For all threads; connect() to the sealed addresses, and unlink() of the path
 * that lies with them (sealed_address), which must be sealed before. -1 with
 * *err. */
int	sandbox_calls_filter(struct err *err) MUST_CHECK;

#endif
