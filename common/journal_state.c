#include "common/journal_state.h"

#include <errno.h>
#include <inttypes.h>

#include "common/journal_file.h"
#include "common/record.h"

#define CHUNK_MAX (16u * 1024 * 1024)

int
journal_state_header_read(int fd, struct position *ret, struct err *err)
{
	uint8_t bytes[JOURNAL_STATE_HEADER_SIZE];
	struct position p;
	struct rd r;
	ssize_t n;

	n = journal_file_read(fd, bytes, sizeof(bytes), 0);
	if (n < 0)
		return err_errno(err, errno, "state file");
	r = rd_init(bytes, (size_t)n);
	if (rd_u32(&r) != JOURNAL_STATE_MAGIC ||
	    rd_u32(&r) != JOURNAL_STATE_VERSION)
		return err_set(err, "not a state file of this version, at "
		    "offset 0");
	p.epoch = rd_u32(&r);
	p.number = rd_u64(&r);
	if (rd_u32(&r) != crc32c(0, bytes, sizeof(bytes) - 4) || r.failed)
		return err_set(err, "state file header is damaged, at "
		    "offset 0");
	*ret = p;
	return 0;
}

uint32_t
journal_state_chunk_crc(const uint8_t *head, const void *payload, size_t n)
{
	return crc32c(crc32c(0, head, JOURNAL_STATE_CHUNK_SIZE - 4),
	    payload, n);
}

int
journal_state_chunk_read(int fd, uint64_t *offset, struct buf *b,
    struct journal_state_chunk *ret, struct err *err)
{
	uint8_t head[JOURNAL_STATE_CHUNK_SIZE];
	uint32_t length, crc;
	struct rd r;
	ssize_t n;

	n = journal_file_read(fd, head, sizeof(head), *offset);
	if (n < 0)
		return err_errno(err, errno, "state file");
	r = rd_init(head, (size_t)n);
	ret->kind = (char)rd_u8(&r);
	ret->entries = rd_u32(&r);
	length = rd_u32(&r);
	crc = rd_u32(&r);
	if (r.failed || length > CHUNK_MAX)
		return err_set(err, "state file is cut or damaged at offset %"
		    PRIu64, *offset);
	buf_reset(b);
	n = journal_file_read(fd, buf_reserve(b, length), length,
	    *offset + sizeof(head));
	if (n < 0)
		return err_errno(err, errno, "state file");
	if ((size_t)n != length ||
	    journal_state_chunk_crc(head, b->data, length) != crc)
		return err_set(err, "state file is cut or damaged at offset %"
		    PRIu64, *offset);
	*offset += sizeof(head) + length;
	ret->rd = rd_init(b->data, length);
	return 0;
}
