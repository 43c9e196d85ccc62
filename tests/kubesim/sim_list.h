/*
 * sim_list: GET of a collection: pages bound to a snapshot, and the answers a
 * reader gets when its snapshot or its version is not to be had.
 *
 * An exact list of an older version is answered as if that version had been
 * compacted (410), which a real server may do at any time.
 */
#ifndef SIM_LIST_H
#define SIM_LIST_H

#include "tests/kubesim/sim_api.h"

#define SIM_SNAPSHOTS_MAX 64

void	sim_list_start(struct sim_conn *c, const struct sim_path *p);
/* Every continue token given out so far is answered 410 from now on. */
void	sim_list_expire(struct sim *sim);

struct sim_api *sim_list_new(void);
void	sim_list_free(struct sim_api *api);

#endif
