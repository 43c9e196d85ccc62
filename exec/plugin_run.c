#include "exec/plugin_run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/mono.h"

#define CHUNK   4096u
#define STEP_MS 20    /* between looks whether it has ended */

struct run {
	pid_t			 pid;
	int			 fds[2];    /* output, errors; -1: closed */
	struct mono		 deadline;
	struct plugin_result	*result;
	bool			 ended;
};

/* --- start ---------------------------------------------------------------- */

NORETURN static void
become(const char *path, char *const *argv, char *const *env, int out,
    int errors, pid_t parent)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || null < 0 ||
	    dup2(null, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(errors, STDERR_FILENO) < 0)
		_exit(126);
	(void)close_range(STDERR_FILENO + 1, ~0u, 0);
	(void)execve(path, argv, env);
	(void)dprintf(STDERR_FILENO, "exec failed: %s\n",
	    strerrordesc_np(errno));
	_exit(127);
}

static int
start(struct run *r, const char *path, char *const *argv, char *const *env,
    struct err *err)
{
	pid_t self = getpid();
	int out[2], errors[2], code;

	if (pipe2(out, O_CLOEXEC) < 0)
		return err_errno(err, errno, "pipe");
	if (pipe2(errors, O_CLOEXEC) < 0) {
		code = errno;
		(void)close(out[0]);
		(void)close(out[1]);
		return err_errno(err, code, "pipe");
	}
	r->pid = fork();
	code = errno;
	if (r->pid == 0)
		become(path, argv, env, out[1], errors[1], self);
	(void)close(out[1]);
	(void)close(errors[1]);
	r->fds[0] = out[0];
	r->fds[1] = errors[0];
	if (r->pid < 0) {
		(void)close(out[0]);
		(void)close(errors[0]);
		return err_errno(err, code, "fork");
	}
	/* Here too: whoever comes first. */
	(void)setpgid(r->pid, r->pid);
	for (int i = 0; i < 2; i++)
		(void)fcntl(r->fds[i], F_SETFL, O_NONBLOCK);
	return 0;
}

/* --- reading -------------------------------------------------------------- */

static void
keep_output(struct plugin_result *result, const char *p, size_t n)
{
	if (result->output.len + n > PLUGIN_RUN_OUTPUT_MAX)
		result->flood = true;
	else
		buf_add(&result->output, p, n);
}

/* Of errors the end counts. */
static void
keep_errors(struct plugin_result *result, const char *p, size_t n)
{
	if (result->errors.len + n > PLUGIN_RUN_ERRORS_MAX)
		buf_drain(&result->errors, MIN(result->errors.len,
		    PLUGIN_RUN_ERRORS_MAX / 2));
	buf_add(&result->errors, p, n);
}

static void
read_from(struct run *r, int i)
{
	char bytes[CHUNK];
	ssize_t n = read(r->fds[i], bytes, sizeof(bytes));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		(void)close(r->fds[i]);
		r->fds[i] = -1;
		return;
	}
	if (i == 0)
		keep_output(r->result, bytes, (size_t)n);
	else
		keep_errors(r->result, bytes, (size_t)n);
	explicit_bzero(bytes, (size_t)n);
}

/* Looks only: the number stays its own, and its group's. */
static bool
has_ended(pid_t pid)
{
	siginfo_t info = { 0 };

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG |
	    WNOWAIT) == 0 && info.si_pid == pid;
}

/* True when something may still come: a pipe that a child of the plugin holds
 * open does not keep us once the plugin itself has ended and it is empty. */
static bool
turn(struct run *r)
{
	struct pollfd p[2] = { { .fd = r->fds[0], .events = POLLIN },
		{ .fd = r->fds[1], .events = POLLIN } };
	int64_t left = mono_diff_ms(r->deadline, mono_now());
	bool more = false;

	if (left <= 0) {
		r->result->late = true;
		return false;
	}
	r->ended = r->ended || has_ended(r->pid);
	if (r->ended)
		left = 0;
	if (poll(p, 2, (int)MIN(left, (int64_t)STEP_MS)) > 0)
		for (int i = 0; i < 2; i++)
			if (p[i].revents != 0) {
				read_from(r, i);
				more = true;
			}
	if (r->result->flood)
		return false;
	return !r->ended || more;
}

int
plugin_run(const char *path, char *const *argv, char *const *env,
    int64_t limit_ms, struct plugin_result *ret, struct err *err)
{
	struct run r = { .result = ret,
		.deadline = mono_add_ms(mono_now(), limit_ms) };

	memset(ret, 0, sizeof(*ret));
	/* At once: growing would leave copies of secrets behind. */
	(void)buf_reserve(&ret->output, PLUGIN_RUN_OUTPUT_MAX);
	if (start(&r, path, argv, env, err) < 0) {
		buf_free(&ret->output);
		return -1;
	}
	while (turn(&r))
		;
	(void)kill(-r.pid, SIGKILL);
	while (waitpid(r.pid, &ret->status, 0) < 0 && errno == EINTR)
		;
	for (int i = 0; i < 2; i++)
		if (r.fds[i] != -1)
			(void)close(r.fds[i]);
	return 0;
}

void
plugin_run_free(struct plugin_result *r)
{
	if (r->output.data != NULL)
		explicit_bzero(r->output.data, r->output.len);
	buf_free(&r->output);
	if (r->errors.data != NULL)
		explicit_bzero(r->errors.data, r->errors.len);
	buf_free(&r->errors);
}
