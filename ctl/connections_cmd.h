/*
 * connections_cmd: `sluicectl connections` and `sluicectl disconnect`: asks the
 * gateways at their desks (gateway/desk.h), which only root and the service's
 * user can reach, and which answer also when no client gets through any more.
 */
#ifndef SLUICE_CONNECTIONS_CMD_H
#define SLUICE_CONNECTIONS_CMD_H

#include <stdbool.h>

/* What is asked for; NULL where it was not given. */
struct connections_ask {
	bool		 json;
	const char	*id;        /* disconnect ID */
	const char	*subject;   /* disconnect --subject S */
	const char	*tenant;    /* with a subject; NULL: every one */
};

/* Reads the words behind "connections" or "disconnect"; -1: they are wrong. */
int	connections_cmd_parse(int argc, char **argv,
	    struct connections_ask *ret);
/* Prints; the exit status. */
int	connections_cmd(const char *bus_directory,
	    const struct connections_ask *ask);

#endif
