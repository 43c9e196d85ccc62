/*
 * sim_script: a timeline of what happens to the cluster, and the clock it
 * runs by: the machine's, or one that stands (--clock) and is moved by
 * /_sim/clock, so that the same script and seed give the same bytes.
 *
 *   {"steps": [{"at_ms": 500, "create": {"kind", "ns", "name", "object"}},
 *     {"at_ms": 900, "patch": {"kind", "ns", "name", "patch", "status"}},
 *     {"at_ms": 950, "delete": {"kind", "ns", "name"}},
 *     {"at_ms": 1000, "change": ..., "faults": ..., "modes": ...,
 *       "access": ...}]}
 *
 * at_ms counts from the loading. A step that cannot be done is noted and the
 * script goes on.
 */
#ifndef SIM_SCRIPT_H
#define SIM_SCRIPT_H

#include "common/err.h"
#include "tests/kubesim/sim.h"

#define SIM_SCRIPT_STEPS_MAX 100000u

struct sim_script *sim_script_new(struct sim *sim);
void	sim_script_free(struct sim_script *p);
/* Replaces the script; -1 names the first step that is none. */
int	sim_script_load(struct sim_script *p, json_t *doc, struct err *err)
	    MUST_CHECK;
void	sim_script_clear(struct sim_script *p);
/* {"left", "done", "errors": [...]}. New reference. */
json_t	*sim_script_show(const struct sim_script *p);
/* Moves a standing clock; steps and life that are due happen on the way. */
int	sim_script_advance(struct sim_script *p, int64_t ms, struct err *err)
	    MUST_CHECK;

#endif
