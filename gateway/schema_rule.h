/*
 * schema_rule: a JSON Schema (2020-12) as the gateway applies it: read once
 * into rules, then held against values. Pure: JSON in; rules, or the paths of
 * what is wrong, out.
 *
 * It knows of JSON Schema what schemas/ uses of it, and refuses to read what
 * it does not know, so that no keyword is passed over in silence: type, enum,
 * const, properties, required, items, minItems, maxItems, minimum, maximum,
 * minLength, maxLength, pattern (schema_pattern.h), format date-time, anyOf
 * (of {"required": [...]} only), and $ref into common.json, which may stand
 * beside other keywords. Members that no property names are admitted
 * (additionalProperties is not known). Three keywords are ours (another
 * validator passes over them, so descriptions say them too):
 *
 *	"x-less": [["a", "b"]]     a < b, where both are numbers
 *	"x-at-most": [["a", "b"]]  a <= b, likewise
 *	"x-key-name": "a"          a is the name in the event's stream_key
 *
 * 2.0 is an integer.
 */
#ifndef SLUICE_SCHEMA_RULE_H
#define SLUICE_SCHEMA_RULE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "gateway/json_tree.h"

#define SCHEMA_MEMBERS_MAX  64u    /* properties of one object */
#define SCHEMA_CHOICES_MAX  4u     /* of one anyOf */
#define SCHEMA_PAIRS_MAX    4u     /* of x-less and x-at-most */
#define SCHEMA_PROBLEMS_MAX 50u    /* told of one value */
#define SCHEMA_PATH_MAX     96u    /* bytes; longer ones are cut */
#define SCHEMA_DEPTH_MAX    8u     /* of a schema */

struct schema_rule;

/* Told each problem: where, and what is wrong there. */
typedef void (*schema_problem_cb)(const char *path, const char *problem,
    void *arg);

/* `common` is the parsed common.json. Both may be released afterwards. NULL
 * with *err, which names the place. */
struct schema_rule	*schema_rule_new(json_t *schema,
			    json_t *common, struct err *err);
void			 schema_rule_free(struct schema_rule *rule);

/* Tells every problem of a value that stands at `path`, at most
 * SCHEMA_PROBLEMS_MAX and one more that says so; returns how many. `name`: of
 * the stream, for x-key-name. */
unsigned int		 schema_rule_check(const struct schema_rule *rule,
			    const struct json_value *value,
			    const char *path, struct slice name,
			    schema_problem_cb cb, void *arg);

#endif
