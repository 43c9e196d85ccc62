/*
 * journal_writer: the one writer of the journal directory (journal.h): appends
 * records to its segments (journal_segments), reserves positions and keeps the
 * history of epochs, writes state files, and goes on in memory when the disk
 * fails. It blocks on the disk: after the start only the journal thread calls
 * it.
 */
#ifndef SLUICE_JOURNAL_WRITER_H
#define SLUICE_JOURNAL_WRITER_H

#include "broker/journal_recover.h"

/* Positions reserved ahead, and when the next reservation is made. */
#define WRITER_RESERVE 1000000u

struct background_sync;
struct journal_writer;

struct journal_writer_options {
	uint64_t	size;         /* all segments together */
	uint64_t	segment;
	int64_t		retain_ms;    /* 0: no limit by age */
};

/* A record inside the bytes handed over; positions first..last. */
struct writer_record {
	size_t		offset;
	size_t		length;
	uint64_t	first;
	uint64_t	last;
};

/* Opens and locks the directory (made if missing). */
struct journal_writer *journal_writer_new(const char *directory,
	    const struct journal_writer_options *options, struct err *err);
void	journal_writer_free(struct journal_writer *w);
int	journal_writer_directory(const struct journal_writer *w);

/* After journal_recover(): takes its segments and history; writes the line
 * of this life (synced, with the first reservation). -1: the disk does not
 * work: journal_writer_memory() is what is left. */
int	journal_writer_start(struct journal_writer *w, struct recovered *found,
	    const char *boot_id, int64_t now_ms, struct err *err);
/* Goes on in memory in a new epoch. The history says so if it can still be
 * written. -1 only when there is no memory file to be had. */
int	journal_writer_memory(struct journal_writer *w, uint32_t epoch,
	    uint64_t first, int64_t now_ms, struct err *err);
/* Tries again to tell the history of the memory epoch, if it does not know:
 * a disk that was repaired must not let the next start go on with the epoch
 * before. Cheap when there is nothing to do. */
void	journal_writer_note(struct journal_writer *w);

/* Appends whole records, in order, and syncs them if asked. On -1 nothing of
 * them is left behind, as far as the disk still obeys, and they were not
 * announced. */
int	journal_writer_append(struct journal_writer *w, const uint8_t *bytes,
	    const struct writer_record *records, size_t n, bool sync,
	    int64_t now_ms, struct err *err);
/* Replaces the file of publishers (fence_file), synced. */
int	journal_writer_publishers(struct journal_writer *w, const void *p,
	    size_t n, struct err *err);
/* fdatasync of what was appended since the last one. */
int	journal_writer_sync(struct journal_writer *w, struct err *err);
bool	journal_writer_dirty(const struct journal_writer *w);
/* The same beside what is written (journal_segments.h has the rules). */
void	journal_writer_background(struct journal_writer *w,
	    struct background_sync *b);
int	journal_writer_sync_begin(struct journal_writer *w, struct err *err);
int	journal_writer_sync_keep_up(struct journal_writer *w, int64_t ms,
	    struct err *err);
bool	journal_writer_syncing(const struct journal_writer *w);
/* Unlinks what is too old or too much; cheap when there is nothing to do. */
void	journal_writer_retain(struct journal_writer *w, int64_t now_ms);
/* Marks the epoch closed: the next start goes on with it on any boot. */
int	journal_writer_close(struct journal_writer *w, struct err *err);

/* A state file in slices: `begin` names its position; `finish` makes it
 * complete. On -1 the file is gone and a new one may be begun later. */
int	journal_writer_state(struct journal_writer *w, uint64_t position,
	    bool begin, bool finish, const void *p, size_t n,
	    struct err *err);
/* size/8 were written since the last one was begun, or too few of the oldest
 * segments stand before one to be free to leave on a full disk. */
bool	journal_writer_state_due(const struct journal_writer *w);

struct writer_info {
	uint64_t	oldest;       /* first position still readable */
	uint64_t	bytes;        /* of all segments */
	size_t		segments;
	uint64_t	state;        /* position of the newest state file */
	uint64_t	recycled;     /* segments given up: disk is full */
	bool		recycling;    /* ... since the newest one began */
	uint64_t	reserved;
	bool		memory;
};
void	journal_writer_info(const struct journal_writer *w,
	    struct writer_info *ret);
/* Memory segments, oldest first: the fd (the writer's) of the i-th, or -1. */
int	journal_writer_memory_fd(const struct journal_writer *w, size_t i,
	    uint64_t *ret_first);

#endif
