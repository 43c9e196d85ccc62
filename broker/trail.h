/*
 * trail: of which stream the event at each kept position is: 4 bytes for each
 * event of the journal, so that the broker knows, when old ones leave it, what
 * each stream lost (contract 4, `evicted`). Pure. Owned by sequencer, whose
 * numbers of streams it holds.
 *
 * Positions follow each other; a jump is a new epoch, at which the owner takes
 * what was known, or it is dropped. Limit:
 * TRAIL_MAX; beyond it the oldest must be taken before its event leaves.
 */
#ifndef SLUICE_TRAIL_H
#define SLUICE_TRAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRAIL_MAX (16u * 1024 * 1024)   /* 64 MiB */

struct trail {
	uint32_t	*streams;   /* a ring */
	uint64_t	 first;     /* position of the oldest */
	uint32_t	 head;
	uint32_t	 n;
	uint32_t	 size;      /* a power of two, or 0 */
};

void	trail_free(struct trail *t);
void	trail_clear(struct trail *t);
/* It is not after the newest. */
bool	trail_knows(const struct trail *t, uint64_t position);
/* It is behind a jump. */
bool	trail_jumps(const struct trail *t, uint64_t position);
/* The position after the newest, or a jump; one that is known already changes
 * nothing, and another may not come when it is full. */
void	trail_add(struct trail *t, uint64_t position, uint32_t stream);
bool	trail_is_full(const struct trail *t);
/* Takes the oldest away, if it is before `before`. */
bool	trail_take(struct trail *t, uint64_t before, uint64_t *ret_position,
	    uint32_t *ret_stream);
/* Up to `max` streams from `position` on, which moves up to where they begin
 * if older ones were taken; how many. */
size_t	trail_read(const struct trail *t, uint64_t *position, uint32_t *ret,
	    size_t max);
/* Gives each its new number, map[old]; STREAM_TABLE_NONE beyond n. */
void	trail_renumber(struct trail *t, const uint32_t *map, size_t n);

#endif
