/*
 * db_batch: what one transaction of projection.db takes: from the works that
 * wait (backlog.h), or from the journal; at most DB_BATCH_MAX events or
 * DB_BATCH_MS. Between projection_db_begin and its commit, which are the
 * caller's; errors are sql.h's, and the batch is rolled back then.
 *
 * Thread: the store's writer.
 */
#ifndef SLUICE_DB_BATCH_H
#define SLUICE_DB_BATCH_H

#include "common/journal.h"
#include "store/backlog.h"
#include "store/projection_db.h"

#define DB_BATCH_MAX 500u
#define DB_BATCH_MS  50

/* Applies from the front until the batch is large or old enough; *ret_done
 * works were. */
int	db_batch_works(struct projection_db *db, const struct works *works,
	    size_t *ret_done, struct err *err) MUST_CHECK;
/* Applies records until the batch is large or old enough, or there is none.
 * What is lost becomes a gap; so does what is damaged: then *ret_next is
 * JOURNAL_ERROR and *err names the file. */
int	db_batch_journal(struct projection_db *db,
	    struct journal_reader *journal, struct position through,
	    bool *ret_moved, enum journal_next *ret_next, struct err *err)
	    MUST_CHECK;

#endif
