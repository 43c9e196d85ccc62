/*
 * publish_unit: a group of items of state machines on its way to the broker:
 * judged (transitions), handed over with guards, and, where a guard was lost,
 * judged again on what the broker says. Process: gateway.
 *
 * What this gateway saw last of a machine is its first guess, and if it knows
 * nothing, that there is nothing; the broker's refusal says what there is. A
 * guess may let an event through, since its guard proves it, but refuses none:
 * before that the broker is asked, so that no transition is called illegal
 * that follows what another gateway has just appended.
 */
#ifndef SLUICE_PUBLISH_UNIT_H
#define SLUICE_PUBLISH_UNIT_H

#include "common/publisher.h"
#include "gateway/transitions.h"

/* Guards lost in a row, to other publishers of the same machine. */
#define PUBLISH_UNIT_TRIES_MAX  64u
/* Machines that are guessed, of all streams; a newer one takes the place. */
#define PUBLISH_UNIT_GUESSES    8192u

struct publish_unit_result {
	enum record_code	code;       /* APPENDED: all is there now */
	uint32_t		accepted;
	uint32_t		duplicates;
	struct position		first;      /* of them */
	struct position		last;
	uint32_t		lost;       /* guards, to others */
	bool			no_room;    /* the queue was full: nothing was
					     * taken, and nothing is told of
					     * an item */
	/* Not APPENDED: of the group's items this one. GUARD_LOST: its
	 * machine, what was wrong (ACCEPT: too many guards were lost) and
	 * where it stands. LOG_OFFSET: now.position, as in record.h. */
	size_t			item;
	enum lifecycle_machine	machine;
	enum lifecycle_verdict	verdict;
	struct transitions_now	now;
};

typedef void (*publish_unit_cb)(const struct publish_unit_result *result,
    void *arg);

/* Takes t. The callback comes once, from the loop. -1: the queue is full, and
 * nothing was taken but t. */
int	publish_unit_submit(struct publisher *p, struct transitions *t,
	    publish_unit_cb cb, void *arg) MUST_CHECK;
/* The process ends: what is under way is forgotten. */
void	publish_unit_finish(void);

#endif
