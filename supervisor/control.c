/*
 * The operator's socket, runtime_directory/control, mode 0600. A request is one
 * line: "status", "restart ROLE", "start ROLE", "stop ROLE", "drain ROLE",
 * "stop" (the whole service), "reload". The answer is one line of JSON:
 * {"ok":true,...} or {"ok":false,"error":"..."}; then the connection closes.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/log.h"
#include "common/xmalloc.h"
#include "supervisor/child_json.h"
#include "supervisor/supervisor.h"

#define CONTROL_MAGIC   0x4c525443u   /* "CTRL" */
#define CONNECTIONS_MAX 16u
#define REQUEST_MAX     256u
#define IDLE_MS         5000
#define ACCEPT_PAUSE_MS 500    /* after accept(2) failed */

struct connection {
	uint32_t	 magic;
	struct control	*control;     /* NULL: free */
	int		 fd;
	struct event	*event;
	char		 request[REQUEST_MAX];
	size_t		 n;
	struct buf	 answer;
	size_t		 sent;
};

struct control {
	uint32_t		 magic;
	struct supervisor	*supervisor;
	char			*path;
	int			 fd;
	struct event		*acceptable;
	struct event		*resume;      /* ends a pause */
	bool			 refusing;    /* was said */
	struct connection	 connections[CONNECTIONS_MAX];
};

/* --- answers -------------------------------------------------------------- */

static void
add_member(struct buf *b, const char *name, const char *text)
{
	buf_addf(b, ",\"%s\":", name);
	child_json_text(b, text);
}

static void
refuse(struct buf *b, const char *text)
{
	buf_adds(b, "{\"ok\":false,\"error\":");
	child_json_text(b, text);
	buf_adds(b, "}");
}

/* --- commands ------------------------------------------------------------- */

static void
do_status(struct supervisor *s, struct buf *b)
{
	buf_addf(b, "{\"ok\":true,\"version\":\"%s\",\"pid\":%d",
	    SLUICE_VERSION, (int)getpid());
	add_member(b, "state", s->stop_phase != STOP_NOT ? "stopping"
	    : s->is_ready ? "ready" : "starting");
	add_member(b, "state_directory", s->conf.state_directory);
	add_member(b, "listen_host", s->conf.listen_host);
	buf_addf(b, ",\"listen_port\":%u,\"processes\":",
	    s->conf.listen_port);
	child_json_all(b, s->children, s->n_children);
	buf_adds(b, "}");
}

/* Why this cannot be done to it; to be freed. NULL: it can. */
static char *
objection(const struct supervisor *s, const char *verb, const char *title,
    const struct child *c)
{
	if (c == NULL)
		return xasprintf("no process \"%s\"; sluicectl status lists "
		    "them", title);
	if (s->stop_phase != STOP_NOT)
		return xstrdup("the service is stopping");
	if (c->unlisted && strcmp(verb, "stop") != 0)
		return xasprintf("%s is stopping for good: its cluster left "
		    "the configuration; to have it back, add the cluster "
		    "again, then: sluicectl reload", title);
	if (strcmp(verb, "drain") != 0)
		return NULL;
	if (strcmp(c->role, "gateway") != 0)
		return xasprintf("%s has no streams: only a gateway can be "
		    "drained, such as gateway/0", title);
	if (c->state != CHILD_STARTING && c->state != CHILD_READY)
		return xasprintf("%s does not run (%s): there is nothing to "
		    "drain; to keep it down: sluicectl stop %s", title,
		    child_shown_state(c), title);
	return NULL;
}

static void
do_child(struct supervisor *s, const char *verb, const char *title,
    struct buf *b)
{
	struct child *c = service_find(s, title);
	char *text = objection(s, verb, title, c);
	bool drained;

	if (text != NULL) {
		refuse(b, text);
		free(text);
		return;
	}
	log_info("control: %s %s", verb, title);
	if (strcmp(verb, "drain") == 0) {
		listeners_drain(s, c);
		buf_adds(b, "{\"ok\":true}");
		return;
	}
	drained = c->drain;
	c->drain = false;
	if (strcmp(verb, "restart") == 0)
		child_restart(c, "restart by command");
	else if (strcmp(verb, "stop") == 0)
		child_want(c, CHILD_DOWN, "stop by command");
	else if (!child_running(c) || drained)
		child_restart(c, "start by command");
	else
		child_want(c, CHILD_UP, "start by command");
	buf_adds(b, "{\"ok\":true}");
}

static void
do_reload(struct supervisor *s, struct buf *b)
{
	struct err err;

	if (settings_reload(s, &err) != 0) {
		log_error("reload: %s", err.text);
		refuse(b, err.text);
	} else {
		buf_adds(b, "{\"ok\":true}");
	}
}

static void
execute(struct supervisor *s, char *line, struct buf *b)
{
	char *title = strchr(line, ' ');

	if (title != NULL)
		*title++ = '\0';
	if (strcmp(line, "status") == 0) {
		do_status(s, b);
	} else if (strcmp(line, "reload") == 0) {
		do_reload(s, b);
	} else if (strcmp(line, "stop") == 0 && title == NULL) {
		buf_adds(b, "{\"ok\":true}");
		service_stop(s, "sluicectl stop");
	} else if (title != NULL && (strcmp(line, "restart") == 0 ||
	    strcmp(line, "start") == 0 || strcmp(line, "stop") == 0 ||
	    strcmp(line, "drain") == 0)) {
		do_child(s, line, title, b);
	} else {
		refuse(b, "unknown request; there are: status, restart ROLE, "
		    "start ROLE, stop [ROLE], drain ROLE, reload");
	}
	buf_addc(b, '\n');
}

/* --- connections ---------------------------------------------------------- */

static void control_connection_cb(evutil_socket_t fd, short what, void *arg);

static void
close_connection(struct connection *c)
{
	if (c->control == NULL)
		return;
	event_free(c->event);
	(void)close(c->fd);
	buf_free(&c->answer);
	memset(c, 0, sizeof(*c));
}

static void
watch(struct connection *c, short what)
{
	struct timeval tv = mono_timeval_ms(IDLE_MS);

	if (c->event != NULL)
		event_free(c->event);
	c->event = event_new(c->control->supervisor->base, c->fd, what,
	    control_connection_cb, c);
	if (c->event == NULL)
		fatalx("event_new failed");
	(void)event_add(c->event, &tv);
}

static void
send_answer(struct connection *c)
{
	ssize_t n = send(c->fd, c->answer.data + c->sent,
	    c->answer.len - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n > 0)
		c->sent += (size_t)n;
	if ((n < 0 && errno != EAGAIN) || c->sent == c->answer.len)
		close_connection(c);
	else
		watch(c, EV_WRITE);
}

static void
receive_request(struct connection *c)
{
	ssize_t n = recv(c->fd, c->request + c->n,
	    sizeof(c->request) - 1 - c->n, MSG_DONTWAIT);
	char *end;

	if (n <= 0) {
		close_connection(c);
		return;
	}
	c->n += (size_t)n;
	c->request[c->n] = '\0';
	end = strchr(c->request, '\n');
	if (end != NULL) {
		*end = '\0';
		execute(c->control->supervisor, c->request, &c->answer);
	} else if (c->n == sizeof(c->request) - 1) {
		refuse(&c->answer, "request too long");
		buf_addc(&c->answer, '\n');
	} else {
		watch(c, EV_READ);
		return;
	}
	send_answer(c);
}

static void
control_connection_cb(evutil_socket_t fd UNUSED, short what, void *arg)
{
	struct connection *c = arg;

	assert(c->magic == CONTROL_MAGIC);
	if ((what & EV_TIMEOUT) != 0)
		close_connection(c);
	else if ((what & EV_WRITE) != 0)
		send_answer(c);
	else
		receive_request(c);
}

/* Out of descriptors: who waits stays in the queue, and would wake the loop
 * again at once. */
static void
pause_accepting(struct control *control, int code)
{
	struct timeval tv = mono_timeval_ms(ACCEPT_PAUSE_MS);

	if (!control->refusing)
		log_warn("control: accept: %s: sluicectl waits; tried again "
		    "every %d ms (said once)", strerrordesc_np(code),
		    ACCEPT_PAUSE_MS);
	control->refusing = true;
	(void)event_del(control->acceptable);
	(void)event_add(control->resume, &tv);
}

static void
control_resume_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct control *control = arg;

	assert(control->magic == CONTROL_MAGIC);
	(void)event_add(control->acceptable, NULL);
}

static void
control_accept_cb(evutil_socket_t listener, short what UNUSED, void *arg)
{
	struct control *control = arg;
	struct connection *c = NULL;
	int fd;

	assert(control->magic == CONTROL_MAGIC);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd == -1) {
		if (errno != EAGAIN && errno != EINTR &&
		    errno != ECONNABORTED)
			pause_accepting(control, errno);
		return;
	}
	control->refusing = false;
	for (size_t i = 0; i < CONNECTIONS_MAX && c == NULL; i++)
		if (control->connections[i].control == NULL)
			c = &control->connections[i];
	if (c == NULL) {
		(void)close(fd);   /* the others leave within IDLE_MS */
		return;
	}
	*c = (struct connection){ .magic = CONTROL_MAGIC, .control = control,
		.fd = fd };
	watch(c, EV_READ);
}

/* --- life ----------------------------------------------------------------- */

/* It appears at its path when it listens: who sees it is not refused. */
static int
listen_at(const char *path, struct err *err)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd, code;

	if ((size_t)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s.new",
	    path) >= sizeof(sun.sun_path))
		return err_set(err, "%s: longer than a socket's path may be: "
		    "write a shorter runtime_directory", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return err_errno(err, errno, "socket");
	/* We hold the lock: what stands there is an earlier supervisor's. */
	(void)unlink(sun.sun_path);
	if (bind(fd, (const struct sockaddr *)&sun, sizeof(sun)) == 0 &&
	    chmod(sun.sun_path, 0600) == 0 &&
	    listen(fd, (int)CONNECTIONS_MAX) == 0 &&
	    rename(sun.sun_path, path) == 0)
		return fd;
	code = errno;
	(void)close(fd);
	return err_errno(err, code, "%s", path);
}

struct control *
control_open(struct supervisor *s, struct err *err)
{
	struct control *c = xcalloc(1, sizeof(*c));

	c->magic = CONTROL_MAGIC;
	c->supervisor = s;
	c->path = xasprintf("%s/control", s->conf.runtime_directory);
	c->fd = listen_at(c->path, err);
	if (c->fd == -1) {
		free(c->path);
		free(c);
		return NULL;
	}
	c->acceptable = event_new(s->base, c->fd, EV_READ | EV_PERSIST,
	    control_accept_cb, c);
	c->resume = evtimer_new(s->base, control_resume_cb, c);
	if (c->acceptable == NULL || c->resume == NULL)
		fatalx("event_new failed");
	(void)event_add(c->acceptable, NULL);
	return c;
}

void
control_close(struct control *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < CONNECTIONS_MAX; i++)
		close_connection(&c->connections[i]);
	event_free(c->acceptable);
	event_free(c->resume);
	(void)close(c->fd);
	(void)unlink(c->path);
	c->magic = 0;
	free(c->path);
	free(c);
}
