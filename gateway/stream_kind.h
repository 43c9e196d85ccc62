/*
 * stream_kind: what the gateway knows of each stream type, one row a type:
 * its event types, and what the broker must be told about each. Pure.
 *
 * Payload schemas and the judging of state machines belong here too, as
 * further columns of these rows. ITEM_LAST in a row: its events may be a log's
 * last line.
 */
#ifndef SLUICE_STREAM_KIND_H
#define SLUICE_STREAM_KIND_H

#include "common/event.h"

struct stream_kind_event {
	const char	*name;
	uint8_t		 flags;     /* enum item_flag */
};

#define STREAM_KIND_EVENTS_MAX 8u

/* How a stream ended: what stands in the state byte of its terminal event, and
 * so in the journal: append only. */
enum stream_final {
	FINAL_NONE,
	FINAL_SUCCEEDED,
	FINAL_PARTIALLY_SUCCEEDED,
	FINAL_FAILED,
	FINAL_CANCELED,
	FINAL_TIMED_OUT,
	FINAL_COMPLETE,
	FINAL_CANCELLED,      /* as KubeOrch writes it */
	FINAL_MAX
};

/* With it in the state byte lines of the stream's log may follow its end. */
#define STREAM_KIND_LOGS_OPEN 0x80u

struct stream_kind {
	struct stream_kind_event events[STREAM_KIND_EVENTS_MAX];
	unsigned int		 finals;    /* 1 << each that it may have */
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
/* The end that a lifecycle event of this type is, by its name or by `state` (a
 * word of the contract, or an alias of one); FINAL_NONE: it is none. */
enum stream_final		 stream_kind_final(enum stream_type type,
				    struct slice event_type,
				    struct slice state);
/* The word for a terminal event's state byte; "unknown" for another's. */
const char			*stream_kind_final_name(uint8_t state);
/* Whether all of these checked selectors are keys of types that end. */
bool				 stream_kind_all_end(
				    const struct slice *selectors, size_t n);
/* The type a checked key or prefix begins with. */
enum stream_type		 stream_kind_of(struct slice selector);

#endif
