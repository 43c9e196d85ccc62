/*
 * epoch_list: which epoch a position is of. Numbers go on over epochs, so the
 * broker keeps numbers alone, and the few places where an epoch begins. Pure.
 * Limit: EPOCH_LIST_MAX, the newest; what is older counts with the oldest of
 * them, as in a journal whose history was lost.
 */
#ifndef SLUICE_EPOCH_LIST_H
#define SLUICE_EPOCH_LIST_H

#include <stddef.h>
#include <stdint.h>

#define EPOCH_LIST_MAX 64u   /* as many as the journal's history has lines */

struct epoch_list {
	struct epoch_begin {
		uint32_t	epoch;
		uint64_t	first;
	}	begins[EPOCH_LIST_MAX];   /* ascending by first */
	size_t	n;
};

/* Positions from `first` to the next beginning that is known are of this
 * epoch; one that was to begin there as well has remained empty. What is known
 * already changes nothing. */
void	 epoch_list_add(struct epoch_list *l, uint32_t epoch, uint64_t first);
/* 0: none is known at all. */
uint32_t epoch_list_of(const struct epoch_list *l, uint64_t number);

#endif
