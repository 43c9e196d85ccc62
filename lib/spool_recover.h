/*
 * spool_recover: what a start finds in a spool directory: the segments that
 * hold events which were not sent yet. libsluice's, no thread of its own.
 *
 * A record that is cut at the end of the newest segment was being written when
 * the process was killed: nobody was told that it is on the disk, and it is cut
 * off. All else that is not whole is damage: in a segment that was ended, or
 * before a whole record, or that the disk does not give back. Then the records
 * up to there are used, and the file is renamed to *.damaged (spool_retire),
 * for a person to look at.
 */
#ifndef SLUICE_SPOOL_RECOVER_H
#define SLUICE_SPOOL_RECOVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "lib/spool_record.h"

#define SPOOL_SEGMENT_BYTES (4u * 1024 * 1024)  /* then the next one begins */
#define SPOOL_SEGMENTS_MAX  65536u
#define SPOOL_NAME_SIZE     32u
#define SPOOL_DAMAGE_MAX    512u

struct spool_segment {
	uint64_t	number;
	uint64_t	size;      /* up to the end of the last good record */
	uint64_t	file;      /* what it takes on the disk */
	uint64_t	records;   /* that are to be sent */
	bool		damaged;
	bool		unsynced;  /* a sync has failed: it may be lost with
				    * the machine */
};

/* Up to where everything was sent, as the file `sent` has it; false: nothing is
 * known. */
bool	spool_recover_sent(int fd, struct spool_sent *ret);
/* The segments of `directory` (a descriptor), oldest first, in an array to be
 * freed; those that `sent` (NULL: nothing was) has behind it are removed.
 * *ret_next is past the number of each file, *.damaged too: what is kept for a
 * person is not written over. `damage` is "", or a line on what is damaged. */
int	spool_recover(int directory, const struct spool_sent *sent,
	    struct spool_segment **ret, size_t *ret_n, uint64_t *ret_next,
	    char damage[SPOOL_DAMAGE_MAX], struct err *err);
/* Removes the file of a segment of which nothing is to be sent any more, or
 * sets it aside where it is damaged. */
void	spool_retire(int directory, const struct spool_segment *segment);
/* This errno of a segment's file says something of the file; others (too many
 * open files, say) may pass. */
bool	spool_is_bad(int code);
const char *spool_name(char name[SPOOL_NAME_SIZE], uint64_t number);

#endif
