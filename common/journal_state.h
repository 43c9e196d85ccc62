/*
 * journal_state: the form of the broker's state files, for all who read one:
 * the broker at its start (broker/state_file, which also writes them and knows
 * what is in the chunks), and sluicectl, which checks them.
 *
 *   u32 "SLS1", u32 version, u32 epoch, u64 position, u32 crc32c
 *   chunks: u8 kind, u32 entries, u32 length, u32 crc32c of these and of
 *           the payload, payload; the last: kind E {u64 through,
 *           u64 forgotten_through}
 */
#ifndef SLUICE_JOURNAL_STATE_H
#define SLUICE_JOURNAL_STATE_H

#include "common/buf.h"
#include "common/err.h"
#include "common/event.h"

#define JOURNAL_STATE_MAGIC       0x31534c53u   /* "SLS1" */
#define JOURNAL_STATE_VERSION     5u
#define JOURNAL_STATE_HEADER_SIZE 24u
#define JOURNAL_STATE_CHUNK_SIZE  13u           /* a chunk's head */
#define JOURNAL_STATE_END         'E'

/* From the file's start; the first chunk follows the header. -1 with *err,
 * which names the offset. */
int	journal_state_header_read(int fd, struct position *ret,
	    struct err *err);

struct journal_state_chunk {
	char		kind;
	uint32_t	entries;
	struct rd	rd;       /* the payload, inside the buffer given */
};

/* What stands in a chunk's head behind kind, entries and length. */
uint32_t journal_state_chunk_crc(const uint8_t *head, const void *payload,
	    size_t n);
/* The chunk at *offset, its crc checked; moves *offset behind it. -1 with
 * *err, which names the offset. */
int	journal_state_chunk_read(int fd, uint64_t *offset, struct buf *b,
	    struct journal_state_chunk *ret, struct err *err);

#endif
