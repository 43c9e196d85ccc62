/*
 * journal: reading side, shared by the broker at start, by gateways and the
 * store (holes, replay), and by sluicectl. The one writer is
 * broker/journal_writer; the format of segments is below.
 *
 * <state_directory>/journal/
 *   epochs               history: lines "<epoch hex> <first position>
 *                        <boot_id> <reserved through> clean|open|memory",
 *                        newest last (journal_file.h)
 *   publishers           newest incarnation of each (broker/fence_file)
 *   <position>.seg       16 zero-padded hex digits: first position it may hold
 *   <position>.state     state file (broker only)
 *
 * A segment is preallocated: header {magic "SLJ1", u32 version, u32 epoch,
 * u64 first, u64 created_unix_ms, u32 crc32c of these}, padded to
 * JOURNAL_HEADER_SIZE, then records (record.h) back to back; zeroes follow the
 * last. A record never spans segments.
 *
 * A segment in memory (MSG_SEGMENT: the disk failed) has the same form, and
 * behind the header u64 files_end: the first position that counts in no file
 * from before it. A write that failed and could not be taken back leaves
 * records there that were told to nobody, and have other positions now.
 */
#ifndef SLUICE_JOURNAL_H
#define SLUICE_JOURNAL_H

#include "common/err.h"
#include "common/record.h"

#define JOURNAL_MAGIC       0x314a4c53u   /* "SLJ1" */
#define JOURNAL_VERSION     3u
#define JOURNAL_HEADER_SIZE 4096u
#define JOURNAL_SLICE_MAX   (1024u * 1024) /* bytes read at a time */

struct journal_reader;

/* Opens the directory for reading; the directory may still be empty. */
struct journal_reader *journal_reader_new(const char *directory,
    struct err *err) MUST_CHECK;
void	journal_reader_free(struct journal_reader *r);
/* Adds a memory segment (takes the fd); see MSG_SEGMENT. */
void	journal_reader_add_segment(struct journal_reader *r, uint64_t first,
	    int fd);
/* It was told of one that begins after this position. */
bool	journal_reader_knows_memory(const struct journal_reader *r,
	    uint64_t after);

enum journal_next {
	JOURNAL_RECORD,     /* *ret_bytes, *ret_n: one whole checked record */
	JOURNAL_END,        /* nothing after the cursor (yet), up to `limit` */
	JOURNAL_LOST,       /* what follows the cursor was rotated away or is of
			     * another epoch: *ret_first = next that exists */
	JOURNAL_ERROR       /* *err: damage or I/O error, names the file;
			     * *ret_first = where reading can go on, or 0 */
};

/* The next record that holds a position after `after` and not after `limit`
 * (never past an announced tip). A record that begins before `after` is
 * returned whole; the caller skips its items. Bytes stay valid until the next
 * call. Sequential calls cost one read per JOURNAL_SLICE_MAX. */
enum journal_next journal_reader_next(struct journal_reader *r,
    uint64_t after, uint64_t limit, const void **ret_bytes, size_t *ret_n,
    uint64_t *ret_first, struct err *err);
/* Lets go of memory segments that end before `oldest` (a heartbeat's). */
void	journal_reader_forget(struct journal_reader *r, uint64_t oldest);
/* ... and of those that begin above what follows `tip`: when a broker that was
 * in memory is started again and could not note it in the history, its
 * positions from `files_end` on are given again, and the files count. */
void	journal_reader_retract(struct journal_reader *r, uint64_t tip);

#endif
