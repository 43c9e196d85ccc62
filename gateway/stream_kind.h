/*
 * stream_kind: what the gateway knows of each stream type, one row a type:
 * its event types, and what the broker must be told about each. Pure.
 *
 * What their data must be is said by payload_check.h. ITEM_LAST in a row: its
 * events may be a log's last line. ITEM_LIFECYCLE: they are judged by the
 * machine of their stream; ITEM_PART: by that of a part of it (a step), which
 * is named by the member `part` of their data.
 */
#ifndef SLUICE_STREAM_KIND_H
#define SLUICE_STREAM_KIND_H

#include "common/event.h"
#include "common/lifecycle.h"

struct stream_kind_event {
	const char		*name;
	uint16_t		 flags;     /* enum item_flag */
	enum lifecycle_machine	 machine;
	const char		*state;     /* its member of data; NULL: the
					     * event's name says it */
	const char		*part;      /* with ITEM_PART */
};

#define STREAM_KIND_EVENTS_MAX 8u

struct stream_kind {
	struct stream_kind_event events[STREAM_KIND_EVENTS_MAX];
	bool			 log_ends;  /* with its log's last line */
};

const struct stream_kind	*stream_kind(enum stream_type type);
/* The row's event of that name; NULL: not one of this type's. */
const struct stream_kind_event	*stream_kind_event(enum stream_type type,
				    struct slice event_type);
/* True when events of the type may be published under this name: the row's
 * own, or a custom one ("x." first), never a control frame's. */
bool				 stream_kind_admits(enum stream_type type,
				    struct slice event_type);
/* Whether all of these checked selectors are keys of types that end. */
bool				 stream_kind_all_end(
				    const struct slice *selectors, size_t n);
/* The type a checked key or prefix begins with. */
enum stream_type		 stream_kind_of(struct slice selector);

#endif
