/*
 * sealed: bytes that travel to another process as a memfd which nobody can
 * change once they are in it: each role's configuration, what a credential
 * plugin gave. Any process.
 */
#ifndef SLUICE_SEALED_H
#define SLUICE_SEALED_H

#include <stddef.h>

#include "common/err.h"

/* An empty one, CLOEXEC, to be closed by the caller; -1 with *err. The name is
 * what /proc shows. */
int	sealed_new(const char *name, struct err *err) MUST_CHECK;
/* Fills an empty one and seals it; of one that failed the content is
 * undefined. */
int	sealed_write(int fd, const void *bytes, size_t n, struct err *err)
	    MUST_CHECK;
/* Its first bytes, at most `max`; -1 with *err also where it is not sealed:
 * what was checked could change afterwards. */
int	sealed_read(int fd, void *bytes, size_t max, size_t *ret_n,
	    struct err *err) MUST_CHECK;

#endif
