/*
 * segment_make: how one segment of the journal comes to be: as a new file, from
 * the blocks of one that leaves, or in memory. Which segments there are is
 * journal_segments' to know. It blocks on the disk.
 *
 * A file is made under a temporary name and gets its own when its header is on
 * the disk: a segment without a header never had its name. What a failure left
 * under the temporary name is removed.
 */
#ifndef SLUICE_SEGMENT_MAKE_H
#define SLUICE_SEGMENT_MAKE_H

#include "common/journal_file.h"

/* Room for `bytes` under the temporary name: its fd, or -1 with errno. */
int	segment_make_new(int directory, uint64_t first, uint64_t bytes);
/* The same from the segment `oldest`, which has `bytes`: zeroed. -1 with errno;
 * *ret_kept tells whether `oldest` is still there then. */
int	segment_make_again(int directory, uint64_t first, uint64_t oldest,
	    uint64_t bytes, bool *ret_kept);
/* Writes the header of what one of the two made and gives it its name. -1 with
 * errno: fd is closed. */
int	segment_make_finish(int directory, int fd,
	    const struct journal_segment *header);
/* One in memory, with its header and what is behind it (journal.h): its fd, or
 * -1 with errno. */
int	segment_make_memory(const struct journal_segment *header,
	    uint64_t files_end);

#endif
