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

#endif
