#include "supervisor/child_text.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

void
child_text_exit(char *ret, size_t size, int status,
    const struct msg_status *said)
{
	const char *name;

	if (WIFSIGNALED(status)) {
		name = sigabbrev_np(WTERMSIG(status));
		(void)snprintf(ret, size, "killed by signal %d (%s)",
		    WTERMSIG(status), name != NULL ? name : "?");
	} else if (said->text[0] != '\0' &&
	    strcmp(said->state, "failed") == 0) {
		(void)snprintf(ret, size, "exit status %d: %s",
		    WEXITSTATUS(status), said->text);
	} else {
		(void)snprintf(ret, size, "exit status %d",
		    WEXITSTATUS(status));
	}
}

enum log_level
child_text_change(char ret[CHILD_TEXT_MAX],
    const struct child_text_change *c)
{
	char who[40] = "";

	if (c->now == CHILD_FAILED) {
		(void)snprintf(ret, CHILD_TEXT_MAX, "state: %s: %s -> failed "
		    "after %lld ms: %s; tried again in %lld s, or by: "
		    "sluicectl start %s", c->title,
		    child_state_name(c->old), (long long)c->ms, c->cause,
		    (long long)c->retry_ms / 1000, c->title);
		return LOG_LEVEL_ERROR;
	}
	if (c->pid != 0)
		(void)snprintf(who, sizeof(who), ", pid %d", (int)c->pid);
	(void)snprintf(ret, CHILD_TEXT_MAX, "state: %s: %s -> %s after %lld "
	    "ms: %s%s", c->title, child_state_name(c->old),
	    child_state_name(c->now), (long long)c->ms, c->cause, who);
	return c->now == CHILD_BACKOFF || c->now == CHILD_HUNG ||
	    c->now == CHILD_KILLED ? LOG_LEVEL_WARN : LOG_LEVEL_INFO;
}
