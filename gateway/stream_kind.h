/*
 * stream_kind: what the gateway knows of each stream type, one row a type:
 * its event types, and what the broker must be told about each. Pure.
 *
 * Payload schemas and the judging of state machines belong here too, as
 * further columns of these rows.
 */
#ifndef SLUICE_STREAM_KIND_H
#define SLUICE_STREAM_KIND_H

#include "common/event.h"

struct stream_kind_event {
	const char	*name;
	uint8_t		 flags;     /* enum item_flag */
};

#define STREAM_KIND_EVENTS_MAX 8u

struct stream_kind {
	struct stream_kind_event events[STREAM_KIND_EVENTS_MAX];
};

const struct stream_kind	*stream_kind(enum stream_type type);
/* The row's event of that name; NULL: not one of this type's. */
const struct stream_kind_event	*stream_kind_event(enum stream_type type,
				    struct slice event_type);
/* True when events of the type may be published under this name: the row's
 * own, or a custom one ("x." first), never a control frame's. */
bool				 stream_kind_admits(enum stream_type type,
				    struct slice event_type);
/* The type a checked key or prefix begins with. */
enum stream_type		 stream_kind_of(struct slice selector);

#endif
