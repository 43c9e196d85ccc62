#include "broker/segment_scan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/journal.h"
#include "common/journal_file.h"
#include "common/macros.h"
#include "common/xmalloc.h"

void
segment_scan_begin(struct segment_scan *s, int fd, uint32_t epoch,
    uint64_t first)
{
	*s = (struct segment_scan){ .fd = fd, .epoch = epoch, .next = first,
		.offset = JOURNAL_HEADER_SIZE };
}

void
segment_scan_end(struct segment_scan *s)
{
	buf_free(&s->bytes);
}

/* --- records ------------------------------------------------------------- */

/* Bytes from the scan's offset on, at least n if the file has them. */
static int
fill(struct segment_scan *s, size_t n)
{
	uint64_t at = s->offset;
	ssize_t got;

	if (at >= s->bytes_at && at + n <= s->bytes_at + s->bytes.len)
		return 0;
	buf_reset(&s->bytes);
	n = MAX(n, (size_t)JOURNAL_SLICE_MAX);
	got = journal_file_read(s->fd, buf_reserve(&s->bytes, n), n, at);
	if (got < 0)
		return err_errno(&s->err, errno, "reading");
	buf_grew(&s->bytes, (size_t)got);
	s->bytes_at = at;
	return 0;
}

enum segment_next
segment_scan_next(struct segment_scan *s, const uint8_t **ret,
    struct record_header *h)
{
	struct rd r;
	uint32_t length;
	size_t skip;

	if (fill(s, 4) < 0)
		return SEGMENT_BAD;
	skip = (size_t)(s->offset - s->bytes_at);
	r = rd_init(s->bytes.data + skip, s->bytes.len - skip);
	length = rd_u32(&r);
	if (r.failed || length == 0)
		return SEGMENT_END;
	if (length <= RECORD_MAX && fill(s, length) < 0)
		return SEGMENT_BAD;
	skip = (size_t)(s->offset - s->bytes_at);
	*ret = s->bytes.data + skip;
	if (record_decode(*ret, s->bytes.len - skip, h, &r, &s->err) < 0)
		return SEGMENT_BAD;
	if (h->first != s->next || h->epoch != s->epoch) {
		(void)err_set(&s->err, "record has position %08" PRIx32 "-%"
		    PRIu64 ", not %08" PRIx32 "-%" PRIu64, h->epoch, h->first,
		    s->epoch, s->next);
		return SEGMENT_BAD;
	}
	return SEGMENT_RECORD;
}

void
segment_scan_step(struct segment_scan *s, const struct record_header *h)
{
	s->next = h->first + h->count;
	s->offset += h->length;
}

/* --- the end ------------------------------------------------------------- */

/* Where the next bytes stand that were ever written; `at` itself where the
 * file system does not know. -1: nowhere. Spares reading what is reserved. */
static off_t
next_data(int fd, uint64_t at)
{
	off_t data = lseek(fd, (off_t)at, SEEK_DATA);

	return data < 0 && errno != ENXIO ? (off_t)at : data;
}

/* The offset behind the last byte that is not 0, at least `from`. */
static int
end_of_data(int fd, uint64_t from, uint64_t *ret)
{
	static const uint8_t zeroes[4096];
	uint8_t *bytes = xmalloc(JOURNAL_SLICE_MAX);
	uint64_t end = from, at = from;
	off_t data;
	ssize_t n = 0;

	while ((data = next_data(fd, at)) >= 0) {
		at = (uint64_t)data;
		n = journal_file_read(fd, bytes, JOURNAL_SLICE_MAX, at);
		if (n <= 0)
			break;
		for (size_t i = (size_t)n; i > 0;) {
			size_t block = MIN(i, sizeof(zeroes));

			if (memcmp(bytes + i - block, zeroes, block) == 0) {
				i -= block;
				continue;
			}
			while (bytes[i - 1] == 0)
				i--;
			end = at + i;
			break;
		}
		at += (uint64_t)n;
	}
	free(bytes);
	*ret = end;
	return n < 0 ? -1 : 0;
}

bool
segment_scan_clean(struct segment_scan *s)
{
	uint64_t end;

	if (end_of_data(s->fd, s->offset, &end) < 0)
		return false;
	if (end == s->offset)
		return true;
	(void)err_set(&s->err, "data follows the end of the records");
	return false;
}

bool
segment_scan_half_record(const struct segment_scan *s)
{
	uint8_t head[4];
	uint64_t end;
	uint32_t length;
	struct rd r;
	ssize_t n;

	if (end_of_data(s->fd, s->offset, &end) < 0)
		return false;
	if (end - s->offset < sizeof(head))
		return true;
	n = journal_file_read(s->fd, head, sizeof(head), s->offset);
	if (n != (ssize_t)sizeof(head))
		return false;
	r = rd_init(head, sizeof(head));
	length = rd_u32(&r);
	return length <= RECORD_MAX && end < s->offset + length;
}
