/* The other half of schema_rule.h: holding values against rules. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/mono.h"
#include "gateway/schema_private.h"

/* Where a value stands: names are only joined when there is a problem. */
struct place {
	const struct place	*parent;
	const char		*name;     /* NULL: an item */
	size_t			 index;
};

struct check {
	struct slice		 name;     /* of the stream */
	schema_problem_cb	 cb;
	void			*arg;
	unsigned int		 problems;
};

static void	check_value(struct check *k, const struct schema_rule *rule,
		    const struct json_value *value, const struct place *at);

/* --- problems ------------------------------------------------------------- */

static size_t
write_path(const struct place *at, char path[SCHEMA_PATH_MAX])
{
	size_t n = at->parent != NULL ? write_path(at->parent, path) : 0;
	size_t room = SCHEMA_PATH_MAX - n;
	int added;

	if (at->name != NULL)
		added = snprintf(path + n, room, "%s%s", n > 0 ? "." : "",
		    at->name);
	else
		added = snprintf(path + n, room, "[%zu]", at->index);
	return n + MIN((size_t)added, room - 1);
}

static void problem(struct check *k, const struct place *at, const char *fmt,
    ...) PRINTF(3, 4);

static void
problem(struct check *k, const struct place *at, const char *fmt, ...)
{
	char path[SCHEMA_PATH_MAX], text[256];
	va_list ap;

	if (k->problems > SCHEMA_PROBLEMS_MAX)
		return;
	if (k->problems++ == SCHEMA_PROBLEMS_MAX) {
		while (at->parent != NULL)
			at = at->parent;
		fmt = "has more problems than these";
	}
	(void)write_path(at, path);
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	k->cb(path, text, k->arg);
}

/* "a, b or c" */
static void
add_name(char *text, size_t size, const char *name, bool first, bool last)
{
	size_t n = strlen(text);

	(void)snprintf(text + n, size - n, "%s%s", first ? "" :
	    last ? " or " : ", ", name);
}

/* --- of any value --------------------------------------------------------- */

static bool
is_whole(double number)
{
	/* From 2^53 on every double is. */
	if (number >= 9007199254740992.0 || number <= -9007199254740992.0)
		return true;
	return number <= (double)(int64_t)number &&
	    number >= (double)(int64_t)number;
}

static unsigned int
types_of(const struct json_value *value)
{
	switch (value->type) {
	case JSON_TREE_OBJECT:
		return SCHEMA_OBJECT;
	case JSON_TREE_ARRAY:
		return SCHEMA_ARRAY;
	case JSON_TREE_STRING:
		return SCHEMA_STRING;
	case JSON_TREE_NUMBER:
		return is_whole(value->number) ?
		    SCHEMA_INTEGER | SCHEMA_NUMBER : SCHEMA_NUMBER;
	case JSON_TREE_TRUE:
	case JSON_TREE_FALSE:
		return SCHEMA_BOOLEAN;
	case JSON_TREE_NULL:
		return SCHEMA_NULL;
	}
	return 0;
}

static bool
check_type(struct check *k, const struct schema_rule *rule,
    const struct json_value *value, const struct place *at)
{
	char text[96] = "";
	unsigned int left = rule->types;

	if (left == 0 || (left & types_of(value)) != 0)
		return true;
	for (unsigned int i = 0; i < SCHEMA_TYPES; i++) {
		if ((left & 1u << i) == 0)
			continue;
		left &= ~(1u << i);
		add_name(text, sizeof(text), schema_type_names[i],
		    text[0] == '\0', left == 0);
	}
	problem(k, at, "must be %s %s", strchr("aeiou", text[0]) != NULL ?
	    "an" : "a", text);
	return false;
}

static bool
is_word(const struct schema_rule *rule, const struct json_value *value)
{
	struct slice s = json_tree_text(value);

	if (value->type == JSON_TREE_NULL)
		return rule->null_word;
	for (size_t i = 0; s.p != NULL && i < rule->n_words; i++)
		if (slice_is(s, rule->words[i]))
			return true;
	return false;
}

static void
check_words(struct check *k, const struct schema_rule *rule,
    const struct json_value *value, const struct place *at)
{
	char text[224] = "";

	if ((rule->n_words == 0 && !rule->null_word) || is_word(rule, value))
		return;
	if (rule->null_word)
		add_name(text, sizeof(text), "null", true, false);
	for (size_t i = 0; i < rule->n_words; i++)
		add_name(text, sizeof(text), rule->words[i], text[0] == '\0',
		    i + 1 == rule->n_words);
	problem(k, at, "must be %s", text);
}

/* --- of numbers and strings ----------------------------------------------- */

static void
check_number(struct check *k, const struct schema_rule *rule, double number,
    const struct place *at)
{
	if (number < rule->minimum)
		problem(k, at, "must be at least %.16g", rule->minimum);
	if (number > rule->maximum)
		problem(k, at, "must be at most %.16g", rule->maximum);
}

/* Code points, as JSON Schema counts. */
static size_t
length_of(struct slice s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

static void
check_length(struct check *k, const struct schema_rule *rule, struct slice s,
    const struct place *at)
{
	size_t n;

	/* A character has one to four bytes. */
	if (s.n <= rule->max_length && s.n >= 4 * rule->min_length)
		return;
	n = length_of(s);
	if (n < rule->min_length && rule->min_length == 1)
		problem(k, at, "must not be empty");
	else if (n < rule->min_length)
		problem(k, at, "must have at least %zu characters",
		    rule->min_length);
	if (n > rule->max_length)
		problem(k, at, "must have at most %zu characters",
		    rule->max_length);
}

static void
check_string(struct check *k, const struct schema_rule *rule, struct slice s,
    const struct place *at)
{
	int64_t when;

	check_length(k, rule, s, at);
	if (rule->pattern != NULL &&
	    !schema_pattern_matches(rule->pattern, s))
		problem(k, at, "must match %s", rule->pattern_text);
	if (rule->date_time && !wall_parse(s.p, s.n, &when))
		problem(k, at, "must be RFC 3339, as in "
		    "2026-11-21T21:33:06.123Z");
}

/* --- of arrays and objects ------------------------------------------------ */

static void
check_array(struct check *k, const struct schema_rule *rule,
    const struct json_value *value, const struct place *at)
{
	const struct json_value *item = value->first;
	size_t n = value->n;

	if (n < rule->min_items)
		problem(k, at, "must have at least %zu items",
		    rule->min_items);
	if (n > rule->max_items)
		problem(k, at, "must have at most %zu items",
		    rule->max_items);
	for (size_t i = 0; rule->items != NULL && i < n; i++) {
		check_value(k, rule->items, item,
		    &(struct place){ at, NULL, i });
		item = item->next;
	}
}

/* Looked for from the place `from` on: members mostly come in one order. */
static int
find_member(const struct schema_rule *rule, size_t from, struct slice name)
{
	for (size_t i = 0, place = from; i < rule->n_members; i++, place++) {
		const struct schema_member *m;

		if (place >= rule->n_members)
			place = 0;
		m = &rule->members[place];
		if (slice_eq((struct slice){ m->name, m->len }, name))
			return (int)place;
	}
	return -1;
}

static void
check_required(struct check *k, const struct schema_rule *rule, uint64_t seen,
    const struct place *at)
{
	uint64_t missing = rule->required & ~seen;
	char text[160] = "";

	for (size_t i = 0; missing != 0 && i < rule->n_members; i++)
		if ((missing & UINT64_C(1) << i) != 0)
			problem(k, &(struct place){ at, rule->members[i].name,
			    0 }, "is required");
	for (size_t i = 0; i < rule->n_choices; i++)
		if ((rule->choices[i] & ~seen) == 0)
			return;
	for (size_t i = 0; i < rule->n_choices; i++)
		for (size_t m = 0; m < rule->n_members; m++)
			if ((rule->choices[i] & UINT64_C(1) << m) != 0)
				add_name(text, sizeof(text),
				    rule->members[m].name, text[0] == '\0',
				    i + 1 == rule->n_choices);
	if (rule->n_choices > 0)
		problem(k, at, "must have %s", text);
}

static void
check_pairs(struct check *k, const struct schema_rule *rule,
    const struct json_value *object, const struct place *at)
{
	for (size_t i = 0; i < rule->n_pairs; i++) {
		const struct schema_pair *pair = &rule->pairs[i];
		const char *small = rule->members[pair->small].name;
		const char *large = rule->members[pair->large].name;
		const struct json_value *a = json_tree_member(object, small);
		const struct json_value *b = json_tree_member(object, large);
		double less = json_tree_number(a), more = json_tree_number(b);

		if (!json_tree_is(a, JSON_TREE_NUMBER) ||
		    !json_tree_is(b, JSON_TREE_NUMBER))
			continue;
		if (pair->strict ? less < more : less <= more)
			continue;
		problem(k, &(struct place){ at, small, 0 }, "must be %s %s",
		    pair->strict ? "less than" : "at most", large);
	}
}

static void
check_key_name(struct check *k, const struct schema_rule *rule,
    const struct json_value *object, const struct place *at)
{
	const struct schema_member *m;
	const struct json_value *v;

	if (rule->key_name == -1)
		return;
	m = &rule->members[rule->key_name];
	v = json_tree_member(object, m->name);
	if (json_tree_is(v, JSON_TREE_STRING) && !slice_eq(k->name, v->text))
		problem(k, &(struct place){ at, m->name, 0 },
		    "must be the name in stream_key");
}

static void
check_object(struct check *k, const struct schema_rule *rule,
    const struct json_value *value, const struct place *at)
{
	const struct json_value *member;
	uint64_t seen = 0;
	size_t next = 0;
	int place;

	for (member = value->first; member != NULL; member = member->next) {
		place = find_member(rule, next, member->name);
		if (place == -1)
			continue;
		next = (size_t)place + 1;
		seen |= UINT64_C(1) << place;
		check_value(k, rule->members[place].rule, member,
		    &(struct place){ at, rule->members[place].name, 0 });
	}
	check_required(k, rule, seen, at);
	check_pairs(k, rule, value, at);
	check_key_name(k, rule, value, at);
}

static void
check_value(struct check *k, const struct schema_rule *rule,
    const struct json_value *value, const struct place *at)
{
	if (!check_type(k, rule, value, at))
		return;
	check_words(k, rule, value, at);
	if (value->type == JSON_TREE_NUMBER)
		check_number(k, rule, value->number, at);
	else if (value->type == JSON_TREE_STRING)
		check_string(k, rule, value->text, at);
	else if (value->type == JSON_TREE_ARRAY)
		check_array(k, rule, value, at);
	else if (value->type == JSON_TREE_OBJECT)
		check_object(k, rule, value, at);
}

unsigned int
schema_rule_check(const struct schema_rule *rule,
    const struct json_value *value, const char *path, struct slice name,
    schema_problem_cb cb, void *arg)
{
	struct check k = { .name = name, .cb = cb, .arg = arg };

	check_value(&k, rule, value, &(struct place){ NULL, path, 0 });
	return k.problems;
}
