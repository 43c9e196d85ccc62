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

#include "common/buf.h"
#include "gateway/publish_wait.h"

struct http_request;

void	publish_api(struct conn *c, const struct http_request *r);
/* Whether who asks may publish to this stream. False: the client was answered
 * 403, which names `path`, the place of the key in the request. */
bool	publish_granted(struct conn *c, struct slice key, const char *path);
/* For endpoints that make items of their own (logs): b's items, `good` of `n`
 * with their places, of streams that are granted, are judged (state machines),
 * handed to the broker and answered as POST /api/v1/events answers; the 202
 * has the members of `extra` too ("\"next_offset\":12", or ""; under
 * PUBLISH_EXTRA_MAX bytes). Where the broker says that a line is not its log's
 * next one (ITEM_LOG_NEXT), nothing was taken and `lost` answers, or hands over
 * again; `next` as RECORD_LOG_OFFSET has it. NULL: no item has that flag.
 * What b's items point into is the caller's again after the call; `details`,
 * which may tell of items that are not good (atomic=0), is released. */
void	publish_items(struct conn *c, const struct publish_body *b, bool atomic,
	    struct reply_details *details, const char *extra,
	    publish_lost_cb lost);

#endif
