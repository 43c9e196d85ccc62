/*
 * backlog: what the loop handed over and the SQLite writer has not applied
 * yet, in order. Pure: no lock, no clock, no file; the owner holds a mutex
 * around every call.
 *
 * It holds at most `max` bytes of works, their heads included. What comes on
 * top is not kept: one work of kind WORK_JOURNAL stands for all records up to
 * its `through`, to be read from the journal in their place. What follows it
 * keeps its place: a gap, after which a journal may count from 1 again in
 * another epoch, is never taken for part of such a run. Gaps follow each other
 * only where the journal's history broke; beyond BACKLOG_RUNS_MAX such runs the
 * last gap stands for all that lies between, which it declares stale anyway.
 */
#ifndef SLUICE_BACKLOG_H
#define SLUICE_BACKLOG_H

#include <sys/queue.h>

#include "common/event.h"

#define BACKLOG_RUNS_MAX 64u

enum work_kind {
	WORK_RECORD,     /* apply `bytes` */
	WORK_AT,         /* everything up to `through` is known */
	WORK_GAP,        /* ... or was lost */
	WORK_JOURNAL     /* read the journal up to `through` */
};

struct work {
	TAILQ_ENTRY(work)	 link;
	enum work_kind		 kind;
	struct position		 through;
	size_t			 n;
	uint8_t			 bytes[];
};

TAILQ_HEAD(works, work);

struct backlog {
	struct works	queue;
	size_t		max;
	size_t		bytes;    /* also of works that are taken out */
	unsigned int	runs;     /* WORK_JOURNALs in it */
};

void	backlog_init(struct backlog *b, size_t max);
void	backlog_clear(struct backlog *b);
bool	backlog_empty(const struct backlog *b);

/* WORK_RECORD, WORK_AT or WORK_GAP; bytes are copied. */
void	backlog_push(struct backlog *b, enum work_kind kind, const void *bytes,
	    size_t n, struct position through);

/* Moves works from the front to the empty list `batch`: at most `most`, and
 * never past a WORK_JOURNAL. */
void	backlog_take(struct backlog *b, struct works *batch, size_t most);
/* Frees the first `done` works of the batch and puts the rest back in front. */
void	backlog_settle(struct backlog *b, struct works *batch, size_t done);

/* The WORK_JOURNAL at the front, else NULL. It may be moved further by a push
 * until it is ended. */
const struct work	*backlog_journal(const struct backlog *b);
/* A gap follows it: what the journal lacks then is told of all the same. */
bool	backlog_journal_final(const struct backlog *b);
/* Ends it if it still ends at `through`. */
void	backlog_journal_end(struct backlog *b, struct position through);

#endif
