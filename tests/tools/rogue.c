/*
 * rogue: a child process that behaves as a test wants, to try the supervisor.
 *
 * A test copies it beside a copied sluiced as sluice-<role>. What it does at
 * its start stands in the file $ROGUE/<role>-<instance>, else $ROGUE/<role>,
 * a word and operands a line; without a file it is a good child:
 *
 *	die N          exit status N before anything
 *	crash          abort
 *	silent         never says READY
 *	deaf           does not read its channel after READY (hung)
 *	numb           ignores SIGABRT
 *	stubborn       does not leave when told to stop
 *	orphans N      leaves N double-forked children behind
 *	bus PATH       sends BUS_PATH
 *	slot           asks for a LIST_SLOT; `return`: gives it back at once
 *	check, bindings CLUSTER, resync     sends that message
 *	garbage        sends a message that no child may send
 *	flood WHAT     sends `bus`, `check` or `slot` as fast as it is taken
 *	blocked MS     busy for that long before READY
 *
 * Each start appends "<title> <incarnation> <pid>" to $ROGUE/starts, each
 * message it gets "<title> <name>" to $ROGUE/messages.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/role.h"
#include "common/xmalloc.h"

#define WORDS_MAX 16

struct rogue {
	char	words[WORDS_MAX][80];
	size_t	n;
};

static struct rogue rogue;

static const char *
directory(void)
{
	const char *path = getenv("ROGUE");

	return path != NULL ? path : "/nonexistent";
}

static void PRINTF(2, 3)
note(const char *file, const char *fmt, ...)
{
	char *path = xasprintf("%s/%s", directory(), file), line[256];
	va_list ap;
	int fd, n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (fd != -1) {
		(void)!write(fd, line, (size_t)n);
		(void)close(fd);
	}
	free(path);
}

static void
read_script(const char *name, const char *instance)
{
	char *path = xasprintf("%s/%s-%s", directory(), name, instance);
	FILE *f = fopen(path, "re");

	if (f == NULL) {
		free(path);
		path = xasprintf("%s/%s", directory(), name);
		f = fopen(path, "re");
	}
	free(path);
	if (f == NULL)
		return;
	while (rogue.n < WORDS_MAX && fgets(rogue.words[rogue.n],
	    sizeof(rogue.words[0]), f) != NULL) {
		char *word = rogue.words[rogue.n];

		word[strcspn(word, "\n")] = '\0';
		rogue.n++;
	}
	(void)fclose(f);
}

/* The operand of a word of the script ("" where it has none), or NULL. */
static const char *
script(const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i < rogue.n; i++)
		if (strncmp(rogue.words[i], word, len) == 0 &&
		    (rogue.words[i][len] == ' ' ||
		    rogue.words[i][len] == '\0'))
			return rogue.words[i] + len +
			    (rogue.words[i][len] == ' ');
	return NULL;
}

static int
number(const char *text)
{
	int v = 0;

	for (; *text >= '0' && *text <= '9'; text++)
		v = v * 10 + (*text - '0');
	return v;
}

static void
pause_ms(int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&t, &t) != 0 && errno == EINTR)
		;
}

static void
leave_orphans(int n)
{
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid == 0) {
			(void)setsid();
			if (fork() == 0)
				for (;;)
					pause_ms(100000);
			_exit(0);
		}
		if (pid > 0)
			(void)waitpid(pid, NULL, 0);
	}
}

static void
send_scripted(struct role *role)
{
	struct msg_bindings m = { .version = 7 };
	struct buf b = BUF_EMPTY;
	const char *path = script("bus"), *cluster = script("bindings");

	if (path != NULL)
		role_bus_path(role, path);
	if (script("slot") != NULL) {
		msg_slot_encode(&b, MSG_SLOT_ASK);
		role_send(role, MSG_LIST_SLOT, b.data, b.len, -1);
		buf_reset(&b);
	}
	if (script("check") != NULL) {
		(void)snprintf(m.cluster, sizeof(m.cluster), "%s",
		    role->instance);
		msg_bindings_encode(&b, &m);
		role_send(role, MSG_CHECK_NOW, b.data, b.len, -1);
		buf_reset(&b);
	}
	if (cluster != NULL || script("resync") != NULL) {
		(void)snprintf(m.cluster, sizeof(m.cluster), "%s",
		    cluster != NULL ? cluster : "");
		msg_bindings_encode(&b, &m);
		role_send(role, cluster != NULL ? MSG_BINDINGS_CHANGED
		    : MSG_RESYNC, b.data, b.len, -1);
	}
	if (script("garbage") != NULL)
		(void)send(MSG_CHANNEL_FD, "garbage", 7, MSG_NOSIGNAL);
	buf_free(&b);
}

/* The message of a flood, header and all. */
static void
flood_message(const struct role *role, struct buf *ret)
{
	struct msg_peer peer = { .path = "ipc:///x/flood.sub" };
	struct msg_bindings m = { .version = 7 };
	struct buf b = BUF_EMPTY;
	enum msg_type type = MSG_BUS_PATH;

	if (strcmp(script("flood"), "check") == 0) {
		type = MSG_CHECK_NOW;
		(void)snprintf(m.cluster, sizeof(m.cluster), "%s",
		    role->instance);
		msg_bindings_encode(&b, &m);
	} else if (strcmp(script("flood"), "slot") == 0) {
		type = MSG_LIST_SLOT;
		msg_slot_encode(&b, MSG_SLOT_ASK);
	} else {
		msg_peer_encode(&b, &peer);
	}
	buf_u16(ret, MSG_VERSION);
	buf_u16(ret, (uint16_t)type);
	buf_u32(ret, (uint32_t)b.len);
	buf_add(ret, b.data, b.len);
	buf_free(&b);
}

/* The loop goes on beside it: this child answers its PINGs. */
static void
flood_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct role *role = arg;
	struct buf b = BUF_EMPTY;

	flood_message(role, &b);
	while (send(MSG_CHANNEL_FD, b.data, b.len, MSG_NOSIGNAL) > 0)
		;
	buf_free(&b);
}

static void
begin_flood(struct role *role)
{
	struct timeval tv = { .tv_usec = 1000 };
	struct event *timer = event_new(role->base, -1, EV_PERSIST, flood_cb,
	    role);

	if (timer == NULL || event_add(timer, &tv) != 0)
		fatalx("event_new failed");
	role->state = timer;
}

static int
start(struct role *role, struct err *err)
{
	if (script("refuse") != NULL)
		return err_set(err, "%s", script("refuse"));
	if (script("blocked") != NULL)
		pause_ms(number(script("blocked")));
	if (script("silent") != NULL)
		return 0;
	role_ready(role);
	role_status(role, "good", "as a %s should be", role->name);
	send_scripted(role);
	if (script("flood") != NULL)
		begin_flood(role);
	if (script("deaf") != NULL)
		for (;;)
			pause_ms(100000);
	return 0;
}

static void
stop(struct role *role)
{
	note("messages", "%s STOP\n", role->title);
	if (script("stubborn") == NULL)
		role_exit(role);
}

static void
message(struct role *role, enum msg_type type, const void *payload, size_t n,
    int fd)
{
	struct msg_peer peer;
	struct buf b = BUF_EMPTY;

	if ((type == MSG_PEER_UP || type == MSG_PEER_DOWN) &&
	    msg_peer_decode(payload, n, &peer) == 0)
		note("messages", "%s %s %s/%s %s\n", role->title,
		    msg_name(type), peer.role, peer.instance, peer.path);
	else
		note("messages", "%s %s\n", role->title, msg_name(type));
	if (type == MSG_LIST_SLOT && script("return") != NULL) {
		msg_slot_encode(&b, MSG_SLOT_RETURN);
		role_send(role, MSG_LIST_SLOT, b.data, b.len, -1);
		buf_free(&b);
	}
	if (fd != -1)
		(void)close(fd);
}

static void
finish(struct role *role)
{
	if (role->state != NULL)
		event_free(role->state);
}

/* The file descriptors a child may have at its start: 0, 1, 2, 3. */
static void
note_descriptors(const char *title)
{
	char text[100] = "";

	for (int fd = 0; fd < 256; fd++)
		if (fcntl(fd, F_GETFD) != -1)
			(void)snprintf(text + strlen(text),
			    sizeof(text) - strlen(text), " %d", fd);
	note("descriptors", "%s%s\n", title, text);
}

int
main(int argc, char **argv)
{
	static const struct role_ops ops = { .start = start, .stop = stop,
		.message = message, .finish = finish };
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	const char *base = strrchr(argv[0], '/');
	const char *name = (base != NULL ? base + 1 : argv[0]) +
	    strlen("sluice-");

	if (argc == 3) {
		read_script(name, argv[1]);
		note("starts", "%s/%s %s %d\n", name, argv[1], argv[2],
		    (int)getpid());
		note_descriptors(name);
	}
	if (script("orphans") != NULL)
		leave_orphans(number(script("orphans")));
	if (script("die") != NULL)
		_exit(number(script("die")));
	if (script("crash") != NULL)
		abort();
	if (script("numb") != NULL)
		(void)sigaction(SIGABRT, &ignore, NULL);
	return role_main(name, argc, argv, &ops);
}
