#include "gateway/payload_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/event.h"
#include "gateway/schema_data.h"
#include "gateway/stream_kind.h"

#define PAYLOADS_MAX 64u

struct payload {
	const char		*event_type;
	size_t			 len;
	struct schema_rule	*rule;
};

static struct payload payloads[PAYLOADS_MAX];
static size_t n_payloads;

/* --- reading the schemas -------------------------------------------------- */

static NORETURN void
give_up(const char *name, const char *text)
{
	(void)fprintf(stderr, "schemas/%s.json: %s\n", name, text);
	abort();
}

static json_t *
parse(const char *name)
{
	struct slice text = schema_data_find(name);
	json_error_t e = { .text = "is not there" };
	json_t *schema = text.p == NULL ? NULL : json_loadb(text.p, text.n,
	    JSON_REJECT_DUPLICATES, &e);

	if (schema == NULL)
		give_up(name, e.text);
	return schema;
}

static void
load_one(const char *event_type, json_t *common)
{
	struct err err = { .code = 0 };
	json_t *schema = parse(event_type);
	struct payload *p = &payloads[n_payloads];

	if (n_payloads == PAYLOADS_MAX)
		give_up(event_type, "is one too many");
	*p = (struct payload){ event_type, strlen(event_type),
		schema_rule_new(schema, common, &err) };
	if (p->rule == NULL)
		give_up(event_type, err.text);
	json_decref(schema);
	n_payloads++;
}

static struct payload *
find(struct slice event_type)
{
	for (size_t i = 0; i < n_payloads; i++)
		if (payloads[i].len == event_type.n &&
		    memcmp(payloads[i].event_type, event_type.p,
		    event_type.n) == 0)
			return &payloads[i];
	return NULL;
}

/* Every event type that a stream may have. */
void
payload_check_load(void)
{
	json_t *common;

	if (n_payloads > 0)
		return;
	common = parse("common");
	for (int type = 0; type < STREAM_TYPE_MAX; type++) {
		const struct stream_kind *kind =
		    stream_kind((enum stream_type)type);

		for (size_t i = 0; i < STREAM_KIND_EVENTS_MAX; i++)
			if (kind->events[i].name != NULL &&
			    find(slice_str(kind->events[i].name)) == NULL)
				load_one(kind->events[i].name, common);
	}
	json_decref(common);
}

/* --- questions ------------------------------------------------------------ */

const struct schema_rule *
payload_check_rule(struct slice event_type)
{
	const struct payload *p;

	payload_check_load();
	p = find(event_type);
	return p != NULL ? p->rule : NULL;
}

unsigned int
payload_check(const struct schema_rule *rule, struct slice key,
    const struct json_value *data, schema_problem_cb cb, void *arg)
{
	const char *colon = memchr(key.p, ':', key.n);
	struct slice name = key;

	if (colon != NULL)
		name = (struct slice){ colon + 1,
			key.n - (size_t)(colon + 1 - key.p) };
	return schema_rule_check(rule, data, "data", name, cb, arg);
}

void
payload_check_finish(void)
{
	for (size_t i = 0; i < n_payloads; i++)
		schema_rule_free(payloads[i].rule);
	n_payloads = 0;
}
