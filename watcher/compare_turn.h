/*
 * compare_turn: when a kind is next compared with a list (k8s-watch.md A 33):
 * at random after `watch.compare`, up to twice that; soon after an outage of
 * the API server. Pure: list_compare has the timer and the requests, and is
 * given time and chance.
 *
 * An outage is owed a comparison until one that began after it was whole: what
 * a turn could not do (its watch was shut, its list was refused) is put off,
 * never forgotten.
 */
#ifndef SLUICE_COMPARE_TURN_H
#define SLUICE_COMPARE_TURN_H

#include "common/macros.h"
#include "common/mono.h"

/* After an outage: after the first part of `watch.compare`, up to twice that.
 * A list that fails is asked for again after the double each time. But neither
 * is done more often than once in the second: a proxy may break watches every
 * minute. And only of kinds with so many objects at most (ten pages). */
#define COMPARE_TURN_SOON        60
#define COMPARE_TURN_SOON_MIN_MS 1000
#define COMPARE_TURN_SOON_EVERY  10
#define COMPARE_TURN_SOON_MAX    5000u

/* All zero: no list was whole yet, nothing is compared. */
struct compare_turn {
	bool		on;
	bool		owed;      /* after an outage */
	bool		again;     /* another, since the comparison began */
	bool		soon;      /* the turn that is next is for it */
	unsigned	failed;    /* lists for it, in a row */
	struct mono	whole_at;  /* the last soon one; ns 0: none yet */
};

/* A list is whole, and a watch goes on from it: nothing is owed. */
void	compare_turn_listed(struct compare_turn *t);
/* A list begins: no comparison until it is whole. */
void	compare_turn_off(struct compare_turn *t);
/* The server may have been away; the kind has so many objects. */
void	compare_turn_outage(struct compare_turn *t, uint64_t objects);
/* The watch is open (again). True: the next turn is to be armed anew, unless a
 * comparison is under way. */
bool	compare_turn_open(const struct compare_turn *t) MUST_CHECK;

/* A turn: the first list is asked for. */
void	compare_turn_begin(struct compare_turn *t);
/* It could not be: the watch is shut. What is owed waits until it is open. */
void	compare_turn_shut(struct compare_turn *t);
/* A list of it was refused, or came to nothing. */
void	compare_turn_failed(struct compare_turn *t);
/* It was whole. */
void	compare_turn_whole(struct compare_turn *t, struct mono now);

/* In ms, until the next turn, which is `soon` if one is owed and the watch is
 * `open`. */
int64_t	compare_turn_next(struct compare_turn *t, int64_t compare_ms,
	    bool open, struct mono now, uint32_t random);

#endif
