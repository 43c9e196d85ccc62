#include "gateway/schema_rule.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/xmalloc.h"
#include "gateway/schema_private.h"

#define COMMON "common.json#/$defs/"

const char *const schema_type_names[SCHEMA_TYPES] = { "null", "boolean",
	"integer", "number", "string", "array", "object" };

/* Where in a schema the reader is. */
struct reading {
	json_t	*common;
	unsigned int	 depth;
	struct err	*err;
};

static int	read_schema(struct reading *r, struct schema_rule *rule,
		    json_t *schema);

/* --- rules ---------------------------------------------------------------- */

static struct schema_rule *
new_rule(void)
{
	struct schema_rule *rule = xcalloc(1, sizeof(*rule));

	rule->minimum = -HUGE_VAL;
	rule->maximum = HUGE_VAL;
	rule->max_length = rule->max_items = SIZE_MAX;
	rule->key_name = -1;
	return rule;
}

void
schema_rule_free(struct schema_rule *rule)
{
	if (rule == NULL)
		return;
	for (size_t i = 0; i < rule->n_words; i++)
		free(rule->words[i]);
	free(rule->words);
	schema_pattern_free(rule->pattern);
	free(rule->pattern_text);
	schema_rule_free(rule->items);
	for (size_t i = 0; i < rule->n_members; i++) {
		free(rule->members[i].name);
		schema_rule_free(rule->members[i].rule);
	}
	free(rule->members);
	free(rule);
}

/* --- of any value --------------------------------------------------------- */

static int
add_type(struct reading *r, struct schema_rule *rule, json_t *name)
{
	for (size_t i = 0; json_is_string(name) && i < SCHEMA_TYPES; i++)
		if (strcmp(json_string_value(name), schema_type_names[i]) ==
		    0) {
			rule->types |= 1u << i;
			return 0;
		}
	return err_set(r->err, "no such type");
}

static int
read_type(struct reading *r, struct schema_rule *rule, json_t *value)
{
	if (!json_is_array(value))
		return add_type(r, rule, value);
	for (size_t i = 0; i < json_array_size(value); i++)
		if (add_type(r, rule, json_array_get(value, i)) == -1)
			return -1;
	return 0;
}

static int
add_word(struct reading *r, struct schema_rule *rule, json_t *word)
{
	if (json_is_null(word)) {
		rule->null_word = true;
		return 0;
	}
	if (!json_is_string(word))
		return err_set(r->err, "only strings and null are known");
	rule->words = xreallocarray(rule->words, rule->n_words + 1,
	    sizeof(*rule->words));
	rule->words[rule->n_words++] = xstrdup(json_string_value(word));
	return 0;
}

static int
read_enum(struct reading *r, struct schema_rule *rule, json_t *value)
{
	if (rule->n_words > 0)
		return err_set(r->err, "there is one already");
	for (size_t i = 0; i < json_array_size(value); i++)
		if (add_word(r, rule, json_array_get(value, i)) == -1)
			return -1;
	return 0;
}

static int
read_const(struct reading *r, struct schema_rule *rule, json_t *value)
{
	if (rule->n_words > 0)
		return err_set(r->err, "there is an enum already");
	return add_word(r, rule, value);
}

/* --- of numbers, strings and arrays --------------------------------------- */

static int
read_minimum(struct reading *r, struct schema_rule *rule, json_t *value)
{
	if (!json_is_number(value))
		return err_set(r->err, "must be a number");
	rule->minimum = json_number_value(value);
	return 0;
}

static int
read_maximum(struct reading *r, struct schema_rule *rule, json_t *value)
{
	if (!json_is_number(value))
		return err_set(r->err, "must be a number");
	rule->maximum = json_number_value(value);
	return 0;
}

static int
read_size(struct reading *r, size_t *ret, json_t *value)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return err_set(r->err, "must be a count");
	*ret = (size_t)json_integer_value(value);
	return 0;
}

static int
read_min_length(struct reading *r, struct schema_rule *rule,
    json_t *value)
{
	return read_size(r, &rule->min_length, value);
}

static int
read_max_length(struct reading *r, struct schema_rule *rule,
    json_t *value)
{
	return read_size(r, &rule->max_length, value);
}

static int
read_min_items(struct reading *r, struct schema_rule *rule,
    json_t *value)
{
	return read_size(r, &rule->min_items, value);
}

static int
read_max_items(struct reading *r, struct schema_rule *rule,
    json_t *value)
{
	return read_size(r, &rule->max_items, value);
}

static int
read_pattern(struct reading *r, struct schema_rule *rule, json_t *value)
{
	if (!json_is_string(value) || rule->pattern != NULL)
		return err_set(r->err, "must be one string");
	rule->pattern = schema_pattern_new(json_string_value(value), r->err);
	if (rule->pattern == NULL)
		return -1;
	rule->pattern_text = xstrdup(json_string_value(value));
	return 0;
}

static int
read_format(struct reading *r, struct schema_rule *rule, json_t *value)
{
	if (!json_is_string(value) ||
	    strcmp(json_string_value(value), "date-time") != 0)
		return err_set(r->err, "only date-time is known");
	rule->date_time = true;
	return 0;
}

static int
read_items(struct reading *r, struct schema_rule *rule, json_t *value)
{
	if (rule->items != NULL)
		return err_set(r->err, "there are some already");
	rule->items = new_rule();
	return read_schema(r, rule->items, value);
}

/* --- of objects ----------------------------------------------------------- */

/* The place of the member of that name; -1 if there are too many. */
static int
member_place(struct reading *r, struct schema_rule *rule, const char *name)
{
	if (name == NULL || name[0] == '\0')
		return err_set(r->err, "must name members");
	for (size_t i = 0; i < rule->n_members; i++)
		if (strcmp(rule->members[i].name, name) == 0)
			return (int)i;
	if (rule->n_members == SCHEMA_MEMBERS_MAX)
		return err_set(r->err, "more than %u members",
		    SCHEMA_MEMBERS_MAX);
	rule->members = xreallocarray(rule->members, rule->n_members + 1,
	    sizeof(*rule->members));
	rule->members[rule->n_members] = (struct schema_member){
		.name = xstrdup(name),
		.len = strlen(name),
		.rule = new_rule(),
	};
	return (int)rule->n_members++;
}

static int
read_properties(struct reading *r, struct schema_rule *rule, json_t *value)
{
	size_t before = rule->n_members;
	const char *name;
	json_t *member;
	int place;

	json_object_foreach(value, name, member) {
		place = member_place(r, rule, name);
		if (place == -1)
			return -1;
		if ((size_t)place < before)
			return err_set(r->err, "%s: is there twice", name);
		if (read_schema(r, rule->members[place].rule, member) == -1)
			return err_prefix(r->err, "%s", name);
	}
	return 0;
}

static int
read_set(struct reading *r, struct schema_rule *rule, json_t *names,
    uint64_t *set)
{
	int place;

	if (!json_is_array(names))
		return err_set(r->err, "must be a list of members");
	for (size_t i = 0; i < json_array_size(names); i++) {
		place = member_place(r, rule,
		    json_string_value(json_array_get(names, i)));
		if (place == -1)
			return -1;
		*set |= UINT64_C(1) << place;
	}
	return 0;
}

static int
read_required(struct reading *r, struct schema_rule *rule,
    json_t *value)
{
	return read_set(r, rule, value, &rule->required);
}

static int
read_any_of(struct reading *r, struct schema_rule *rule, json_t *value)
{
	if (rule->n_choices > 0 || json_array_size(value) == 0 ||
	    json_array_size(value) > SCHEMA_CHOICES_MAX)
		return err_set(r->err, "must be one list of 1 to %u choices",
		    SCHEMA_CHOICES_MAX);
	for (size_t i = 0; i < json_array_size(value); i++) {
		json_t *choice = json_array_get(value, i);
		json_t *names = json_object_get(choice, "required");

		if (json_object_size(choice) != 1)
			return err_set(r->err, "a choice may only have "
			    "required");
		if (read_set(r, rule, names,
		    &rule->choices[rule->n_choices++]) == -1)
			return -1;
	}
	return 0;
}

static int
add_pairs(struct reading *r, struct schema_rule *rule, json_t *value,
    bool strict)
{
	if (!json_is_array(value))
		return err_set(r->err, "must be a list of pairs");
	for (size_t i = 0; i < json_array_size(value); i++) {
		json_t *pair = json_array_get(value, i);
		int small, large;

		if (json_array_size(pair) != 2 ||
		    rule->n_pairs == SCHEMA_PAIRS_MAX)
			return err_set(r->err, "must be at most %u pairs",
			    SCHEMA_PAIRS_MAX);
		small = member_place(r, rule,
		    json_string_value(json_array_get(pair, 0)));
		large = member_place(r, rule,
		    json_string_value(json_array_get(pair, 1)));
		if (small == -1 || large == -1)
			return -1;
		rule->pairs[rule->n_pairs++] = (struct schema_pair){
			(uint8_t)small, (uint8_t)large, strict };
	}
	return 0;
}

static int
read_less(struct reading *r, struct schema_rule *rule, json_t *value)
{
	return add_pairs(r, rule, value, true);
}

static int
read_at_most(struct reading *r, struct schema_rule *rule, json_t *value)
{
	return add_pairs(r, rule, value, false);
}

static int
read_key_name(struct reading *r, struct schema_rule *rule,
    json_t *value)
{
	rule->key_name = member_place(r, rule, json_string_value(value));
	return rule->key_name == -1 ? -1 : 0;
}

/* --- schemas -------------------------------------------------------------- */

static int
read_ref(struct reading *r, struct schema_rule *rule, json_t *value)
{
	const char *text = json_string_value(value);
	json_t *found = NULL;

	if (text != NULL && strncmp(text, COMMON, strlen(COMMON)) == 0)
		found = json_object_get(json_object_get(r->common, "$defs"),
		    text + strlen(COMMON));
	if (found == NULL)
		return err_set(r->err, "must be one of " COMMON);
	return read_schema(r, rule, found);
}

static int
pass_over(struct reading *r UNUSED, struct schema_rule *rule UNUSED,
    json_t *value UNUSED)
{
	return 0;
}

/* In the order in which they are read: first what names the members. */
static const struct {
	const char	*name;
	int		(*read)(struct reading *r, struct schema_rule *rule,
			    json_t *value);
} keywords[] = {
	{ "$schema", pass_over },
	{ "title", pass_over },
	{ "description", pass_over },
	{ "$ref", read_ref },
	{ "properties", read_properties },
	{ "type", read_type },
	{ "enum", read_enum },
	{ "const", read_const },
	{ "minimum", read_minimum },
	{ "maximum", read_maximum },
	{ "minLength", read_min_length },
	{ "maxLength", read_max_length },
	{ "minItems", read_min_items },
	{ "maxItems", read_max_items },
	{ "pattern", read_pattern },
	{ "format", read_format },
	{ "items", read_items },
	{ "required", read_required },
	{ "anyOf", read_any_of },
	{ "x-less", read_less },
	{ "x-at-most", read_at_most },
	{ "x-key-name", read_key_name },
};

static int
read_keywords(struct reading *r, struct schema_rule *rule,
    json_t *schema)
{
	size_t known = 0;

	for (size_t i = 0; i < NELEM(keywords); i++) {
		json_t *value = json_object_get(schema,
		    keywords[i].name);

		if (value == NULL)
			continue;
		known++;
		if (keywords[i].read(r, rule, value) == -1)
			return err_prefix(r->err, "%s", keywords[i].name);
	}
	if (!json_is_object(schema) || known < json_object_size(schema))
		return err_set(r->err, "has a keyword that schema_rule.h "
		    "does not name");
	return 0;
}

static int
read_schema(struct reading *r, struct schema_rule *rule, json_t *schema)
{
	int status;

	if (r->depth == SCHEMA_DEPTH_MAX)
		return err_set(r->err, "is nested too deep");
	r->depth++;
	status = read_keywords(r, rule, schema);
	r->depth--;
	return status;
}

struct schema_rule *
schema_rule_new(json_t *schema, json_t *common, struct err *err)
{
	struct reading r = { common, 0, err };
	struct schema_rule *rule = new_rule();

	if (read_schema(&r, rule, schema) == 0)
		return rule;
	schema_rule_free(rule);
	return NULL;
}
