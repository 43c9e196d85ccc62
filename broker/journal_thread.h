/*
 * journal_thread: the thread that blocks on the disk, so that the broker's
 * loop never does. One job at a time is under way; what comes meanwhile
 * collects in the next one, so that one write serves many publishers.
 *
 * Syncs in the background (journal.sync: a time) run beside it
 * (background_sync): a job is written meanwhile. One that runs for longer than
 * that time holds up the next job, so that what was answered and is not safe
 * yet is younger than that time and the sync under way: twice it at most.
 */
#ifndef SLUICE_JOURNAL_THREAD_H
#define SLUICE_JOURNAL_THREAD_H

#include <event2/event.h>

#include "broker/journal_writer.h"
#include "broker/segment_list.h"
#include "common/conf.h"

#define JOB_SEGMENTS_MAX SEGMENTS_MEMORY_COUNT

struct journal_thread;

/* A memory segment that readers must be told of; the fd is the loop's. */
struct job_segment {
	uint64_t	first;
	int		fd;
};

/* The loop fills it, the thread works on it, the loop gets it back. */
struct journal_job {
	/* In. */
	struct buf		 bytes;       /* records, back to back */
	struct writer_record	*records;
	size_t			 n_records;
	size_t			 size_records;
	struct buf		 publishers;  /* the file, if not empty:
					       * before the records */
	struct buf		 state;       /* a slice, if not empty */
	uint64_t		 state_position;
	bool			 state_begin;
	bool			 state_finish;
	bool			 to_memory;   /* before everything else */
	uint32_t		 memory_epoch;
	uint64_t		 memory_first;
	bool			 close;       /* after everything else */
	/* Out. */
	int			 rc;          /* -1: the records were not
					       * written (or, without
					       * records, the disk failed) */
	struct err		 err;
	int			 state_rc;
	struct err		 state_err;
	bool			 state_due;
	struct writer_info	 info;
	struct job_segment	 segments[JOB_SEGMENTS_MAX];
	size_t			 n_segments;
};

typedef void (*journal_thread_done_cb)(struct journal_job *job, void *arg);
/* A sync in the background failed: the disk is no longer to be trusted. */
typedef void (*journal_thread_trouble_cb)(const struct err *err, void *arg);

/* Takes the writer. */
struct journal_thread *journal_thread_new(struct event_base *base,
	    struct journal_writer *writer, enum conf_sync sync,
	    int64_t sync_ms, journal_thread_done_cb done,
	    journal_thread_trouble_cb trouble, void *arg, struct err *err);
/* Waits for the job under way, then ends the thread; frees the writer. */
void	journal_thread_free(struct journal_thread *t);

/* Only while !busy. The job stays the loop's, untouched until `done`. */
void	journal_thread_submit(struct journal_thread *t,
	    struct journal_job *job);
bool	journal_thread_busy(const struct journal_thread *t);
/* How long the thread has been in one system call or job, ms; 0: idle. Also
 * true of a background sync. */
int64_t	journal_thread_blocked_ms(struct journal_thread *t);
/* The first position still readable: what is too old leaves between jobs, too.
 * 0: as the last job said. */
uint64_t journal_thread_oldest(struct journal_thread *t);
void	journal_job_add(struct journal_job *job, const void *record,
	    size_t n, uint64_t first, uint64_t last);
void	journal_job_reset(struct journal_job *job);
void	journal_job_clear(struct journal_job *job);

#endif
