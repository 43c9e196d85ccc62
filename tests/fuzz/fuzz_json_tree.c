/*
 * Fuzz target: json_tree reads what jansson reads, as the same values. Only
 * where a NUL byte stands in a text may it refuse more. What a value's raw text
 * is reads as that value again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/json_tree_fixture.h"

#define MUST(condition) do {						\
	if (!(condition))						\
		abort();						\
} while (0)

#define FUZZ_INPUT_MAX 65536

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_raw(struct slice text, struct slice raw, json_t *other)
{
	struct json_tree tree = { .blocks = NULL };
	struct json_value *v = json_tree_parse(&tree, raw, NULL);

	MUST(raw.p >= text.p && raw.p + raw.n <= text.p + text.n);
	MUST(v != NULL && json_tree_same(v, other));
	json_tree_free(&tree);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = { (const char *)data, size };
	struct json_tree tree = { .blocks = NULL };
	const struct json_value *member;
	json_error_t e = { .text = "" };
	struct json_value *v;
	json_t *other;

	if (size > FUZZ_INPUT_MAX)
		return 0;
	other = json_loadb(text.p, text.n, JSON_TREE_FLAGS, NULL);
	v = json_tree_parse(&tree, text, &e);
	if (v == NULL) {
		MUST(e.text[0] != '\0');
		MUST(other == NULL || memchr(data, '\0', size) != NULL);
	} else {
		MUST(other != NULL && json_tree_same(v, other));
		check_raw(text, v->raw, other);
	}
	if (json_tree_is(v, JSON_TREE_OBJECT))
		for (member = v->first; member != NULL; member = member->next)
			check_raw(text, member->raw, json_object_getn(other,
			    member->name.p, member->name.n));
	json_tree_free(&tree);
	json_decref(other);
	return 0;
}
