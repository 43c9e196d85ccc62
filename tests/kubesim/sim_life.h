/*
 * sim_life: what happens in the cluster when nobody touches it: controllers
 * that follow a Deployment's spec (ReplicaSets, pods step by step, rolling
 * update with surge), and a seeded script that starts rollouts, scales, and
 * lets pods crash, run out of memory or miss their image, and recover.
 *
 * Frozen, it does nothing but fill the store at the start. The rate bounds
 * the changes per second it makes; with rate 0 the controllers run as fast as
 * their steps are due, and no script does.
 */
#ifndef SIM_LIFE_H
#define SIM_LIFE_H

#include "tests/kubesim/sim.h"

struct sim_life *sim_life_new(struct sim *sim);
void	sim_life_free(struct sim_life *l);
/* So many milliseconds have passed: for a clock that a script moves. */
void	sim_life_step(struct sim_life *l, int64_t ms);
/* The object was written from outside: its controller looks at it. */
void	sim_life_wake(struct sim_life *l, struct sim_object *o);
/* True: the life sees to the deletion; false: delete it at once. */
bool	sim_life_delete(struct sim_life *l, struct sim_object *o);

#endif
