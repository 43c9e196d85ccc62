/*
 * event_state: what of its state machine a published event is (contract 3):
 * the state it names, its attempt, the part of the stream (step) it is of; or
 * which line of its log. Pure: parsed data in; fields of the item, or problems
 * with their paths, out.
 *
 * Aliases become the machine's own words, in the parsed event as in the frame,
 * so that nobody behind this sees one. What may follow what is lifecycle's.
 */
#ifndef SLUICE_EVENT_STATE_H
#define SLUICE_EVENT_STATE_H

#include "common/event.h"
#include "common/lifecycle.h"
#include "gateway/json_tree.h"

struct event_state {
	enum lifecycle_machine	machine;
	bool			named;      /* by a member of its data */
	enum lifecycle_state	previous;   /* NONE: null, or not said */
	/* Where in the frame `null` stands as previous_state, which the state
	 * before replaces when the event is appended; 0: nowhere. */
	uint32_t		hole;
};

typedef void (*event_state_problem_cb)(const char *path, const char *problem,
    void *arg);

/* Aliases of states in `data` become the words of the machine of an event of
 * this name; what is no state stays as it is. */
void		event_state_words(struct json_value *data,
		    enum stream_type type, struct slice event_type);
/* Sets the item's flags, state byte, attempt and part from `data`, where words
 * are replaced and which is as its schema has it (payload_check). Returns how
 * many problems were told: those that no schema knows. */
unsigned int	event_state_read(struct json_value *data,
		    enum stream_type type, struct item *item,
		    struct event_state *ret,
		    event_state_problem_cb cb, void *arg);
/* The data that ends the frame, from `data_at` on, gets the words of `data`,
 * and the hole is noted, counted from `frame_at`. */
void		event_state_write(struct buf *frame, size_t frame_at,
		    size_t data_at, const struct json_value *data,
		    struct event_state *s);
/* Appends the item's frame with `now` in the hole. */
void		event_state_fill(struct buf *b, const struct item *item,
		    const struct event_state *s, enum lifecycle_state now);

#endif
