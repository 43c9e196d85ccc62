/*
 * json_scan: a validating skip-scanner over JSON bytes. It checks a whole
 * value (grammar, strings, escapes, UTF-8, nesting) and yields slices of the
 * members a caller wants, without building anything. Pure.
 *
 * What it accepts is what RFC 8259 and jansson (JSON_ALLOW_NUL) accept, with
 * two differences: nesting deeper than JSON_SCAN_DEPTH_MAX is refused, and a
 * number is never refused for its size. A member named twice: the last counts.
 *
 * Strings themselves are json_text's.
 *
 * Source of the shape: k8s-watch.md E.2 (a DOM costs ten times as much).
 */
#ifndef SLUICE_JSON_SCAN_H
#define SLUICE_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

#define JSON_SCAN_DEPTH_MAX 256u

/* A wanted member of an object. `slot` is where its value goes in the
 * caller's array (-1: nowhere); with children it is entered, if it is an
 * object, and its own members are looked for in the same pass. */
struct json_want {
	const char		*name;
	int			 slot;
	const struct json_want	*children;
	size_t			 n_children;
};

/* Scans one value that fills `text` but for white space. Wanted members of
 * the root object land in slots[]: raw JSON, strings with their quotes;
 * SLICE_NONE where missing. False when the text is not valid JSON; the slots
 * then hold nothing of use. */
bool	json_scan(struct slice text, const struct json_want *wants, size_t n,
	    struct slice *slots, size_t n_slots);

/* Walks a valid array: *cursor begins as NULL; false at the end, and at once
 * when the slice is not an array. */
bool	json_scan_next(struct slice array, const char **cursor,
	    struct slice *ret);

/* --- values of slices that json_scan accepted ----------------------------- */

/* Inside of a string without escapes; SLICE_NONE for anything else. */
struct slice json_scan_text(struct slice value);
bool json_scan_is(struct slice value, const char *text); /* the string `text` */
bool	json_scan_true(struct slice value);
bool	json_scan_null(struct slice value);                   /* or missing */
/* An integer that fits; `missing` for anything else. */
int64_t	json_scan_int(struct slice value, int64_t missing);
bool	json_scan_is_int(struct slice value);

#endif
