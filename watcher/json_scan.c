#include "watcher/json_scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "watcher/json_text.h"

#define NAME_MAX_BYTES 64u   /* of a wanted name, when unescaped */

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
		return json_text_skip(p + 1, end);
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

/* From a name's opening quote to the first byte of its value; the name goes
 * into *ret with its quotes. */
static inline const char *
skip_name(const char *p, const char *end, struct slice *ret)
{
	const char *name = p;

	if (p == end || *p != '"')
		return NULL;
	p = json_text_skip(p + 1, end);
	if (p == NULL)
		return NULL;
	*ret = (struct slice){ name, (size_t)(p - name) };
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
	struct slice name;

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
	return object ? skip_name(p, end, &name) : p;
}

/* Behind a value inside a container: on to the next value, or out. */
static const char *
skip_after(struct nesting *n, const char *p, const char *end, bool *ret_value)
{
	bool object = nesting_object(n);
	struct slice name;

	p = skip_space(p, end);
	if (p == end)
		return NULL;
	*ret_value = *p == ',';
	if (*ret_value) {
		p = skip_space(p + 1, end);
		if (p == end)
			return NULL;
		return object ? skip_name(p, end, &name) : p;
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
		name.n = json_text_unescape(raw, plain, sizeof(plain));
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
	struct slice name;

	if (depth >= JSON_SCAN_DEPTH_MAX)
		return NULL;
	p = skip_space(p + 1, end);
	if (p < end && *p == '}')
		return p + 1;
	for (;;) {
		p = skip_name(p, end, &name);
		if (p == NULL)
			return NULL;
		p = scan_member(p, end, depth + 1, find_want(name, wants, n),
		    slots);
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
