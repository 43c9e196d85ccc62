/*
 * health_driver: stands in for supervisor and broker around one sluice-health,
 * so that its behaviour can be tested alone and every event be seen.
 *
 *	health_driver SLUICE_HEALTH CONFIG
 *
 * Prints one line per thing: "pid N", "ready", "status STATE TEXT", "event
 * {StreamEvent with id, plus \"batch\"}", "exit STATUS". Reads commands from
 * standard input: "check ID", "watcher ID STATE", "reload CONFIG", "stop". End
 * of input = stop.
 */
#include <err.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/bus.h"
#include "common/channel.h"
#include "common/conf.h"
#include "common/publisher.h"
#include "common/sealed.h"

struct driver {
	struct event_base	*base;
	struct channel		*channel;
	pid_t			 pid;
	int			 rep;
	struct event		*requests;
	uint64_t		 position;
	struct buf		 input;
};

/* --- the broker's part ---------------------------------------------------- */
static void
print_item(struct driver *d, const struct item *item, uint64_t batch)
{
	d->position++;
	(void)printf("event {\"id\":\"00000001-%llu\",\"batch\":%llu,"
	    "\"group\":%u,%.*s\n", (unsigned long long)d->position,
	    (unsigned long long)batch, item->group, (int)item->frame.n,
	    item->frame.p);
}

static void
answer(struct driver *d, struct bus_message *m)
{
	struct rd r = rd_init(m->bytes, m->n);
	struct buf b = BUF_EMPTY;
	struct item item;
	struct err e;
	uint8_t op = rd_u8(&r);
	uint64_t batch, first = d->position + 1;
	uint32_t n = 0;

	(void)rd_str16(&r);
	(void)rd_u64(&r);
	batch = rd_u64(&r);
	if (op == PUBLISH_OP_EVENTS) {
		n = rd_u32(&r);
		for (uint32_t i = 0; i < n; i++) {
			if (item_decode(&r, &item, false) < 0)
				errx(1, "malformed item %u", i);
			print_item(d, &item, batch);
		}
	}
	if (!rd_done(&r))
		errx(1, "malformed request, op %u", op);
	buf_u8(&b, PUBLISH_OK);
	buf_u64(&b, batch);
	buf_u32(&b, 1);
	buf_u64(&b, op == PUBLISH_OP_EVENTS ? first : d->position);
	buf_u64(&b, n);
	buf_u32(&b, 0);
	if (bus_reply(d->rep, m, b.data, b.len, &e) < 0)
		errx(1, "reply: %s", e.text);
	buf_free(&b);
}

static void
driver_request_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct driver *d = arg;
	struct bus_message m;
	struct err e;
	int rc;

	while ((rc = bus_receive(d->rep, &m, &e)) > 0)
		answer(d, &m);   /* the reply frees it */
	if (rc < 0)
		errx(1, "receive: %s", e.text);
}

static void
open_broker(struct driver *d, const struct conf *conf)
{
	char *directory = conf_bus_directory(conf), address[256];
	struct err e;

	(void)mkdir(conf->runtime_directory, 0700);
	(void)mkdir(directory, 0700);
	d->rep = bus_open(BUS_REP, &e);
	if (d->rep < 0 || bus_address(address, sizeof(address), directory,
	    BUS_BROKER, &e) < 0 || bus_bind(d->rep, address, &e) < 0)
		errx(1, "%s", e.text);
	d->requests = bus_event(d->base, d->rep, driver_request_cb, d);
	(void)event_add(d->requests, NULL);
	free(directory);
}

/* --- the supervisor's part ------------------------------------------------ */
static void
load(struct conf *conf, const char *path)
{
	if (conf_load(conf, path, stderr) != 0)
		errx(1, "%s: see above", path);
}

static void
send_conf(struct driver *d, enum msg_type type, const struct conf *conf)
{
	struct buf b = BUF_EMPTY;
	struct err e;
	int fd = sealed_new("conf", &e);

	conf_encode(&b, conf, "health", "-");
	if (fd < 0 || sealed_write(fd, b.data, b.len, &e) < 0)
		errx(1, "%s", e.text);
	if (channel_send(d->channel, type, NULL, 0, fd, &e) < 0)
		errx(1, "%s", e.text);
	(void)close(fd);
	buf_free(&b);
}

static void
finish(struct driver *d)
{
	int status;

	if (waitpid(d->pid, &status, 0) != d->pid)
		err(1, "waitpid");
	(void)printf("exit %d\n", WIFEXITED(status) ? WEXITSTATUS(status) :
	    128 + WTERMSIG(status));
	(void)event_base_loopbreak(d->base);
}

static void
driver_message_cb(struct channel *c UNUSED, enum msg_type type,
    const void *payload, size_t n, int fd, const struct err *e UNUSED,
    void *arg)
{
	struct driver *d = arg;
	struct msg_status m;

	if (fd >= 0)
		(void)close(fd);
	if (type == MSG_TYPE_MAX)
		finish(d);
	else if (type == MSG_READY)
		(void)printf("ready\n");
	else if (type == MSG_STATUS && msg_status_decode(payload, n, &m) == 0)
		(void)printf("status %s %s\n", m.state, m.text);
}

static void
send_check(struct driver *d, const char *id)
{
	struct msg_bindings m = { 0 };
	struct buf b = BUF_EMPTY;

	(void)snprintf(m.cluster, sizeof(m.cluster), "%s", id);
	msg_bindings_encode(&b, &m);
	(void)channel_send(d->channel, MSG_CHECK_NOW, b.data, b.len, -1, NULL);
	buf_free(&b);
}

static void
send_watcher(struct driver *d, const char *id, const char *state)
{
	struct msg_cluster m = { 0 };
	struct buf b = BUF_EMPTY;

	(void)snprintf(m.cluster, sizeof(m.cluster), "%s", id);
	(void)snprintf(m.state, sizeof(m.state), "%s", state);
	msg_cluster_encode(&b, &m);
	(void)channel_send(d->channel, MSG_CLUSTER_STATE, b.data, b.len, -1,
	    NULL);
	buf_free(&b);
}

static void
command(struct driver *d, const char *line)
{
	char word[16] = "", a[1024] = "", b[64] = "";
	struct conf conf;

	(void)sscanf(line, "%15s %1023s %63s", word, a, b);
	if (strcmp(word, "check") == 0) {
		send_check(d, a);
	} else if (strcmp(word, "watcher") == 0) {
		send_watcher(d, a, b);
	} else if (strcmp(word, "reload") == 0) {
		load(&conf, a);
		send_conf(d, MSG_RELOAD, &conf);
		conf_free(&conf);
	} else if (strcmp(word, "stop") == 0) {
		(void)channel_send(d->channel, MSG_STOP, NULL, 0, -1, NULL);
	} else {
		errx(1, "unknown command '%s'", line);
	}
}

static void
driver_input_cb(evutil_socket_t fd, short what UNUSED, void *arg)
{
	struct driver *d = arg;
	ssize_t n = read(fd, buf_reserve(&d->input, 4096), 4096);
	char *line, *end;

	if (n <= 0) {
		(void)kill(d->pid, SIGTERM);
		(void)close(fd);
		return;
	}
	buf_grew(&d->input, (size_t)n);
	while ((end = memchr(d->input.data, '\n', d->input.len)) != NULL) {
		*end = '\0';
		line = (char *)d->input.data;
		command(d, line);
		buf_drain(&d->input, (size_t)(end - line) + 1);
	}
	/* End of input is read once: the event is not added again. */
	(void)event_base_once(d->base, fd, EV_READ, driver_input_cb, d, NULL);
}

static void
start_child(struct driver *d, char *program)
{
	int fds[2];
	struct err e;
	char *const argv[] = { program, (char[]){ "-" }, (char[]){ "1" },
		NULL };
	pid_t parent = getpid();

	if (channel_pair(fds, &e) < 0)
		errx(1, "%s", e.text);
	d->pid = fork();
	if (d->pid < 0)
		err(1, "fork");
	if (d->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent || dup2(fds[1], MSG_CHANNEL_FD) < 0 ||
		    fcntl(MSG_CHANNEL_FD, F_SETFD, 0) < 0)
			_exit(127);
		execv(program, argv);
		_exit(127);
	}
	(void)close(fds[1]);
	d->channel = channel_new(d->base, fds[0], MSG_FROM_CHILD,
	    driver_message_cb, d);
	(void)printf("pid %d\n", (int)d->pid);
}

int
main(int argc, char **argv)
{
	struct driver d = { 0 };
	struct conf conf;

	if (argc != 3)
		errx(2, "usage: health_driver SLUICE_HEALTH CONFIG");
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	load(&conf, argv[2]);
	d.base = event_base_new();
	/* Forked first: nanomsg does not survive it. */
	start_child(&d, argv[1]);
	open_broker(&d, &conf);
	send_conf(&d, MSG_CONFIG, &conf);
	conf_free(&conf);
	(void)event_base_once(d.base, STDIN_FILENO, EV_READ, driver_input_cb,
	    &d, NULL);
	(void)event_base_dispatch(d.base);
	/* Nothing is left to the exit: a leak checker reads the stack only
	 * of functions that have not returned. */
	event_free(d.requests);
	channel_free(d.channel);
	event_base_free(d.base);
	buf_free(&d.input);
	return 0;
}
