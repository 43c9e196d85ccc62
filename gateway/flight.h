/*
 * flight: the frames that follow one cursor of one subscription, gathered for
 * one write. Who stands at the same cursor sends the same: while all clients of
 * a subscription are written to, a flight is gathered once and not for each.
 * Pure but for the ring and the hub it reads.
 *
 * A flight points into the ring: it is good until the next input. A set of them
 * is therefore of one pass over the clients of one subscription, and is emptied
 * before the next (flights_begin); outside of a pass nothing is kept.
 */
#ifndef SLUICE_FLIGHT_H
#define SLUICE_FLIGHT_H

#include <sys/uio.h>

#include "gateway/hub.h"

#define FLIGHT_FRAMES 64u             /* of one write */
#define FLIGHT_BYTES  (256u * 1024)   /* no further frame beyond this */
#define FLIGHTS_KEPT  4u              /* clients stand at few places */

struct flight {
	uint64_t	after;        /* the cursor it follows */
	uint32_t	n;            /* frames; 0: there are none */
	bool		more;         /* others may follow these */
	bool		special;      /* the next one, positions[0], cannot go
				       * out like this; `n` is 0 */
	size_t		bytes;
	uint64_t	positions[FLIGHT_FRAMES];
	struct iovec	iov[FLIGHT_FRAMES];
};

struct flights {
	const struct hub_subscription *sub;   /* of the pass; NULL: none */
	uint32_t	 n;
	uint32_t	 oldest;      /* given up first */
	struct flight	 kept[FLIGHTS_KEPT];
};

/* A frame behind which stream.end stands, or that is in the list only to be
 * looked at for that: the subscription does not want its type. */
bool	flight_is_special(const struct hub_subscription *sub,
	    const struct ring_frame *frame);
/* All clients of `sub` are about to be written to, or (NULL) have been. `sub`
 * stays, and nothing comes into the ring, until then. */
void	flights_begin(struct flights *f, const struct hub_subscription *sub);
/* What follows `cursor`; valid until the next call. The subscription's
 * lost_through is up to date after it. */
const struct flight *flights_get(struct flights *f, struct hub *h,
	    const struct ring *ring, struct hub_subscription *sub,
	    uint64_t cursor);

#endif
