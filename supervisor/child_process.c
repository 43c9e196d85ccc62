#include "supervisor/child_process.h"

#include <errno.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "common/log.h"
#include "supervisor/spawn.h"

int
child_process_start(struct child_process *p,
    const struct child_process_start *how, struct err *err)
{
	struct spawned s;

	if (spawn_process(how->role, how->instance, how->binary,
	    how->incarnation, &s, err) != 0)
		return -1;
	p->pid = s.pid;
	p->pidfd = s.pidfd;
	p->channel = channel_new(how->base, s.channel_fd, MSG_FROM_CHILD,
	    how->message, how->arg);
	p->ended = event_new(how->base, p->pidfd, EV_READ, how->ended,
	    how->arg);
	if (p->ended == NULL)
		fatalx("event_new failed");
	(void)event_add(p->ended, NULL);
	if (channel_send(p->channel, MSG_CONFIG, NULL, 0, how->conf_fd,
	    err) == 0)
		return 0;
	/* It has died already: its end tells of what. */
	if (err->code == EPIPE || err->code == ECONNRESET)
		return 0;
	(void)kill(p->pid, SIGKILL);   /* not reaped yet: the pid is its own */
	child_process_forget(p);
	return -1;
}

/* Only through the pidfd: a reaped pid may be somebody else's by now. */
int
child_process_signal(const struct child_process *p, int number,
    struct err *err)
{
	if (p->pidfd == -1 ||
	    pidfd_send_signal(p->pidfd, number, NULL, 0) == 0 ||
	    errno == ESRCH)
		return 0;
	return err_errno(err, errno, "signal %d", number);
}

void
child_process_hung_up(struct child_process *p)
{
	channel_free(p->channel);
	p->channel = NULL;
}

void
child_process_forget(struct child_process *p)
{
	if (p->ended != NULL)
		event_free(p->ended);
	if (p->pidfd != -1)
		(void)close(p->pidfd);
	channel_free(p->channel);
	*p = CHILD_PROCESS_NONE;
}
