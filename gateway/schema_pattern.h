/*
 * schema_pattern: the regular expressions that schemas/ uses, as ECMA-262
 * means them: a whole string, as one character or class after the other, each
 * with ?, *, +, {n} or {m,n}. Pure.
 *
 * No groups and no alternatives, and what may repeat must end where the next
 * begins: then no byte is ever looked at twice, however a string was made up.
 * Other patterns are refused when they are read, which a unit test does for
 * all schemas. Classes are of bytes: one that takes what is beyond ASCII (a
 * negated one) may not be counted, and no class may name such a character.
 */
#ifndef SLUICE_SCHEMA_PATTERN_H
#define SLUICE_SCHEMA_PATTERN_H

#include "common/buf.h"
#include "common/err.h"

#define SCHEMA_PATTERN_PARTS_MAX 16u
#define SCHEMA_PATTERN_TIMES_MAX 10000u   /* of {m,n} */

struct schema_pattern;

/* NULL with *err; freed by schema_pattern_free. */
struct schema_pattern	*schema_pattern_new(const char *text, struct err *err);
bool			 schema_pattern_matches(
			    const struct schema_pattern *p, struct slice s);
void			 schema_pattern_free(struct schema_pattern *p);

#endif
