/*
 * bus: nanomsg sockets under libevent. Never used before a fork that is not
 * followed by exec, never in the supervisor.
 *
 * The endpoint that reads is the one that binds: a connecting SUB with a
 * backlog, whose PUB dies, may never get a message again; REQ connects. nanomsg
 * knows no authentication: sockets live in a 0700 directory and have mode 0600,
 * and what is received is checked by who decodes it.
 */
#ifndef SLUICE_BUS_H
#define SLUICE_BUS_H

#include <event2/event.h>

#include "common/buf.h"
#include "common/err.h"

/* Who answers, in the bus directory. */
#define BUS_BROKER     "broker.rep"
#define BUS_STORE      "store.rep"
#define BUS_DESK       "gateway-%u.desk"   /* no nanomsg: gateway/desk.h */
#define BUS_PATH_MAX   107u          /* sun_path without its NUL */
#define BUS_ADDRESS_SIZE (BUS_PATH_MAX + 8)
#define BUS_NUMBER_MAX 0x7fffffffu   /* the highest bit ends the path */

/* "ipc://<dir>/<leaf>" into buf; -1 when the path is longer than a Unix
 * socket's may be, naming the directory and the remedy. */
int	bus_address(char *buf, size_t size, const char *directory,
	    const char *leaf, struct err *err) MUST_CHECK;
/* The same of what a reader binds in one life of its process: the leaf is
 * "<name with / as ->.<incarnation>.sub". */
int	bus_address_reader(char *buf, size_t size, const char *directory,
	    const char *name, uint64_t incarnation, struct err *err)
	    MUST_CHECK;

/* Reads what bus_open needs from /proc, once: for a process that will close
 * /proc to itself before it opens its first socket. */
void	bus_read_limits(void);

enum bus_kind {
	BUS_REQ,       /* connect, raw: what is asked bears a number */
	BUS_REP,       /* bind, raw: a request's header returns with answer */
	BUS_PUB,       /* connect to each reader */
	BUS_SUB,       /* bind */
};

/* A socket with the project's options set (reconnect 10 ms, receive size
 * unlimited, send buffer as large as the kernel gives; SUB takes everything);
 * -1 with *err. */
int	bus_open(enum bus_kind kind, struct err *err) MUST_CHECK;
int	bus_bind(int socket, const char *address, struct err *err) MUST_CHECK;
/* Returns nanomsg's endpoint id for bus_disconnect. */
int	bus_connect(int socket, const char *address, struct err *err)
	    MUST_CHECK;
void	bus_disconnect(int socket, int endpoint);
void	bus_close(int socket);
/* How often a connection of the socket was made so far: when the number has
 * changed, it is not the one from before. */
uint64_t bus_connections(int socket);

/* An EV_READ|EV_PERSIST event on the socket's receive fd; the callback drains
 * with bus_receive until it says 0. */
struct event	*bus_event(struct event_base *base, int socket,
		    event_callback_fn cb, void *arg);

/* One message without blocking: 1 = *ret (bytes owned by nanomsg, free with
 * bus_message_free), 0 = none now, -1 = error. */
struct bus_message {
	void	*bytes;
	size_t	 n;
	void	*control;     /* raw REP: return path; raw REQ: the number */
};

int	bus_receive(int socket, struct bus_message *ret, struct err *err);
void	bus_message_free(struct bus_message *m);
/* Sends without blocking; 0, or -1 with *err (EAGAIN in err->code). PUB only:
 * for a raw REQ with the number that its answer bears too (at most
 * BUS_NUMBER_MAX), for a raw REP with the request's control, which is consumed.
 */
int	bus_send(int socket, const void *p, size_t n, struct err *err);
int	bus_ask(int socket, uint32_t number, const void *p, size_t n,
	    struct err *err);
int	bus_reply(int socket, struct bus_message *request, const void *p,
	    size_t n, struct err *err);
/* The number that an answer bears; -1: none. */
int	bus_answer_number(const struct bus_message *answer, uint32_t *ret)
	    MUST_CHECK;

#endif
