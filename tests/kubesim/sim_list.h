/*
 * sim_list: GET of a collection: which state of it a request asks for
 * (resourceVersion, resourceVersionMatch, continue, limit, selectors), pages
 * of it, and what is answered when that state is not to be had.
 *
 * A page of many objects is made while it is sent: text only for what the
 * reader has room for.
 */
#ifndef SIM_LIST_H
#define SIM_LIST_H

#include "tests/kubesim/sim_api.h"
#include "tests/kubesim/sim_snapshot.h"

void	sim_list_start(struct sim_conn *c, const struct sim_path *p);
/* A number among the parameters, 0 where absent or negative; -1 after having
 * answered 400. */
int	sim_list_number(struct sim_conn *c, const char *name, uint64_t *ret);
/* What the request selects by; answers 400 and returns -1 when it cannot. The
 * texts are the request's; *ret_selector is the caller's. */
int	sim_list_query(struct sim_conn *c, const struct sim_path *p,
	    struct sim_query *ret, struct sim_selector **ret_selector);

#endif
