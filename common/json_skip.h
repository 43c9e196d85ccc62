/*
 * json_skip: where an object or array ends, by its brackets and strings alone,
 * 64 bytes at a time; its bytes may come in pieces. Pure. Processes: watcher
 * and health.
 *
 * Nothing else is checked: of a value that is valid JSON the end is right, of
 * any other it is the place where brackets are balanced, whichever they are.
 * (A backslash outside of a string, which no JSON has, takes the next byte
 * with it as inside of one.)
 */
#ifndef SLUICE_JSON_SKIP_H
#define SLUICE_JSON_SKIP_H

#include <stdbool.h>
#include <stdint.h>

/* All zero before the value's first byte, which is a bracket. */
struct json_skip {
	uint64_t	depth;
	uint64_t	in_string;   /* all bits or none */
	uint64_t	escaped;     /* the next byte: 1 or 0 */
};

/* Returns behind the value's last byte and sets *ret_done, or `end` when it
 * goes on in the next piece. */
const char *json_skip_on(struct json_skip *s, const char *p, const char *end,
	    bool *ret_done);

#endif
