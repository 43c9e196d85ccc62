/*
 * segment_list: which segments of the journal there are, oldest first, and
 * which of them may leave: by age, by size, because the disk is full, or, of
 * those in memory, because there are too many. The last one is the current one,
 * and never leaves. What is in it is journal_segments' to know, and how its
 * file came to be is segment_make's. It unlinks files: only journal_segments
 * calls it.
 */
#ifndef SLUICE_SEGMENT_LIST_H
#define SLUICE_SEGMENT_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In memory: less than on disk, and no more of them than a reader that comes
 * later is told of. */
#define SEGMENTS_MEMORY_MAX   (256u * 1024 * 1024)
#define SEGMENTS_MEMORY_COUNT 32u

struct segment {
	uint64_t	first;
	uint64_t	end;          /* first - 1: empty */
	uint64_t	bytes;        /* allocated */
	int64_t		created_unix_ms;
	uint32_t	epoch;
	int		memory_fd;    /* ours; -1: a file */
};

struct segment_list {
	int		 directory;   /* the caller's */
	struct segment	*all;         /* ascending */
	size_t		 n;
	uint64_t	 covered;     /* newest complete state file */
	bool		 memory;      /* the disk failed: no file leaves */
	uint64_t	 recycled;    /* given up because the disk was full */
	size_t		 dropped;     /* ever, from the old end */
};

/* Closes the memory segments; files stay. */
void	segment_list_free(struct segment_list *l);
/* A copy becomes the current one. */
void	segment_list_add(struct segment_list *l, const struct segment *s);
/* Takes the current one away, with its file: it was begun in vain. */
void	segment_list_remove_last(struct segment_list *l);
/* The current one; there must be one. */
struct segment *segment_list_last(const struct segment_list *l);

/* Forgets the oldest; of one in memory nothing stays then, a file does. */
void	segment_list_drop_oldest(struct segment_list *l);
/* Whether the oldest may leave: not the current one, and a complete state file
 * stands at or after its end. */
bool	segment_list_may_leave(const struct segment_list *l);
/* The disk is full: gives the oldest one's room back; false when it must
 * stay. */
bool	segment_list_make_room(struct segment_list *l);
/* So few of the oldest may leave that a full disk would stop the writer. */
bool	segment_list_need_state(const struct segment_list *l);
/* Lets go of what is too much or too old (journal_segments_retain). */
void	segment_list_retain(struct segment_list *l, uint64_t size,
	    int64_t retain_ms, int64_t now_ms);

uint64_t segment_list_bytes(const struct segment_list *l);
/* The first position that is there; 0: none is. */
uint64_t segment_list_oldest(const struct segment_list *l);
/* Memory segments, oldest first: the fd (still ours) of the i-th, or -1. */
int	segment_list_memory_fd(const struct segment_list *l, size_t i,
	    uint64_t *ret_first);

#endif
