/*
 * history_read: the reading side of the history (history.h), on a connection of
 * its own, used by the store's reader thread only.
 *
 * A page is read in one read transaction: what it holds, and the position it
 * stands for, agree. It says what it misses, by the streams' own count: seq has
 * no hole (contract 1), so that a jump in it is events that are not here, and a
 * new beginning at 1 is none. Where there is nothing to count from, `evicted`
 * and `lost` of history.h say whether anything may be missing. A stream that
 * has no row here and none in `latest` counts as one that never was, unless
 * events were lost so lately that the journal may still have had them.
 *
 * A page reads at most HISTORY_PAGE_BYTES of events, whatever it shows of them:
 * it may be shorter than was asked for, and even be empty, while more follows.
 */
#ifndef SLUICE_HISTORY_READ_H
#define SLUICE_HISTORY_READ_H

#include "common/query_wire.h"

#define HISTORY_PAGE_BYTES (512u * 1024)

struct history_reader;

struct history_reader *history_reader_open(const char *path, struct err *err)
	    MUST_CHECK;
void	history_reader_close(struct history_reader *r);   /* NULL is none */

/* Appends the answer behind its status byte (query_wire.h). `lately`: since
 * when events that were lost may be of a stream nothing is known of. -1 with
 * *err, of sql.h's codes; what was appended is to be dropped then. */
int	history_read(struct history_reader *r,
	    const struct query_history_ask *ask, int64_t lately_unix_ms,
	    struct buf *answer, struct err *err) MUST_CHECK;

#endif
