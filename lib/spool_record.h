/*
 * spool_record: how libsluice's spool looks in its files. Pure.
 *
 * A segment is a head (8 bytes "SLSPOOL1", u64 its number) and records, one an
 * event: u32 size of the text, u32 CRC-32C over those four bytes and the text,
 * the text. The file `sent` says up to where everything was sent: two places
 * of SPOOL_SENT_SIZE bytes that are written in turn, so that one is whole
 * whenever a process is killed. All integers are little-endian.
 */
#ifndef SLUICE_SPOOL_RECORD_H
#define SLUICE_SPOOL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

#define SPOOL_HEAD_SIZE   16u
#define SPOOL_RECORD_HEAD 8u
#define SPOOL_SENT_SIZE   36u

enum spool_found {
	SPOOL_GOOD,
	SPOOL_CUT,       /* the bytes end inside it: written half */
	SPOOL_ZEROS,     /* to the end, and a record's head at least: a file
			  * may have them after a power loss */
	SPOOL_DAMAGED,
};

/* Everything before this place was accepted or refused. */
struct spool_sent {
	uint64_t	generation;   /* the higher one of the two counts */
	uint64_t	segment;
	uint64_t	offset;
};

void	spool_head_encode(struct buf *b, uint64_t number);
bool	spool_head_decode(struct slice bytes, uint64_t number);
void	spool_record_encode(struct buf *b, const char *text, size_t size);
/* The record that begins `bytes`; *ret_text (points into them) is set for
 * SPOOL_GOOD only. bytes.n > 0. */
enum spool_found spool_record_decode(struct slice bytes,
	    struct slice *ret_text);
void	spool_sent_encode(struct buf *b, const struct spool_sent *sent);
bool	spool_sent_decode(struct slice bytes, struct spool_sent *ret);

#endif
