#include "common/list_stream.h"

#include <string.h>

#include "common/json_skip.h"

#define KEEP_MAX (256u * 1024)   /* memory kept between items */

void
list_stream_reset(struct list_stream *s)
{
	const char *kind_only = s->kind_only;
	size_t item_max = s->item_max;

	buf_wipe(&s->partial);
	buf_free(&s->name);
	buf_free(&s->metadata);
	buf_free(&s->kind);
	*s = (struct list_stream){ .item_max = item_max,
		.kind_only = kind_only };
}

bool
list_stream_complete(const struct list_stream *s)
{
	return s->state == LIST_END;
}

/* --- where a value ends --------------------------------------------------- */

/* The string goes on at p; returns behind its closing quote, or end. Only
 * names and small members of the root are such strings. */
static const char *
follow_string(struct list_stream *s, const char *p, const char *end,
    bool *ret_done)
{
	while (p < end) {
		if (s->escaped)
			s->escaped = false;
		else if (*p == '\\')
			s->escaped = true;
		else if (*p == '"' && s->in_string) {
			*ret_done = true;
			return p + 1;
		}
		s->in_string = true;
		p++;
	}
	return p;
}

static bool
ends_scalar(char c)
{
	return c == ',' || c == '}' || c == ']' || c == ' ' || c == '\n' ||
	    c == '\r' || c == '\t';
}

/* Follows the value that is under way. Returns behind its last byte and sets
 * *ret_done, or `end` when it goes on in the next chunk. */
static const char *
follow_value(struct list_stream *s, const char *p, const char *end,
    bool *ret_done)
{
	*ret_done = false;
	switch (s->value) {
	case LIST_CONTAINER:
		return json_skip_on(&s->skip, p, end, ret_done);
	case LIST_STRING:
		return follow_string(s, p, end, ret_done);
	case LIST_SCALAR:
		break;
	}
	while (p < end && !ends_scalar(*p))
		p++;
	*ret_done = p < end;
	return p;
}

static void
begin_value(struct list_stream *s, char first)
{
	s->value = first == '{' || first == '[' ? LIST_CONTAINER :
	    first == '"' ? LIST_STRING : LIST_SCALAR;
	s->skip = (struct json_skip){ 0 };
	s->in_string = false;
	s->escaped = false;
	s->skipping = false;
	buf_reset(&s->partial);
}

/* --- what is kept --------------------------------------------------------- */

static size_t
item_max(const struct list_stream *s)
{
	return s->item_max != 0 ? s->item_max : LIST_STREAM_ITEM_MAX;
}

static bool
keep_partial(struct list_stream *s, const char *p, size_t n, size_t max)
{
	if (s->partial.len + n > max)
		return false;
	if (s->kind_only != NULL)
		buf_add_sealed(&s->partial, p, n);
	else
		buf_add(&s->partial, p, n);
	return true;
}

static void
keep_item(struct list_stream *s, const char *p, size_t n)
{
	if (s->skipping || keep_partial(s, p, n, item_max(s)))
		return;
	buf_wipe(&s->partial);
	s->skipping = true;
	s->oversized++;
}

static bool
buf_is(const struct buf *b, const char *text)
{
	return b->len == strlen(text) && memcmp(b->data, text, b->len) == 0;
}

static bool
name_is(const struct list_stream *s, const char *name)
{
	return s->name.len > 0 && buf_is(&s->name, name);
}

static bool
is_refused(const struct list_stream *s)
{
	return s->kind_only != NULL &&
	    (s->kind.len == 0 || !buf_is(&s->kind, s->kind_only));
}

static void
member_done(struct list_stream *s)
{
	struct buf *to = NULL;

	if (name_is(s, "\"metadata\""))
		to = &s->metadata;
	else if (name_is(s, "\"kind\""))
		to = &s->kind;
	if (to == NULL)
		return;
	buf_reset(to);
	buf_add(to, s->partial.data, s->partial.len);
}

/* --- one step per state --------------------------------------------------- */

/* The item under way gets the bytes from p; one that is whole in them is
 * handed out where it lies. */
static const char *
item_step(struct list_stream *s, const char *p, const char *end,
    list_stream_cb cb, void *arg)
{
	const char *after;
	struct slice item;
	bool done, go_on = true;

	after = follow_value(s, p, end, &done);
	item = (struct slice){ p, (size_t)(after - p) };
	if (!done || s->partial.len > 0 || s->skipping ||
	    item.n > item_max(s)) {
		keep_item(s, item.p, item.n);
		item = (struct slice){ (const char *)s->partial.data,
			s->partial.len };
	}
	if (!done)
		return after;
	s->items++;
	s->state = LIST_AFTER_ITEM;
	if (!s->skipping)
		go_on = cb(item, arg);
	if (s->kind_only != NULL)
		buf_wipe(&s->partial);
	else if (s->partial.size > KEEP_MAX)
		buf_free(&s->partial);
	return go_on ? after : NULL;
}

/* A name or a small member of the root. */
static const char *
small_step(struct list_stream *s, const char *p, const char *end)
{
	const char *after;
	bool done;

	after = follow_value(s, p, end, &done);
	if (!keep_partial(s, p, (size_t)(after - p), LIST_STREAM_MEMBER_MAX))
		return NULL;
	if (!done)
		return after;
	if (s->state == LIST_IN_NAME) {
		buf_reset(&s->name);
		buf_add(&s->name, s->partial.data, s->partial.len);
		s->state = LIST_COLON;
	} else {
		member_done(s);
		s->state = LIST_AFTER;
	}
	return after;
}

/* A byte between values. Returns the state it leads to; *ret_take tells
 * whether the byte itself is used up. */
static enum list_state
between(const struct list_stream *s, char c, bool *ret_take)
{
	*ret_take = true;
	switch (s->state) {
	case LIST_START:
		return c == '{' ? LIST_NAME : LIST_BROKEN;
	case LIST_NAME:
		if (c == '}')
			return LIST_END;
		*ret_take = false;
		return c == '"' ? LIST_IN_NAME : LIST_BROKEN;
	case LIST_NEXT_NAME:
		*ret_take = false;
		return c == '"' ? LIST_IN_NAME : LIST_BROKEN;
	case LIST_COLON:
		return c == ':' ? LIST_VALUE : LIST_BROKEN;
	case LIST_VALUE:
		if (c == '[' && name_is(s, "\"items\""))
			return LIST_ITEM_FIRST;
		*ret_take = false;
		return LIST_MEMBER;
	case LIST_AFTER:
		if (c == ',')
			return LIST_NEXT_NAME;
		return c == '}' ? LIST_END : LIST_BROKEN;
	case LIST_ITEM_FIRST:
		if (c == ']')
			return LIST_AFTER;
		*ret_take = false;
		return LIST_IN_ITEM;
	case LIST_ITEM:
		*ret_take = false;
		return LIST_IN_ITEM;
	case LIST_AFTER_ITEM:
		if (c == ',')
			return LIST_ITEM;
		return c == ']' ? LIST_AFTER : LIST_BROKEN;
	case LIST_MEMBER:
	case LIST_IN_ITEM:
	case LIST_IN_NAME:
	case LIST_END:
	case LIST_BROKEN:
		break;
	}
	return LIST_BROKEN;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static const char *
between_step(struct list_stream *s, const char *p)
{
	bool take;

	if (is_space(*p))
		return p + 1;
	s->state = between(s, *p, &take);
	if (s->state == LIST_ITEM_FIRST && is_refused(s)) {
		s->other_kind = true;
		s->state = LIST_BROKEN;
	}
	if (s->state == LIST_BROKEN)
		return NULL;
	if (s->state == LIST_MEMBER || s->state == LIST_IN_ITEM ||
	    s->state == LIST_IN_NAME)
		begin_value(s, *p);
	return take ? p + 1 : p;
}

bool
list_stream_feed(struct list_stream *s, const char *p, size_t n,
    list_stream_cb cb, void *arg)
{
	const char *end = p + n;

	while (p < end) {
		if (s->state == LIST_IN_ITEM)
			p = item_step(s, p, end, cb, arg);
		else if (s->state == LIST_MEMBER || s->state == LIST_IN_NAME)
			p = small_step(s, p, end);
		else
			p = between_step(s, p);
		if (p == NULL) {
			s->state = LIST_BROKEN;
			return false;
		}
	}
	return s->state != LIST_BROKEN;
}
