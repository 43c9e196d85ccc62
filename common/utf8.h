/*
 * utf8: is it well-formed UTF-8 (RFC 3629: no surrogates, nothing overlong,
 * nothing above U+10FFFF)? Pure. Every process.
 */
#ifndef SLUICE_UTF8_H
#define SLUICE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* How many bytes the character there has, 1 to 4; 0: malformed, or cut by the
 * end of the n bytes (at least one). */
size_t	utf8_length(const char *at, size_t n);
bool	utf8_valid(const char *p, size_t n);
/* Whether the character there, of so many bytes (0: it is none), is a control
 * character: C0, DEL or C1, of which a terminal takes U+009B as an escape. */
bool	utf8_control(const char *at, size_t length);

#endif
