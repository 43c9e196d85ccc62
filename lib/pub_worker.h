/*
 * pub_worker: a handle's thread: takes what waits from the row (pub_row.h), and
 * sends it.
 *
 * A batch is always the begin of that row, copied; it leaves the row when each
 * of its events has its answer. Meanwhile events may go from the queue to the
 * spool, which does not change the row.
 */
#ifndef SLUICE_PUB_WORKER_H
#define SLUICE_PUB_WORKER_H

#include <stdbool.h>

#include "common/err.h"
#include "lib/sluice.h"

struct pub_worker;

/* Opens what `o` (complete: no default is left out) names, and starts the
 * thread; NULL with *err. */
struct pub_worker *pub_worker_start(const struct sluice_options *o,
		    struct err *err);
/* Takes the text on SLUICE_OK; else SLUICE_FULL. Any thread. */
int	pub_worker_hand(struct pub_worker *w, char *text, size_t size);
/* As sluice_flush; any thread but the worker's. */
int	pub_worker_flush(struct pub_worker *w, int64_t timeout_ms);
/* Ends the thread, after what it can put into the spool, and frees; the last
 * figures. SLUICE_OK or SLUICE_UNSYNCED. */
int	pub_worker_stop(struct pub_worker *w, struct sluice_stats *ret);
void	pub_worker_stats(struct pub_worker *w, struct sluice_stats *ret);
/* The caller is this thread, in a callback. */
bool	pub_worker_is_self(const struct pub_worker *w);

#endif
