/* Unit tests of gateway/schema_rule.h and schema_pattern.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "gateway/payload_check.h"
#include "gateway/schema_data.h"
#include "gateway/schema_pattern.h"
#include "gateway/schema_rule.h"
#include "gateway/stream_kind.h"

static const char common[] = "{\"$defs\":{\"name\":{\"type\":\"string\","
    "\"minLength\":1,\"maxLength\":3}}}";
static char told[8192];

static struct json_value *
parse(struct json_tree *tree, const char *text)
{
	struct json_value *v = json_tree_parse(tree, slice_str(text), NULL);

	assert_non_null(v);
	return v;
}

static void
problem_cb(const char *path, const char *problem, void *arg UNUSED)
{
	size_t n = strlen(told);

	(void)snprintf(told + n, sizeof(told) - n, "%s%s: %s",
	    n > 0 ? "; " : "", path, problem);
}

static struct schema_rule *
rule_of(const char *schema, struct err *err)
{
	json_t *s = json_loads(schema, 0, NULL);
	json_t *c = json_loads(common, 0, NULL);
	struct schema_rule *rule;

	assert_non_null(s);
	rule = schema_rule_new(s, c, err);
	json_decref(s);
	json_decref(c);
	return rule;
}

/* What is told of a value that stands at d, in a stream named "n". */
static const char *
check(const char *schema, const char *value)
{
	struct json_tree tree = { .blocks = NULL };
	struct err err = { .code = 0 };
	struct schema_rule *rule = rule_of(schema, &err);
	struct json_value *v = parse(&tree, value);

	assert_non_null(rule);
	told[0] = '\0';
	(void)schema_rule_check(rule, v, "d", slice_str("n"), problem_cb,
	    NULL);
	json_tree_free(&tree);
	schema_rule_free(rule);
	return told;
}

static const char *
refusal(const char *schema)
{
	static struct err err;

	err = (struct err){ .code = 0 };
	assert_null(rule_of(schema, &err));
	return err.text;
}

static void
test_each_keyword_tells_what_is_wrong_and_where(void **state UNUSED)
{
	static const struct {
		const char	*schema, *value, *told;
	} cases[] = {
		{ "{}", "null", "" },
		{ "{\"type\":[\"array\",\"null\"]}", "1.5",
		  "d: must be a null or array" },
		{ "{\"type\":\"integer\"}", "2.0", "" },
		{ "{\"type\":\"integer\"}", "9007199254740993", "" },
		{ "{\"type\":\"integer\"}", "2.5", "d: must be an integer" },
		{ "{\"type\":\"number\"}", "true", "d: must be a number" },
		{ "{\"enum\":[null,\"a\",\"b\"]}", "null", "" },
		{ "{\"enum\":[null,\"a\",\"b\"]}", "\"a\\u0000\"",
		  "d: must be null, a or b" },
		{ "{\"const\":\"a\"}", "\"b\"", "d: must be a" },
		{ "{\"minimum\":1,\"maximum\":2}", "0.5",
		  "d: must be at least 1" },
		{ "{\"minimum\":1,\"maximum\":2}", "3",
		  "d: must be at most 2" },
		{ "{\"minimum\":1}", "\"x\"", "" },
		{ "{\"$ref\":\"common.json#/$defs/name\"}",
		  "\"\xf0\x9f\x98\x80\xc3\xa9z\"", "" },
		{ "{\"$ref\":\"common.json#/$defs/name\"}", "\"abcd\"",
		  "d: must have at most 3 characters" },
		{ "{\"$ref\":\"common.json#/$defs/name\"}", "\"\"",
		  "d: must not be empty" },
		{ "{\"minLength\":2}", "\"\xf0\x9f\x98\x80\"",
		  "d: must have at least 2 characters" },
		{ "{\"pattern\":\"^a*$\"}", "\"ab\"", "d: must match ^a*$" },
		{ "{\"format\":\"date-time\"}", "\"2026-02-30T00:00:00Z\"",
		  "d: must be RFC 3339, as in 2026-11-21T21:33:06.123Z" },
		{ "{\"minItems\":1}", "[]", "d: must have at least 1 items" },
		{ "{\"maxItems\":1,\"items\":{\"type\":\"null\"}}",
		  "[1,null,2]", "d: must have at most 1 items; "
		  "d[0]: must be a null; d[2]: must be a null" },
		{ "{\"properties\":{\"a\":{\"properties\":{\"b\":{\"type\":"
		  "\"null\"}},\"required\":[\"b\",\"c\"]}}}",
		  "{\"a\":{\"b\":1},\"z\":1}",
		  "d.a.b: must be a null; d.a.c: is required" },
		{ "{\"anyOf\":[{\"required\":[\"a\"]},"
		  "{\"required\":[\"b\"]}]}", "{}", "d: must have a or b" },
		{ "{\"anyOf\":[{\"required\":[\"a\"]},"
		  "{\"required\":[\"b\"]}]}", "{\"b\":null}", "" },
		{ "{\"x-less\":[[\"a\",\"b\"]]}", "{\"a\":1,\"b\":1}",
		  "d.a: must be less than b" },
		{ "{\"x-at-most\":[[\"a\",\"b\"]]}", "{\"a\":1,\"b\":1}", "" },
		{ "{\"x-at-most\":[[\"a\",\"b\"]]}", "{\"a\":2,\"b\":1}",
		  "d.a: must be at most b" },
		{ "{\"x-at-most\":[[\"a\",\"b\"]]}", "{\"a\":2,\"b\":\"\"}",
		  "" },
		{ "{\"x-key-name\":\"a\"}", "{\"a\":\"n\\u0000\"}",
		  "d.a: must be the name in stream_key" },
		{ "{\"x-key-name\":\"a\"}", "{\"a\":\"n\"}", "" },
	};

	for (size_t i = 0; i < NELEM(cases); i++)
		assert_string_equal(check(cases[i].schema, cases[i].value),
		    cases[i].told);
}

static void
test_a_schema_with_what_is_not_known_is_not_read(void **state UNUSED)
{
	static const char *const bad[][2] = {
		{ "{\"oneOf\":[]}", "does not name" },
		{ "{\"properties\":{\"a\":{\"not\":{}}}}",
		  "properties: a: has a keyword" },
		{ "{\"type\":\"float\"}", "type: no such type" },
		{ "{\"enum\":[1]}", "enum: only strings and null" },
		{ "{\"format\":\"uuid\"}", "format: only date-time" },
		{ "{\"pattern\":\"(a|b)\"}", "is not of the kind" },
		{ "{\"$ref\":\"common.json#/$defs/other\"}",
		  "$ref: must be one of" },
		{ "{\"anyOf\":[{\"type\":\"null\"}]}",
		  "anyOf: must be a list of members" },
		{ "{\"anyOf\":[{\"required\":[\"a\"],"
		  "\"type\":\"null\"}]}",
		  "a choice may only have required" },
		{ "{\"minLength\":-1}", "minLength: must be a count" },
		{ "{\"x-less\":[[\"a\"]]}", "x-less: must be at most" },
		{ "{\"items\":{\"items\":{\"items\":{\"items\":{\"items\":"
		  "{\"items\":{\"items\":{\"items\":{}}}}}}}}}",
		  "nested too deep" },
	};

	for (size_t i = 0; i < NELEM(bad); i++)
		if (strstr(refusal(bad[i][0]), bad[i][1]) == NULL)
			fail_msg("%s: %s", bad[i][0], refusal(bad[i][0]));
}

static void
test_of_many_problems_the_first_are_told_and_that_there_are_more(
    void **state UNUSED)
{
	struct json_tree tree = { .blocks = NULL };
	struct buf text = BUF_EMPTY;
	struct err err = { .code = 0 };
	struct schema_rule *rule = rule_of("{\"items\":{\"type\":\"null\"}}",
	    &err);

	buf_addc(&text, '[');
	for (unsigned int i = 0; i < 999; i++)
		buf_adds(&text, "true,");
	buf_adds(&text, "true]");
	told[0] = '\0';
	assert_int_equal(schema_rule_check(rule, parse(&tree, buf_cstr(&text)),
	    "d", slice_str("n"), problem_cb, NULL), SCHEMA_PROBLEMS_MAX + 1);
	assert_non_null(strstr(told, "d[49]: must be a null; "
	    "d: has more problems than these"));
	assert_null(strstr(told, "d[50]"));
	json_tree_free(&tree);
	buf_free(&text);
	schema_rule_free(rule);
}

static void
test_a_pattern_takes_whole_strings_of_its_parts(void **state UNUSED)
{
	static const struct {
		const char	*pattern, *text;
		bool		 matches;
	} cases[] = {
		{ "^$", "", true },
		{ "^$", "a", false },
		{ "^ab?c+$", "acc", true },
		{ "^ab?c+$", "abbc", false },
		{ "^[a-c_-]{2,3}$", "a_-", true },
		{ "^[a-c_-]{2,3}$", "a", false },
		{ "^[a-c_-]{2,3}$", "abca", false },
		{ "^[^\\r\\n]*$", "\xf0\x9f\x98\x80 a", true },
		{ "^[^\\r\\n]*$", "a\n", false },
		{ "^\\.[0-9]{0,2}x$", ".9x", true },
		{ "^\\.[0-9]{0,2}x$", "09x", false },
	};
	static const char *const bad[] = { "", "a", "^a", "a$", "^(a)$",
		"^a|b$", "^.$", "^a**$", "^a{2$", "^a{3,2}$", "^a{99999}$",
		"^[a$", "^[b-a]$", "^\\d$", "^\xc3\xa9$", "^[^a]{2}$",
		/* What may repeat could be the begin of what follows. */
		"^a*a$", "^a?[a-z]$", "^[a-c]+b?c$",
		"^aaaaaaaaaaaaaaaaa$" };
	struct err err = { .code = 0 };

	for (size_t i = 0; i < NELEM(cases); i++) {
		struct schema_pattern *p = schema_pattern_new(
		    cases[i].pattern, &err);

		assert_non_null(p);
		assert_int_equal(schema_pattern_matches(p,
		    slice_str(cases[i].text)), cases[i].matches);
		schema_pattern_free(p);
	}
	for (size_t i = 0; i < NELEM(bad); i++)
		assert_null(schema_pattern_new(bad[i], &err));
	schema_pattern_free(NULL);
}

static void
test_each_event_type_of_each_stream_type_has_a_rule(void **state UNUSED)
{
	for (int type = 0; type < STREAM_TYPE_MAX; type++) {
		const struct stream_kind *kind =
		    stream_kind((enum stream_type)type);

		for (size_t i = 0; i < STREAM_KIND_EVENTS_MAX; i++)
			if (kind->events[i].name != NULL)
				assert_non_null(payload_check_rule(
				    slice_str(kind->events[i].name)));
	}
	assert_null(payload_check_rule(slice_str("x.own")));
	assert_null(payload_check_rule(slice_str("heartbeat")));
	assert_null(payload_check_rule(slice_str("")));
	payload_check_finish();
}

static void
count_cb(const char *path UNUSED, const char *text UNUSED, void *arg)
{
	(*(unsigned int *)arg)++;
}

/* A consumer reads what is an integer into 64 bits. */
static void
test_no_integer_of_a_payload_is_beyond_what_consumers_can_hold(
    void **state UNUSED)
{
	static const struct {
		const char	*member;
		const char	*value;
		unsigned int	 problems;
	} cases[] = {
		{ "duration_ms", "9007199254740991", 0 },
		{ "duration_ms", "9007199254740992", 1 },
		{ "duration_ms", "1e308", 1 },
		{ "exit_code", "-2147483648", 0 },
		{ "exit_code", "-2147483649", 1 },
		{ "exit_code", "4294967295", 0 },
		{ "exit_code", "4294967296", 1 },
		{ "exit_code", "-1e308", 1 },
	};

	for (size_t i = 0; i < NELEM(cases); i++) {
		const struct schema_rule *rule = payload_check_rule(
		    slice_str("job.state_changed"));
		struct json_tree tree = { .blocks = NULL };
		unsigned int problems = 0;
		char data[160];

		(void)snprintf(data, sizeof(data), "{\"job_id\":\"a\","
		    "\"state\":\"queued\",\"previous_state\":null,"
		    "\"attempt\":1,\"%s\":%s}", cases[i].member,
		    cases[i].value);
		(void)payload_check(rule, slice_str("job:a"),
		    parse(&tree, data), count_cb, &problems);
		assert_int_equal(problems, cases[i].problems);
		json_tree_free(&tree);
	}
	payload_check_finish();
}

static void
test_the_embedded_schemas_are_in_order_and_json(void **state UNUSED)
{
	const struct schema_data *before = NULL, *d;
	size_t n = 0;

	for (; (d = schema_data(n)) != NULL; before = d, n++) {
		json_t *v = json_loadb(d->begin, (size_t)(d->end - d->begin),
		    JSON_REJECT_DUPLICATES, NULL);

		assert_true(json_is_object(v));
		json_decref(v);
		assert_ptr_equal(schema_data_find(d->name).p, d->begin);
		assert_true(before == NULL ||
		    before->end <= d->begin);
	}
	assert_true(n > 30);
	assert_null(schema_data_find("no such").p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_each_keyword_tells_what_is_wrong_and_where),
		cmocka_unit_test(
		    test_a_schema_with_what_is_not_known_is_not_read),
		cmocka_unit_test(
	    test_of_many_problems_the_first_are_told_and_that_there_are_more),
		cmocka_unit_test(
		    test_a_pattern_takes_whole_strings_of_its_parts),
		cmocka_unit_test(
		    test_each_event_type_of_each_stream_type_has_a_rule),
		cmocka_unit_test(
		    test_no_integer_of_a_payload_is_beyond_what_consumers_can_hold),
		cmocka_unit_test(
		    test_the_embedded_schemas_are_in_order_and_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
