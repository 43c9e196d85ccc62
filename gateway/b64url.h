/*
 * b64url: base64url without padding (RFC 7515 appendix C): tokens, keys and
 * tickets. Pure. Strict: one text for one value, so that no two texts of a
 * token are the same token; anything else is refused.
 */
#ifndef SLUICE_B64URL_H
#define SLUICE_B64URL_H

#include <stdbool.h>

#include "common/buf.h"

/* Appends the bytes that the text stands for; memory that is outgrown is
 * wiped. False, and nothing appended, if it is none. */
bool	b64url_decode(struct slice text, struct buf *b);
/* Appends the text. */
void	b64url_encode(struct buf *b, const void *bytes, size_t n);

#endif
