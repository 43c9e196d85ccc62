/*
 * pub_queue: the events of a handle that are in memory only: a ring of a fixed
 * number of places, with a limit of bytes besides. Pure; the caller locks.
 *
 * Many threads push, one removes: a text that pub_queue_peek() gave stays where
 * it is until that one removes it, without the lock, too.
 */
#ifndef SLUICE_PUB_QUEUE_H
#define SLUICE_PUB_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/mono.h"

struct pub_entry {
	char		*text;      /* NUL-terminated */
	size_t		 size;
	struct mono	 since;
};

struct pub_queue {
	struct pub_entry *ring;
	size_t		 places;
	size_t		 first;
	size_t		 n;
	size_t		 bytes;
	size_t		 bytes_max;
};

void	pub_queue_init(struct pub_queue *q, size_t events_max,
	    size_t bytes_max);
/* What is in it, too. */
void	pub_queue_clear(struct pub_queue *q);
/* Takes the text; false, and it stays the caller's, when the queue is full. */
bool	pub_queue_push(struct pub_queue *q, char *text, size_t size,
	    struct mono now);
/* The i-th oldest; i < n. */
const struct pub_entry *pub_queue_peek(const struct pub_queue *q, size_t i);
/* Frees the oldest; n > 0. */
void	pub_queue_remove(struct pub_queue *q);
/* More than half of either limit is used. */
bool	pub_queue_half_full(const struct pub_queue *q);

#endif
