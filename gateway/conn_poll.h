/*
 * conn_poll: which client sockets have something to read or can be written to:
 * an epoll set of their own, which hangs in the process's loop as one event
 * (conn_table has two); and who has more to be read in a buffer, as requests in
 * a pipeline.
 * Process: gateway.
 *
 * libevent's event for each socket would cost 128 bytes, its map of
 * descriptors 40 more, and two epoll_ctl for what is one here: with ten
 * thousand idle streams that is a third of what one may cost. What is kept of
 * a socket here stands in the kernel only: its number in the table.
 *
 * A number may be given to another socket while news of the old one is being
 * told: the callback looks whether it is open, and reads and writes without
 * waiting, so that news too many does no harm.
 */
#ifndef SLUICE_CONN_POLL_H
#define SLUICE_CONN_POLL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

#define CONN_POLL_READ  1u
#define CONN_POLL_WRITE 2u
#define CONN_POLL_TURN  64     /* sockets of one turn of the loop */
#define CONN_POLL_TURN_MS 1    /* after the first step of it; and as long for
				* those who are told again, after the first */
#define CONN_POLL_STEP  16

struct conn_poll;
struct event_base;

/* `what`: CONN_POLL_READ and CONN_POLL_WRITE; an error is both, as far as they
 * are waited for. */
typedef void (*conn_poll_cb)(uint32_t id, unsigned int what, void *arg);

struct conn_poll *conn_poll_new(struct event_base *base, conn_poll_cb cb,
		    void *arg, struct err *err) MUST_CHECK;
void		 conn_poll_free(struct conn_poll *p);
/* What the socket was waited for, and is to be now; 0: nothing, not even its
 * end. Before a socket is closed it must be 0: a descriptor that another
 * process holds a copy of does not leave the set by itself. False, with errno:
 * the kernel has no room for a socket that was waited for nothing; it still
 * is. */
bool		 conn_poll_change(struct conn_poll *p, int fd, uint32_t id,
		    unsigned int was, unsigned int what) MUST_CHECK;
/* As if it could be read, in the next turn or, where many wait, one after it;
 * once, however often this was called until then. */
void		 conn_poll_again(struct conn_poll *p, uint32_t id);

#endif
