#include "common/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/utf8.h"
#include "common/xmalloc.h"

#define BUF_ADDF_ROOM 48   /* what is longer is printed twice */

void
buf_free(struct buf *b)
{
	free(b->data);
	*b = BUF_EMPTY;
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
}

void *
buf_reserve(struct buf *b, size_t n)
{
	size_t want, size;

	if (CKD_ADD(&want, b->len, n) || CKD_ADD(&want, want, 1))
		abort();
	if (want > b->size) {
		size = b->size != 0 ? b->size : 64;
		while (size < want)
			size += size / 2 + 64;
		b->data = xreallocarray(b->data, size, 1);
		b->size = size;
	}
	return b->data + b->len;
}

void
buf_grew(struct buf *b, size_t n)
{
	assert(b->len + n <= b->size);
	b->len += n;
}

void
buf_add(struct buf *b, const void *p, size_t n)
{
	if (n == 0)
		return;
	memcpy(buf_reserve(b, n), p, n);
	b->len += n;
}

void
buf_add_sealed(struct buf *b, const void *p, size_t n)
{
	struct buf grown = BUF_EMPTY;

	if (n >= b->size - b->len) {
		/* At least doubled, so that few bytes are moved twice. */
		(void)buf_reserve(&grown, MAX(b->len + n, b->size * 2));
		buf_add(&grown, b->data, b->len);
		buf_wipe(b);
		*b = grown;
	}
	buf_add(b, p, n);
}

void
buf_wipe(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->size);
	buf_free(b);
}

void
buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void
buf_addf(struct buf *b, const char *fmt, ...)
{
	char *room = buf_reserve(b, BUF_ADDF_ROOM);
	size_t left = b->size - b->len;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(room, left, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	if ((size_t)n < left) {
		b->len += (size_t)n;
		return;
	}
	va_start(ap, fmt);
	(void)vsnprintf(buf_reserve(b, (size_t)n + 1), (size_t)n + 1, fmt,
	    ap);
	va_end(ap);
	b->len += (size_t)n;
}

static void
put_le(struct buf *b, uint64_t v, size_t n)
{
	uint8_t *p = buf_reserve(b, n);

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> (8 * i));
	b->len += n;
}

void
buf_u8(struct buf *b, uint8_t v)
{
	put_le(b, v, 1);
}

void
buf_u16(struct buf *b, uint16_t v)
{
	put_le(b, v, 2);
}

void
buf_u32(struct buf *b, uint32_t v)
{
	put_le(b, v, 4);
}

void
buf_u64(struct buf *b, uint64_t v)
{
	put_le(b, v, 8);
}

void
buf_str16(struct buf *b, const void *p, size_t n)
{
	assert(n <= UINT16_MAX);
	buf_u16(b, (uint16_t)n);
	buf_add(b, p, n);
}

void
buf_str32(struct buf *b, const void *p, size_t n)
{
	assert(n <= UINT32_MAX);
	buf_u32(b, (uint32_t)n);
	buf_add(b, p, n);
}

void
buf_patch_u32(struct buf *b, size_t offset, uint32_t v)
{
	assert(offset + 4 <= b->len);
	for (size_t i = 0; i < 4; i++)
		b->data[offset + i] = (uint8_t)(v >> (8 * i));
}

void
buf_drain(struct buf *b, size_t n)
{
	assert(n <= b->len);
	if (n != 0)
		memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
}

/* The escape of the character at `text` (of `length` bytes, 0: it is none), or
 * false: it stands as it is. */
static bool
json_escape(struct buf *b, const char *text, size_t length)
{
	unsigned char c = (unsigned char)text[0];

	if (length == 0)
		buf_adds(b, "\\ufffd");
	else if (c == '"' || c == '\\')
		buf_addf(b, "\\%c", c);
	else if (utf8_control(text, length))
		buf_addf(b, "\\u%04x",
		    length == 1 ? c : (unsigned char)text[1]);
	else if (length == 3 && memcmp(text, "\xe2\x80\xa8", 3) == 0)
		buf_adds(b, "\\u2028");
	else if (length == 3 && memcmp(text, "\xe2\x80\xa9", 3) == 0)
		buf_adds(b, "\\u2029");
	else
		return false;
	return true;
}

void
buf_json_text(struct buf *b, const char *text, size_t n)
{
	size_t start = 0, i = 0, length;

	while (i < n) {
		unsigned char c = (unsigned char)text[i];

		/* Most are none of these. */
		if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
			i++;
			continue;
		}
		length = utf8_length(text + i, n - i);
		buf_add(b, text + start, i - start);
		start = i;
		i += MAX(length, (size_t)1);
		if (json_escape(b, text + start, length))
			start = i;
	}
	buf_add(b, text + start, i - start);
}

char *
buf_cstr(struct buf *b)
{
	char *end = buf_reserve(b, 1);

	*end = '\0';
	return (char *)b->data;
}

void
buf_json_string(struct buf *b, struct slice text)
{
	buf_addc(b, '"');
	buf_json_text(b, text.p, text.n);
	buf_addc(b, '"');
}

void
buf_json_member(struct buf *b, const char *name, struct slice text)
{
	buf_addc(b, '"');
	buf_adds(b, name);
	buf_adds(b, "\":");
	buf_json_string(b, text);
}

struct slice
slice_str(const char *s)
{
	return (struct slice){ s, s != NULL ? strlen(s) : 0 };
}

bool
slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool
slice_is(struct slice a, const char *s)
{
	return slice_eq(a, slice_str(s));
}

char *
slice_dup(struct slice a)
{
	char *s = xmalloc(a.n + 1);

	if (a.n != 0)
		memcpy(s, a.p, a.n);
	s[a.n] = '\0';
	return s;
}

struct rd
rd_init(const void *p, size_t n)
{
	return (struct rd){ .p = p, .left = n };
}

const void *
rd_bytes(struct rd *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->failed || n > r->left) {
		r->failed = true;
		return NULL;
	}
	r->p += n;
	r->left -= n;
	return p;
}

static uint64_t
get_le(struct rd *r, size_t n)
{
	const uint8_t *p = rd_bytes(r, n);
	uint64_t v = 0;

	if (p == NULL)
		return 0;
	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

uint8_t
rd_u8(struct rd *r)
{
	return (uint8_t)get_le(r, 1);
}

uint16_t
rd_u16(struct rd *r)
{
	return (uint16_t)get_le(r, 2);
}

uint32_t
rd_u32(struct rd *r)
{
	return (uint32_t)get_le(r, 4);
}

uint64_t
rd_u64(struct rd *r)
{
	return get_le(r, 8);
}

struct slice
rd_str16(struct rd *r)
{
	size_t n = rd_u16(r);
	const void *p = rd_bytes(r, n);

	return p != NULL ? (struct slice){ p, n } : SLICE_NONE;
}

struct slice
rd_str32(struct rd *r)
{
	size_t n = rd_u32(r);
	const void *p = rd_bytes(r, n);

	return p != NULL ? (struct slice){ p, n } : SLICE_NONE;
}

bool
rd_done(const struct rd *r)
{
	return !r->failed && r->left == 0;
}
