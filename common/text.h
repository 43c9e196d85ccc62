/*
 * text: small questions about characters and strings that may be absent.
 * Pure: any process.
 */
#ifndef SLUICE_TEXT_H
#define SLUICE_TEXT_H

#include <stdbool.h>

/* NULL is equal to NULL only. */
bool	text_same(const char *a, const char *b);
/* Of a hexadecimal digit, in either case; -1 if it is none. */
int	text_hex(char c);
/* 0 to 61, of a letter or digit as RFC 4648 numbers them for both alphabets of
 * base64, whose last two signs are the caller's; -1 if it is neither. */
int	text_base64(char c);

#endif
