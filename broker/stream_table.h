/*
 * stream_table: every stream the broker knows, by tenant and key. Pure. Owned
 * by sequencer, which alone changes what stands in an entry.
 *
 * An entry never moves to another number while it lives, so that a number
 * stands for a stream and a walk by number can be broken off; pointers to
 * entries are good until the next insert.
 */
#ifndef SLUICE_STREAM_TABLE_H
#define SLUICE_STREAM_TABLE_H

#include "common/event.h"

#define STREAM_TABLE_NONE     UINT32_MAX
#define STREAM_TABLE_NAME_MAX (EVENT_TENANT_MAX + 1 + EVENT_KEY_MAX)
#define STREAM_GRACE_MAX      0xffffffu   /* ms, more than four hours */

struct table_stream {
	char		*name;      /* tenant, NUL, key; NULL: free */
	uint64_t	 seq;
	uint64_t	 last;      /* free: the next free one */
	uint64_t	 gone;      /* sequencer.h */
	uint64_t	 hash;
	int64_t		 ended_ms;  /* with its log open: sequencer.h */
	uint32_t	 machines;  /* head of machine_table's list */
	uint16_t	 parts;     /* in it, but the stream's own */
	uint16_t	 name_len;
	uint8_t		 flags;
	uint32_t	 grace_ms : 24;   /* likewise: of what was then set */
	uint32_t	 logs;      /* log_lines.h */
};

struct stream_table {
	uint64_t		 seed;
	struct table_stream	*streams;
	uint32_t		 used;     /* members in use or free-listed */
	uint32_t		 count;
	/* Its own. */
	uint32_t		 size;
	uint32_t		 free_head;
	uint32_t		*index;    /* open addressing, linear probing */
	uint32_t		 mask;
};

/* The seed keys the hash: a publisher cannot choose names that collide. */
void	stream_table_init(struct stream_table *t, uint64_t seed);
void	stream_table_clear(struct stream_table *t);

/* NULL: there is none. */
struct table_stream *stream_table_find(const struct stream_table *t,
	    struct slice tenant, struct slice key);
/* The one there is, or a new one, all zero but its name and without
 * machines. */
struct table_stream *stream_table_get(struct stream_table *t,
	    struct slice tenant, struct slice key);
/* Its machines were dropped. */
void	stream_table_remove(struct stream_table *t, uint32_t at);
uint32_t stream_table_number(const struct stream_table *t,
	    const struct table_stream *st);
bool	stream_table_begins_with(const struct table_stream *st,
	    struct slice tenant, struct slice begin);

#endif
