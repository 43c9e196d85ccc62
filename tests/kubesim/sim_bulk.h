/*
 * sim_bulk: many visible changes of status, at a rate or at full speed, to
 * the objects of a kind in turn. One at a time per cluster.
 *
 * At full speed it waits for watches that lag, so that a test measures the
 * reader and not the size of a buffer.
 */
#ifndef SIM_BULK_H
#define SIM_BULK_H

#include "common/err.h"
#include "tests/kubesim/sim.h"

struct sim_bulk *sim_bulk_new(struct sim *sim);
void	sim_bulk_free(struct sim_bulk *k);
bool	sim_bulk_busy(const struct sim_bulk *k);
/* {"kind", "count", "rate", "ns", "name", "size"}; the size is in bytes, of a
 * member that makes the objects larger (0: no more). -1 names what is wrong. */
int	sim_bulk_start(struct sim_bulk *k, json_t *doc, struct err *err)
	    MUST_CHECK;
/* The same, all of it before it returns. */
int	sim_bulk_now(struct sim_bulk *k, json_t *doc, struct err *err)
	    MUST_CHECK;
/* {"left", "done", "first_rv", "last_rv"}. New reference. */
json_t	*sim_bulk_show(const struct sim_bulk *k);

#endif
