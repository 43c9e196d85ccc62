/*
 * sim_conn: the inside of an exchange, one request with its answer, shared by
 * sim_http.c (requests), sim_conn.c (what all have in common), sim_reply.c and
 * sim_stream.c (answers), and the wires (sim_h1.c: a connection whose
 * exchanges follow each other; sim_h2.c and sim_h2_wire.c: one stream of
 * many), and nobody else.
 */
#ifndef SIM_CONN_H
#define SIM_CONN_H

#include <assert.h>
#include <event2/bufferevent.h>
#include <sys/queue.h>

#include "tests/kubesim/sim_http.h"

#define SIM_CONN_MAGIC 0x51c0991eu

enum sim_conn_state {
	SIM_CONN_IDLE,           /* waits for a request */
	SIM_CONN_BODY,           /* head read, body under way */
	SIM_CONN_BUSY,           /* a request is being answered */
	SIM_CONN_DEAD            /* to be freed */
};

struct sim_producer;

/* How bytes leave, and how that is broken off. */
struct sim_wire {
	/* length < 0: not known beforehand. */
	void	(*head)(struct sim_conn *c, int status, const char *type,
		    const char *extra, int64_t length);
	void	(*body)(struct sim_conn *c, struct evbuffer *body);  /* moves */
	void	(*text)(struct sim_conn *c, struct sim_text *t);  /* shares */
	void	(*end)(struct sim_conn *c);      /* the body is complete */
	/* Breaks off after what is pending, or resets at once. */
	void	(*stop)(struct sim_conn *c, bool reset);
	size_t	(*backlog)(const struct sim_conn *c);
	void	(*freeze)(struct sim_conn *c);   /* silence, both ways */
	void	(*idle)(struct sim_conn *c);     /* answered: what comes next */
	void	(*gone)(struct sim_conn *c);     /* it is dead: stop using it */
};

extern const struct sim_wire sim_wire_h1;

struct sim_h2;
struct stream;

struct sim_conn {
	unsigned		 magic;
	const struct sim_wire	*wire;
	TAILQ_ENTRY(sim_conn)	 entry;
	struct sim_http		*http;
	struct sim		*sim;
	struct bufferevent	*bev;            /* NULL: a stream of HTTP/2 */
	struct sim_h2		*h2;             /* this one carries streams */
	struct stream		*stream;         /* this one is a stream */
	char			*h2_method;
	char			*h2_path;
	SSL			*ssl;            /* owned by (carrier's) bev */
	uint64_t		 id;
	enum sim_conn_state	 state;
	struct sim_request	 req;
	bool			 placed;         /* its cluster is known */
	bool			 keep_alive;
	bool			 closing;        /* FIN when drained */
	bool			 streaming;
	bool			 replica;        /* came by its port */
	bool			 chunked;
	struct sim_text		*held;           /* by a fault, for later */
	size_t			 held_at;
	struct sim_producer	*producer;
	sim_conn_cb		*room_cb;
	void			*room_ctx;
	enum sim_action		 action;
	int64_t			 cut_at;         /* bytes to go; < 0: half */
	struct event		*timer;
	sim_conn_cb		*timer_cb;
	void			*timer_ctx;
	sim_conn_cb		*gone_cb;
	void			*gone_ctx;
};

/* For the event of sim_conn_defer. */
void	sim_conn_timer_cb(evutil_socket_t fd, short what, void *arg);
/* The answer is complete: ready for the next request, or closes. */
void	sim_conn_answered(struct sim_conn *c);
/* Marks it dead and has it freed at the next turn. */
void	sim_conn_end(struct sim_conn *c);
/* An exchange on a stream of the carrier's connection. */
struct sim_conn *sim_conn_new_stream(struct sim_conn *carrier,
    const struct sim_wire *wire, struct stream *stream);
/* All that was pending has left: closes, if that was asked for. */
void	sim_conn_drained(struct sim_conn *c);
/* There is room again: goes on with what is made while it is sent. */
void	sim_conn_pump(struct sim_conn *c);
void	sim_conn_drop_producer(struct sim_conn *c);

static inline void
sim_conn_check(const struct sim_conn *c)
{
	assert(c->magic == SIM_CONN_MAGIC);
}

#endif
