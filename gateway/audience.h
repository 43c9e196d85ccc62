/*
 * audience: the clients of one subscription: a list whose links stand in their
 * streams, and the reference that each of them has to the subscription. With
 * the last the subscription goes, and its snapshot with it. Process: gateway.
 */
#ifndef SLUICE_AUDIENCE_H
#define SLUICE_AUDIENCE_H

#include "gateway/connection.h"

/* c->stream belongs to `sub` from now on; takes the caller's reference (that
 * of hub_acquire). */
void	audience_join(struct conn *c, struct hub_subscription *sub);
/* Leaves; c->stream.sub is NULL after it. */
void	audience_leave(struct conn *c);
/* For each client; the callback may end the one it was called for. `sub` may
 * be gone after it. */
void	audience_each(struct gateway *g, struct hub_subscription *sub,
	    void (*cb)(struct conn *c, void *arg), void *arg);
/* The same in parts: goes on where the pass before was left, until the callback
 * says false. sub->turn is CONN_NONE when all had their turn; who joined
 * meanwhile has not. `sub` may be gone after it. */
void	audience_pass(struct gateway *g, struct hub_subscription *sub,
	    bool (*cb)(struct conn *c, void *arg), void *arg);

#endif
