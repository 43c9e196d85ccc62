#include "watcher/json_scan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_scalar.h"
#include "common/json_skip.h"
#include "common/json_text.h"
#include "watcher/json_index.h"
#include "watcher/json_nest.h"

#define NAME_MAX_BYTES 64u   /* of a wanted name, when unescaped */

static inline const char *
skip_space(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' ||
	    *p == '\t'))
		p++;
	return p;
}

/* --- containers ----------------------------------------------------------- */

/* The scan of a text: json_index finds the places, here it is judged whether
 * they may follow each other. Functions take the place p where they begin,
 * and return the one behind what they read, or NULL. */
struct scan {
	const char		*after;   /* of the value just read, its end;
					   * NULL of a string */
	struct json_index	 index;
};

/* A value that is no container. */
static inline const char *
skip_plain(struct scan *s, const char *p)
{
	if (p == json_index_end)
		return NULL;
	s->after = *p == '"' ? NULL : json_scalar_skip(p, s->index.end);
	if (*p != '"' && s->after == NULL)
		return NULL;
	return json_index_next(&s->index);
}

/* The container at p; `depth` levels are open around it. */
static const char *
skip_container(struct scan *s, const char *p, unsigned depth)
{
	s->after = json_nest_skip(&s->index, p, depth);
	return s->after == NULL ? NULL : json_index_next(&s->index);
}

static inline const char *
skip_value(struct scan *s, const char *p, unsigned depth)
{
	if (*p == '{' || *p == '[')
		return skip_container(s, p, depth);
	return skip_plain(s, p);
}

/* The end of a string (with its quote) that begins somewhere before `next`,
 * the place behind it: only space is between. */
static const char *
string_end(const struct scan *s, const char *next)
{
	const char *p = next == json_index_end ? s->index.end : next;

	while (p[-1] != '"')
		p--;
	return p;
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
scan_object(struct scan *s, const char *p, unsigned depth,
    const struct json_want *wants, size_t n, struct slice *slots);

/* One member's value at p. */
static const char *
scan_member(struct scan *s, const char *p, unsigned depth,
    const struct json_want *want, struct slice *slots)
{
	const char *next, *after;

	if (want == NULL)
		return skip_value(s, p, depth);
	clear(want, slots);
	if (want->n_children > 0 && *p == '{')
		next = scan_object(s, p, depth, want->children,
		    want->n_children, slots);
	else
		next = skip_value(s, p, depth);
	if (next != NULL && want->slot >= 0) {
		after = s->after != NULL ? s->after : string_end(s, next);
		slots[want->slot] = (struct slice){ p, (size_t)(after - p) };
	}
	return next;
}

/* The object at p; `depth` levels are open around it. The recursion is as
 * deep as the tree of wants. */
static const char *
scan_object(struct scan *s, const char *p, unsigned depth,
    const struct json_want *wants, size_t n, struct slice *slots)
{
	const char *name, *colon;
	struct slice raw;

	if (depth >= JSON_SCAN_DEPTH_MAX)
		return NULL;
	p = json_index_next(&s->index);
	while (*p == '"') {
		name = p;
		colon = json_index_next(&s->index);
		if (*colon != ':')
			return NULL;
		raw = (struct slice){ name,
			(size_t)(string_end(s, colon) - name) };
		p = scan_member(s, json_index_next(&s->index), depth + 1,
		    find_want(raw, wants, n), slots);
		if (p == NULL)
			return NULL;
		if (*p == '}')
			break;
		if (*p != ',')
			return NULL;
		p = json_index_next(&s->index);
		if (*p == '}')
			return NULL;
	}
	if (*p != '}')
		return NULL;
	s->after = p + 1;
	return json_index_next(&s->index);
}

bool
json_scan(struct slice text, const struct json_want *wants, size_t n,
    struct slice *slots, size_t n_slots)
{
	JSON_INDEX_UNINITIALIZED struct scan s;
	const char *p;
	size_t i;

	for (i = 0; i < n_slots; i++)
		slots[i] = SLICE_NONE;
	if (text.n == 0)
		return false;
	s.after = NULL;
	json_index_start(&s.index, text);
	p = json_index_next(&s.index);
	p = *p == '{' ? scan_object(&s, p, 0, wants, n, slots) :
	    skip_value(&s, p, 0);
	return p == json_index_end && !s.index.bad;
}

/* --- once more ------------------------------------------------------------ */

/* The value at p of a text that json_scan accepted. */
static const char *
value_end(const char *p, const char *end)
{
	struct json_skip skip = { 0 };
	bool done;

	if (*p == '"')
		return json_text_skip(p + 1, end);
	if (*p == '{' || *p == '[') {
		p = json_skip_on(&skip, p, end, &done);
		return done ? p : NULL;
	}
	return json_scalar_skip(p, end);
}

static const char *
again_object(const char *p, const char *end, const struct json_want *wants,
    size_t n, struct slice *slots);

/* The member whose name begins at p. */
static const char *
again_member(const char *p, const char *end, const struct json_want *wants,
    size_t n, struct slice *slots)
{
	const struct json_want *want;
	const char *name = p;

	p = json_text_skip(p + 1, end);
	if (p == NULL)
		return NULL;
	want = find_want((struct slice){ name, (size_t)(p - name) }, wants, n);
	p = skip_space(p, end);
	if (p == end || *p != ':')
		return NULL;
	name = p = skip_space(p + 1, end);
	if (p == end)
		return NULL;
	if (want == NULL)
		return value_end(p, end);
	clear(want, slots);
	if (want->n_children > 0 && *p == '{')
		p = again_object(p, end, want->children, want->n_children,
		    slots);
	else
		p = value_end(p, end);
	if (p != NULL && want->slot >= 0)
		slots[want->slot] = (struct slice){ name, (size_t)(p - name) };
	return p;
}

/* The object at p. */
static const char *
again_object(const char *p, const char *end, const struct json_want *wants,
    size_t n, struct slice *slots)
{
	p = skip_space(p + 1, end);
	while (p < end && *p == '"') {
		p = again_member(p, end, wants, n, slots);
		if (p == NULL)
			return NULL;
		p = skip_space(p, end);
		if (p == end || *p != ',')
			break;
		p = skip_space(p + 1, end);
	}
	return p < end && *p == '}' ? p + 1 : NULL;
}

void
json_scan_again(struct slice value, const struct json_want *wants, size_t n,
    struct slice *slots, size_t n_slots)
{
	size_t i;

	for (i = 0; i < n_slots; i++)
		slots[i] = SLICE_NONE;
	if (value.n > 0 && value.p[0] == '{')
		(void)again_object(value.p, value.p + value.n, wants, n,
		    slots);
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
	after = value_end(p, end);
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
