/*
 * machine_table: where the state machines of streams stand: of each its last
 * lifecycle event, as the next is guarded by (contract 3). A stream has one of
 * its own and one for each of its parts (the steps of a pack run), in a list
 * that hangs in its entry. Pure. Owned by sequencer; nothing in an entry means
 * anything to the broker but its position.
 *
 * Limits: MACHINE_PARTS_MAX parts of a stream, MACHINE_ALL_PARTS_MAX of all of
 * them; of their own machines there are as many as there are streams. Pointers
 * are good until the next machine_table_get.
 */
#ifndef SLUICE_MACHINE_TABLE_H
#define SLUICE_MACHINE_TABLE_H

#include "common/event.h"

#define MACHINE_NONE          UINT32_MAX
#define MACHINE_PARTS_MAX     1024u
#define MACHINE_ALL_PARTS_MAX (1024u * 1024)   /* 64 MiB */

struct machine {
	uint8_t		part[EVENT_HASH_SIZE];   /* zero: the stream's own */
	uint8_t		body[EVENT_HASH_SIZE];
	struct position	position;   /* {0, 0}: nothing yet */
	uint32_t	attempt;
	uint32_t	next;       /* of the stream's, or of the free ones */
	uint8_t		state;
};

struct machine_table {
	struct machine	*machines;
	uint32_t	 parts;   /* machines of parts, of all streams */
	/* Its own. */
	uint32_t	 used;
	uint32_t	 size;
	uint32_t	 free_head;
};

void	machine_table_init(struct machine_table *t);
void	machine_table_clear(struct machine_table *t);

/* Of the list that begins at `head`: the one of a part (NULL: the stream's
 * own); NULL: there is none. */
struct machine *machine_table_find(const struct machine_table *t,
	    uint32_t head, const uint8_t *part);
/* The same, made if it is new: all zero but its part. */
struct machine *machine_table_get(struct machine_table *t, uint32_t *head,
	    const uint8_t *part);
/* The list is gone. */
void	machine_table_drop(struct machine_table *t, uint32_t *head);

#endif
