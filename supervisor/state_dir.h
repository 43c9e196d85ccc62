/*
 * state_dir: the directories of an installation: made with 0700, locked
 * against a second supervisor, and the counter of incarnations, which never
 * repeats. Every error names the path and the remedy. Supervisor only.
 */
#ifndef SLUICE_STATE_DIR_H
#define SLUICE_STATE_DIR_H

#include <stdint.h>

#include "common/conf.h"

#define STATE_DIR_BLOCK 1000u   /* incarnations reserved with one fsync */

struct state_dir {
	int		lock_fd;
	int		runtime_lock_fd;
	char		*directory;
	uint64_t	next;        /* incarnation */
	uint64_t	reserved;    /* through here, on disk */
};

/* Makes state and runtime directory, takes their locks, makes bus/ and removes
 * the sockets an earlier supervisor left there. */
int	state_dir_open(struct state_dir *s, const struct conf *conf,
	    struct err *err) MUST_CHECK;
int	state_dir_incarnation(struct state_dir *s, uint64_t *ret,
	    struct err *err) MUST_CHECK;
/* Removes the sockets that an ended process of this child left on the bus. Only
 * while none of its processes runs. */
int	state_dir_clean_bus(const struct conf *conf, const char *title,
	    struct err *err) MUST_CHECK;
void	state_dir_close(struct state_dir *s);

#endif
