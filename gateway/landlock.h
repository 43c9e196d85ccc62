/*
 * landlock: the kernel's rules for which files a thread may open (landlock(7),
 * Linux 5.13), by its bare system calls: Debian 12's libc has no functions for
 * them, and its headers not all of the rights. Process: gateway.
 *
 * What a rule set handles is denied wherever no rule allows it; it handles all
 * that the running kernel knows of: files, and from Linux 6.7 on bind() and
 * connect() of TCP, from 6.12 on abstract Unix sockets and signals of others
 * (for which there are no rules here: they are denied). It holds for the thread
 * that enforces it, for those it starts from then on, and for good.
 */
#ifndef SLUICE_LANDLOCK_H
#define SLUICE_LANDLOCK_H

#include <stdint.h>

#include "common/err.h"

/* Rights, of the kernel's numbers. */
#define LANDLOCK_READ_FILE   (UINT64_C(1) << 2)
#define LANDLOCK_READ_DIR    (UINT64_C(1) << 3)
#define LANDLOCK_REMOVE_FILE (UINT64_C(1) << 5)
#define LANDLOCK_MAKE_SOCK   (UINT64_C(1) << 9)

/* The version of the kernel's interface; 0: this kernel has none, or was
 * started without. */
int	landlock_version(void);
/* An empty rule set for a kernel of this version (not 0), to be closed; -1 with
 * *err. */
int	landlock_new(int version, struct err *err) MUST_CHECK;
/* Allows the rights on what lies beneath the directory; -1 with *err. */
int	landlock_allow(int rules, const char *directory, uint64_t rights,
	    struct err *err) MUST_CHECK;
/* For this thread, which gives up all gain of privileges by that (exec of a
 * set-user-ID program); -1 with *err. */
int	landlock_enforce(int rules, struct err *err) MUST_CHECK;

#endif
