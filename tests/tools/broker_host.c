/*
 * broker_host: the supervisor's side of one broker, for tests that drive the
 * broker alone: starts it with fd 3, hands it a configuration, tells it of
 * readers, pings it, and does to it what a test asks for.
 *
 *	broker_host BROKER STATE_DIRECTORY RUNTIME_DIRECTORY [key=value ...]
 *
 * keys: size segment retain_ms sync(always|never|ms) max_streams window_ms
 * keys fsize (RLIMIT_FSIZE of the broker) syncs (1: count). Commands on stdin:
 * "start", "peer NAME INCARNATION PATH", "unpeer NAME INCARNATION", "kill
 * SIGNAL", "stop", "ping", "syncs", "quit". Answers on stdout: "started PID",
 * "ready", "pong BUSY", "status STATE TEXT", "segment FIRST PATH", "syncs N",
 * "exit STATUS".
 *
 * Syncs are counted by the kernel: a seccomp filter tells this process of every
 * call by which the broker asks for something to reach the disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/conf.h"
#include "common/macros.h"
#include "common/sealed.h"
#include "common/xmalloc.h"

#define PEERS_MAX 320   /* more than a broker takes */

struct host {
	struct event_base	*base;
	struct channel		*channel;
	struct conf		 conf;
	const char		*broker;
	uint64_t		 fsize;
	uint64_t		 syncs;
	struct event		*synced;
	uint64_t		 incarnation;
	pid_t			 pid;
	struct msg_peer		 peers[PEERS_MAX];
	size_t			 n_peers;
	char			 line[4096];
	size_t			 line_n;
};

/* --- counting syncs ------------------------------------------------------- */

static void
host_synced_cb(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct host *h = arg;
	struct seccomp_notif call = { 0 };
	struct seccomp_notif_resp go = { 0 };

	if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0)
		return;   /* the caller was killed */
	h->syncs++;
	go.id = call.id;
	go.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	(void)ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &go);
}

/* What is started from here on is counted. */
static void
count_syncs(struct host *h)
{
#define TOLD(call)							\
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (call), 0, 1),		\
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF)
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		TOLD(SYS_fdatasync),
		TOLD(SYS_fsync),
		TOLD(SYS_sync_file_range),
		TOLD(SYS_syncfs),
		TOLD(SYS_sync),
		TOLD(SYS_msync),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { NELEM(filter), filter };
	int fd;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		exit(8);
	fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	    SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	if (fd < 0) {
		perror("broker_host: seccomp");
		exit(8);
	}
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	h->synced = event_new(h->base, fd, EV_READ | EV_PERSIST,
	    host_synced_cb, h);
	(void)event_add(h->synced, NULL);
}

static void
say_syncs(const struct host *h)
{
	printf("syncs %" PRIu64 "\n", h->syncs);
	(void)fflush(stdout);
}

/* --- the broker ----------------------------------------------------------- */

static void
say_exit(struct host *h)
{
	int status;

	channel_free(h->channel);
	h->channel = NULL;
	if (waitpid(h->pid, &status, 0) == h->pid)
		printf("exit %d\n", WIFSIGNALED(status) ?
		    -WTERMSIG(status) : WEXITSTATUS(status));
	h->pid = 0;
}

static void
host_message_cb(struct channel *c UNUSED, enum msg_type type,
    const void *payload, size_t n, int fd, const struct err *err UNUSED,
    void *arg)
{
	struct host *h = arg;
	struct msg_status status;
	struct msg_pong pong;
	uint64_t first;

	if (type == MSG_TYPE_MAX)
		say_exit(h);
	else if (type == MSG_READY)
		printf("ready\n");
	else if (type == MSG_PONG && msg_pong_decode(payload, n, &pong) == 0)
		printf("pong %s\n", pong.busy);
	else if (type == MSG_STATUS &&
	    msg_status_decode(payload, n, &status) == 0)
		printf("status %s %s\n", status.state, status.text);
	else if (type == MSG_SEGMENT &&
	    msg_segment_decode(payload, n, &first) == 0)
		printf("segment %" PRIu64 " /proc/%d/fd/%d\n", first,
		    (int)getpid(), fd);
	(void)fflush(stdout);
}

static int
conf_memfd(const struct conf *conf)
{
	struct buf b = BUF_EMPTY;
	int fd = sealed_new("conf", NULL);

	conf_encode(&b, conf, "broker", "-");
	if (fd < 0 || sealed_write(fd, b.data, b.len, NULL) < 0)
		exit(5);
	buf_free(&b);
	return fd;
}

static void
send_peer(struct host *h, enum msg_type type, const struct msg_peer *peer)
{
	struct buf b = BUF_EMPTY;

	if (h->channel == NULL)
		return;
	msg_peer_encode(&b, peer);
	(void)channel_send(h->channel, type, b.data, b.len, -1, NULL);
	buf_free(&b);
}

static void
child(struct host *h, int fd)
{
	const struct rlimit core = { 0, 0 };
	struct rlimit fsize = { h->fsize, h->fsize };
	char incarnation[32];

	(void)snprintf(incarnation, sizeof(incarnation), "%" PRIu64,
	    h->incarnation);
	(void)setrlimit(RLIMIT_CORE, &core);
	if (h->fsize != 0)
		(void)setrlimit(RLIMIT_FSIZE, &fsize);
	if (dup2(fd, MSG_CHANNEL_FD) < 0)
		_exit(6);
	if (fd == MSG_CHANNEL_FD)
		(void)fcntl(fd, F_SETFD, 0);
	execl(h->broker, "sluice-broker", "-", incarnation, (char *)NULL);
	_exit(7);
}

static void
start(struct host *h)
{
	struct err err;
	int fds[2], fd;

	if (channel_pair(fds, &err) < 0)
		exit(5);
	h->incarnation++;
	h->pid = fork();
	if (h->pid == 0)
		child(h, fds[1]);
	(void)close(fds[1]);
	h->channel = channel_new(h->base, fds[0], MSG_FROM_CHILD,
	    host_message_cb, h);
	fd = conf_memfd(&h->conf);
	(void)channel_send(h->channel, MSG_CONFIG, NULL, 0, fd, NULL);
	(void)close(fd);
	for (size_t i = 0; i < h->n_peers; i++)
		send_peer(h, MSG_PEER_UP, &h->peers[i]);
	printf("started %d\n", (int)h->pid);
	(void)fflush(stdout);
}

static void
peer(struct host *h, char *args, bool up)
{
	struct msg_peer p = { .role = "gateway" };
	char path[sizeof(p.path)] = "";

	if (sscanf(args, "%63s %20" SCNu64 " %107s", p.instance,
	    &p.incarnation, path) < 2)
		return;
	memcpy(p.path, path, sizeof(path));
	for (size_t i = 0; i < h->n_peers; i++) {
		if (strcmp(h->peers[i].instance, p.instance) == 0)
			h->peers[i] = h->peers[--h->n_peers];
	}
	if (up && h->n_peers < PEERS_MAX)
		h->peers[h->n_peers++] = p;
	send_peer(h, up ? MSG_PEER_UP : MSG_PEER_DOWN, &p);
}

static void
command(struct host *h, char *line)
{
	if (strcmp(line, "start") == 0 && h->pid == 0)
		start(h);
	else if (strncmp(line, "peer ", 5) == 0)
		peer(h, line + 5, true);
	else if (strncmp(line, "unpeer ", 7) == 0)
		peer(h, line + 7, false);
	else if (strncmp(line, "kill ", 5) == 0 && h->pid > 0)
		(void)kill(h->pid, (int)strtol(line + 5, NULL, 10));
	else if (strcmp(line, "stop") == 0 && h->channel != NULL)
		(void)channel_send(h->channel, MSG_STOP, NULL, 0, -1, NULL);
	else if (strcmp(line, "ping") == 0 && h->channel != NULL)
		(void)channel_send(h->channel, MSG_PING, NULL, 0, -1, NULL);
	else if (strcmp(line, "syncs") == 0)
		say_syncs(h);
	else if (strcmp(line, "quit") == 0)
		(void)event_base_loopbreak(h->base);
}

static void
host_input_cb(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct host *h = arg;
	ssize_t n = read(fd, h->line + h->line_n,
	    sizeof(h->line) - 1 - h->line_n);
	char *end;

	if (n <= 0) {
		(void)event_base_loopbreak(h->base);
		return;
	}
	h->line_n += (size_t)n;
	h->line[h->line_n] = '\0';
	while ((end = strchr(h->line, '\n')) != NULL) {
		*end = '\0';
		command(h, h->line);
		h->line_n -= (size_t)(end + 1 - h->line);
		memmove(h->line, end + 1, h->line_n + 1);
	}
}

static void
set(struct host *h, const char *key, const char *value)
{
	uint64_t n = strtoull(value, NULL, 10);

	if (strcmp(key, "size") == 0)
		h->conf.journal.size = n;
	else if (strcmp(key, "segment") == 0)
		h->conf.journal.segment = n;
	else if (strcmp(key, "retain_ms") == 0)
		h->conf.journal.retain_ms = (int64_t)n;
	else if (strcmp(key, "max_streams") == 0)
		h->conf.journal.max_streams = (uint32_t)n;
	else if (strcmp(key, "window_ms") == 0)
		h->conf.journal.idempotency_window_ms = (int64_t)n;
	else if (strcmp(key, "keys") == 0)
		h->conf.journal.idempotency_keys = (uint32_t)n;
	else if (strcmp(key, "fsize") == 0)
		h->fsize = n;
	else if (strcmp(key, "syncs") == 0)
		count_syncs(h);
	else if (strcmp(key, "sync") == 0 && strcmp(value, "always") == 0)
		h->conf.journal.sync = CONF_SYNC_ALWAYS;
	else if (strcmp(key, "sync") == 0 && strcmp(value, "never") == 0)
		h->conf.journal.sync = CONF_SYNC_NEVER;
	else if (strcmp(key, "sync") == 0)
		h->conf.journal.sync_ms = (int64_t)n;
	else
		exit(2);
}

int
main(int argc, char **argv)
{
	static struct host h;
	struct event *input;
	char *value;

	if (argc < 4)
		return 2;
	conf_init(&h.conf);
	h.broker = argv[1];
	free(h.conf.state_directory);
	h.conf.state_directory = xstrdup(argv[2]);
	free(h.conf.runtime_directory);
	h.conf.runtime_directory = xstrdup(argv[3]);
	h.base = event_base_new();
	for (int i = 4; i < argc; i++) {
		value = strchr(argv[i], '=');
		if (value == NULL)
			return 2;
		*value++ = '\0';
		set(&h, argv[i], value);
	}
	input = event_new(h.base, STDIN_FILENO, EV_READ | EV_PERSIST,
	    host_input_cb, &h);
	(void)event_add(input, NULL);
	(void)event_base_dispatch(h.base);
	if (h.pid > 0) {
		(void)kill(h.pid, SIGKILL);
		say_exit(&h);
	}
	event_free(input);
	if (h.synced != NULL) {
		(void)close(event_get_fd(h.synced));
		event_free(h.synced);
	}
	event_base_free(h.base);
	conf_free(&h.conf);
	return 0;
}
