/*
 * child_text: what operators read of a child: the cause of an exit, and the
 * log line of a change of state. Pure: values in, text out; supervisor/child
 * keeps the cause and writes the line.
 */
#ifndef SLUICE_CHILD_TEXT_H
#define SLUICE_CHILD_TEXT_H

#include <stddef.h>
#include <sys/types.h>

#include "common/log.h"
#include "common/msg.h"
#include "supervisor/child_fsm.h"

/* The remedy stands at the end of a cause, and a command behind it: neither is
 * cut. */
#define CHILD_CAUSE_MAX (ERR_TEXT_MAX + 64u)
#define CHILD_TEXT_MAX  (CHILD_CAUSE_MAX + 384u)

/* How a process ended; `said`: its last STATUS, which tells why it gave up. */
void	child_text_exit(char *ret, size_t size, int wait_status,
	    const struct msg_status *said);

struct child_text_change {
	const char	*title;
	enum child_state old;
	enum child_state now;
	int64_t		 ms;         /* that the old state lasted */
	const char	*cause;
	pid_t		 pid;        /* 0: none */
	int64_t		 retry_ms;   /* of the circuit */
};

/* "state: watcher/prod: ready -> backoff after 12 ms: exit status 3"; returns
 * how grave it is: error, warn or info. */
enum log_level child_text_change(char ret[CHILD_TEXT_MAX],
	    const struct child_text_change *change);

#endif
