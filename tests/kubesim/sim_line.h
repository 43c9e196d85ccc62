/*
 * sim_line: the lines of a watch as text: events, as a selector makes them
 * look, bookmarks, errors. Pure.
 */
#ifndef SIM_LINE_H
#define SIM_LINE_H

#include "tests/kubesim/sim_http.h"
#include "tests/kubesim/sim_selector.h"

/* All return a new reference. */
struct sim_text *sim_line_event(enum sim_change change,
    const struct sim_object *o, const struct sim_state *st,
    enum sim_form form);
struct sim_text *sim_line_bookmark(enum sim_kind kind, enum sim_form form,
    uint64_t rv, bool initial_end);
/* Steals the status. */
struct sim_text *sim_line_error(json_t *status);
/* The event as a watch with this selector sees it: what begins to match is
 * ADDED, what leaves off is DELETED though it lives, in its last state that
 * matched. NULL: it sees nothing. */
struct sim_text *sim_line_selected(const struct sim_event *ev,
    const struct sim_selector *s, enum sim_form form);
/* The line as a gzip member of its own; takes over the reference. */
struct sim_text *sim_line_member(struct sim_text *t);

#endif
