/*
 * record: what the broker makes of one batch. One form on disk, on the bus
 * and into the gateways' ring, byte for byte (architecture: the way of an
 * event).
 *
 *   u32 length   of the whole record
 *   u32 crc32c   of the whole record with this field 0
 *   u32 epoch
 *   u64 first    position of the first item
 *   u32 count    items; 0 is possible only in a heartbeat
 *   i64 time     wall clock, ms since 1970, when the broker sequenced it
 *   str16 publisher ("watcher/prod"), u64 incarnation, u64 batch
 *   u32 number of exceptions, each: u32 group, u8 code, u32 item, u32 epoch,
 *       u64 position, u8 state, u32 attempt, 16 bytes body, u32 epoch, u64
 *       position of `last`
 *   items (event.h), in order; item i stands at position first + i
 *
 * A heartbeat is a record-shaped message on the bus only: magic in place of
 * the length (RECORD_HEARTBEAT), then crc, epoch, u64 tip, u64 oldest,
 * u64 forgotten_through, u32 flags.
 */
#ifndef SLUICE_RECORD_H
#define SLUICE_RECORD_H

#include <stdint.h>

#include "common/buf.h"
#include "common/crc32c.h"
#include "common/event.h"

#define RECORD_MAX        (8u * 1024 * 1024)
#define RECORD_HEARTBEAT  0xFFFFFFFFu
#define PUBLISHER_NAME_MAX 127u

/* Why a group was not appended; also in the answer to its publisher. */
enum record_code {
	RECORD_APPENDED = 0,      /* never stands in a record */
	RECORD_DUPLICATE,         /* same idempotency keys and bodies: position
				   * is where the group's first item stands,
				   * last where its last one does: they may
				   * have been published apart */
	RECORD_KEY_CONFLICT,      /* same idempotency key, another body */
	RECORD_GUARD_LOST,        /* position to body: where its machine is */
	RECORD_LIMIT,             /* max_streams reached */
	RECORD_LOG_OFFSET,        /* not the log's next line: position is
				   * {0, the line_no that is}, 0 of an attempt
				   * too long ago to be known */
	RECORD_ENDED,             /* the stream has: likewise; of an event of
				   * no machine that of the stream */
	RECORD_PARTS_LIMIT,       /* the stream has all the parts it may */
	RECORD_ALL_PARTS_LIMIT,   /* all streams together have as many parts as
				   * there is room for */
	RECORD_CODE_MAX
};

struct record_exception {
	uint32_t		group;
	enum record_code	code;
	uint32_t		item;   /* the first of the group with it */
	struct position		position;
	uint8_t			state;
	uint32_t		attempt;
	uint8_t			body[EVENT_HASH_SIZE];
	struct position		last;   /* of a duplicate; else {0, 0} */
};

struct record_header {
	uint32_t	length;
	uint32_t	epoch;
	uint64_t	first;
	uint32_t	count;
	int64_t		time_unix_ms;
	struct slice	publisher;
	uint64_t	incarnation;
	uint64_t	batch;
	uint32_t	exceptions;   /* how many follow */
};

/* How the journal fares, in a heartbeat's flags. */
#define HEARTBEAT_MEMORY     1u   /* in memory, since the disk failed */
#define HEARTBEAT_RECYCLING  2u   /* the disk is full: history is shorter than
				   * configured */

struct heartbeat {
	struct position	tip;
	uint64_t	oldest;              /* first position still readable */
	uint64_t	forgotten_through;   /* contract 4, `evicted` */
	uint32_t	flags;
};

/* A record is written by record_begin, then its exceptions, then its items,
 * then record_end, which fills in length, count and crc. */
void	record_begin(struct buf *b, const struct record_header *header,
	    const struct record_exception *exceptions);
void	record_item(struct buf *b, const struct item *item);
void	record_end(struct buf *b);

/* Checks length, crc and the header; leaves *ret_rd at the first exception.
 * `n` may be more than the record is. 0, or -1 with *err. */
int	record_decode(const void *p, size_t n, struct record_header *ret,
	    struct rd *ret_rd, struct err *err);
/* The same of a record that was decoded before: its sum is not made again. */
int	record_head(const void *p, size_t n, struct record_header *ret,
	    struct rd *ret_rd, struct err *err);
/* When the broker sequenced it, of a record that was decoded before. */
int64_t	record_time(const void *p, size_t n);
/* The one form of an exception: in a record, in the answer to its publisher,
 * in a state file. */
void	record_exception_encode(struct buf *b,
	    const struct record_exception *e);
int	record_exception_decode(struct rd *r, struct record_exception *ret);
/* One item with its position filled in (`index` counts from 0). */
int	record_item_decode(struct rd *r, const struct record_header *header,
	    uint32_t index, struct item *ret);

void	heartbeat_encode(struct buf *b, const struct heartbeat *hb);
/* 1 = it is a heartbeat (and *ret is filled), 0 = it is not, -1 = damaged. */
int	heartbeat_decode(const void *p, size_t n, struct heartbeat *ret);

#endif
