#include "gateway/b64url.h"

#include "common/text.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    "abcdefghijklmnopqrstuvwxyz0123456789-_";

static int
value_of(char c)
{
	if (c == '-')
		return 62;
	return c == '_' ? 63 : text_base64(c);
}

bool
b64url_decode(struct slice text, struct buf *b)
{
	size_t begin = b->len;
	uint32_t bits = 0;
	unsigned have = 0;
	uint8_t byte;
	int v = 0;

	for (size_t i = 0; i < text.n && v >= 0; i++) {
		v = value_of(text.p[i]);
		bits = (bits << 6 | ((uint32_t)v & 63)) & 0xffff;
		have += 6;
		if (v < 0 || have < 8)
			continue;
		have -= 8;
		byte = (uint8_t)(bits >> have);
		buf_add_sealed(b, &byte, 1);
	}
	/* What is left over must be zero bits, and fewer than a letter's. */
	if (v >= 0 && have < 6 && (bits & ((1u << have) - 1)) == 0)
		return true;
	b->len = begin;
	return false;
}

void
b64url_encode(struct buf *b, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;
	uint32_t bits = 0;
	unsigned have = 0;

	for (size_t i = 0; i < n; i++) {
		bits = (bits << 8 | p[i]) & 0xffff;
		for (have += 8; have >= 6; have -= 6)
			buf_addc(b, alphabet[bits >> (have - 6) & 63]);
	}
	if (have > 0)
		buf_addc(b, alphabet[bits << (6 - have) & 63]);
}
