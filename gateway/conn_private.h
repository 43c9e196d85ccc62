/*
 * conn_private: what connection, conn_read and conn_table share and nobody else
 * uses.
 */
#ifndef SLUICE_CONN_PRIVATE_H
#define SLUICE_CONN_PRIVATE_H

#include "gateway/connection.h"

#define CONN_PROBE_IDLE_S  20   /* twice more until CONN_DEAD_MS */
#define CONN_PROBE_EACH_S  5

/* What an error of its socket says about a connection's end. */
enum metrics_close	conn_cause_of(int error);

/* By the table: a slot was given to an accepted socket. */
void	conn_open(struct conn *c);
/* By the table: the socket has something (CONN_POLL_*), or is asked for the
 * next request of what is here. */
void	conn_polled(struct conn *c, unsigned int what);
/* By the table: the time of conn_due() has come. */
void	conn_expired(struct conn *c);

/* By conn_read. Unlike conn_due, also moves the deadline back. */
void	conn_due_exactly(struct conn *c, int64_t at_ms);
/* By conn_read: the input is full, it is not looked at any more; until it is
 * heard again: but not its end, which would be there for ever. */
void	conn_deafen(struct conn *c);
void	conn_hear(struct conn *c);

/* By a connection: when conn_expired() is to be called, or not any more. */
void	connections_due(struct connections *cs, uint32_t id, int64_t at_ms);
void	connections_not_due(struct connections *cs, uint32_t id);
/* By a connection: what its socket is to be waited for (CONN_POLL_*), false
 * when there is no room for it, which was logged; and that there is a request
 * to be read without it. */
bool	connections_poll(struct connections *cs, struct conn *c,
	    unsigned int what);
void	connections_again(struct connections *cs, struct conn *c);
/* By a connection: it had an answer and awaits another request, or does so no
 * more. Such are waited for apart and have turns of their own, so that what is
 * published does not stand behind ten thousand clients who all come at once. */
void	connections_regular(struct connections *cs, struct conn *c,
	    bool regular);
/* By a connection that was closed: the slot is free again. */
void	connections_release(struct connections *cs, struct conn *c);

#endif
