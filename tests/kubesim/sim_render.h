/*
 * sim_render: an object in a state, as JSON text or document.
 *
 * Pure: the text is a function of object and state. What the kind's template
 * does not know is laid over it as a merge patch (sim_state.overlay).
 */
#ifndef SIM_RENDER_H
#define SIM_RENDER_H

#include "tests/kubesim/sim_store.h"

/* The object's text in this state; the caller owns one reference. */
struct sim_blob *sim_render_blob(const struct sim_object *o,
    const struct sim_state *st);
/* The same as a document; without overlay when bare. New reference. */
json_t	*sim_render_document(const struct sim_object *o,
	    const struct sim_state *st, bool bare);

#endif
