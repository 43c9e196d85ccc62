#include "common/utf8.h"

/* The bytes behind the first, as far as they all are continuations. */
static bool
continues(const unsigned char *p, size_t n, size_t length)
{
	if (n < length)
		return false;
	for (size_t i = 1; i < length; i++)
		if ((p[i] & 0xc0) != 0x80)
			return false;
	return true;
}

size_t
utf8_length(const char *at, size_t n)
{
	const unsigned char *p = (const unsigned char *)at;
	unsigned char c = p[0];

	if (c < 0x80)
		return 1;
	if (c >= 0xc2 && c <= 0xdf)
		return continues(p, n, 2) ? 2 : 0;
	if (c >= 0xe0 && c <= 0xef) {
		/* Overlong, or a surrogate. */
		if (!continues(p, n, 3) || (c == 0xe0 && p[1] < 0xa0) ||
		    (c == 0xed && p[1] > 0x9f))
			return 0;
		return 3;
	}
	if (c >= 0xf0 && c <= 0xf4) {
		if (!continues(p, n, 4) || (c == 0xf0 && p[1] < 0x90) ||
		    (c == 0xf4 && p[1] > 0x8f))
			return 0;
		return 4;
	}
	return 0;
}

bool
utf8_valid(const char *p, size_t n)
{
	size_t length;

	for (; n > 0; p += length, n -= length) {
		length = utf8_length(p, n);
		if (length == 0)
			return false;
	}
	return true;
}

bool
utf8_control(const char *at, size_t length)
{
	unsigned char c = (unsigned char)at[0];

	if (length == 1)
		return c < 0x20 || c == 0x7f;
	return length == 2 && c == 0xc2 && (unsigned char)at[1] < 0xa0;
}
