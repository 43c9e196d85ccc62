/*
 * journal_segments: the segments of the journal directory as its writer sees
 * them (journal.h has their form): the current one that is written to,
 * preallocated and replaced by the next when it is full; the oldest one that
 * leaves (segment_list), or whose blocks are used again because the disk is
 * full; and segments in memory once the disk has failed. It knows nothing of
 * records, epochs' history or state files. It blocks on the disk: only
 * journal_writer calls it.
 */
#ifndef SLUICE_JOURNAL_SEGMENTS_H
#define SLUICE_JOURNAL_SEGMENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

/* Bytes of one in memory; less under an RLIMIT_FSIZE. How many there may be:
 * segment_list.h. */
#define SEGMENTS_MEMORY_ONE   (16u * 1024 * 1024)

struct background_sync;
struct journal_segments;
struct recover_segment;

/* Directory and path (for errors) stay the caller's and must outlive it; a
 * new segment has `bytes`, or more for a record that needs it. */
struct journal_segments *journal_segments_new(int directory,
	    const char *path, uint64_t bytes);
void	journal_segments_free(struct journal_segments *j);

/* --- the start ------------------------------------------------------------ */
/* One that was found, oldest first. */
void	journal_segments_add(struct journal_segments *j,
	    const struct recover_segment *found);
/* Goes on in the newest of them, behind its last record. */
int	journal_segments_open_last(struct journal_segments *j,
	    uint64_t offset, struct err *err);
/* The disk failed: no current one, and every later one is in memory. Files
 * stay as they are for the next start; readers are told that none of them
 * counts from `files_end` on. */
void	journal_segments_memory(struct journal_segments *j,
	    uint64_t files_end);

/* --- the current one ------------------------------------------------------ */
/* Begins the next at the position `first`, with room for `n` bytes; what the
 * one before holds is synced. -1: the one before is current still. */
int	journal_segments_rotate(struct journal_segments *j, uint32_t epoch,
	    uint64_t first, size_t n, int64_t now_ms, struct err *err);
/* Bytes left; 0 when there is none. */
uint64_t journal_segments_room(const struct journal_segments *j);
/* Appends bytes for which there is room; they end with the position `last`.
 * -1: some may be there; roll back. */
int	journal_segments_write(struct journal_segments *j, const void *bytes,
	    size_t n, uint64_t last, struct err *err);
/* fdatasync of what was written since the last one. Once failed, it fails
 * until memory: what the kernel lost it tells only once. */
int	journal_segments_sync(struct journal_segments *j, struct err *err);
bool	journal_segments_dirty(const struct journal_segments *j);
/* What the next two have; it stays the caller's, and must outlive this. */
void	journal_segments_background(struct journal_segments *j,
	    struct background_sync *b);
/* The same fdatasync, but begun only, unless one is under way; what is written
 * meanwhile is dirty again. -1: the one before has failed. */
int	journal_segments_sync_begin(struct journal_segments *j,
	    struct err *err);
/* Takes the result of one that is over; one that has taken longer than so many
 * milliseconds is waited for. -1: it has failed. */
int	journal_segments_sync_keep_up(struct journal_segments *j, int64_t ms,
	    struct err *err);
/* One was begun, and its result was not taken yet. */
bool	journal_segments_syncing(const struct journal_segments *j);

/* A place to come back to when a write fails, whatever rotated or left
 * meanwhile. */
struct segments_mark {
	size_t		count;
	size_t		dropped;
	uint64_t	offset;
	uint64_t	end;
};
struct segments_mark journal_segments_mark(const struct journal_segments *j);
void	journal_segments_roll_back(struct journal_segments *j,
	    const struct segments_mark *mark);

/* --- leaving -------------------------------------------------------------- */
/* A complete state file stands at `position`: what ends there or before may
 * leave. Nothing else on disk does. */
void	journal_segments_covered(struct journal_segments *j,
	    uint64_t position);
/* So few of the oldest may leave that a full disk would stop the writer. */
bool	journal_segments_need_state(const struct journal_segments *j);
/* The disk is full: gives the oldest one's room back; false when it must
 * stay. */
bool	journal_segments_make_room(struct journal_segments *j);
/* Lets go of what is beyond `size` bytes or was followed by the next one
 * before `now_ms - retain_ms` (0: no limit by age): all of it is older then.
 * In memory, of what is beyond segment_list's limits. Cheap when there is
 * nothing to do. */
void	journal_segments_retain(struct journal_segments *j, uint64_t size,
	    int64_t retain_ms, int64_t now_ms);

/* --- facts ---------------------------------------------------------------- */
struct segments_info {
	uint64_t	oldest;       /* first position; 0: there is none */
	uint64_t	bytes;
	size_t		count;
	uint64_t	recycled;     /* given up because the disk was full */
	bool		recycling;    /* ... for the newest one, or after it */
};
void	journal_segments_info(const struct journal_segments *j,
	    struct segments_info *ret);
/* Memory segments, oldest first: the fd (still ours) of the i-th, or -1. */
int	journal_segments_memory_fd(const struct journal_segments *j, size_t i,
	    uint64_t *ret_first);

#endif
