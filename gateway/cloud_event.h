/*
 * cloud_event: an event as a CloudEvent 1.0 in the structured JSON form (its
 * JSON Format, version 1.0.2), for format=cloudevents; and back, for publishers
 * who send such, also in the HTTP binding's binary mode. Pure: bytes in, bytes
 * out. The rules: doc/contract.md, sections 4 and 5.
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
 *
 * The way back is the same, with these rules: `id` is the idempotency_key where
 * no idempotencykey stands beside it; `sequence` and `terminal` are the
 * server's and are given anew; `tenant` can only be the token's own; data may
 * come as data_base64, if it is JSON then. An attribute that an event has no
 * member for is refused: it would be lost.
 */
#ifndef SLUICE_CLOUD_EVENT_H
#define SLUICE_CLOUD_EVENT_H

#include "common/buf.h"
#include "gateway/envelope.h"
#include "gateway/http_request.h"

#define CLOUD_EVENT_GROWTH 2u
#define CLOUD_EVENT_ATTRIBUTES_MAX 64u

/* Appends the CloudEvent of an event as a client sees it (section 1, on one
 * line). false, and nothing was appended: it is not one. */
bool	cloud_event(struct buf *b, struct slice event);
/* Appends the JSON of the event that a CloudEvent is, for the envelope:
 * `tenant` is the publisher's. 0; or how many problems cb was told, by the
 * attributes' names, and nothing is of use that was appended. */
unsigned int cloud_event_read(struct buf *b, const struct json_value *cloud,
	    struct slice tenant, envelope_problem_cb cb, void *arg);
/* Whether the idempotency_key of this one is its id. */
bool	cloud_event_keyed_by_id(const struct json_value *cloud);
/* What a member of an event (or a path that begins with it) is called in a
 * CloudEvent, or in one that is keyed by its id. */
const char *cloud_event_name(const char *member, bool by_id);
/* Binary mode: appends the structured form of a request that has ce-
 * headers. False: its body is not JSON, or a header no text. */
bool	cloud_event_binary(struct buf *b, const struct http_pair *headers,
	    size_t n, struct slice body);

#endif
