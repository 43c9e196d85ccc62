/*
 * role: what every child process does at its start and all its life: checks
 * that the supervisor is still its parent (PDEATHSIG, getppid), takes fd 3,
 * shuts its memory to others of the same user (no core, not dumpable), waits
 * for CONFIG, names itself, resets signals, opens the event base, answers PING
 * from the very loop that does the work, turns STOP, EOF and SIGTERM into
 * `stop`, takes log.* of a RELOAD, and hands the rest to the role.
 *
 *	static const struct role_ops ops = { .start = ..., .stop = ... };
 *	int main(int argc, char **argv)
 *	{
 *		return role_main("store", argc, argv, &ops);
 *	}
 *
 * argv[0] is sluice-<role>, argv[1] the instance ("prod", "0"; "-" where the
 * role has only one), argv[2] the incarnation in decimal.
 */
#ifndef SLUICE_ROLE_H
#define SLUICE_ROLE_H

#include <event2/event.h>

#include "common/conf.h"
#include "common/msg.h"

struct role {
	const char		*name;         /* "watcher" */
	const char		*instance;     /* "prod", or "-" */
	char			 title[80];    /* "watcher/prod", "store" */
	uint64_t		 incarnation; /* never repeats in a state dir */
	struct conf		 conf;
	struct event_base	*base;
	void			*state;        /* the role's own */
};

struct role_ops {
	/* Configuration is there: open what is needed. -1 with *err ends the
	 * process with exit status 1 (78 when err->code is EX_CONFIG). Not
	 * ready yet: the role calls role_ready() when it is. */
	int	(*start)(struct role *role, struct err *err);
	/* STOP, SIGTERM or the supervisor's death. The role finishes in order
	 * and calls role_exit(); it is ended hard after ROLE_STOP_MAX_MS. */
	void	(*stop)(struct role *role);
	/* Any other message. `fd` is -1 or belongs to the callee. May be NULL
	 * for roles that get none. */
	void	(*message)(struct role *role, enum msg_type type,
		    const void *payload, size_t n, int fd);
	/* What the loop is busy with, for PONG; may be NULL. */
	const char *(*busy)(struct role *role);
	/* Releases everything (sanitizers check it); may be NULL. Not called
	 * when start failed. */
	void	(*finish)(struct role *role);
};

#define ROLE_STOP_MAX_MS 10000
#define ROLE_CONF_MAX    (4u * 1024 * 1024)   /* encoded configuration */

int	role_main(const char *name, int argc, char **argv,
	    const struct role_ops *ops);

/* RELOAD: reads the configuration in the memfd (which stays the caller's) into
 * *ret, to be freed by conf_free; -1 with *err when it cannot be read. */
int	role_read_conf(int fd, struct conf *ret, struct err *err) MUST_CHECK;

void	role_ready(struct role *role);     /* once; later calls do nothing */
/* Leaves the loop; role_main() then calls finish and returns 0. */
void	role_exit(struct role *role);
/* One line for `sluicectl status`, e.g. "watching", "14 kinds, 210 objects". */
void	role_status(struct role *role, const char *state, const char *fmt, ...)
	    PRINTF(3, 4);
/* Sends a message to the supervisor; fd may be -1. A full channel is fatal. */
void	role_send(struct role *role, enum msg_type type, const void *payload,
	    size_t n, int fd);
/* Tells the supervisor where this process's SUB socket is bound. */
void	role_bus_path(struct role *role, const char *path);

#endif
