/*
 * json_scan: a validating skip-scanner over JSON bytes. It checks a whole
 * value and yields slices of the members a caller wants, without building
 * anything. Pure. Process: watcher.
 *
 * Skipped or wanted, every value is checked wholly: strings by json_index (no
 * control characters, escapes, surrogate pairs, UTF-8), numbers and words by
 * RFC 8259, and that commas, colons and brackets stand where they may and
 * match. So what it accepts is what RFC 8259 and jansson (JSON_ALLOW_NUL)
 * accept, with three differences: nesting deeper than JSON_SCAN_DEPTH_MAX is
 * refused, a number is never refused for its size, and a NUL between tokens is
 * refused (jansson takes it for the end). A member named twice: the last
 * counts, as in jansson.
 *
 * Only json_scan_again and json_scan_next check less: they are for what was
 * scanned before, a slice out of a slot.
 *
 * Source of the shape: k8s-watch.md E.2 (a DOM costs ten times as much).
 */
#ifndef SLUICE_JSON_SCAN_H
#define SLUICE_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "watcher/json_nest.h"

#define JSON_SCAN_DEPTH_MAX JSON_NEST_MAX

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

/* The next two are for values that json_scan accepted. They find the ends of
 * what they pass by its brackets (json_skip) and check nothing twice; of a
 * value nobody has checked no more is promised than that nothing outside of
 * it is read. */

/* Members of an object, as json_scan finds them; none when it is no object. */
void	json_scan_again(struct slice value, const struct json_want *wants,
	    size_t n, struct slice *slots, size_t n_slots);

/* Walks an array: *cursor begins as NULL; false at the end, and at once when
 * the slice is not an array. */
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
