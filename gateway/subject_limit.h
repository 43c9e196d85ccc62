/*
 * subject_limit: how many streams each subject has open (contract 6:
 * max_per_token). Pure but for the random key of its table.
 *
 * Counted is who asks, (tenant, sub), not the token as bytes: a new token for
 * the same person, or a ticket, is no new allowance. Without a `sub` those
 * count as one that the same key signed for the same tenant at the same time.
 *
 * Of one gateway, as address_limit: every count belongs to an open connection
 * here, so none can be left over by a gateway that died, and max_connections
 * bounds the table.
 */
#ifndef SLUICE_SUBJECT_LIMIT_H
#define SLUICE_SUBJECT_LIMIT_H

#include "gateway/identity.h"

struct subject_limit;

struct subject_limit *subject_limit_new(uint32_t max);
void	 subject_limit_free(struct subject_limit *l);   /* NULL is none */
/* One stream more; false: it has as many as it may. */
bool	 subject_limit_take(struct subject_limit *l,
	    const struct identity *id);
void	 subject_limit_give(struct subject_limit *l,
	    const struct identity *id);
/* How many subjects have streams now. */
size_t	 subject_limit_count(const struct subject_limit *l);

#endif
