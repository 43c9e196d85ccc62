/*
 * bench_broker: 8 publishers to 3 readers through the broker and its journal,
 * events of 1 KiB, one reader stopped for three seconds meanwhile; against a
 * bare nanomsg hub (PUSH to PULL to PUB, no journal, no sequence, no answer)
 * in the same run.
 *
 *	bench_broker [--short] [JSON FILE]
 *
 * Fails only when an event was lost or repeated; figures are a report.
 * broker_host, bus_pub, bus_sub and sluice-broker are those of the build this
 * program stands in.
 */
#include <errno.h>
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
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/macros.h"
#include "common/mono.h"
#include "common/xmalloc.h"

#define PUBLISHERS  8
#define READERS     3
#define EVENT_BYTES 1024
#define EVENTS      1000000u   /* of all publishers together */
#define EVENTS_SHORT 200000u
#define LIMIT_MS    120000

struct program {
	pid_t	 pid;
	FILE	*in;      /* to it */
	FILE	*out;     /* from it */
	char	 line[512];
};

static char	 directory[32];
static char	 build[512];

NORETURN static void
die(const char *what)
{
	fprintf(stderr, "bench_broker: %s (files are in %s)\n", what,
	    directory);
	exit(1);
}

/* --- programs that are talked to in lines --------------------------------- */

static void
program_start(struct program *p, const char *name, const char *const *args)
{
	char *path = xasprintf("%s/%s", build, name);
	char *log = xasprintf("%s/log", directory);
	char *const *argv;
	int in[2], out[2], fd;

	/* execv() only reads; its declaration is older than const. */
	memcpy(&argv, &args, sizeof(argv));
	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		die("pipe");
	p->pid = fork();
	if (p->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
		    0600);
		(void)dup2(in[0], STDIN_FILENO);
		(void)dup2(out[1], STDOUT_FILENO);
		(void)dup2(fd, STDERR_FILENO);
		execv(path, argv);
		_exit(127);
	}
	(void)close(in[0]);
	(void)close(out[1]);
	p->in = fdopen(in[1], "w");
	p->out = fdopen(out[0], "r");
	free(path);
	free(log);
}

/* Reads lines until one begins with `word`; what follows it. */
static const char *
program_wait(struct program *p, const char *word)
{
	size_t n = strlen(word);

	while (fgets(p->line, sizeof(p->line), p->out) != NULL) {
		p->line[strcspn(p->line, "\n")] = '\0';
		if (strncmp(p->line, word, n) == 0)
			return p->line + n;
	}
	die(word);
}

static void
program_end(struct program *p)
{
	(void)kill(p->pid, SIGKILL);
	(void)waitpid(p->pid, NULL, 0);
	(void)fclose(p->in);
	(void)fclose(p->out);
}

/* --- facts --------------------------------------------------------------- */

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

static uint64_t
field(const char *line, const char *name)
{
	const char *at = strstr(line, name);

	return at != NULL ? strtoull(at + strlen(name), NULL, 10) : 0;
}

/* --- ours ---------------------------------------------------------------- */

struct figures {
	double		per_s;
	double		cpu_us;       /* of the broker or hub, per event */
	uint64_t	lost;
	uint64_t	errors;
};

static void
start_readers(struct program *host, struct program *readers, char *bus,
    char *journal)
{
	for (int i = 0; i < READERS; i++) {
		char name[8], number[8];
		const char *args[] = { "bus_sub", bus, journal, name, number,
			NULL };

		(void)snprintf(name, sizeof(name), "g%d", i);
		(void)snprintf(number, sizeof(number), "%d", i + 1);
		program_start(&readers[i], "tools/bus_sub", args);
		fprintf(host->in, "peer %s %s %s\n", name, number,
		    program_wait(&readers[i], "path "));
		(void)fflush(host->in);
		(void)program_wait(&readers[i], "at ");
	}
}

static void
start_publishers(struct program *publishers, char *bus, uint64_t events)
{
	char count[24], size[24];

	(void)snprintf(count, sizeof(count), "%" PRIu64,
	    events / PUBLISHERS);
	(void)snprintf(size, sizeof(size), "%d", EVENT_BYTES);
	for (int i = 0; i < PUBLISHERS; i++) {
		char name[16], key[16];
		const char *args[] = { "bus_pub", "-n", count, "-s", size, "-k",
			key, bus, name, "1", NULL };

		(void)snprintf(name, sizeof(name), "watcher/p%d", i);
		(void)snprintf(key, sizeof(key), "job:p%d", i);
		program_start(&publishers[i], "tools/bus_pub", args);
	}
}

/* Stops a reader a moment after the start, for `ms`. */
static pid_t
stop_later(pid_t reader, int64_t ms)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)poll(NULL, 0, 300);
		(void)kill(reader, SIGSTOP);
		(void)poll(NULL, 0, (int)ms);
		(void)kill(reader, SIGCONT);
		_exit(0);
	}
	return pid;
}

static void
check_reader(struct program *reader, uint64_t events, struct figures *f)
{
	struct mono limit = mono_add_ms(mono_now(), LIMIT_MS);
	uint64_t items = 0, before = 0;
	const char *line;
	int quiet = 0;

	/* A reader that no longer moves for 3 s has what it will get. */
	while (items < events && quiet < 15 &&
	    mono_before(mono_now(), limit)) {
		line = program_wait(reader, "at ");
		items = field(line, "items=");
		quiet = items == before ? quiet + 1 : 0;
		before = items;
		if (items >= events || quiet == 15)
			f->errors += field(line, "errors=") +
			    field(line, "gaps=");
	}
	f->lost += items < events ? events - items : 0;
	f->errors += items > events ? items - events : 0;
}

static struct figures
run_broker(uint64_t events, int64_t stop_ms)
{
	char *state = xasprintf("%s/s", directory);
	char *run = xasprintf("%s/r", directory);
	char *bus = xasprintf("%s/r/bus", directory);
	char *journal = xasprintf("%s/s/journal", directory);
	char *broker = xasprintf("%s/sluice-broker", build);
	const char *args[] = { "broker_host", broker, state, run,
		"size=2147483648", NULL };
	struct program host, readers[READERS], publishers[PUBLISHERS];
	struct figures f = { 0 };
	struct mono begin;
	pid_t pid, stopper;
	double cpu;

	if (mkdir(state, 0700) < 0 || mkdir(run, 0700) < 0 ||
	    mkdir(bus, 0700) < 0 || mkdir(journal, 0700) < 0)
		die("mkdir");
	program_start(&host, "tools/broker_host", args);
	fprintf(host.in, "start\n");
	(void)fflush(host.in);
	pid = (pid_t)strtol(program_wait(&host, "started "), NULL, 10);
	(void)program_wait(&host, "ready");
	start_readers(&host, readers, bus, journal);
	cpu = cpu_ms(pid);
	begin = mono_now();
	start_publishers(publishers, bus, events);
	stopper = stop_later(readers[0].pid, stop_ms);
	for (int i = 0; i < PUBLISHERS; i++)
		(void)program_wait(&publishers[i], "done ");
	f.per_s = (double)events * 1000 /
	    (double)MAX(mono_diff_ms(mono_now(), begin), 1);
	f.cpu_us = (cpu_ms(pid) - cpu) * 1000 / (double)events;
	(void)waitpid(stopper, NULL, 0);
	for (int i = 0; i < READERS; i++)
		check_reader(&readers[i], events, &f);
	for (int i = 0; i < PUBLISHERS; i++)
		program_end(&publishers[i]);
	for (int i = 0; i < READERS; i++)
		program_end(&readers[i]);
	fprintf(host.in, "stop\n");
	(void)fflush(host.in);
	(void)program_wait(&host, "exit ");
	program_end(&host);
	free(state);
	free(run);
	free(bus);
	free(journal);
	free(broker);
	return f;
}

/* --- the peer: a bare hub -------------------------------------------------- */

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

/* --- report -------------------------------------------------------------- */

static void
write_json(const char *path, const struct figures *ours,
    const struct figures *peer)
{
	struct utsname u;
	FILE *f = fopen(path, "we");

	if (f == NULL)
		die("cannot write the JSON file");
	(void)uname(&u);
	fprintf(f, "{\"figures\":["
	    "{\"name\":\"broker, 8 publishers to 3 readers, 1 KiB\","
	    "\"value\":%.0f,\"unit\":\"events/s\",\"peer\":%.0f,"
	    "\"ratio\":%.2f,\"aim\":50000},"
	    "{\"name\":\"broker CPU per event\",\"value\":%.2f,"
	    "\"unit\":\"us\",\"peer\":%.2f,\"ratio\":%.2f,\"aim\":10},"
	    "{\"name\":\"events lost or repeated\",\"value\":%" PRIu64
	    ",\"unit\":\"events\",\"peer\":%" PRIu64 ",\"ratio\":null,"
	    "\"aim\":0}],"
	    "\"machine\":{\"cores\":%ld,\"kernel\":\"%s\",\"arch\":\"%s\"}}\n",
	    ours->per_s, peer->per_s, ours->per_s / peer->per_s, ours->cpu_us,
	    peer->cpu_us, ours->cpu_us / MAX(peer->cpu_us, 0.01),
	    ours->lost + ours->errors, peer->lost,
	    sysconf(_SC_NPROCESSORS_ONLN), u.release, u.machine);
	if (fclose(f) != 0)
		die("cannot write the JSON file");
}

static void
print(const char *name, const struct figures *f)
{
	printf("%-28s %8.0f events/s  %6.2f us CPU per event  %" PRIu64
	    " lost  %" PRIu64 " errors\n", name, f->per_s, f->cpu_us, f->lost,
	    f->errors);
}

/* The directory this program stands in is BUILD/bench. */
static void
find_build(void)
{
	ssize_t n = readlink("/proc/self/exe", build, sizeof(build) - 1);
	char *slash;

	if (n < 0)
		die("readlink");
	build[n] = '\0';
	for (int i = 0; i < 2; i++) {
		slash = strrchr(build, '/');
		if (slash == NULL)
			die("path");
		*slash = '\0';
	}
}

static void
clean_up(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		execlp("rm", "rm", "-rf", "--", directory, (char *)NULL);
		_exit(127);
	}
	(void)waitpid(pid, NULL, 0);
}

int
main(int argc, char **argv)
{
	bool brief = argc > 1 && strcmp(argv[1], "--short") == 0;
	uint64_t events = brief ? EVENTS_SHORT : EVENTS;
	const char *json = argc > 1 + (int)brief ? argv[1 + (int)brief] : NULL;
	struct figures ours, peer;
	char *path;

	find_build();
	(void)snprintf(directory, sizeof(directory), "/tmp/sl-XXXXXX");
	if (mkdtemp(directory) == NULL)
		die("mkdtemp");
	ours = run_broker(events, brief ? 1000 : 3000);
	print("sluice broker with journal", &ours);
	if (!brief) {
		peer = run_hub(events);
		print("bare nanomsg hub", &peer);
		path = json != NULL ? xstrdup(json) :
		    xasprintf("%s/bench/broker.json", build);
		write_json(path, &ours, &peer);
		printf("wrote %s\n", path);
		free(path);
	}
	clean_up();
	return ours.lost == 0 && ours.errors == 0 ? 0 : 1;
}
