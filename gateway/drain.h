/*
 * drain: how a gateway lets go of its clients. Process: gateway.
 *
 * By DRAIN (the operator's command) it stays, and serves no stream any more:
 * those that are open are told stream.closing{shutdown} within DRAIN_SPREAD_MS,
 * each at a random time, so that they do not all come back at once; one that is
 * asked for gets the same with 200. /readyz says 503. As a rule a sibling has
 * its listener then (UNLISTEN): what comes on connections it still has is
 * answered as ever, and the connection ended. Where no sibling serves it keeps
 * its listener, and calls of the API get 503, too: a balancer has them taken
 * elsewhere. Only a restart ends it.
 *
 * By STOP it leaves: it accepts nothing any more (who comes waits in the queue
 * for the next process), tells every stream at once, and goes when all was
 * taken, after DRAIN_STOP_MS at the latest.
 */
#ifndef SLUICE_DRAIN_H
#define SLUICE_DRAIN_H

#include <stdbool.h>

#define DRAIN_SPREAD_MS 3000
#define DRAIN_STOP_MS   2000   /* for stream.closing to be taken */

struct drain;
struct gateway;

/* Aborts on OOM. It is the gateway's, and ends before its connections do. */
struct drain	*drain_new(struct gateway *g);
void		 drain_free(struct drain *d);
/* DRAIN; a second one does nothing. */
void		 drain_begin(struct drain *d);
/* STOP; once. */
void		 drain_stop(struct drain *d);
/* Calls of the API are answered 503. */
bool		 drain_refuses(const struct drain *d);
/* What sluicectl status shows while it drains. */
void		 drain_report(const struct drain *d);

#endif
