/*
 * json_tree: what a publisher sent, parsed once: values that point into its
 * text. Pure. Process: gateway.
 *
 * It takes what jansson takes (JSON_REJECT_DUPLICATES, JSON_ALLOW_NUL,
 * JSON_DECODE_ANY, JSON_DECODE_INT_AS_REAL), which is RFC 8259 without members
 * that are there twice, NUL in their names, numbers beyond a double, and what
 * is nested deeper than JSON_TREE_DEPTH_MAX. Only a NUL byte between values,
 * which jansson passes over behind a number or a word, is refused here. What
 * is wrong with a text jansson is asked, so that it is said with its place.
 *
 * A tree of jansson's is some allocations and a hash for each value, most of
 * what an event cost. Here a value is 64 bytes of a block, and a string that
 * has no escapes stays where it is: at most 32 bytes for each of the text, and
 * one block. While jansson is asked why a text is refused, its tree stands
 * beside this one: 105 MB were measured for 1 MiB of "{},".
 */
#ifndef SLUICE_JSON_TREE_H
#define SLUICE_JSON_TREE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

#define JSON_TREE_DEPTH_MAX 2048u   /* JSON_PARSER_MAX_DEPTH of jansson */

enum json_tree_type {
	JSON_TREE_NULL,
	JSON_TREE_FALSE,
	JSON_TREE_TRUE,
	JSON_TREE_NUMBER,
	JSON_TREE_STRING,
	JSON_TREE_ARRAY,
	JSON_TREE_OBJECT
};

struct json_value {
	enum json_tree_type	 type;
	uint32_t		 n;       /* items or members */
	struct slice		 raw;     /* as it stands in the text */
	struct slice		 name;    /* of a member, escapes resolved */
	struct json_value	*next;    /* item or member */
	union {
		struct slice		 text;    /* string, likewise */
		double			 number;
		struct json_value	*first;   /* item or member */
	};
};

struct json_tree_block;

/* The memory of values, of any number of texts. Empty: all zero. */
struct json_tree {
	struct json_tree_block	*blocks;
	char			*at;
	size_t			 left;
};

/* The value that `text` is, which must stay as long as the tree. NULL with
 * *err (may be NULL): it is none. */
struct json_value *json_tree_parse(struct json_tree *t, struct slice text,
	    json_error_t *err);
/* A copy of the bytes that stays as long as the tree. */
struct slice	 json_tree_keep(struct json_tree *t, struct slice bytes);
/* All values are gone; t is empty. */
void		 json_tree_free(struct json_tree *t);

/* Of a value that may be NULL, which has no type. */
static inline bool
json_tree_is(const struct json_value *v, enum json_tree_type type)
{
	return v != NULL && v->type == type;
}

/* The member of an object; NULL: it has none of that name, or is no object. */
struct json_value *json_tree_member(const struct json_value *object,
	    const char *name);
/* What a string says; SLICE_NONE of anything else. */
struct slice	 json_tree_text(const struct json_value *v);
/* A member's name for people, in `buf`: "?" when there is no room for it. */
const char	*json_tree_name(const struct json_value *member, char *buf,
		    size_t size);
/* 0 of anything but a number. */
double		 json_tree_number(const struct json_value *v);

#endif
