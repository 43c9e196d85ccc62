/*
 * payload_verdicts: what the gateway finds wrong with the data of events, for
 * tests that hold its validator against another.
 *
 * Standard input: per line an event, {"event_type": .., "stream_key": ..,
 * "data": ..}, at most EVENT_MAX bytes. Per line one of JSON: [[PATH,
 * PROBLEM]...], empty when the data is good; null: this event_type has no
 * schema. What is no event ends it with status 1.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/event.h"
#include "common/macros.h"
#include "gateway/payload_check.h"

NORETURN static void
die(const char *what)
{
	fprintf(stderr, "payload_verdicts: %s\n", what);
	exit(1);
}

static void
problem_cb(const char *path, const char *problem, void *arg)
{
	json_t *pair = json_pack("[s,s]", path, problem);

	if (pair == NULL)
		die("a problem is not UTF-8");
	(void)json_array_append_new(arg, pair);
}

static struct slice
text_of(const struct json_value *event, const char *member)
{
	struct slice text = json_tree_text(json_tree_member(event, member));

	if (text.p == NULL)
		die("an event without event_type or stream_key");
	return text;
}

static void
judge(const struct json_value *event)
{
	const struct schema_rule *rule = payload_check_rule(text_of(event,
	    "event_type"));
	const struct json_value *data = json_tree_member(event, "data");
	json_t *found = json_array();
	unsigned int problems;

	if (data == NULL)
		die("an event without data");
	if (rule == NULL) {
		puts("null");
	} else {
		problems = payload_check(rule, text_of(event, "stream_key"),
		    data, problem_cb, found);
		if (problems != json_array_size(found))
			die("the count is not that of the problems told");
		json_dumpf(found, stdout, JSON_COMPACT);
		putchar('\n');
	}
	json_decref(found);
}

int
main(void)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n;

	while ((n = getline(&line, &room, stdin)) > 0) {
		/* As publish_body reads it. */
		struct json_tree tree = { .blocks = NULL };
		struct json_value *event = n > (ssize_t)EVENT_MAX ? NULL :
		    json_tree_parse(&tree, (struct slice){ line, (size_t)n },
		    NULL);

		if (event == NULL)
			die("a line that is no event");
		judge(event);
		json_tree_free(&tree);
	}
	free(line);
	payload_check_finish();
	return 0;
}
