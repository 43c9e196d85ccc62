/*
 * sim_selector: label and field selectors, with the field labels that the API
 * server allows for each kind. Pure.
 */
#ifndef SIM_SELECTOR_H
#define SIM_SELECTOR_H

#include "common/err.h"
#include "tests/kubesim/sim_store.h"

#define SIM_SELECTOR_TERMS_MAX 32

struct sim_selector;

/* Either text may be NULL or "". *ret is NULL when both select all; -1 says
 * why the server refuses (400). */
int	sim_selector_parse(enum sim_kind kind, const char *labels,
	    const char *fields, struct sim_selector **ret, struct err *err)
	    MUST_CHECK;
void	sim_selector_free(struct sim_selector *s);
/* NULL matches everything. */
bool	sim_selector_matches(const struct sim_selector *s,
	    const struct sim_object *o, const struct sim_state *st);

#endif
