#include "watcher/json_scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define NAME_MAX_BYTES 64u   /* of a wanted name, when unescaped */

/* --- strings -------------------------------------------------------------- */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int
hex4(const char *p, const char *end)
{
	int v = 0, d, i;

	if (end - p < 4)
		return -1;
	for (i = 0; i < 4; i++) {
		d = hex_digit(p[i]);
		if (d < 0)
			return -1;
		v = v << 4 | d;
	}
	return v;
}

/* p is behind the backslash. A surrogate must be one half of a pair. */
static const char *
skip_escape(const char *p, const char *end)
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

/* One character of two or more bytes (RFC 3629). */
static const char *
skip_utf8(const char *p, const char *end)
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

/* p is behind the opening quote; returns behind the closing one. */
static inline const char *
skip_string(const char *p, const char *end)
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
			p = skip_escape(p + 1, end);
		else if (c > 127)
			p = skip_utf8(p, end);
		else
			return NULL;
		if (p == NULL)
			return NULL;
	}
}

/* --- scalars -------------------------------------------------------------- */

static const char *
skip_digits(const char *p, const char *end)
{
	const char *first = p;

	while (p < end && *p >= '0' && *p <= '9')
		p++;
	return p == first ? NULL : p;
}

static const char *
skip_number(const char *p, const char *end)
{
	if (*p == '-' && ++p == end)
		return NULL;
	if (*p == '0')
		p++;
	else
		p = skip_digits(p, end);
	if (p != NULL && p < end && *p == '.')
		p = skip_digits(p + 1, end);
	if (p != NULL && p < end && (*p == 'e' || *p == 'E')) {
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		p = skip_digits(p, end);
	}
	return p;
}

static const char *
skip_word(const char *p, const char *end, const char *word, size_t n)
{
	if ((size_t)(end - p) < n || memcmp(p, word, n) != 0)
		return NULL;
	return p + n;
}

static inline const char *
skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' ||
	    *p == '\t'))
		p++;
	return p;
}

static const char *
skip_scalar(const char *p, const char *end)
{
	switch (*p) {
	case '"':
		return skip_string(p + 1, end);
	case 't':
		return skip_word(p, end, "true", 4);
	case 'f':
		return skip_word(p, end, "false", 5);
	case 'n':
		return skip_word(p, end, "null", 4);
	default:
		return skip_number(p, end);
	}
}

/* --- containers ----------------------------------------------------------- */

/* From a name's opening quote to the first byte of its value. */
static inline const char *
skip_name(const char *p, const char *end)
{
	if (p == end || *p != '"')
		return NULL;
	p = skip_string(p + 1, end);
	if (p == NULL)
		return NULL;
	p = skip_space(p, end);
	if (p == end || *p != ':')
		return NULL;
	p = skip_space(p + 1, end);
	return p == end ? NULL : p;
}

/* What stands open: one bit per level, set for an object. */
struct nesting {
	uint64_t	bits[JSON_SCAN_DEPTH_MAX / 64];
	unsigned	depth;
};

static bool
nesting_push(struct nesting *n, bool object)
{
	uint64_t bit = UINT64_C(1) << (n->depth % 64);

	if (n->depth == JSON_SCAN_DEPTH_MAX)
		return false;
	if (object)
		n->bits[n->depth / 64] |= bit;
	else
		n->bits[n->depth / 64] &= ~bit;
	n->depth++;
	return true;
}

static bool
nesting_object(const struct nesting *n)
{
	unsigned top = n->depth - 1;

	return (n->bits[top / 64] >> (top % 64) & 1) != 0;
}

/* Opens the container at p; on return *ret_value tells whether a value
 * follows (else the container was empty and is closed again). */
static const char *
skip_open(struct nesting *n, const char *p, const char *end, bool *ret_value)
{
	bool object = *p == '{';

	if (!nesting_push(n, object))
		return NULL;
	p = skip_space(p + 1, end);
	if (p == end)
		return NULL;
	*ret_value = *p != (object ? '}' : ']');
	if (!*ret_value) {
		n->depth--;
		return p + 1;
	}
	return object ? skip_name(p, end) : p;
}

/* Behind a value inside a container: on to the next value, or out. */
static const char *
skip_after(struct nesting *n, const char *p, const char *end, bool *ret_value)
{
	bool object = nesting_object(n);

	p = skip_space(p, end);
	if (p == end)
		return NULL;
	*ret_value = *p == ',';
	if (*ret_value) {
		p = skip_space(p + 1, end);
		if (p == end)
			return NULL;
		return object ? skip_name(p, end) : p;
	}
	if (*p != (object ? '}' : ']'))
		return NULL;
	n->depth--;
	return p + 1;
}

static const char *
skip_value(const char *p, const char *end, unsigned depth)
{
	struct nesting n = { .depth = depth };
	bool value = true;

	for (;;) {
		if (!value)
			p = skip_after(&n, p, end, &value);
		else if (*p == '{' || *p == '[')
			p = skip_open(&n, p, end, &value);
		else {
			p = skip_scalar(p, end);
			value = false;
		}
		if (p == NULL || (!value && n.depth == depth))
			return p;
	}
}

const char *
json_scan_skip(const char *p, const char *end)
{
	return p == end ? NULL : skip_value(p, end, 0);
}

/* --- extraction ----------------------------------------------------------- */

static void
clear(const struct json_want *want, struct slice *slots)
{
	size_t i;

	if (want->slot >= 0)
		slots[want->slot] = SLICE_NONE;
	for (i = 0; i < want->n_children; i++)
		clear(&want->children[i], slots);
}

/* `raw` is a name with its quotes. */
static const struct json_want *
find_want(struct slice raw, const struct json_want *wants, size_t n)
{
	char plain[NAME_MAX_BYTES + 1];
	struct slice name = { raw.p + 1, raw.n - 2 };
	size_t i;

	if (memchr(name.p, '\\', name.n) != NULL) {
		name.n = json_scan_unescape(raw, plain, sizeof(plain));
		name.p = plain;
	}
	for (i = 0; i < n; i++)
		if (wants[i].name[0] == (name.n > 0 ? name.p[0] : '\0') &&
		    slice_is(name, wants[i].name))
			return &wants[i];
	return NULL;
}

static const char *
scan_object(const char *p, const char *end, unsigned depth,
    const struct json_want *wants, size_t n, struct slice *slots);

/* One member's value at p. */
static const char *
scan_member(const char *p, const char *end, unsigned depth,
    const struct json_want *want, struct slice *slots)
{
	const char *after;

	if (want == NULL)
		return skip_value(p, end, depth);
	clear(want, slots);
	if (want->n_children > 0 && *p == '{')
		after = scan_object(p, end, depth, want->children,
		    want->n_children, slots);
	else
		after = skip_value(p, end, depth);
	if (after != NULL && want->slot >= 0)
		slots[want->slot] = (struct slice){ p, (size_t)(after - p) };
	return after;
}

/* The object at p; `depth` levels are open around it. The recursion is as
 * deep as the tree of wants. */
static const char *
scan_object(const char *p, const char *end, unsigned depth,
    const struct json_want *wants, size_t n, struct slice *slots)
{
	const struct json_want *want;
	const char *name, *close;

	if (depth >= JSON_SCAN_DEPTH_MAX)
		return NULL;
	p = skip_space(p + 1, end);
	if (p < end && *p == '}')
		return p + 1;
	for (;;) {
		name = p;
		if (p == end || *p != '"')
			return NULL;
		close = skip_string(p + 1, end);
		if (close == NULL)
			return NULL;
		p = skip_space(close, end);
		if (p == end || *p != ':')
			return NULL;
		p = skip_space(p + 1, end);
		if (p == end)
			return NULL;
		want = find_want((struct slice){ name,
		    (size_t)(close - name) }, wants, n);
		p = scan_member(p, end, depth + 1, want, slots);
		if (p == NULL)
			return NULL;
		p = skip_space(p, end);
		if (p == end || (*p != ',' && *p != '}'))
			return NULL;
		if (*p == '}')
			return p + 1;
		p = skip_space(p + 1, end);
	}
}

bool
json_scan(struct slice text, const struct json_want *wants, size_t n,
    struct slice *slots, size_t n_slots)
{
	const char *p, *end;
	size_t i;

	for (i = 0; i < n_slots; i++)
		slots[i] = SLICE_NONE;
	if (text.n == 0)
		return false;
	end = text.p + text.n;
	p = skip_space(text.p, end);
	if (p == end)
		return false;
	p = *p == '{' ? scan_object(p, end, 0, wants, n, slots) :
	    skip_value(p, end, 0);
	return p != NULL && skip_space(p, end) == end;
}

bool
json_scan_next(struct slice array, const char **cursor, struct slice *ret)
{
	const char *end = array.p + array.n, *p, *after;

	if (array.n == 0 || array.p[0] != '[')
		return false;
	p = skip_space(*cursor == NULL ? array.p + 1 : *cursor, end);
	if (p < end && *p == ',')
		p = skip_space(p + 1, end);
	if (p == end || *p == ']')
		return false;
	after = skip_value(p, end, 0);
	if (after == NULL)
		return false;
	*ret = (struct slice){ p, (size_t)(after - p) };
	*cursor = after;
	return true;
}

/* --- values --------------------------------------------------------------- */

static bool
is_string(struct slice value)
{
	return value.n >= 2 && value.p[0] == '"';
}

struct slice
json_scan_text(struct slice value)
{
	if (!is_string(value) || memchr(value.p, '\\', value.n) != NULL)
		return SLICE_NONE;
	return (struct slice){ value.p + 1, value.n - 2 };
}

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
		after = (unsigned char)**p > 127 ? skip_utf8(*p, end) : *p + 1;
		n = (size_t)(after - *p);
		memcpy(out, *p, n);
		*p = after;
		return n;
	}
	after = skip_escape(*p + 1, end);
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
json_scan_unescape(struct slice value, char *buf, size_t size)
{
	const char *p, *end;
	size_t len = 0, n;
	char one[4];

	if (!is_string(value))
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

bool
json_scan_is(struct slice value, const char *text)
{
	struct slice s = json_scan_text(value);

	return s.p != NULL && slice_is(s, text);
}

bool
json_scan_true(struct slice value)
{
	return slice_is(value, "true");
}

bool
json_scan_null(struct slice value)
{
	return value.p == NULL || slice_is(value, "null");
}

static bool
parse_int(struct slice value, int64_t *ret)
{
	char text[24], *end;
	long long v;

	if (value.n == 0 || value.n >= sizeof(text) || (value.p[0] != '-' &&
	    (value.p[0] < '0' || value.p[0] > '9')))
		return false;
	memcpy(text, value.p, value.n);
	text[value.n] = '\0';
	errno = 0;
	v = strtoll(text, &end, 10);
	if (errno != 0 || *end != '\0')
		return false;
	*ret = v;
	return true;
}

bool
json_scan_is_int(struct slice value)
{
	int64_t v;

	return parse_int(value, &v);
}

int64_t
json_scan_int(struct slice value, int64_t missing)
{
	int64_t v;

	return parse_int(value, &v) ? v : missing;
}
