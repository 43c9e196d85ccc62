#include "gateway/json_tree.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_scalar.h"
#include "common/json_text.h"
#include "common/macros.h"
#include "common/xmalloc.h"
#include "gateway/strmap.h"

#define BLOCK_SIZE      (16u * 1024)
#define ALIGN           8u
#define COMPARED_MAX    32u   /* members among which a name is looked for */
#define EXACT_DIGITS    15u   /* any such integer is a double, and so is */
#define EXACT_POWER     22u   /* 10 to this */
#define NUMBER_MAX      64u   /* longer ones are few */

struct json_tree_block {
	struct json_tree_block	*next;
	max_align_t		 bytes[];
};

struct parser {
	struct json_tree	*tree;
	const char		*p;
	const char		*end;
};

static struct json_value *parse_value(struct parser *s, unsigned int depth);

/* --- memory --------------------------------------------------------------- */

static void *
take(struct json_tree *t, size_t n)
{
	size_t size = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	struct json_tree_block *block;
	char *bytes;

	if (size > t->left) {
		t->left = MAX(size, BLOCK_SIZE);
		block = xmalloc(sizeof(*block) + t->left);
		block->next = t->blocks;
		t->blocks = block;
		t->at = (char *)block->bytes;
	}
	bytes = t->at;
	t->at += size;
	t->left -= size;
	return bytes;
}

struct slice
json_tree_keep(struct json_tree *t, struct slice bytes)
{
	char *copy = take(t, bytes.n);

	if (bytes.n > 0)
		memcpy(copy, bytes.p, bytes.n);
	return (struct slice){ copy, bytes.n };
}

void
json_tree_free(struct json_tree *t)
{
	struct json_tree_block *block;

	while ((block = t->blocks) != NULL) {
		t->blocks = block->next;
		free(block);
	}
	*t = (struct json_tree){ .blocks = NULL };
}

/* --- scalars -------------------------------------------------------------- */

static void
skip_space(struct parser *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' ||
	    *s->p == '\r' || *s->p == '\t'))
		s->p++;
}

/* At a quote. False: it is no string. */
static bool
parse_string(struct parser *s, struct slice *ret)
{
	const char *begin = s->p, *end = json_text_skip(begin + 1, s->end);
	struct slice inside;
	char *text;

	if (end == NULL)
		return false;
	s->p = end;
	inside = (struct slice){ begin + 1, (size_t)(end - begin) - 2 };
	if (memchr(inside.p, '\\', inside.n) != NULL) {
		text = take(s->tree, inside.n);
		inside = (struct slice){ text, json_text_unescape(
		    (struct slice){ begin, (size_t)(end - begin) }, text,
		    inside.n) };
	}
	*ret = inside;
	return true;
}

/* Of a valid number without exponent whose digits are few: both the integer
 * and the power of ten are doubles, and their quotient is rounded once. False:
 * it is another. */
static bool
read_exact(struct slice s, double *ret)
{
	static const double powers[EXACT_POWER + 1] = { 1e0, 1e1, 1e2, 1e3,
		1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14,
		1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
	size_t digits = 0, behind = 0;
	bool point = false;
	int64_t whole = 0;

	for (size_t i = *s.p == '-'; i < s.n; i++) {
		if (s.p[i] == '.') {
			point = true;
			continue;
		}
		if (s.p[i] < '0' || s.p[i] > '9' || ++digits > EXACT_DIGITS)
			return false;
		whole = whole * 10 + (s.p[i] - '0');
		behind += point;
	}
	*ret = (double)whole / powers[behind];
	if (*s.p == '-')
		*ret = -*ret;
	return true;
}

/* False: it is beyond a double. */
static bool
read_number(struct slice s, double *ret)
{
	char few[NUMBER_MAX], *text = few;

	if (read_exact(s, ret))
		return true;
	if (s.n >= sizeof(few))
		text = xmalloc(s.n + 1);
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	*ret = strtod(text, NULL);
	if (text != few)
		free(text);
	return isfinite(*ret);
}

static bool
parse_scalar(struct parser *s, struct json_value *v)
{
	const char *end = json_scalar_skip(s->p, s->end);

	if (end == NULL)
		return false;
	v->type = *s->p == 'n' ? JSON_TREE_NULL :
	    *s->p == 't' ? JSON_TREE_TRUE :
	    *s->p == 'f' ? JSON_TREE_FALSE : JSON_TREE_NUMBER;
	if (v->type == JSON_TREE_NUMBER && !read_number((struct slice){ s->p,
	    (size_t)(end - s->p) }, &v->number))
		return false;
	s->p = end;
	return true;
}

/* --- arrays and objects --------------------------------------------------- */

static bool
parse_char(struct parser *s, char c)
{
	skip_space(s);
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

/* Of many members the names are kept in *names, for which every length of an
 * object costs the same. */
static bool
is_new(const struct json_value *object, struct slice name,
    struct strmap **names)
{
	const struct json_value *v = object->first;
	uint32_t unused;

	if (object->n < COMPARED_MAX) {
		for (uint32_t i = 0; i < object->n; i++, v = v->next)
			if (slice_eq(v->name, name))
				return false;
		return true;
	}
	if (*names == NULL) {
		*names = strmap_new();
		for (uint32_t i = 0; i < object->n; i++, v = v->next)
			strmap_put(*names, v->name, 0);
	}
	if (strmap_get(*names, name, &unused))
		return false;
	strmap_put(*names, name, 0);
	return true;
}

/* With the colon behind it. */
static bool
parse_name(struct parser *s, struct slice *ret)
{
	skip_space(s);
	return s->p < s->end && *s->p == '"' && parse_string(s, ret) &&
	    memchr(ret->p, '\0', ret->n) == NULL && parse_char(s, ':');
}

static bool
parse_members(struct parser *s, struct json_value *object, unsigned int depth)
{
	struct json_value **next = &object->first, *v;
	struct strmap *names = NULL;
	struct slice name;
	bool more;

	do {
		more = parse_name(s, &name) && is_new(object, name, &names) &&
		    (v = parse_value(s, depth)) != NULL;
		if (!more)
			break;
		v->name = name;
		*next = v;
		next = &v->next;
		object->n++;
	} while (parse_char(s, ','));
	strmap_free(names);
	return more && parse_char(s, '}');
}

static bool
parse_items(struct parser *s, struct json_value *array, unsigned int depth)
{
	struct json_value **next = &array->first, *v;

	do {
		v = parse_value(s, depth);
		if (v == NULL)
			return false;
		*next = v;
		next = &v->next;
		array->n++;
	} while (parse_char(s, ','));
	return parse_char(s, ']');
}

static bool
parse_nested(struct parser *s, struct json_value *v, unsigned int depth)
{
	bool object = *s->p++ == '{';

	v->type = object ? JSON_TREE_OBJECT : JSON_TREE_ARRAY;
	v->first = NULL;
	if (parse_char(s, object ? '}' : ']'))
		return true;
	return object ? parse_members(s, v, depth) : parse_items(s, v, depth);
}

static struct json_value *
parse_value(struct parser *s, unsigned int depth)
{
	struct json_value *v;
	const char *begin;
	bool valid;

	skip_space(s);
	if (s->p == s->end || depth == JSON_TREE_DEPTH_MAX)
		return NULL;
	begin = s->p;
	v = take(s->tree, sizeof(*v));
	*v = (struct json_value){ .type = JSON_TREE_STRING };
	if (*begin == '"')
		valid = parse_string(s, &v->text);
	else if (*begin == '{' || *begin == '[')
		valid = parse_nested(s, v, depth + 1);
	else
		valid = parse_scalar(s, v);
	v->raw = (struct slice){ begin, (size_t)(s->p - begin) };
	return valid ? v : NULL;
}

static void
say_nul(struct slice text, json_error_t *err)
{
	const char *nul = memchr(text.p, '\0', text.n);

	err->line = err->column = 1;
	for (const char *p = text.p; p < nul; p++) {
		err->column = *p == '\n' ? 1 : err->column + 1;
		err->line += *p == '\n';
	}
	(void)snprintf(err->text, sizeof(err->text),
	    "NUL byte between values");
}

/* In jansson's words. */
static void
say_why(struct slice text, json_error_t *err)
{
	json_t *root = json_loadb(text.n > 0 ? text.p : "", text.n,
	    JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY |
	    JSON_DECODE_INT_AS_REAL, err);

	if (root != NULL)
		say_nul(text, err);
	json_decref(root);
}

struct json_value *
json_tree_parse(struct json_tree *t, struct slice text, json_error_t *err)
{
	struct parser s = { t, text.p, text.p + text.n };
	struct json_value *v = parse_value(&s, 0);

	skip_space(&s);
	if (v != NULL && s.p == s.end)
		return v;
	if (err != NULL)
		say_why(text, err);
	return NULL;
}

/* --- questions ------------------------------------------------------------ */

struct json_value *
json_tree_member(const struct json_value *object, const char *name)
{
	struct json_value *v;
	size_t n = strlen(name);

	if (!json_tree_is(object, JSON_TREE_OBJECT))
		return NULL;
	for (v = object->first; v != NULL; v = v->next)
		if (v->name.n == n && memcmp(v->name.p, name, n) == 0)
			return v;
	return NULL;
}

struct slice
json_tree_text(const struct json_value *v)
{
	return json_tree_is(v, JSON_TREE_STRING) ? v->text : SLICE_NONE;
}

const char *
json_tree_name(const struct json_value *member, char *buf, size_t size)
{
	if (member->name.n >= size)
		return "?";
	memcpy(buf, member->name.p, member->name.n);
	buf[member->name.n] = '\0';
	return buf;
}

double
json_tree_number(const struct json_value *v)
{
	return json_tree_is(v, JSON_TREE_NUMBER) ? v->number : 0;
}
