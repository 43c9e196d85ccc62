#include "common/json_slice.h"

#include <jansson.h>
#include <string.h>

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct slice
skip_space(struct slice s)
{
	while (s.n > 0 && is_space(*s.p)) {
		s.p++;
		s.n--;
	}
	return s;
}

/* The length of the string at s (with its quotes); 0 if it does not end. */
static size_t
string_length(struct slice s)
{
	size_t i;

	for (i = 1; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			return i + 1;
	}
	return 0;
}

static size_t
nested_length(struct slice s)
{
	size_t i = 0, depth = 0, n;

	while (i < s.n) {
		if (s.p[i] == '"') {
			n = string_length((struct slice){ s.p + i, s.n - i });
			if (n == 0)
				return 0;
			i += n;
			continue;
		}
		if (s.p[i] == '{' || s.p[i] == '[')
			depth++;
		else if ((s.p[i] == '}' || s.p[i] == ']') && --depth == 0)
			return i + 1;
		i++;
	}
	return 0;
}

static size_t
scalar_length(struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (is_space(s.p[i]) || s.p[i] == ',' || s.p[i] == '}' ||
		    s.p[i] == ']')
			break;
	return i;
}

bool
json_slice_value(struct slice text, struct slice *ret, struct slice *ret_rest)
{
	struct slice s = skip_space(text);
	size_t n;

	if (s.n == 0)
		return false;
	if (*s.p == '{' || *s.p == '[')
		n = nested_length(s);
	else if (*s.p == '"')
		n = string_length(s);
	else
		n = scalar_length(s);
	if (n == 0)
		return false;
	*ret = (struct slice){ s.p, n };
	*ret_rest = (struct slice){ s.p + n, s.n - n };
	return true;
}

/* A member's name as it stands, with its quotes, and maybe with escapes. */
static bool
name_is(struct slice key, const char *name)
{
	json_t *text;
	bool same;

	if (memchr(key.p, '\\', key.n) == NULL)
		return key.n == strlen(name) + 2 &&
		    memcmp(key.p + 1, name, key.n - 2) == 0;
	text = json_loadb(key.p, key.n, JSON_DECODE_ANY | JSON_ALLOW_NUL,
	    NULL);
	same = text != NULL && slice_is((struct slice){
	    json_string_value(text), json_string_length(text) }, name);
	json_decref(text);
	return same;
}

bool
json_slice_object(struct slice object, struct slice *ret_at)
{
	struct slice s = skip_space(object);

	if (s.n < 2 || *s.p != '{')
		return false;
	*ret_at = (struct slice){ s.p + 1, s.n - 1 };
	return true;
}

bool
json_slice_pair(struct slice *at, struct slice *ret_name,
    struct slice *ret_value)
{
	struct slice s = skip_space(*at), name;

	if (s.n > 0 && *s.p == ',')
		s = (struct slice){ s.p + 1, s.n - 1 };
	if (!json_slice_value(s, &name, &s) || *name.p != '"')
		return false;
	s = skip_space(s);
	if (s.n == 0 || *s.p != ':' ||
	    !json_slice_value((struct slice){ s.p + 1, s.n - 1 }, ret_value,
	    at))
		return false;
	*ret_name = name;
	return true;
}

bool
json_slice_member(struct slice object, const char *name, struct slice *ret)
{
	struct slice at, key, value;

	if (!json_slice_object(object, &at))
		return false;
	while (json_slice_pair(&at, &key, &value)) {
		if (!name_is(key, name))
			continue;
		*ret = value;
		return true;
	}
	return false;
}

/* A character inside a string that must not stand there raw: its code point
 * and length; 0 if it may. */
static unsigned int
must_escape(const char *p, size_t n, size_t *ret_len)
{
	const unsigned char *u = (const unsigned char *)p;

	if (u[0] < 0x20 || u[0] == 0x7f) {
		*ret_len = 1;
		return u[0] == 0 ? 0x10000 : u[0];
	}
	if (n >= 2 && u[0] == 0xc2 && u[1] < 0xa0) {
		*ret_len = 2;
		return u[1];
	}
	if (n >= 3 && u[0] == 0xe2 && u[1] == 0x80 &&
	    (u[2] == 0xa8 || u[2] == 0xa9)) {
		*ret_len = 3;
		return u[2] == 0xa8 ? 0x2028 : 0x2029;
	}
	return 0;
}

/* Nearly all of what stands in strings. */
static bool
is_plain(char c)
{
	return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

/* What stands as it is, is copied in runs. */
void
json_slice_compact(struct buf *b, struct slice value)
{
	bool inside = false;
	unsigned int code;
	size_t i, len, from = 0;

	for (i = 0; i < value.n; i += len) {
		len = 1;
		code = 0;
		if (!inside) {
			inside = value.p[i] == '"';
			if (!is_space(value.p[i]))
				continue;
		} else if (is_plain(value.p[i])) {
			continue;
		} else {
			if (value.p[i] == '\\' && i + 1 < value.n)
				len = 2;
			else if (value.p[i] == '"')
				inside = false;
			else
				code = must_escape(value.p + i, value.n - i,
				    &len);
			if (code == 0)
				continue;
		}
		buf_add(b, value.p + from, i - from);
		from = i + len;
		if (code != 0)
			buf_addf(b, "\\u%04x", code & 0xffff);
	}
	buf_add(b, value.p + from, value.n - from);
}

bool
json_slice_named(struct slice name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (slice_is(name, list[i]))
			return true;
	return false;
}
