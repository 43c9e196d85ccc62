/*
 * pub_event: an event as it is handed over, made into the line that is sent:
 * JSON without a line break, with an idempotency key and a time. Pure: texts
 * and a time in, a text out; any thread.
 *
 * JSON that the caller wrote is kept byte for byte, but for line breaks, what
 * is added in front, and what stands in for a null (to the service that is no
 * key): the service remembers a hash of what it received, so a repeat must be
 * the same, and no number of the caller's is rewritten. Blanks before and
 * behind the object are left out: they would belong to a line, and not to an
 * event that is sent alone.
 */
#ifndef SLUICE_PUB_EVENT_H
#define SLUICE_PUB_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/sluice.h"

#define PUB_EVENT_KEY_SIZE 64u   /* of a key that is made, and its NUL */

/* What an event is given where it has none of its own. */
struct pub_defaults {
	const char	*source;      /* NULL: none */
	const char	*key;         /* idempotency key */
	int64_t		 now_unix_ms;
};

/* Each returns SLUICE_OK and the line (the caller's to free, NUL-terminated,
 * *ret_size without it), or SLUICE_INVALID or _TOO_LARGE. */
int	pub_event_of_fields(const struct sluice_event *e,
	    const struct pub_defaults *d, char **ret, size_t *ret_size);
int	pub_event_of_json(const char *json, size_t size,
	    const struct pub_defaults *d, char **ret, size_t *ret_size);

#endif
