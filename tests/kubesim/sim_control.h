/*
 * sim_control: the /_sim/ endpoints of tests (no token; loopback only), the
 * log of requests, and bulk changes.
 *
 *   GET    /_sim/state[?kind=]          all objects as they are
 *   GET    /_sim/history?kind=&ns=&name=  every state an object had
 *   GET    /_sim/stats                  versions, watches, changes
 *   GET    /_sim/requests[?after=ID]    log; DELETE empties it
 *   POST   /_sim/faults                 sim_faults.h; GET shows, DELETE clears
 *   POST   /_sim/change                 {"kind", "count", "rate", "ns", "name"}
 *                                       rate 0: full speed; GET: progress
 */
#ifndef SIM_CONTROL_H
#define SIM_CONTROL_H

#include "tests/kubesim/sim_http.h"

#define SIM_LOG_MAX 20000u

struct sim_control *sim_control_new(struct sim *sim);
void	sim_control_free(struct sim_control *k);
void	sim_control_handle(struct sim_conn *c);
/* Enters a request; returns its number (from 1). */
uint64_t sim_control_log(struct sim *sim, struct sim_conn *c);
/* Notes what it was answered; 0 is ignored. */
void	sim_control_answered(struct sim *sim, uint64_t id, int status,
	    size_t bytes);

#endif
