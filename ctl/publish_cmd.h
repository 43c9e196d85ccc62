/*
 * publish_cmd: `sluicectl publish`: hands events to a Sluice by libsluice, one
 * from its arguments or many from standard input, and says what became of them.
 */
#ifndef SLUICE_PUBLISH_CMD_H
#define SLUICE_PUBLISH_CMD_H

#include <stdbool.h>
#include <stdint.h>

#define PUBLISH_CMD_TIMEOUT_MAX 86400   /* seconds */

/* What is asked for; NULL where it was not given. */
struct publish_ask {
	bool		 json;
	const char	*url;        /* NULL: of the configuration, below */
	const char	*token_file;
	const char	*ca_file;
	const char	*spool;
	const char	*source;
	const char	*stream;     /* NULL: events come on standard input */
	const char	*type;
	const char	*data;
	const char	*subject;
	const char	*key;        /* only with a timestamp */
	const char	*timestamp;
	int64_t		 timeout;    /* seconds */
};

/* Reads the words from "publish" on; -1: they are wrong, and where the usage
 * does not show why, it is printed. */
int	publish_cmd_parse(int argc, char **argv, struct publish_ask *ret);
/* ask->url is set. Prints; the exit status, the first that fits: 69 not all was
 * taken in time, 74 a damaged spool kept some from being sent, 75 some are kept
 * in the spool, 65 a line was no event, 1 some were refused, 0 all are taken;
 * or 78, an option is of no use. SIGHUP, SIGINT and SIGTERM end the reading and
 * the waiting. */
int	publish_cmd(const struct publish_ask *ask);

#endif
