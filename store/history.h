/*
 * history: the writing side of the tables `history`, `history_epochs` and
 * `history_state` of projection.db: every event of the streams that have a
 * history (stream_has_history of common/event.h), for GET
 * /api/v1/streams/{key}/events. Owned by projection_db, in whose transactions
 * it writes; the store's writer thread only. What reads it: history_read.h.
 *
 * A row's `place` is its event's position, plus what its epoch's `base` adds:
 * 0, unless the journal was taken away by hand and positions began again. So
 * places only grow and are the order in which events were applied. `total` is
 * the bytes of all rows ever written up to this one: what is kept is a
 * difference, and nothing has to be counted. `stream` is a keyed hash of tenant
 * and key: who reads compares the names themselves.
 *
 * Retention (history.retain, history.size): the oldest rows go first, whatever
 * stream they are of, HISTORY_SLICE at most per sweep, and per batch as many as
 * it added, twice over: so neither does a batch wait for it, nor can a flood
 * outgrow it. `evicted` is the place up to which rows went; `lost` the place up
 * to which events never came (a gap). retain 0 (off) writes nothing, and takes
 * away what is there.
 */
#ifndef SLUICE_HISTORY_H
#define SLUICE_HISTORY_H

#include <sqlite3.h>

#include "common/conf.h"
#include "common/event.h"

#define HISTORY_SLICE    1000u   /* rows that one sweep removes */
#define HISTORY_ROW_COST 64u     /* bytes a row takes beside its event */

struct history;

/* NULL with *err. `applied`: where the projection stands. */
struct history *history_new(sqlite3 *db, struct position applied,
	    struct err *err) MUST_CHECK;
void	history_free(struct history *h);   /* NULL is none */
/* What is kept from now on; without this, everything. */
void	history_conf(struct history *h, const struct conf *conf);

/* Errors are sql.h's; the batch is rolled back then. */
int	history_apply(struct history *h, const struct item *item,
	    int64_t time_unix_ms, struct err *err) MUST_CHECK;
/* What lay before `through`, and was not applied, will never be. */
int	history_gap(struct history *h, struct position through,
	    struct err *err) MUST_CHECK;
/* Before a batch's COMMIT. */
int	history_trim(struct history *h, struct err *err) MUST_CHECK;
/* Removes what is too old or too much; 1 when there may be more. */
int	history_sweep(struct history *h, int64_t now_unix_ms, struct err *err)
	    MUST_CHECK;
void	history_committed(struct history *h);
void	history_rollback(struct history *h);

#endif
