/*
 * publish_rest: the events of a request with atomic=0 that are not settled
 * yet, and how many of them go to the broker next. Pure.
 *
 * Each event stands for itself and is judged on what those before it came to.
 * Asking about one after the other would cost a round trip for each, so a
 * stretch of them goes as one group: taken whole, all of it is settled as if
 * each had gone alone. Refused, it is cut before the event that is to blame,
 * which goes alone; those behind it go in stretches of at most half of what was
 * refused, which grow again only while they are taken: what goes in all, and so
 * what the broker is asked about, is a few times the request, whatever of it is
 * refused. Only a stretch of one event can be refused for good. The order of
 * the request is kept.
 */
#ifndef SLUICE_PUBLISH_REST_H
#define SLUICE_PUBLISH_REST_H

#include "common/event.h"
#include "gateway/event_state.h"

#define PUBLISH_REST_UNKNOWN SIZE_MAX

struct publish_rest;

struct publish_stretch {
	uint32_t			 first;   /* of the request's good */
	size_t				 n;
	const struct item		*items;
	const struct event_state	*states;
};

/* Copies all it needs. */
struct publish_rest *publish_rest_new(const struct item *items,
	    const struct event_state *states, size_t n);
void	publish_rest_free(struct publish_rest *r);
/* At most so many bytes are held for these. */
size_t	publish_rest_need(const struct item *items, size_t n);

/* The next stretch, valid while r is; the one before is settled then, unless
 * it was refused. False: all are settled. */
bool	publish_rest_next(struct publish_rest *r, struct publish_stretch *ret);
/* The stretch of last was refused, because of this one of it;
 * PUBLISH_REST_UNKNOWN: nobody knows which. One of one event is settled by
 * that. */
void	publish_rest_refused(struct publish_rest *r, size_t at);

#endif
