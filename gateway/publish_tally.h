/*
 * publish_tally: what the events of one request came to, and the answer that
 * says so: 202 with figures and the details of what was refused, or, where
 * none was taken, the first refusal that was met (contract 5).
 * Process: gateway.
 */
#ifndef SLUICE_PUBLISH_TALLY_H
#define SLUICE_PUBLISH_TALLY_H

#include "gateway/publish_refusal.h"
#include "gateway/reply.h"

struct conn;

struct publish_tally {
	uint32_t		 accepted;
	uint32_t		 duplicates;
	uint32_t		 refused;    /* events; here or there */
	uint32_t		 refusals[REFUSAL_MAX];
	struct position		 first;      /* of what was taken */
	struct position		 last;
	bool			 list;       /* paths have [i] */
	uint32_t		*places;     /* of the good in the request */
	bool			*by_id;      /* of the good of CloudEvents, by
					      * whose names is told; or NULL */
	struct reply_details	 details;    /* what was refused */
};

void	publish_tally_free(struct publish_tally *t);
void	publish_tally_taken(struct publish_tally *t, uint32_t accepted,
	    uint32_t duplicates, struct position first, struct position last);
void	publish_tally_refused(struct publish_tally *t,
	    enum publish_refusal refusal, uint32_t n);
/* The `good`-th event was not taken; `path` is inside it, "" the event. */
void	publish_tally_tell(struct publish_tally *t, uint32_t good,
	    enum publish_refusal refusal, const char *path, const char *text);
/* `extra`: see publish_api.h. */
void	publish_tally_answer(struct publish_tally *t, struct conn *c,
	    const char *extra);

#endif
