/*
 * journal_index: which segments a journal reader knows, in order, and marks
 * inside them, so that a seek reads 1 MiB and not a whole segment. Pure but
 * for journal_index_scan, which reads the directory. Owned by common/journal,
 * which alone keeps a cursor: the segment it stands on is pinned, and stays
 * pinned while others come and go around it.
 */
#ifndef SLUICE_JOURNAL_INDEX_H
#define SLUICE_JOURNAL_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

#define JOURNAL_INDEX_NONE SIZE_MAX

struct journal_index_mark;

struct journal_index_segment {
	uint64_t		  first;
	int			  memory_fd;   /* -1: a file */
	uint64_t		  files_end;   /* in memory; see journal.h */
	struct journal_index_mark *marks;
	size_t			  n_marks;
};

struct journal_index {
	struct journal_index_segment *segments;   /* ascending by first */
	size_t			      n;
	/* The reader's: an index, or NONE; NONE also once it was removed. */
	size_t			      pinned;
};

#define JOURNAL_INDEX_EMPTY { .pinned = JOURNAL_INDEX_NONE }

void	journal_index_clear(struct journal_index *x);
/* A memory segment, in place of any with the same first; takes the fd. */
void	journal_index_add_memory(struct journal_index *x, uint64_t first,
	    uint64_t files_end, int fd);
/* Drops memory segments that end before `oldest`. */
void	journal_index_forget(struct journal_index *x, uint64_t oldest);
/* Drops memory segments that begin above what follows `tip`: they are of a life
 * that no history tells of, and their positions are given again, in files. */
void	journal_index_retract(struct journal_index *x, uint64_t tip);
/* The files are those with these first positions, ascending. */
void	journal_index_set_files(struct journal_index *x,
	    const uint64_t *firsts, size_t n);
/* The same, from the directory; -1 with *err. */
int	journal_index_scan(struct journal_index *x, int directory,
	    struct err *err);
/* The segment that may hold `position` (the first, if it is older than all);
 * the index must not be empty. */
size_t	journal_index_at(const struct journal_index *x, uint64_t position);
/* From which position on nothing in segment `at` counts; UINT64_MAX: all of it
 * does. */
uint64_t journal_index_end(const struct journal_index *x, size_t at);

/* A record begins at this place of the pinned segment: a mark, if the last is
 * far enough away. */
void	journal_index_mark(struct journal_index *x, uint64_t position,
	    uint64_t offset);
/* Where reading of segment `at` begins to find `position`. */
void	journal_index_begin(const struct journal_index *x, size_t at,
	    uint64_t position, uint64_t *ret_position, uint64_t *ret_offset);

#endif
