/*
 * json_slice: finding and copying parts of a JSON text without changing their
 * content (numbers keep their digits). Pure. The text was validated before
 * (jansson); on anything else the functions say no, they never read beyond.
 * Processes: gateway, and publishers (libsluice).
 */
#ifndef SLUICE_JSON_SLICE_H
#define SLUICE_JSON_SLICE_H

#include "common/buf.h"

/* The value at the start of `text` after white space; *ret_rest is what
 * follows it. */
bool	json_slice_value(struct slice text, struct slice *ret,
	    struct slice *ret_rest);
/* The value of an object's member, also when its name is written with escapes;
 * false if it has none of that name. */
bool	json_slice_member(struct slice object, const char *name,
	    struct slice *ret);
/* Steps through an object: `*at` is the text after '{' or after the member
 * before; false at the end. The name is as it stands, with its quotes.
 * json_slice_object gives the first. */
bool	json_slice_object(struct slice object, struct slice *ret_at);
bool	json_slice_pair(struct slice *at, struct slice *ret_name,
	    struct slice *ret_value);
/* Appends a value on one line: white space outside strings is left out, and
 * U+2028, U+2029, DEL and C1 controls inside strings are escaped. */
void	json_slice_compact(struct buf *b, struct slice value);

/* Whether a member's name is among those of a list. */
bool	json_slice_named(struct slice name, const char *const *list, size_t n);

#endif
