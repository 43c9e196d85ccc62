#include "lib/spool_record.h"

#include <string.h>

#include "common/crc32c.h"
#include "lib/sluice.h"

#define HEAD_MAGIC "SLSPOOL1"
#define SENT_MAGIC "SLSENT01"

void
spool_head_encode(struct buf *b, uint64_t number)
{
	buf_add(b, HEAD_MAGIC, 8);
	buf_u64(b, number);
}

bool
spool_head_decode(struct slice bytes, uint64_t number)
{
	struct rd r = rd_init(bytes.p, bytes.n);
	const void *magic = rd_bytes(&r, 8);

	return magic != NULL && memcmp(magic, HEAD_MAGIC, 8) == 0 &&
	    rd_u64(&r) == number && !r.failed;
}

void
spool_record_encode(struct buf *b, const char *text, size_t size)
{
	size_t at = b->len;
	uint32_t crc;

	buf_u32(b, (uint32_t)size);
	crc = crc32c(0, b->data + at, 4);
	buf_u32(b, crc32c(crc, text, size));
	buf_add(b, text, size);
}

static bool
is_zero(struct slice bytes)
{
	for (size_t i = 0; i < bytes.n; i++)
		if (bytes.p[i] != 0)
			return false;
	return true;
}

enum spool_found
spool_record_decode(struct slice bytes, struct slice *ret_text)
{
	struct rd r = rd_init(bytes.p, bytes.n);
	uint32_t size = rd_u32(&r), crc = rd_u32(&r);
	const char *text;

	if (r.failed)
		return SPOOL_CUT;
	if (is_zero(bytes))
		return SPOOL_ZEROS;
	if (size == 0 || size > SLUICE_EVENT_MAX)
		return SPOOL_DAMAGED;
	text = rd_bytes(&r, size);
	if (text == NULL)
		return SPOOL_CUT;
	if (crc32c(crc32c(0, bytes.p, 4), text, size) != crc)
		return SPOOL_DAMAGED;
	*ret_text = (struct slice){ text, size };
	return SPOOL_GOOD;
}

void
spool_sent_encode(struct buf *b, const struct spool_sent *sent)
{
	size_t at = b->len;

	buf_add(b, SENT_MAGIC, 8);
	buf_u64(b, sent->generation);
	buf_u64(b, sent->segment);
	buf_u64(b, sent->offset);
	buf_u32(b, crc32c(0, b->data + at, b->len - at));
}

bool
spool_sent_decode(struct slice bytes, struct spool_sent *ret)
{
	struct rd r = rd_init(bytes.p, bytes.n);
	const void *magic = rd_bytes(&r, 8);
	struct spool_sent sent = { .generation = rd_u64(&r) };
	uint32_t crc;

	sent.segment = rd_u64(&r);
	sent.offset = rd_u64(&r);
	crc = rd_u32(&r);
	if (magic == NULL || r.failed || memcmp(magic, SENT_MAGIC, 8) != 0 ||
	    crc != crc32c(0, bytes.p, SPOOL_SENT_SIZE - 4))
		return false;
	*ret = sent;
	return true;
}
