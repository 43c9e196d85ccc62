/*
 * all_states: what gateways are told of all processes (MSG_STATES). However
 * many ask, and however often, the list is made once for all who wait, after
 * the last of them asked, and takes at most a tenth of the supervisor's time:
 * of a thousand watchers it is a megabyte, and a gateway is what the network
 * reaches. Supervisor.
 */
#ifndef SLUICE_ALL_STATES_H
#define SLUICE_ALL_STATES_H

#include <stdint.h>

#include "supervisor/supervisor.h"

#define ALL_STATES_EVERY_MS     20
#define ALL_STATES_EVERY_MAX_MS 500   /* a gateway waits for one second */

/* Pure: how long after one list that took so long the next is made. */
int64_t	all_states_pause_ms(int64_t took_ns);
/* Tells all children that want it (child.states_wanted), now or when the pause
 * is over; who cannot be told then is at the next tick. */
void	all_states_tell(struct supervisor *s);

#endif
