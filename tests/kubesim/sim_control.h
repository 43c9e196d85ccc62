/*
 * sim_control: the /_sim/ endpoints of tests (no token; loopback only), and
 * bulk changes.
 *
 *   GET    /_sim/state[?kind=]          all objects as they are
 *   GET    /_sim/history?kind=&ns=&name=  every state an object had
 *   GET    /_sim/stats                  versions, watches, changes
 *   GET    /_sim/requests[?after=ID]    log; DELETE empties it
 *   POST   /_sim/faults                 sim_faults.h; GET shows, DELETE clears
 *   POST   /_sim/change                 {"kind", "count", "rate", "ns", "name"}
 *                                       rate 0: full speed; GET: progress
 *   POST   /_sim/script                 sim_script.h; GET shows, DELETE ends it
 *   POST   /_sim/clock                  {"advance_ms"}; GET: the time
 *   POST   /_sim/modes                  sim_modes.h; GET shows, DELETE resets
 *   POST   /_sim/access                 sim_access.h; the same
 */
#ifndef SIM_CONTROL_H
#define SIM_CONTROL_H

#include "tests/kubesim/sim_http.h"

struct sim_control *sim_control_new(struct sim *sim);
void	sim_control_free(struct sim_control *k);
void	sim_control_handle(struct sim_conn *c);

#endif
