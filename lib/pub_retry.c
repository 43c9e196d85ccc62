#include "lib/pub_retry.h"

#include "common/macros.h"
#include "lib/sluice.h"

int64_t
pub_retry_failed(struct pub_retry *r, int64_t retry_after_ms, uint32_t random)
{
	int64_t whole = SLUICE_RETRY_FIRST_MS, wait;

	for (unsigned int i = 0; i < r->failures; i++)
		whole = MIN(whole * 2, SLUICE_RETRY_MAX_MS);
	/* Past the limit counting on would change nothing. */
	if (whole < SLUICE_RETRY_MAX_MS)
		r->failures++;
	wait = whole / 2 + random % (whole - whole / 2 + 1);
	return MAX(wait, MIN(retry_after_ms, SLUICE_RETRY_AFTER_MAX_MS));
}

void
pub_retry_reset(struct pub_retry *r)
{
	r->failures = 0;
}
