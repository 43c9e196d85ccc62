/*
 * json_index: the places in a JSON text where something begins: brackets,
 * commas and colons outside of strings, and the first byte of each string,
 * number and word. Found a batch ahead, from bit masks (common/json_block).
 * Pure; bounded by the bytes given.
 *
 * On the way it checks every string wholly: no control characters, escapes and
 * surrogate pairs (RFC 8259), UTF-8 (RFC 3629), a closing quote. Whether the
 * places make sense in this order, and what numbers and words look like, is
 * for the reader (json_scan) to say; and so is whether a number or word ends
 * where the next byte is neither space nor one of {}[]:, .
 */
#ifndef SLUICE_JSON_INDEX_H
#define SLUICE_JSON_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

#define JSON_INDEX_BLOCKS 16u   /* read at once: 1 KiB */

#define JSON_INDEX_SLACK  8u

#if defined(__has_attribute)
#if __has_attribute(uninitialized)
/* Without it the compiler's hardening clears 2 KiB for every small text. */
#define JSON_INDEX_UNINITIALIZED __attribute__((uninitialized))
#endif
#endif
#ifndef JSON_INDEX_UNINITIALIZED
#define JSON_INDEX_UNINITIALIZED
#endif

struct json_index {
	const char	*end;          /* of the text */
	const char	*read;         /* up to here masks were read */
	const char	*base;         /* of the places */
	const char	*escape_read;  /* escapes are checked up to here */
	const char	*utf8_read;    /* ... and long characters */
	uint64_t	 escaped;      /* the byte at `read`: 1 or 0 */
	uint64_t	 in_string;    /* it is inside of one: all bits or 0 */
	uint64_t	 scalar;      /* byte before it was of a scalar: 1, 0 */
	bool		 bad;
	unsigned	 at;
	unsigned	 n;
	/* A few more are written than count, in one go. */
	uint16_t	 place[JSON_INDEX_BLOCKS * 64 + JSON_INDEX_SLACK];
};

/* What stands behind the last place, one NUL that is not of the text. */
extern const char json_index_end[1];

/* `text` stays valid as long as the index is used. */
void	json_index_start(struct json_index *ix, struct slice text);

/* Reads on until a place is found; json_index_end when there is none, or when
 * a string is malformed (`bad`). */
const char *json_index_more(struct json_index *ix);

/* The next place. */
static inline const char *
json_index_next(struct json_index *ix)
{
	if (ix->at == ix->n)
		return json_index_more(ix);
	return ix->base + ix->place[ix->at++];
}

#endif
