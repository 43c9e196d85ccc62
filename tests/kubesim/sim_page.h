/*
 * sim_page: writes a page of a snapshot: head, items, tail; at once when it
 * is small, else bit by bit as the reader takes it, compressed on the way if
 * asked for.
 */
#ifndef SIM_PAGE_H
#define SIM_PAGE_H

#include "tests/kubesim/sim_api.h"
#include "tests/kubesim/sim_snapshot.h"

/* Items from..from+limit (0: all); the page says where it goes on. */
void	sim_page_reply(struct sim_conn *c, struct sim_snapshot *s, size_t from,
	    size_t limit);

#endif
