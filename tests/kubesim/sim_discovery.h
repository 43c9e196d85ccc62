/*
 * sim_discovery: which groups and resources are served: aggregated (v2) for
 * those who accept it, and one document per group and version for the others.
 * Kinds in modes.unserved are left out, and with its last kind a group.
 */
#ifndef SIM_DISCOVERY_H
#define SIM_DISCOVERY_H

#include "tests/kubesim/sim_http.h"

/* Answers /api, /apis and what is below them when it is a document of
 * discovery; false: the path is none. */
bool	sim_discovery_handle(struct sim_conn *c, const char *path);

#endif
