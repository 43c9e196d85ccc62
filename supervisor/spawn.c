#include "supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/macros.h"
#include "common/xmalloc.h"

/*
 * What only the environment can tell a role's libraries. Each thread's cache of
 * freed pieces (seven of each size) holds pages of the heap, which can then not
 * be given back; a heap of its own for nanomsg's thread likewise: together they
 * let a watcher grow by an eighth in a million objects. GnuTLS comes with
 * libraries of libcurl's that a watcher never calls, and would still start.
 */
static char sparing_malloc[] = "GLIBC_TUNABLES="
    "glibc.malloc.tcache_count=0:glibc.malloc.arena_max=1";
static char idle_gnutls[] = "GNUTLS_NO_IMPLICIT_INIT=1";

static const struct {
	const char	*role;
	const char	*name;
	char		*setting;
} settings[] = {
	{ "watcher", "GLIBC_TUNABLES", sparing_malloc },
	{ "watcher", "GNUTLS_NO_IMPLICIT_INIT", idle_gnutls },
};

/* Ours with them; what the operator has set stays. Only the array is the
 * caller's. */
static char **
environment_of(const char *role)
{
	size_t n = 0, i;
	char **env;

	while (environ[n] != NULL)
		n++;
	env = xcalloc(n + NELEM(settings) + 1, sizeof(*env));
	if (n > 0)
		memcpy(env, environ, n * sizeof(*env));
	for (i = 0; i < NELEM(settings); i++)
		if (strcmp(settings[i].role, role) == 0 &&
		    getenv(settings[i].name) == NULL)
			env[n++] = settings[i].setting;
	return env;
}

/* Everything from here to exec is async-signal-safe. */

static void
default_signals(void)
{
	struct sigaction sa;
	sigset_t none;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = SIG_DFL;
	(void)sigemptyset(&sa.sa_mask);
	for (int i = 1; i < NSIG; i++)
		(void)sigaction(i, &sa, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

NORETURN static void
become(char *const *argv, char *const *env, const char *binary, int channel,
    pid_t supervisor)
{
	static const char text[] = ": exec failed\n";
	int null;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != supervisor)
		_exit(1);
	null = open("/dev/null", O_RDONLY);
	if (null != -1 && null != STDIN_FILENO)
		(void)dup2(null, STDIN_FILENO);
	if (channel == MSG_CHANNEL_FD)
		(void)fcntl(channel, F_SETFD, 0);
	else if (dup2(channel, MSG_CHANNEL_FD) == -1)
		_exit(1);
	(void)close_range(MSG_CHANNEL_FD + 1, ~0u, 0);
	default_signals();
	(void)execve(binary, argv, env);
	(void)!write(STDERR_FILENO, binary, strlen(binary));
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(127);
}

/* Signals stay blocked over the fork, so that none of our handlers runs in
 * the child. */
static pid_t
fork_blocked(char *const *argv, char *const *env, const char *binary,
    int channel)
{
	pid_t self = getpid(), pid;
	sigset_t all, old;
	int code;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (pid == 0)
		become(argv, env, binary, channel, self);
	code = errno;
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	errno = code;
	return pid;
}

int
spawn_process(const char *role, const char *instance, const char *binary,
    uint64_t incarnation, struct spawned *ret, struct err *err)
{
	char name[32], number[24], *place, **env;
	char *argv[4] = { name, NULL, number, NULL };
	struct spawned s;
	int pair[2], code;

	if (channel_pair(pair, err) != 0)
		return -1;
	(void)snprintf(name, sizeof(name), "sluice-%s", role);
	(void)snprintf(number, sizeof(number), "%" PRIu64, incarnation);
	place = xstrdup(instance);
	argv[1] = place;
	env = environment_of(role);
	s.pid = fork_blocked(argv, env, binary, pair[1]);
	code = errno;
	free(env);
	free(place);
	(void)close(pair[1]);
	if (s.pid == -1) {
		(void)close(pair[0]);
		return err_errno(err, code, "fork");
	}
	/* Not reaped yet, so the pid is its own. */
	s.pidfd = pidfd_open(s.pid, 0);
	if (s.pidfd == -1) {
		code = errno;
		(void)kill(s.pid, SIGKILL);
		(void)close(pair[0]);
		return err_errno(err, code, "pidfd_open");
	}
	(void)fcntl(s.pidfd, F_SETFD, FD_CLOEXEC);
	s.channel_fd = pair[0];
	*ret = s;
	return 0;
}

int
spawn_helper(char *const *argv, const char *binary, int fd, pid_t *ret_pid,
    struct err *err)
{
	pid_t pid = fork_blocked(argv, environ, binary, fd);

	if (pid == -1)
		return err_errno(err, errno, "fork");
	*ret_pid = pid;
	return 0;
}

size_t
spawn_children(pid_t *pids, size_t max)
{
	FILE *f = fopen("/proc/thread-self/children", "re");
	size_t n = 0;
	int pid;

	if (f == NULL)
		return 0;
	while (n < max && fscanf(f, "%d", &pid) == 1)
		pids[n++] = pid;
	(void)fclose(f);
	return n;
}
