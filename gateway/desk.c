#include "gateway/desk.h"

#include <assert.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bus.h"
#include "common/log.h"
#include "common/mono.h"
#include "common/xmalloc.h"
#include "gateway/access.h"
#include "gateway/conn_list.h"
#include "gateway/gateway.h"
#include "gateway/identity.h"
#include "gateway/status_api.h"

#define DESK_MAGIC 0x4445534bu   /* "DESK" */
#define PAUSE_MS   500           /* after accept(2) failed */

struct desk_client {
	struct desk		*desk;
	struct bufferevent	*io;      /* NULL: free */
	bool			 asked;
};

struct desk {
	uint32_t		 magic;
	struct gateway		*gateway;
	int			 fd;
	struct event		*acceptable;
	struct event		*resume;
	struct desk_client	 clients[DESK_CLIENTS_MAX];
};

/* --- what can be asked ---------------------------------------------------- */

static void
refuse(struct buf *b, const char *code, const char *text)
{
	buf_adds(b, "{\"error\":\"");
	buf_json_text(b, text, strlen(text));
	buf_addf(b, "\",\"code\":\"%s\"}", code);
}

static const char *
text_of(const json_t *o, const char *name)
{
	return json_string_value(json_object_get(o, name));
}

static void
do_connections(struct gateway *g, const json_t *q, struct buf *b)
{
	const char *after = text_of(q, "after");
	json_int_t limit = json_integer_value(json_object_get(q, "limit"));
	uint64_t id = 0;

	if ((after != NULL && !conn_list_id_parse(slice_str(after), &id)) ||
	    limit < 1 || limit > CONN_LIST_ROWS_MAX)
		refuse(b, "bad_request", "after is a connection's id, and "
		    "limit 1 to 500");
	else
		conn_list_write(g, b, id, (uint32_t)limit);
}

static void
do_disconnect(struct gateway *g, const json_t *q, struct buf *b)
{
	const char *text = text_of(q, "id");
	uint64_t id;

	if (text == NULL || !conn_list_id_parse(slice_str(text), &id))
		refuse(b, "invalid_id", "a connection's id is what stream.open "
		    "has as connection_id: up to 16 hex digits");
	else
		buf_adds(b, conn_list_close(g, id) ? "{\"closed\":true}" :
		    "{\"closed\":false}");
}

static void
do_revoke(struct gateway *g, const json_t *q, struct buf *b)
{
	const char *subject = text_of(q, "subject");
	const char *tenant = text_of(q, "tenant");
	int64_t now = wall_unix_ms();
	char at[MONO_RFC3339_SIZE];
	struct err err = { 0 };

	if (access_is_free(g->access))
		refuse(b, "not_found", "with auth: none nobody has a subject");
	else if (subject == NULL || subject[0] == '\0' ||
	    strlen(subject) > IDENTITY_SUBJECT_MAX)
		refuse(b, "bad_request", "a subject is the sub of tokens, 1 to "
		    "255 bytes");
	else if (tenant != NULL && !tenant_valid(slice_str(tenant)))
		refuse(b, "bad_request", "there can be no tenant of this name");
	else if (access_revoke(g->access, tenant, subject, now, &err) == -1)
		refuse(b, err.code == 0 ? "too_many_revocations" :
		    "gateway_unavailable", err.text);
	else
		buf_addf(b, "{\"revoked_at\":\"%s\"}", wall_format(now, at));
}

void
desk_execute(struct gateway *g, struct slice request, struct buf *answer)
{
	json_t *q = json_loadb(request.p, request.n, JSON_REJECT_DUPLICATES,
	    NULL);
	const char *op = q != NULL ? text_of(q, "op") : NULL;

	if (op != NULL && strcmp(op, "connections") == 0)
		do_connections(g, q, answer);
	else if (op != NULL && strcmp(op, "disconnect") == 0)
		do_disconnect(g, q, answer);
	else if (op != NULL && strcmp(op, "revoke") == 0)
		do_revoke(g, q, answer);
	else if (op != NULL && strcmp(op, "figures") == 0)
		status_api_figures(answer, g);
	else
		refuse(answer, "bad_request", "unknown request; there are: "
		    "connections, disconnect, revoke, figures");
	json_decref(q);
}

/* --- who asks ------------------------------------------------------------- */

static void
client_close(struct desk_client *c)
{
	if (c->io != NULL)
		bufferevent_free(c->io);
	*c = (struct desk_client){ 0 };
}

static void
desk_read_cb(struct bufferevent *io, void *arg)
{
	struct desk_client *c = arg;
	struct gateway *g = c->desk->gateway;
	struct buf answer = BUF_EMPTY;
	size_t n;
	char *line;

	assert(c->desk->magic == DESK_MAGIC);
	line = evbuffer_readln(bufferevent_get_input(io), &n,
	    EVBUFFER_EOL_LF);
	if (line == NULL) {
		if (evbuffer_get_length(bufferevent_get_input(io)) >=
		    DESK_REQUEST_MAX)
			client_close(c);
		return;
	}
	(void)bufferevent_disable(io, EV_READ);
	c->asked = true;
	desk_execute(g, (struct slice){ line, n }, &answer);
	free(line);
	buf_addc(&answer, '\n');
	(void)bufferevent_write(io, answer.data, answer.len);
	buf_free(&answer);
}

/* All was taken. */
static void
desk_written_cb(struct bufferevent *io UNUSED, void *arg)
{
	struct desk_client *c = arg;

	if (c->asked)
		client_close(c);
}

static void
desk_event_cb(struct bufferevent *io UNUSED, short what UNUSED, void *arg)
{
	client_close(arg);
}

static void
take(struct desk *d, int fd)
{
	const struct timeval idle = mono_timeval_ms(DESK_IDLE_MS);
	struct desk_client *c = NULL;

	for (size_t i = 0; i < DESK_CLIENTS_MAX && c == NULL; i++)
		if (d->clients[i].io == NULL)
			c = &d->clients[i];
	if (c == NULL) {
		(void)close(fd);   /* the others leave within DESK_IDLE_MS */
		return;
	}
	c->desk = d;
	c->asked = false;
	c->io = bufferevent_socket_new(d->gateway->role->base, fd,
	    BEV_OPT_CLOSE_ON_FREE);
	if (c->io == NULL)
		fatalx("bufferevent_socket_new failed");
	bufferevent_setcb(c->io, desk_read_cb, desk_written_cb, desk_event_cb,
	    c);
	bufferevent_setwatermark(c->io, EV_READ, 0, DESK_REQUEST_MAX);
	(void)bufferevent_set_timeouts(c->io, &idle, &idle);
	(void)bufferevent_enable(c->io, EV_READ | EV_WRITE);
}

static void
desk_accept_cb(evutil_socket_t listener, short what UNUSED, void *arg)
{
	const struct timeval pause = mono_timeval_ms(PAUSE_MS);
	struct desk *d = arg;
	int fd;

	assert(d->magic == DESK_MAGIC);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd != -1) {
		take(d, fd);
	} else if (errno != EAGAIN && errno != EINTR &&
	    errno != ECONNABORTED) {
		/* Out of descriptors: who waits would wake the loop again. */
		(void)event_del(d->acceptable);
		(void)event_add(d->resume, &pause);
	}
}

static void
desk_resume_cb(evutil_socket_t fd UNUSED, short what UNUSED, void *arg)
{
	struct desk *d = arg;

	assert(d->magic == DESK_MAGIC);
	(void)event_add(d->acceptable, NULL);
}

/* --- life ----------------------------------------------------------------- */

bool
desk_address(const char *bus_directory, unsigned int index,
    struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	return (size_t)snprintf(ret->sun_path, sizeof(ret->sun_path),
	    "%s/" BUS_DESK, bus_directory, index) <
	    sizeof(ret->sun_path);
}

static int
listen_there(struct desk *d, struct err *err)
{
	const struct role *role = d->gateway->role;
	char *bus = conf_bus_directory(&role->conf);
	unsigned int index = (unsigned int)strtoul(role->instance, NULL, 10);
	struct sockaddr_un sun;
	bool fits = desk_address(bus, index, &sun);

	free(bus);
	if (!fits)
		return err_set(err, "%s: longer than a socket's path may be: "
		    "write a shorter runtime_directory", sun.sun_path);
	d->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (d->fd == -1)
		return err_errno(err, errno, "socket");
	/* What stands there is this gateway's earlier process's. */
	(void)unlink(sun.sun_path);
	if (bind(d->fd, (const struct sockaddr *)&sun, sizeof(sun)) == 0 &&
	    chmod(sun.sun_path, 0600) == 0 &&
	    listen(d->fd, (int)DESK_CLIENTS_MAX) == 0)
		return 0;
	return err_errno(err, errno, "%s", sun.sun_path);
}

struct desk *
desk_new(struct gateway *g, struct err *err)
{
	struct desk *d = xcalloc(1, sizeof(*d));

	d->magic = DESK_MAGIC;
	d->gateway = g;
	d->fd = -1;
	if (listen_there(d, err) == -1) {
		desk_free(d);
		return NULL;
	}
	d->acceptable = event_new(g->role->base, d->fd, EV_READ | EV_PERSIST,
	    desk_accept_cb, d);
	d->resume = evtimer_new(g->role->base, desk_resume_cb, d);
	if (d->acceptable == NULL || d->resume == NULL)
		fatalx("event_new failed");
	(void)event_add(d->acceptable, NULL);
	return d;
}

void
desk_free(struct desk *d)
{
	if (d == NULL)
		return;
	for (size_t i = 0; i < DESK_CLIENTS_MAX; i++)
		client_close(&d->clients[i]);
	if (d->acceptable != NULL)
		event_free(d->acceptable);
	if (d->resume != NULL)
		event_free(d->resume);
	if (d->fd != -1)
		(void)close(d->fd);
	d->magic = 0;
	free(d);
}
