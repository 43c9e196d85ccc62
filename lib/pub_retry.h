/*
 * pub_retry: when a request that has failed is repeated. Pure: randomness and
 * times come in as values.
 *
 * The n-th wait is drawn between half and the whole of SLUICE_RETRY_FIRST_MS *
 * 2^(n-1), at most of SLUICE_RETRY_MAX_MS: half of it so that a service that
 * just came up is not hit at once, the other half so that publishers that
 * failed together do not come back together.
 */
#ifndef SLUICE_PUB_RETRY_H
#define SLUICE_PUB_RETRY_H

#include <stdint.h>

struct pub_retry {
	unsigned int	failures;   /* in a row */
};

/* One more failure: milliseconds to wait. retry_after_ms: what the service
 * asked for, 0 for nothing; it counts up to SLUICE_RETRY_AFTER_MAX_MS. */
int64_t	pub_retry_failed(struct pub_retry *r, int64_t retry_after_ms,
	    uint32_t random);
void	pub_retry_reset(struct pub_retry *r);

#endif
