/*
 * sim_conn: the inside of a connection, shared by sim_http.c (requests) and
 * sim_reply.c (answers) and nobody else.
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

struct sim_conn {
	unsigned		 magic;
	TAILQ_ENTRY(sim_conn)	 entry;
	struct sim_http		*http;
	struct bufferevent	*bev;
	SSL			*ssl;            /* owned by bev */
	uint64_t		 id;
	enum sim_conn_state	 state;
	struct sim_request	 req;
	bool			 keep_alive;
	bool			 closing;        /* FIN when drained */
	bool			 streaming;
	enum sim_action		 action;
	struct event		*timer;
	sim_conn_cb		*timer_cb;
	void			*timer_ctx;
	sim_conn_cb		*gone_cb;
	void			*gone_ctx;
};

/* The answer is complete: ready for the next request, or closes. */
void	sim_conn_answered(struct sim_conn *c);
/* Marks it dead and has it freed at the next turn. */
void	sim_conn_end(struct sim_conn *c);

static inline void
sim_conn_check(const struct sim_conn *c)
{
	assert(c->magic == SIM_CONN_MAGIC);
}

#endif
