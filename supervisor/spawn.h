/*
 * spawn: fork and exec of one child: channel on fd 3, nothing else inherited
 * but standard output and error and the environment, to which is added what
 * the role's libraries need; signals as new, dead when we die. Also the strays:
 * processes whose parent died and who are ours by subreaping.
 */
#ifndef SLUICE_SPAWN_H
#define SLUICE_SPAWN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

struct spawned {
	pid_t	pid;
	int	pidfd;
	int	channel_fd;
};

/* argv: sluice-<role>, instance, incarnation. An exec that fails ends the
 * child with 127 after a line on standard error. */
int	spawn_process(const char *role, const char *instance,
	    const char *binary, uint64_t incarnation, struct spawned *ret,
	    struct err *err) MUST_CHECK;

/* A helper that lives for one task: `fd` becomes its fd 3, else as above. It
 * is reaped like any child. */
int	spawn_helper(char *const *argv, const char *binary, int fd,
	    pid_t *ret_pid, struct err *err) MUST_CHECK;

/* Pids of our children as the kernel sees them; returns how many, at most
 * `max`, or 0 where the kernel does not tell. */
size_t	spawn_children(pid_t *pids, size_t max);

#endif
