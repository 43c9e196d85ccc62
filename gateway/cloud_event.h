/*
 * cloud_event: an event as a CloudEvent 1.0 in the structured JSON form (its
 * JSON Format, version 1.0.2), for format=cloudevents. Pure: bytes in, bytes
 * out. The rule: doc/contract.md, section 4.
 *
 * Lossless: every member of the event has an attribute, whose names have lower
 * case letters and digits only, as CloudEvents wants them:
 *
 *   id, source, subject, version, tenant, traceparent, terminal, data: same
 *   event_type -> type           timestamp -> time
 *   stream_key -> streamkey      correlation_id -> correlationid
 *   seq -> sequence (a string: a CloudEvents integer has 32 bits)
 *   idempotency_key -> idempotencykey
 *   type: the begin of streamkey, up to its colon
 *
 * `data` and all other values are copied as they stand. `datacontenttype` is
 * left out: without one `data` is JSON. It is at most CLOUD_EVENT_GROWTH bytes
 * longer than the event.
 */
#ifndef SLUICE_CLOUD_EVENT_H
#define SLUICE_CLOUD_EVENT_H

#include "common/buf.h"

#define CLOUD_EVENT_GROWTH 2u

/* Appends the CloudEvent of an event as a client sees it (section 1, on one
 * line). false, and nothing was appended: it is not one. */
bool	cloud_event(struct buf *b, struct slice event);

#endif
