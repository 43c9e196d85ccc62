/*
 * spool: the events of a handle that wait on the disk, in order, each once.
 * Used by one thread at a time (libsluice's own); reads and writes files.
 *
 * A directory with segments (spool_record.h) that are only appended to, and
 * are removed when all of them was sent; the file `sent` that says how far that
 * is; and `lock`, held as long as the spool is open, so that two processes
 * never send the same events.
 */
#ifndef SLUICE_SPOOL_H
#define SLUICE_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "lib/sluice.h"

struct spool;

/* False: no more. */
typedef bool (*spool_read_cb)(struct slice text, void *arg);

/* Makes the directory where it is not there, and looks into what is in it;
 * `damage` (SPOOL_DAMAGE_MAX of spool_recover.h) is "", or a line on what of it
 * cannot be read. NULL with *err. */
struct spool	*spool_open(const char *directory, uint64_t max_bytes,
		    enum sluice_sync sync, char *damage, struct err *err);
/* Syncs, unless the policy is never. -1: what is left in the files may not be
 * on the disk, since a sync has failed. NULL is closed already. */
int		 spool_close(struct spool *s);
/* Appends texts, oldest first; how many of them are in the files now: less
 * than n with *err, and the files end with the last whole record. */
size_t		 spool_append(struct spool *s, const struct slice *texts,
		    size_t n, struct err *err);
/* The oldest ones that were not taken; texts live as long as the call. May
 * stop before the last. */
int		 spool_read(struct spool *s, spool_read_cb cb, void *arg,
		    struct err *err);
/* That failed, and the file is the reason: it may never be read. */
bool		 spool_is_broken(const struct spool *s);
/* Gives up the file that the oldest ones are in: what was not taken of it is
 * not sent, and it is kept as *.damaged. `damage` (SPOOL_DAMAGE_MAX) says so;
 * how many events that are. spool_pending() > 0. */
uint64_t	 spool_set_aside(struct spool *s, char *damage);
/* The oldest one, of so many bytes, is sent. */
void		 spool_take(struct spool *s, size_t size);
/* Keeps what was taken: a next start will not see it. */
int		 spool_commit(struct spool *s, struct err *err);
/* Something was written since the last sync, and the policy asks for one. */
bool		 spool_needs_sync(const struct spool *s);
/* A sync that has failed ends the segment: the next one, of the same file,
 * would succeed, and prove nothing. */
int		 spool_sync(struct spool *s, struct err *err);
uint64_t	 spool_pending(const struct spool *s);   /* events */
uint64_t	 spool_bytes(const struct spool *s);     /* of its segments */

#endif
