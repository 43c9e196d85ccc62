/*
 * base64: the one of RFC 4648 section 4, with its padding: lines of logs that
 * are no text, and data_base64 of CloudEvents. Pure. Strict: one text for one
 * value.
 */
#ifndef SLUICE_BASE64_H
#define SLUICE_BASE64_H

#include <stdbool.h>

#include "common/buf.h"

/* Appends the bytes that the text stands for. False, and nothing appended, if
 * it is none. */
bool	base64_decode(struct slice text, struct buf *b);
/* Appends the text. */
void	base64_encode(struct buf *b, const void *bytes, size_t n);

#endif
