#include "ctl/publish_lines.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* Those of them that are not ignored (nohup, a job in the background): what is
 * blocked is told to a signalfd all the same. */
static void
collect(sigset_t *set)
{
	static const int ends[] = { SIGHUP, SIGINT, SIGTERM };
	struct sigaction now;

	(void)sigemptyset(set);
	for (size_t i = 0; i < NELEM(ends); i++)
		if (sigaction(ends[i], NULL, &now) == 0 &&
		    now.sa_handler != SIG_IGN)
			(void)sigaddset(set, ends[i]);
}

int
publish_lines_init(struct publish_lines *l, struct err *err)
{
	sigset_t set;

	l->at = l->n = 0;
	collect(&set);
	l->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (l->signals == -1)
		return err_errno(err, errno, "signalfd");
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	return 0;
}

void
publish_lines_clear(struct publish_lines *l)
{
	(void)close(l->signals);
	l->signals = -1;
}

bool
publish_lines_asked(const struct publish_lines *l)
{
	struct pollfd fd = { .fd = l->signals, .events = POLLIN };

	return poll(&fd, 1, 0) == 1;
}

/* More bytes, where there are none; PUBLISH_LINE: there are. */
static enum publish_line
fill(struct publish_lines *l, struct err *err)
{
	struct pollfd fds[] = {
		{ .fd = l->signals, .events = POLLIN },
		{ .fd = STDIN_FILENO, .events = POLLIN },
	};
	ssize_t got;

	do {
		do {
			got = poll(fds, 2, -1);
		} while (got == -1 && errno == EINTR);
		if (got > 0 && fds[0].revents != 0)
			return PUBLISH_LINES_SIGNAL;
		got = read(STDIN_FILENO, l->bytes, sizeof(l->bytes));
	} while (got == -1 && (errno == EINTR || errno == EAGAIN));
	if (got == -1) {
		(void)err_errno(err, errno, "read");
		return PUBLISH_LINES_FAILED;
	}
	l->at = 0;
	l->n = (size_t)got;
	return got > 0 ? PUBLISH_LINE : PUBLISH_LINES_END;
}

enum publish_line
publish_lines_next(struct publish_lines *l, char *line, size_t size,
    size_t *ret_n, struct err *err)
{
	enum publish_line found;
	size_t n = 0, some, kept;
	const char *end = NULL;

	while (end == NULL) {
		found = l->at < l->n ? PUBLISH_LINE : fill(l, err);
		/* The last line may lack its end. */
		if (found == PUBLISH_LINES_END && n > 0)
			break;
		if (found != PUBLISH_LINE)
			return found;
		end = memchr(l->bytes + l->at, '\n', l->n - l->at);
		some = end != NULL ? (size_t)(end - l->bytes) - l->at :
		    l->n - l->at;
		kept = some < size - n ? some : size - n;
		memcpy(line + n, l->bytes + l->at, kept);
		n += kept;
		l->at += some + (end != NULL);
	}
	if (n > 0 && n < size && line[n - 1] == '\r')
		n--;
	*ret_n = n;
	return PUBLISH_LINE;
}
