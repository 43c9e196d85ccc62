#include "health/list_scan.h"

#include <string.h>

void
list_scan_init(struct list_scan *s, list_scan_cb cb, void *arg)
{
	*s = (struct list_scan){ .cb = cb, .arg = arg };
}

void
list_scan_free(struct list_scan *s)
{
	buf_free(&s->object);
}

static bool
key_is(const struct list_scan *s, const char *name)
{
	return s->key_len == strlen(name) &&
	    memcmp(s->key, name, s->key_len) == 0;
}

static void
begin_object(struct list_scan *s, enum list_scan_part part)
{
	s->collecting = true;
	s->part = part;
	s->base = s->depth;
	buf_reset(&s->object);
}

static bool
open_bracket(struct list_scan *s, char c)
{
	if (s->depth == 0 && (c != '{' || s->complete))
		return false;
	if (s->depth == LIST_SCAN_DEPTH_MAX)
		return false;
	if (s->depth == 1 && c == '[' && key_is(s, "items"))
		s->in_items = true;
	else if (s->depth == 1 && c == '{' && key_is(s, "metadata"))
		begin_object(s, LIST_SCAN_METADATA);
	else if (s->depth == 2 && c == '{' && s->in_items)
		begin_object(s, LIST_SCAN_ITEM);
	s->depth++;
	s->want_key = s->depth == 1;
	return true;
}

static bool
close_bracket(struct list_scan *s)
{
	struct slice json;

	if (s->depth == 0)
		return false;
	s->depth--;
	if (s->depth == 1)
		s->in_items = false;
	if (s->depth == 0)
		s->complete = true;
	if (!s->collecting || s->depth != s->base)
		return true;
	s->collecting = false;
	buf_addc(&s->object, '}');
	json = (struct slice){ (const char *)s->object.data, s->object.len };
	return s->cb(s->part, json, s->arg);
}

static void
string_byte(struct list_scan *s, char c)
{
	if (s->escaped) {
		s->escaped = false;
	} else if (c == '\\') {
		s->escaped = true;
	} else if (c == '"') {
		s->in_string = false;
		s->in_key = false;
		return;
	}
	if (s->in_key && s->key_len < sizeof(s->key))
		s->key[s->key_len++] = c;
}

static bool
other_byte(struct list_scan *s, char c)
{
	switch (c) {
	case '"':
		if (s->depth == 0)
			return false;
		s->in_string = true;
		s->in_key = s->depth == 1 && s->want_key;
		if (s->in_key) {
			s->key_len = 0;
			s->want_key = false;
		}
		return true;
	case '{':
	case '[':
		return open_bracket(s, c);
	case '}':
	case ']':
		return close_bracket(s);
	case ',':
		s->want_key = s->depth == 1;
		return s->depth != 0;
	case ' ':
	case '\n':
	case '\r':
	case '\t':
		return true;
	default:
		return s->depth != 0;
	}
}

bool
list_scan_feed(struct list_scan *s, const char *p, size_t n)
{
	for (size_t i = 0; i < n && !s->failed; i++) {
		if (s->in_string)
			string_byte(s, p[i]);
		else if (!other_byte(s, p[i]))
			s->failed = true;
		if (!s->collecting)
			continue;
		if (s->object.len >= LIST_SCAN_OBJECT_MAX)
			s->failed = true;
		else
			buf_addc(&s->object, p[i]);
	}
	return !s->failed;
}

bool
list_scan_done(const struct list_scan *s)
{
	return s->complete && !s->failed;
}
