/*
 * background_sync: an fdatasync in a thread of its own, one at a time, so that
 * the journal thread can write meanwhile: nobody's answer waits for the disk
 * because an earlier event's bytes are on their way to it.
 *
 * One that runs for longer than the time between two of them is waited for
 * (background_sync_is_late): else a disk that stands still would let any number
 * of answered events wait to become safe.
 *
 * Process: broker. All functions are for the journal thread, but new and free,
 * which are the loop's, and background_sync_ms, which anybody may ask.
 */
#ifndef SLUICE_BACKGROUND_SYNC_H
#define SLUICE_BACKGROUND_SYNC_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

struct background_sync;

/* `over` is called, in the thread of its own, when one is. */
struct background_sync *background_sync_new(void (*over)(void *arg),
	    void *arg, struct err *err) MUST_CHECK;
/* Waits for the one under way. */
void	background_sync_free(struct background_sync *b);

/* Begins one of a file that the caller may close meanwhile. False: there is no
 * descriptor left for it, and nothing was begun. Its result must be taken
 * (background_sync_wait) before another is begun. */
bool	background_sync_begin(struct background_sync *b, int fd) MUST_CHECK;
bool	background_sync_is_over(struct background_sync *b);
/* Under way for longer than so many milliseconds. */
bool	background_sync_is_late(struct background_sync *b, int64_t ms);
/* Until it is over: its errno, 0 when all is on the disk. */
int	background_sync_wait(struct background_sync *b) MUST_CHECK;
/* For how long one has been under way; 0: none is. */
int64_t	background_sync_ms(struct background_sync *b);

#endif
