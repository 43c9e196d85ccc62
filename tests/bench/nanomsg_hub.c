/*
 * nanomsg_hub: what bench_broker.py measures the broker against: a bare hub of
 * the same library (PUSH to PULL to PUB, no journal, no sequence, no answer),
 * 8 publishers and 3 readers, events of 1 KiB.
 *
 *	nanomsg_hub DIRECTORY EVENTS
 *
 * The sockets are made in DIRECTORY, which the caller removes. Prints one
 * line: "events_per_s=N cpu_us=N lost=N", cpu_us being the hub's own per
 * event. Every process dies with this one.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <nanomsg/nn.h>
#include <nanomsg/pipeline.h>
#include <nanomsg/pubsub.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/macros.h"
#include "common/mono.h"
#include "common/xmalloc.h"

#define PUBLISHERS  8
#define READERS     3
#define EVENT_BYTES 1024

struct figures {
	double		per_s;
	double		cpu_us;       /* of the hub, per event */
	uint64_t	lost;
};

static const char	*directory;

NORETURN static void
die(const char *what)
{
	fprintf(stderr, "nanomsg_hub: %s\n", what);
	exit(1);
}

/* User and system time of a process, ms. */
static double
cpu_ms(pid_t pid)
{
	unsigned long user = 0, kernel = 0;
	char path[64], text[1024];
	const char *at;
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, f);
	(void)fclose(f);
	text[n] = '\0';
	at = strrchr(text, ')');
	if (at == NULL || sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u"
	    " %*u %*u %lu %lu", &user, &kernel) != 2)
		return 0;
	return (double)(user + kernel) * 1000 /
	    (double)sysconf(_SC_CLK_TCK);
}

static char *
address(const char *leaf, int i)
{
	return xasprintf("ipc://%s/%s%d", directory, leaf, i);
}

static pid_t
child(void)
{
	pid_t pid = fork();

	if (pid == 0)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

NORETURN static void
hub(void)
{
	int pull = nn_socket(AF_SP, NN_PULL), pub = nn_socket(AF_SP, NN_PUB);
	int size = 4 << 20;

	(void)nn_setsockopt(pub, NN_SOL_SOCKET, NN_SNDBUF, &size,
	    sizeof(size));
	(void)nn_bind(pull, address("pull", 0));
	for (int i = 0; i < READERS; i++)
		(void)nn_connect(pub, address("sub", i));
	for (;;) {
		void *p = NULL;

		if (nn_recv(pull, &p, NN_MSG, 0) < 0 ||
		    nn_send(pub, &p, NN_MSG, 0) < 0)
			_exit(1);
	}
}

/* Counts until nothing comes for a second; the count goes up the pipe. */
NORETURN static void
hub_reader(int i, int up)
{
	int s = nn_socket(AF_SP, NN_SUB), quiet = 1000;
	uint64_t n = 0;
	void *p;

	(void)nn_setsockopt(s, NN_SUB, NN_SUB_SUBSCRIBE, "", 0);
	(void)nn_bind(s, address("sub", i));
	p = NULL;
	if (nn_recv(s, &p, NN_MSG, 0) < 0)
		_exit(1);
	(void)nn_setsockopt(s, NN_SOL_SOCKET, NN_RCVTIMEO, &quiet,
	    sizeof(quiet));
	do {
		n++;
		(void)nn_freemsg(p);
		p = NULL;
	} while (nn_recv(s, &p, NN_MSG, 0) >= 0);
	(void)!write(up, &n, sizeof(n));
	_exit(0);
}

NORETURN static void
hub_publisher(uint64_t count)
{
	int s = nn_socket(AF_SP, NN_PUSH);
	char event[EVENT_BYTES];

	memset(event, 'x', sizeof(event));
	(void)nn_connect(s, address("pull", 0));
	for (uint64_t i = 0; i < count; i++) {
		if (nn_send(s, event, sizeof(event), 0) < 0)
			_exit(1);
	}
	_exit(0);
}

static struct figures
run_hub(uint64_t events)
{
	pid_t hub_pid, readers[READERS], publishers[PUBLISHERS];
	struct figures f = { 0 };
	struct mono begin;
	uint64_t n;
	double cpu;
	int up[2];

	if (pipe2(up, O_CLOEXEC) < 0)
		die("pipe");
	for (int i = 0; i < READERS; i++) {
		readers[i] = child();
		if (readers[i] == 0)
			hub_reader(i, up[1]);
	}
	hub_pid = child();
	if (hub_pid == 0)
		hub();
	(void)poll(NULL, 0, 500);
	cpu = cpu_ms(hub_pid);
	begin = mono_now();
	for (int i = 0; i < PUBLISHERS; i++) {
		publishers[i] = child();
		if (publishers[i] == 0)
			hub_publisher(events / PUBLISHERS);
	}
	for (int i = 0; i < PUBLISHERS; i++)
		(void)waitpid(publishers[i], NULL, 0);
	f.per_s = (double)events * 1000 /
	    (double)MAX(mono_diff_ms(mono_now(), begin), 1);
	f.cpu_us = (cpu_ms(hub_pid) - cpu) * 1000 / (double)events;
	for (int i = 0; i < READERS; i++) {
		if (read(up[0], &n, sizeof(n)) != (ssize_t)sizeof(n))
			die("hub reader");
		f.lost += n < events ? events - n : 0;
	}
	for (int i = 0; i < READERS; i++)
		(void)waitpid(readers[i], NULL, 0);
	(void)kill(hub_pid, SIGKILL);
	(void)waitpid(hub_pid, NULL, 0);
	(void)close(up[0]);
	(void)close(up[1]);
	return f;
}

int
main(int argc, char **argv)
{
	struct figures f;
	uint64_t events;

	if (argc != 3 || (events = strtoull(argv[2], NULL, 10)) == 0)
		die("usage: nanomsg_hub DIRECTORY EVENTS");
	directory = argv[1];
	f = run_hub(events);
	printf("events_per_s=%.0f cpu_us=%.2f lost=%" PRIu64 "\n", f.per_s,
	    f.cpu_us, f.lost);
	return 0;
}
