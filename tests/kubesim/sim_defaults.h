/*
 * sim_defaults: what a client's new object gets and does not get from its
 * kind's template. The template shows whole, realistic objects; of an object
 * that a client writes only what the API server itself fills in may come from
 * there. Pure.
 */
#ifndef SIM_DEFAULTS_H
#define SIM_DEFAULTS_H

#include <jansson.h>

#include "tests/kubesim/sim_store.h"

/* Takes examples out of the template's document: data, and members of the
 * spec that a server would not fill in, where the client wrote a spec. */
void	sim_defaults_drop_examples(json_t *template_, enum sim_kind kind,
	    const json_t *written);
/* Fills in what depends on what was written: the protocol, target and node
 * port of a Service's ports, and that one without a balancer has no address of
 * one. The object's ordinal makes a node port. */
void	sim_defaults_fill(json_t *doc, const struct sim_object *o);

#endif
