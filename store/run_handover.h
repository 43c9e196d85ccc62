/*
 * run_handover: the runs on their way from the writer's thread, which reads
 * them in projection.db, to the loop, which tells them. Pure: no lock, no
 * clock; the owner holds a mutex around every call.
 *
 * It holds RUN_HANDOVER_MAX runs; the others stay in the database. Once it is
 * empty again, and not before, the writer reads on: run_handover_wanted().
 */
#ifndef SLUICE_RUN_HANDOVER_H
#define SLUICE_RUN_HANDOVER_H

#include "store/run_progress.h"

#define RUN_HANDOVER_MAX 256u

/* All zero: empty. */
struct run_handover {
	struct run_progress	 runs[RUN_HANDOVER_MAX];
	size_t			 n;
	size_t			 taken;    /* the first of them */
	bool			 more;     /* there are, in the database */
};

void	run_handover_clear(struct run_handover *h);
/* How many it takes. */
size_t	run_handover_room(const struct run_handover *h);
/* Takes what the run contains; there is room. */
void	run_handover_put(struct run_handover *h, struct run_progress *p);
/* Whether those that were put are all there are. */
void	run_handover_more(struct run_handover *h, bool more);
/* True: it is empty, and there are more. */
bool	run_handover_wanted(const struct run_handover *h);
/* The next, to be cleared. False: none. */
bool	run_handover_take(struct run_handover *h, struct run_progress *ret);

#endif
