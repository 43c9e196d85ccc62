/*
 * Fuzz target: data of events held against the schemas of their types. The
 * first byte says which type, the rest is the data. Each problem told has a
 * path that begins with data, as many as are counted; and what is good stays
 * so with a member that no schema names.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/payload_check.h"
#include "gateway/stream_kind.h"

#define MUST(condition) do {						\
	if (!(condition))						\
		abort();						\
} while (0)

#define FUZZ_INPUT_MAX 65536
#define FUZZ_TYPES_MAX 64u

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned int told;

static void
problem_cb(const char *path, const char *problem, void *arg)
{
	(void)arg;
	MUST(strncmp(path, "data", 4) == 0 && problem[0] != '\0');
	told++;
}

/* The name of the event type that the byte means. */
static const char *
event_type(uint8_t which)
{
	const char *names[FUZZ_TYPES_MAX];
	size_t n = 0;

	for (int type = 0; type < STREAM_TYPE_MAX; type++) {
		const struct stream_kind *kind =
		    stream_kind((enum stream_type)type);

		for (size_t i = 0; i < STREAM_KIND_EVENTS_MAX; i++)
			if (kind->events[i].name != NULL && n < FUZZ_TYPES_MAX)
				names[n++] = kind->events[i].name;
	}
	return names[which % n];
}

static unsigned int
problems(const struct schema_rule *rule, const struct json_value *value)
{
	static const char key[] = "job:a";
	unsigned int n;

	told = 0;
	n = payload_check(rule, slice_str(key), value, problem_cb, NULL);
	MUST(n == told && n <= SCHEMA_PROBLEMS_MAX + 1);
	return n;
}

/* An object with a member that no schema names. */
static void
check_more(const struct schema_rule *rule, const struct json_value *object,
    unsigned int n)
{
	struct json_tree tree = { .blocks = NULL };
	struct buf text = BUF_EMPTY;
	struct json_value *more;

	buf_adds(&text, object->n > 0 ? "{\"x-none\":null," :
	    "{\"x-none\":null");
	buf_add(&text, object->raw.p + 1, object->raw.n - 1);
	more = json_tree_parse(&tree, (struct slice){
	    (const char *)text.data, text.len }, NULL);
	MUST(more != NULL || json_tree_member(object, "x-none") != NULL);
	MUST(more == NULL || problems(rule, more) == n);
	json_tree_free(&tree);
	buf_free(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json_tree tree = { .blocks = NULL };
	const struct schema_rule *rule;
	const struct json_value *value;
	unsigned int n;

	if (size < 1 || size > FUZZ_INPUT_MAX)
		return 0;
	rule = payload_check_rule(slice_str(event_type(data[0])));
	MUST(rule != NULL);
	value = json_tree_parse(&tree, (struct slice){
	    (const char *)data + 1, size - 1 }, NULL);
	n = value != NULL ? problems(rule, value) : 0;
	if (json_tree_is(value, JSON_TREE_OBJECT))
		check_more(rule, value, n);
	else if (value != NULL)
		MUST(n == 1);
	json_tree_free(&tree);
	return 0;
}
