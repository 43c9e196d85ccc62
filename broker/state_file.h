/*
 * state_file: the broker's memory in a file (journal_state has its form), so
 * that a start needs not read the whole journal. Written in slices while work
 * goes on: an entry is saved as it is when its slice is made, and reading the
 * journal from `position` on repairs what changed (replay may overlap). A file
 * is complete only with its last chunk, which names the position up to which
 * slices may already know.
 */
#ifndef SLUICE_STATE_FILE_H
#define SLUICE_STATE_FILE_H

#include "broker/dedup.h"
#include "broker/sequencer.h"

struct state_saver {
	struct sequencer	*sequencer;
	struct dedup		*dedup;
	struct position		 position;
	int			 phase;
	uint64_t		 trail;
	size_t			 stream;
	uint32_t		 log;
	uint32_t		 grace;
	size_t			 publisher;
	uint64_t		 key;
};

/* Begins at the tip; the first slice holds the header. Pure. */
void	state_saver_begin(struct state_saver *v, struct sequencer *s,
	    struct dedup *d);
/* Appends the next slice (about a millisecond's work); true = that was the
 * last one. */
bool	state_saver_next(struct state_saver *v, struct buf *b);

struct state_info {
	struct position	position;
	uint64_t	through;            /* >= position.number */
	uint64_t	forgotten_through;
	uint64_t	kept;               /* events in the trail */
	uint64_t	streams;
	uint64_t	publishers;
	uint64_t	keys;
};

/* Checks the file from start to end, then loads it (s, d NULL: only checks).
 * -1 with *err when it is not complete or damaged: nothing was loaded. */
int	state_file_load(int fd, struct sequencer *s, struct dedup *d,
	    struct state_info *ret, struct err *err);

#endif
