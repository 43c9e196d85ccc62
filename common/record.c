#include "common/record.h"

#include <assert.h>
#include <string.h>

#define RECORD_CRC_OFFSET       4u
#define RECORD_COUNT_OFFSET     20u
#define RECORD_TIME_OFFSET      24u
/* length .. time, empty publisher, incarnation, batch, exceptions */
#define RECORD_HEADER_MIN       54u
#define RECORD_EXCEPTION_SIZE   54u
#define HEARTBEAT_SIZE          40u

/* Of the bytes, taken as if the crc field were 0. */
static uint32_t
crc_of(const uint8_t *p, size_t n)
{
	static const uint8_t zero[4];
	uint32_t crc;

	crc = crc32c(0, p, RECORD_CRC_OFFSET);
	crc = crc32c(crc, zero, sizeof(zero));
	return crc32c(crc, p + RECORD_CRC_OFFSET + 4,
	    n - RECORD_CRC_OFFSET - 4);
}

void
record_begin(struct buf *b, const struct record_header *header,
    const struct record_exception *exceptions)
{
	assert(b->len == 0);
	assert(header->publisher.n <= PUBLISHER_NAME_MAX);
	buf_u32(b, 0);
	buf_u32(b, 0);
	buf_u32(b, header->epoch);
	buf_u64(b, header->first);
	buf_u32(b, 0);
	buf_u64(b, (uint64_t)header->time_unix_ms);
	buf_str16(b, header->publisher.p, header->publisher.n);
	buf_u64(b, header->incarnation);
	buf_u64(b, header->batch);
	buf_u32(b, header->exceptions);
	for (uint32_t i = 0; i < header->exceptions; i++)
		record_exception_encode(b, &exceptions[i]);
}

void
record_item(struct buf *b, const struct item *item)
{
	struct rd r = rd_init(b->data + RECORD_COUNT_OFFSET, 4);

	buf_patch_u32(b, RECORD_COUNT_OFFSET, rd_u32(&r) + 1);
	item_encode(b, item, false);
}

void
record_end(struct buf *b)
{
	assert(b->len >= RECORD_HEADER_MIN && b->len <= RECORD_MAX);
	buf_patch_u32(b, 0, (uint32_t)b->len);
	buf_patch_u32(b, RECORD_CRC_OFFSET, 0);
	buf_patch_u32(b, RECORD_CRC_OFFSET, crc_of(b->data, b->len));
}

static int
header_decode(struct rd *r, struct record_header *h, struct err *err)
{
	h->epoch = rd_u32(r);
	h->first = rd_u64(r);
	h->count = rd_u32(r);
	h->time_unix_ms = (int64_t)rd_u64(r);
	h->publisher = rd_str16(r);
	h->incarnation = rd_u64(r);
	h->batch = rd_u64(r);
	h->exceptions = rd_u32(r);
	if (r->failed || h->epoch == 0 || h->first == 0 || h->count == 0 ||
	    h->first > UINT64_MAX - h->count ||
	    h->publisher.n > PUBLISHER_NAME_MAX ||
	    h->exceptions > r->left / RECORD_EXCEPTION_SIZE)
		return err_set(err, "record header is impossible");
	return 0;
}

int
record_head(const void *p, size_t n, struct record_header *ret,
    struct rd *ret_rd, struct err *err)
{
	struct record_header h;
	struct rd r = rd_init(p, n);

	h.length = rd_u32(&r);
	(void)rd_u32(&r);
	if (r.failed || h.length < RECORD_HEADER_MIN ||
	    h.length > RECORD_MAX)
		return err_set(err, "record length is impossible");
	if (h.length > n)
		return err_set(err, "record is cut: %zu of %u bytes", n,
		    h.length);
	r.left = h.length - 8;
	if (header_decode(&r, &h, err) < 0)
		return -1;
	*ret = h;
	*ret_rd = r;
	return 0;
}

int
record_decode(const void *p, size_t n, struct record_header *ret,
    struct rd *ret_rd, struct err *err)
{
	struct rd r = rd_init(p, n);
	uint32_t length = rd_u32(&r), crc = rd_u32(&r);

	/* What is no record's length is record_head's to say. */
	if (!r.failed && length >= RECORD_HEADER_MIN && length <= RECORD_MAX &&
	    length <= n && crc_of(p, length) != crc)
		return err_set(err, "record crc is wrong");
	return record_head(p, n, ret, ret_rd, err);
}

int64_t
record_time(const void *p, size_t n)
{
	struct rd r = rd_init(p, n);

	(void)rd_bytes(&r, RECORD_TIME_OFFSET);
	return (int64_t)rd_u64(&r);
}

void
record_exception_encode(struct buf *b, const struct record_exception *e)
{
	buf_u32(b, e->group);
	buf_u8(b, (uint8_t)e->code);
	buf_u32(b, e->item);
	buf_u32(b, e->position.epoch);
	buf_u64(b, e->position.number);
	buf_u8(b, e->state);
	buf_u32(b, e->attempt);
	buf_add(b, e->body, EVENT_HASH_SIZE);
	buf_u32(b, e->last.epoch);
	buf_u64(b, e->last.number);
}

int
record_exception_decode(struct rd *r, struct record_exception *ret)
{
	struct record_exception e;
	const void *body;
	uint8_t code;

	e.group = rd_u32(r);
	code = rd_u8(r);
	e.item = rd_u32(r);
	e.position.epoch = rd_u32(r);
	e.position.number = rd_u64(r);
	e.state = rd_u8(r);
	e.attempt = rd_u32(r);
	body = rd_bytes(r, EVENT_HASH_SIZE);
	if (body != NULL)
		memcpy(e.body, body, EVENT_HASH_SIZE);
	e.last.epoch = rd_u32(r);
	e.last.number = rd_u64(r);
	if (r->failed || code >= RECORD_CODE_MAX) {
		r->failed = true;
		return -1;
	}
	e.code = (enum record_code)code;
	*ret = e;
	return 0;
}

int
record_item_decode(struct rd *r, const struct record_header *header,
    uint32_t index, struct item *ret)
{
	struct item item;

	if (index >= header->count || item_decode(r, &item, false) < 0)
		return -1;
	item.position.epoch = header->epoch;
	item.position.number = header->first + index;
	*ret = item;
	return 0;
}

/* --- heartbeat ----------------------------------------------------------- */

void
heartbeat_encode(struct buf *b, const struct heartbeat *hb)
{
	assert(b->len == 0);
	buf_u32(b, RECORD_HEARTBEAT);
	buf_u32(b, 0);
	buf_u32(b, hb->tip.epoch);
	buf_u64(b, hb->tip.number);
	buf_u64(b, hb->oldest);
	buf_u64(b, hb->forgotten_through);
	buf_u32(b, hb->flags);
	buf_patch_u32(b, RECORD_CRC_OFFSET, crc_of(b->data, b->len));
}

int
heartbeat_decode(const void *p, size_t n, struct heartbeat *ret)
{
	struct heartbeat hb;
	struct rd r = rd_init(p, n);
	uint32_t crc;

	if (rd_u32(&r) != RECORD_HEARTBEAT || r.failed)
		return 0;
	crc = rd_u32(&r);
	if (n != HEARTBEAT_SIZE || crc_of(p, n) != crc)
		return -1;
	hb.tip.epoch = rd_u32(&r);
	hb.tip.number = rd_u64(&r);
	hb.oldest = rd_u64(&r);
	hb.forgotten_through = rd_u64(&r);
	hb.flags = rd_u32(&r);
	*ret = hb;
	return 1;
}
