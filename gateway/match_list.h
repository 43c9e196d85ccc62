/*
 * match_list: the positions in the ring that match one subscription, in order,
 * each once: a circular array that grows at both ends and is searched by
 * halves. Pure. As long as what is in it: the owner drops what left the ring.
 */
#ifndef SLUICE_MATCH_LIST_H
#define SLUICE_MATCH_LIST_H

#include <stddef.h>
#include <stdint.h>

#define MATCH_LIST_EMPTY ((struct match_list){ NULL, 0, 0, 0 })

struct match_list {
	uint64_t	*array;
	uint32_t	 head;
	uint32_t	 len;
	uint32_t	 size;      /* a power of two, or 0 */
};

void	match_list_free(struct match_list *l);
/* Empty, and keeps its room. */
void	match_list_clear(struct match_list *l);
/* Of one that is not behind the last: nothing, it was added already. */
void	match_list_append(struct match_list *l, uint64_t position);
/* `position` is before the first. */
void	match_list_prepend(struct match_list *l, uint64_t position);
/* Drops all before `oldest`; the last one dropped, 0: none. */
uint64_t match_list_drop(struct match_list *l, uint64_t oldest);
/* Up to `max` of those behind `cursor`; how many. */
size_t	match_list_after(const struct match_list *l, uint64_t cursor,
	    uint64_t *ret, size_t max);

#endif
