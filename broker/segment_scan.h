/*
 * segment_scan: one segment read from its begin to its end at a broker's
 * start: its records in order, where they end, and whether what stands there
 * is the half of a record, nothing, or damage. Reads the file, changes
 * nothing. Broker only, before the journal thread exists.
 */
#ifndef SLUICE_SEGMENT_SCAN_H
#define SLUICE_SEGMENT_SCAN_H

#include "common/buf.h"
#include "common/err.h"
#include "common/record.h"

struct segment_scan {
	int		fd;         /* the caller's */
	uint32_t	epoch;      /* that every record must have */
	uint64_t	next;       /* position expected at `offset` */
	uint64_t	offset;     /* behind the last record */
	struct err	err;        /* after SEGMENT_BAD, or a false answer */
	struct buf	bytes;      /* own */
	uint64_t	bytes_at;
};

enum segment_next {
	SEGMENT_RECORD,    /* *ret and *h; segment_scan_step() goes past it */
	SEGMENT_END,       /* zeroes, or the end of the file */
	SEGMENT_BAD
};

/* `first`: the position in the segment's name. */
void	segment_scan_begin(struct segment_scan *s, int fd, uint32_t epoch,
	    uint64_t first);
void	segment_scan_end(struct segment_scan *s);
/* The record at `offset`, checked; its bytes are valid until the next call. */
enum segment_next segment_scan_next(struct segment_scan *s,
	    const uint8_t **ret, struct record_header *h);
void	segment_scan_step(struct segment_scan *s,
	    const struct record_header *h);

/* Zeroes may hide damage: true when nothing follows `offset`. */
bool	segment_scan_clean(struct segment_scan *s);
/* Whether the bad bytes at `offset` are the begin of a record whose writing
 * was broken off: then nothing follows the part that was written, and its end
 * (a record ends in '}') is missing. Anything else is damage. */
bool	segment_scan_half_record(const struct segment_scan *s);

#endif
