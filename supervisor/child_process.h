/*
 * child_process: the process of a child as the kernel knows it: forked and
 * exec'd, handed its configuration, its channel, the event of its end, signals
 * only through its pidfd. What is to be done with it is child's. Supervisor
 * only, one thread.
 */
#ifndef SLUICE_CHILD_PROCESS_H
#define SLUICE_CHILD_PROCESS_H

#include <event2/event.h>
#include <sys/types.h>

#include "common/channel.h"
#include "common/err.h"

struct child_process {
	pid_t		 pid;       /* 0: none */
	int		 pidfd;     /* -1 */
	struct event	*ended;     /* on pidfd */
	struct channel	*channel;   /* NULL also once it closed its side */
};

struct child_process_start {
	struct event_base	*base;
	const char		*role;
	const char		*instance;
	const char		*binary;
	uint64_t		 incarnation;
	int			 conf_fd;    /* stays the caller's */
	channel_cb		 message;
	event_callback_fn	 ended;
	void			*arg;        /* of both */
};

#define CHILD_PROCESS_NONE ((struct child_process){ .pidfd = -1 })

/* Into one that is none; -1 with *err: it still is none. */
int	child_process_start(struct child_process *p,
	    const struct child_process_start *how, struct err *err) MUST_CHECK;
/* 0 also where there is none, or it has ended. */
int	child_process_signal(const struct child_process *p, int number,
	    struct err *err) MUST_CHECK;
/* Its side of the channel is closed: the end of the process is on its way. */
void	child_process_hung_up(struct child_process *p);
/* It was reaped, or does not matter any more: none again. */
void	child_process_forget(struct child_process *p);

#endif
