#include "common/json_text.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "common/text.h"

/* --- skipping ------------------------------------------------------------- */

static int
hex4(const char *p, const char *end)
{
	int v = 0, d, i;

	if (end - p < 4)
		return -1;
	for (i = 0; i < 4; i++) {
		d = text_hex(p[i]);
		if (d < 0)
			return -1;
		v = v << 4 | d;
	}
	return v;
}

const char *
json_text_escape(const char *p, const char *end)
{
	int v;

	if (p == end)
		return NULL;
	if (*p != 'u')
		return memchr("\"\\/bfnrt", *p, 8) != NULL ? p + 1 : NULL;
	v = hex4(p + 1, end);
	if (v < 0 || (v >= 0xdc00 && v <= 0xdfff))
		return NULL;
	p += 5;
	if (v < 0xd800 || v > 0xdbff)
		return p;
	if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
		return NULL;
	v = hex4(p + 2, end);
	return v >= 0xdc00 && v <= 0xdfff ? p + 6 : NULL;
}

static bool
is_tail(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

const char *
json_text_utf8(const char *p, const char *end)
{
	unsigned char c = (unsigned char)p[0], d;
	ptrdiff_t left = end - p;

	if (left < 2 || c < 0xc2 || c > 0xf4 || !is_tail(p[1]))
		return NULL;
	if (c < 0xe0)
		return p + 2;
	d = (unsigned char)p[1];
	if (left < 3 || !is_tail(p[2]))
		return NULL;
	if (c < 0xf0) {
		if ((c == 0xe0 && d < 0xa0) || (c == 0xed && d > 0x9f))
			return NULL;
		return p + 3;
	}
	if (left < 4 || !is_tail(p[3]) || (c == 0xf0 && d < 0x90) ||
	    (c == 0xf4 && d > 0x8f))
		return NULL;
	return p + 4;
}

/* The first byte that ends plain ASCII text: quote, backslash, control, or
 * the start of a longer character; `end` when there is none. */
static inline const char *
skip_plain(const char *p, const char *end)
{
	unsigned char c;

#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"');
	const __m128i slash = _mm_set1_epi8('\\');
	const __m128i space = _mm_set1_epi8(' ');
	__m128i v, hit;
	int mask;

	while (end - p >= 16) {
		v = _mm_loadu_si128((const __m128i *)(const void *)p);
		/* Signed compare: bytes over 127 are below space too. */
		hit = _mm_or_si128(_mm_cmplt_epi8(v, space),
		    _mm_or_si128(_mm_cmpeq_epi8(v, quote),
		    _mm_cmpeq_epi8(v, slash)));
		mask = _mm_movemask_epi8(hit);
		if (mask != 0)
			return p + __builtin_ctz((unsigned int)mask);
		p += 16;
	}
#endif
	for (; p < end; p++) {
		c = (unsigned char)*p;
		if (c < ' ' || c == '"' || c == '\\' || c > 127)
			break;
	}
	return p;
}

const char *
json_text_skip(const char *p, const char *end)
{
	unsigned char c;

	for (;;) {
		p = skip_plain(p, end);
		if (p == end)
			return NULL;
		c = (unsigned char)*p;
		if (c == '"')
			return p + 1;
		if (c == '\\')
			p = json_text_escape(p + 1, end);
		else if (c > 127)
			p = json_text_utf8(p, end);
		else
			return NULL;
		if (p == NULL)
			return NULL;
	}
}

/* --- resolving ------------------------------------------------------------ */

static size_t
encode_utf8(unsigned int c, char out[4])
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* One character of a valid string's inside, resolved; moves *p behind it. */
static size_t
take_character(const char **p, const char *end, char out[4])
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *after;
	unsigned int c;
	size_t n;

	if (**p != '\\') {
		after = (unsigned char)**p > 127 ? json_text_utf8(*p, end) :
		    *p + 1;
		n = (size_t)(after - *p);
		memcpy(out, *p, n);
		*p = after;
		return n;
	}
	after = json_text_escape(*p + 1, end);
	if ((*p)[1] != 'u') {
		out[0] = to[strchr(from, (*p)[1]) - from];
		*p = after;
		return 1;
	}
	c = (unsigned int)hex4(*p + 2, end);
	if (after - *p == 12)
		c = 0x10000 + ((c - 0xd800) << 10) +
		    ((unsigned int)hex4(*p + 8, end) - 0xdc00);
	*p = after;
	return encode_utf8(c, out);
}

size_t
json_text_unescape(struct slice value, char *buf, size_t size)
{
	const char *p, *end;
	size_t len = 0, n;
	char one[4];

	if (value.n < 2 || value.p[0] != '"')
		return 0;
	p = value.p + 1;
	end = value.p + value.n - 1;
	while (p < end) {
		n = take_character(&p, end, one);
		if (len + n > size)
			break;
		memcpy(buf + len, one, n);
		len += n;
	}
	return len;
}
