/*
 * audience: the clients of one subscription: a list whose links stand in their
 * streams, and the reference that each of them has to the subscription. With
 * the last the subscription goes, and its snapshot with it.
 *
 * Who comes, or was behind and had its turn, stands last: news reach first who
 * was there before and takes them as they come, and those who never read delay
 * nobody while their sockets fill.
 *
 * Who waits for a turn stands at the front of its list, in the order of who
 * waits for longest; a subscription of which somebody does stands in a queue
 * of such. So a turn costs nothing for those who do not wait: one who is
 * behind, among ten thousand who are not, is found at once.
 * Process: gateway.
 */
#ifndef SLUICE_AUDIENCE_H
#define SLUICE_AUDIENCE_H

#include <sys/queue.h>

#include "gateway/connection.h"

TAILQ_HEAD(audience_queue, hub_subscription);

/* c->stream belongs to `sub` from now on; takes the caller's reference (that
 * of hub_acquire). */
void	audience_join(struct conn *c, struct hub_subscription *sub);
/* Leaves, and must not wait; c->stream.sub is NULL after it. */
void	audience_leave(struct conn *c);
/* For each client, once; the callback may end the one it was called for, or
 * have it wait, but not end its waiting and keep it: it would stand last, and
 * be called for again, without end. `sub` may be gone after it. */
void	audience_each(struct gateway *g, struct hub_subscription *sub,
	    void (*cb)(struct conn *c, void *arg), void *arg);

/* It waits for a turn: last among those who do; or not any more. Either may be
 * said again. */
void	audience_wait(struct audience_queue *q, struct conn *c);
void	audience_wait_over(struct audience_queue *q, struct conn *c);
/* A turn for each who waits of the subscription that waits for longest, which
 * comes last in the queue with it: each waits no longer when the callback is
 * called, which may have it wait again, or end it. It is over when all who
 * waited at the begin had their turn, or the callback says false: then the
 * others go on waiting.
 * Before the first, and after the last with NULL, `begin` is told whose clients
 * they are. Nobody may wait. */
void	audience_turn(struct gateway *g, struct audience_queue *q,
	    void (*begin)(struct gateway *g,
	    const struct hub_subscription *sub),
	    bool (*cb)(struct conn *c, void *arg), void *arg);

#endif
