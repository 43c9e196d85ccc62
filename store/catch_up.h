/*
 * catch_up: the store's way from where its projection stood at the start to
 * the journal's tip: what the first thing it hears means, and when it has
 * arrived. Pure. Process: store, loop only.
 *
 * A projection that stands somewhere is told of holes by the subscriber. An
 * empty one has nothing a hole could follow: that it misses what lies before
 * its first record, or before the tip where no record is left, it sees itself.
 */
#ifndef SLUICE_CATCH_UP_H
#define SLUICE_CATCH_UP_H

#include <stdbool.h>

#include "common/event.h"

struct catch_up {
	struct position	start;       /* the projection stood here */
	bool		begun;       /* a record or a gap came */
	bool		heard;       /* a heartbeat came */
	uint64_t	ready_tip;   /* the first one's */
};

enum catch_up_step {
	CATCH_UP_NOTHING,
	CATCH_UP_AT,      /* all up to a position is known: there was nothing */
	CATCH_UP_LOST,    /* ... is lost to the projection */
};

void	catch_up_init(struct catch_up *c, struct position start);
/* A record that begins at `first`: NOTHING, or LOST up to *ret_through. */
enum catch_up_step catch_up_record(struct catch_up *c, struct position first,
	    struct position *ret_through);
/* The subscriber lost what lies before `next`: up to where. */
struct position catch_up_gap(struct catch_up *c, struct position next);
/* All there is up to a heartbeat's tip was handed over. */
enum catch_up_step catch_up_tip(struct catch_up *c, struct position tip,
	    struct position *ret_through);
/* The projection stands where the journal ended when it was first heard of. */
bool	catch_up_done(const struct catch_up *c, struct position applied);

#endif
