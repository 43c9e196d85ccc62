/*
 * store_notices: what the store's log is told of its threads: a line when a
 * trouble comes and one when it goes, and what repeats itself once in
 * STORE_NOTICES_MS. It remembers what was said; process: store, loop only.
 */
#ifndef SLUICE_STORE_NOTICES_H
#define SLUICE_STORE_NOTICES_H

#include "common/mono.h"
#include "store/mongo.h"
#include "store/run_losses.h"

#define STORE_NOTICES_MS 60000

/* All zero: nothing was said. */
struct store_notices {
	bool		in_trouble;      /* the writer */
	bool		mongo_down;
	uint64_t	mongo_refused;   /* so many were told of */
	struct mono	next_refused;
	uint64_t	mongo_unfollowed;   /* the last that was told */
	struct mono	next_unfollowed;
	struct mono	next_runs;
	uint64_t	pushed_out;      /* runs: so many were told of */
	uint64_t	uncounted;
	uint64_t	gone;
	char		reader[ERR_TEXT_MAX];
	struct mono	reader_until;
};

/* The writer's trouble, "" when all is well. */
void	store_notices_writer(struct store_notices *n, const char *trouble);
/* Something the reader failed at. */
void	store_notices_reader(struct store_notices *n, const char *text,
	    struct mono now);
/* Runs whose progress is told no more, or not of all their jobs. */
void	store_notices_runs(struct store_notices *n,
	    const struct run_losses *losses, struct mono now);
void	store_notices_mongo(struct store_notices *n,
	    const struct mongo_status *st, struct mono now);

#endif
