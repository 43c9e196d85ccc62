/*
 * json_text: the strings of JSON: past one in a single fast pass that checks
 * it (RFC 8259: escapes, surrogate pairs, UTF-8 of RFC 3629, no control
 * characters), and what one says when its escapes are resolved. Pure; bounded
 * by the bytes given. Processes: watcher, gateway.
 */
#ifndef SLUICE_JSON_TEXT_H
#define SLUICE_JSON_TEXT_H

#include <stddef.h>

#include "common/buf.h"

/* p is behind the opening quote; returns behind the closing one, NULL when
 * the string is malformed or does not end before `end`. */
const char *json_text_skip(const char *p, const char *end);

/* p is behind a backslash; returns behind the escape, both halves of a
 * surrogate pair, NULL when it is none. */
const char *json_text_escape(const char *p, const char *end);

/* p is at a byte over 0x7f; returns behind the character, NULL when it is not
 * UTF-8. */
const char *json_text_utf8(const char *p, const char *end);

/* Of a valid value with its quotes: a string with its escapes resolved, cut
 * at `size` bytes (never inside a character), no NUL added; 0 for anything but
 * a string. */
size_t	json_text_unescape(struct slice value, char *buf, size_t size);

#endif
