/*
 * A tree of json_tree held against jansson's of the same text: unit tests and
 * fuzzing. Values must be of one type and say the same, members stand in one
 * order.
 */
#ifndef SLUICE_JSON_TREE_FIXTURE_H
#define SLUICE_JSON_TREE_FIXTURE_H

#include <math.h>

#include "common/macros.h"
#include "gateway/json_tree.h"

/* As publishers' texts are read. */
#define JSON_TREE_FLAGS (JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | \
	JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL)

static UNUSED bool json_tree_same(const struct json_value *v, json_t *other);

static UNUSED bool
json_tree_same_items(const struct json_value *v, json_t *other)
{
	const struct json_value *at = v->first;

	if (v->n != json_array_size(other))
		return false;
	for (size_t i = 0; i < v->n; i++, at = at->next)
		if (!json_tree_same(at, json_array_get(other, i)))
			return false;
	return at == NULL;
}

/* In the same order. */
static UNUSED bool
json_tree_same_members(const struct json_value *v, json_t *other)
{
	const struct json_value *at = v->first;
	const char *name;
	json_t *member;
	size_t n;

	if (v->n != json_object_size(other))
		return false;
	json_object_keylen_foreach(other, name, n, member) {
		if (!slice_eq(at->name, (struct slice){ name, n }) ||
		    json_tree_member(v, name) != at ||
		    !json_tree_same(at, member))
			return false;
		at = at->next;
	}
	return at == NULL;
}

static UNUSED bool
json_tree_same(const struct json_value *v, json_t *other)
{
	double number = json_number_value(other), mine = json_tree_number(v);

	switch (json_typeof(other)) {
	case JSON_OBJECT:
		return v->type == JSON_TREE_OBJECT &&
		    json_tree_same_members(v, other);
	case JSON_ARRAY:
		return v->type == JSON_TREE_ARRAY &&
		    json_tree_same_items(v, other);
	case JSON_STRING:
		return v->type == JSON_TREE_STRING && slice_eq(v->text,
		    (struct slice){ json_string_value(other),
		    json_string_length(other) });
	case JSON_INTEGER:
	case JSON_REAL:
		return v->type == JSON_TREE_NUMBER && mine >= number &&
		    mine <= number && !signbit(mine) == !signbit(number);
	case JSON_TRUE:
		return v->type == JSON_TREE_TRUE;
	case JSON_FALSE:
		return v->type == JSON_TREE_FALSE;
	case JSON_NULL:
		return v->type == JSON_TREE_NULL;
	}
	return false;
}

#endif
