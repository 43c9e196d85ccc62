/*
 * publish_api: POST /api/v1/events. Process: gateway.
 *
 * One StreamEvent, a JSON array, or application/x-ndjson; a batch is all or
 * nothing unless atomic=0. 202 is said only after the broker has appended the
 * events; when it is away, 503 says so (nothing is dropped in silence: a
 * request that was handed over and not answered is "unknown", and may be
 * repeated with idempotency keys).
 */
#ifndef SLUICE_PUBLISH_API_H
#define SLUICE_PUBLISH_API_H

struct conn;
struct http_request;

void	publish_api(struct conn *c, const struct http_request *r);
/* The process ends: forgets requests that never got an answer. */
void	publish_finish(void);

#endif
