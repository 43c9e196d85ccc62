/*
 * pub_row: the events of a handle that wait to be sent: one row, first what is
 * in the spool, then what is in the queue. Shared by the threads that hand
 * over, which come to its end, and the handle's own, which sends its begin and
 * writes from the queue to the spool, which does not change the row.
 *
 * Functions say which thread may call them: any, or the handle's ("own"). No
 * lock is held while files are read or written, nor in the callback, which is
 * called by the own thread alone.
 */
#ifndef SLUICE_PUB_ROW_H
#define SLUICE_PUB_ROW_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "lib/pub_batch.h"
#include "lib/sluice.h"

struct pub_row;

/* What there is to say of the spool. */
typedef void (*pub_row_cb)(enum sluice_state state, const char *text,
    void *arg);

/* Opens the spool that `o` (complete) names; NULL with *err. */
struct pub_row	*pub_row_new(const struct sluice_options *o, pub_row_cb cb,
		    void *arg, struct err *err);
/* SLUICE_OK, or SLUICE_UNSYNCED of what is left in the spool. NULL is freed
 * already. */
int		 pub_row_free(struct pub_row *r);

/* --- any thread ----------------------------------------------------------- */

/* Takes the text on SLUICE_OK; *ret_wake: the own thread has a reason to look,
 * which it would not find by itself in time. Else SLUICE_FULL. */
int		 pub_row_hand(struct pub_row *r, char *text, size_t size,
		    bool *ret_wake);
/* Begins a wait for all that is in the row now, in the sight of the own thread,
 * which is then to be woken; what to give to pub_row_wait. */
uint64_t	 pub_row_flush(struct pub_row *r);
/* SLUICE_OK, or SLUICE_TIMEOUT after so many milliseconds. Once for each
 * pub_row_flush. */
int		 pub_row_wait(struct pub_row *r, uint64_t until,
		    int64_t timeout_ms);
void		 pub_row_stats(struct pub_row *r, struct sluice_stats *ret);
/* From now on all is written to the spool, whatever its age. */
void		 pub_row_stop(struct pub_row *r);

/* --- own thread ----------------------------------------------------------- */

bool		 pub_row_is_stopping(struct pub_row *r);
/* Tells what the start has found damaged. */
void		 pub_row_begin(struct pub_row *r);
/* The service does not answer: what waits is written to the spool at once, and
 * not after SLUICE_SPOOL_AFTER_MS. */
void		 pub_row_set_away(struct pub_row *r, bool away);
/* From the queue to the spool, as long as there is reason to and room. */
void		 pub_row_spill(struct pub_row *r);
/* Copies the row's begin into the empty batch, if it is worth a request. A file
 * that cannot be read is given up after a while, and told. */
void		 pub_row_take(struct pub_row *r, struct pub_batch *b);
/* Adds to the figures: requests, failures, accepted, duplicates, refused. */
void		 pub_row_count(struct pub_row *r,
		    const struct sluice_stats *more);
/* Each event of the batch has its answer: they leave the row. */
void		 pub_row_settle(struct pub_row *r, const struct pub_batch *b);
/* When it is time. */
void		 pub_row_sync(struct pub_row *r);
/* Milliseconds until there is something to do for the row; `busy`: there is a
 * batch. */
int64_t		 pub_row_wait_ms(struct pub_row *r, bool busy);

#endif
