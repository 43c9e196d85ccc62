/* The configuration: every key wrong, and what the answer says of it. */
#include <inttypes.h>

#include "common/conf_value.h"
#include "tests/unit/conf_fixture.h"

/* "a.b" and a value as nested YAML in one flow map. */
static char *
one_key(const char *path, const char *value)
{
	struct buf b = BUF_EMPTY;
	char *text;
	size_t depth = 0;

	for (const char *p = path; *p != '\0'; p++) {
		if (*p == '.') {
			buf_adds(&b, ": {");
			depth++;
		} else {
			buf_addc(&b, *p);
		}
	}
	buf_addf(&b, ": %s", value);
	while (depth-- > 0)
		buf_addc(&b, '}');
	buf_addc(&b, '\n');
	text = xstrdup(buf_cstr(&b));
	buf_free(&b);
	return text;
}

/* Of each type a value that is wrong, and what the answer says would be right:
 * of that value, and of none and of a map. The rest depends on the key. */
static const struct wrong {
	const char	*value;
	const char	*right;
	const char	*shape;
} wrongs[CONF_TYPE_MAX] = {
	[CONF_TYPE_FIXED] = { "something",
	    "this version admits only \"",
	    "this version admits only" },
	[CONF_TYPE_LISTEN] = { "nowhere",
	    "write 127.0.0.1:8085 or [::1]:8085",
	    "an address such as 127.0.0.1:8085" },
	[CONF_TYPE_PATH] = { "relative/path",
	    "write a path that begins with /",
	    "an absolute path" },
	[CONF_TYPE_PATHS] = { "relative/path",
	    "write a path that begins with /",
	    "an absolute path, or none" },
	[CONF_TYPE_MONGODB] = { "http://x",
	    "write none or mongodb://host",
	    "none or a mongodb:// URI" },
	[CONF_TYPE_CONTEXTS] = { "some",
	    "current, all, or a list of context names",
	    "current, all, or a list" },
	[CONF_TYPE_CLUSTERS] = { "[{id: Bad Id}]",
	    "write 1 to 63 of a-z",
	    "[{id: prod, context: NAME}]" },
	[CONF_TYPE_ORIGINS] = { "[ftp://x]",
	    "such as https://ui.example.org",
	    "[https://ui.example.org]" },
	[CONF_TYPE_NETWORKS] = { "[10.1.0.0/8]",
	    "such as 192.0.2.10, 10.0.0.0/8 or",
	    "[10.0.0.0/8]" },
	[CONF_TYPE_KINDS] = { "[unicorn]",
	    "it knows: deployment|",
	    "[deployment, pod]" },
	[CONF_TYPE_CUSTOM] = { "[{group: x}]",
	    "{group: example.com, version",
	    "such as [{group: " },
	[CONF_TYPE_NAMESPACES] = { "[-shop]",
	    "lower-case letters, digits",
	    "[shop, billing]" },
	[CONF_TYPE_COUNT] = { "-1",
	    "a whole number from ",
	    "a whole number from " },
	[CONF_TYPE_SIZE] = { "64MB",
	    "write a whole number with KiB, MiB or GiB",
	    "a size such as 64MiB" },
	[CONF_TYPE_DURATION] = { "5 parsecs",
	    "a whole number with ms, s, m or h",
	    "a duration such as 5s" },
	[CONF_TYPE_WORD] = { "nonsense",
	    "must be one of ",
	    "one of " },
	[CONF_TYPE_BOOL] = { "perhaps",
	    "must be true or false",
	    "true or false" },
	[CONF_TYPE_TEXT] = { "\"a\\x01b\"",
	    "write plain text",
	    "a text, or none" },
	[CONF_TYPE_TOKEN] = { "\"a b\"",
	    "as in __Host-sluice",
	    "a text, or none" },
	[CONF_TYPE_SYNC] = { "sometimes",
	    "write always|never, or a whole number",
	    "always, never, or a duration" },
};

static char *
between(const struct conf_key *k, const struct conf_unit *units, size_t n)
{
	char low[32], high[32];

	conf_unit_format((uint64_t)k->min, units, n, low, sizeof(low));
	conf_unit_format((uint64_t)k->max, units, n, high, sizeof(high));
	return xasprintf("from %s to %s", low, high);
}

/* What is right for this key and not for every one of its type. */
static char *
right_for(const struct conf_key *k)
{
	if (k->type == CONF_TYPE_FIXED)
		return xasprintf("admits only \"%s\"", k->def);
	if (k->type == CONF_TYPE_WORD)
		return xasprintf("one of %s", k->words);
	if (k->type == CONF_TYPE_COUNT)
		return xasprintf("%sa whole number from %" PRId64 " to %"
		    PRId64, k->words != NULL ? "auto, or " : "", k->min,
		    k->max);
	if (k->type == CONF_TYPE_SIZE)
		return between(k, conf_sizes, CONF_SIZES);
	if (k->type == CONF_TYPE_DURATION || k->type == CONF_TYPE_SYNC)
		return between(k, conf_durations, CONF_DURATIONS);
	return xstrdup("");
}

/* VALUE at PATH is one problem, on its line, that says all these words. */
static void
expect_wrong(const char *path, const char *value, const char *right,
    const char *also)
{
	char *text = one_key(path, value);
	char *place = xasprintf("f.yaml:1: %s: ", path);

	expect(text, place);
	expect(text, right);
	expect(text, also);
	free(place);
	free(text);
}

static void
expect_each_wrong(const struct conf_key *k, const char *path)
{
	char *right = right_for(k);

	assert_non_null(wrongs[k->type].value);
	expect_wrong(path, wrongs[k->type].value, wrongs[k->type].right,
	    right);
	expect_wrong(path, "", wrongs[k->type].shape, "");
	expect_wrong(path, "{a: {b: c}}", wrongs[k->type].shape, "");
	free(right);
}

static void
test_each_key_wrong_in_turn_is_named_with_what_is_right(void **unused UNUSED)
{
	char *path;

	for (size_t i = 0; i < conf_keys_count; i++)
		expect_each_wrong(&conf_keys[i], conf_keys[i].path);
	for (size_t i = 0; i < conf_stream_keys_count; i++) {
		path = xasprintf("streams.job.%s", conf_stream_keys[i].path);
		expect_each_wrong(&conf_stream_keys[i], path);
		free(path);
	}
}

static void
test_each_key_misspelt_is_answered_with_the_right_one(void **unused UNUSED)
{
	for (size_t i = 0; i < conf_keys_count; i++) {
		const char *path = conf_keys[i].path;
		char *bad = xasprintf("%sx", path);
		char *text = one_key(bad, "1");
		char *want = xasprintf("f.yaml:1: %s: unknown key; did you "
		    "mean %s?", bad, path);

		expect(text, want);
		free(bad);
		free(text);
		free(want);
	}
}

static void
test_bounds_are_kept(void **unused UNUSED)
{
	expect("health: {workers: 65}", "from 1 to 64");
	expect("health: {interval: 25h}", "out of range");
	expect("journal: {segment: 1MiB}", "out of range");
	expect("journal: {segment: 512MiB}", "more than a quarter");
	expect("supervise: {base: 2m}", "greater than supervise.max");
	expect("journal: {retain: 99999999999999999999h}", "not a duration");
	expect("listen: 127.0.0.1:0", "1 to 65535");
	expect("listen: 127.0.0.1", "has no port");
	expect("listen: 192.168.1.1:80", "not loopback");
	expect("listen: \"[::]:80\"", "not loopback");
	expect("bus: nats://x:4222", "admits only \"local\"");
	expect("auth: {jwks_file: /x}", "one of none|jwt");
	expect("auth: jwt\njwt: {audience: a}", "f.yaml:1: jwt.jwks_file: is "
	    "needed");
	expect("auth: jwt\njwt: {jwks_file: /x}", "f.yaml:1: jwt.audience: is "
	    "needed");
	expect("listen: 10.0.0.1:80\nauth: none\njwt: {jwks_file: /x, "
	    "audience: a}", "f.yaml:1: listen: \"10.0.0.1\" is not loopback");
}

#define CUSTOM(group, resource, kind) "watch: {custom: [{group: " group \
	", version: v1, resource: " resource ", kind: " kind "}]}"

static void
test_a_custom_kind_is_held_to_the_grammar_of_the_api(void **unused UNUSED)
{
	struct buf b = BUF_EMPTY;

	expect("watch:\n  custom:\n    - {group: a.b, version: v1, "
	    "resource: things, kind: Thing}\n    - {group: a.b, "
	    "version: v2, resource: things, kind: Thing}\n",
	    "f.yaml:4: watch.custom: names \"things.a.b\" twice");
	expect(CUSTOM("a.b", "things/status", "Thing"), "resource");
	expect(CUSTOM("a.b", "\"..\"", "Thing"), "resource");
	expect(CUSTOM("A.b", "things", "Thing"), "group");
	expect(CUSTOM("a.b", "things", "thing"), "kind");
	expect(CUSTOM("\"\"", "secrets", "Secret"), "metadata only");
	expect(CUSTOM("\"\"", "configmaps", "ConfigMap"), "metadata only");
	expect(CUSTOM("\"\"", "pod", "Pod"), "the name of another kind");
	expect("watch: {custom: [{group: a.b, version: v1, kind: X}]}",
	    "needs group, version, resource");
	expect("watch: {custom: [{grupp: a.b}]}", "unknown member");
	expect("watch: {custom: [widgets]}", "is a map");
	buf_adds(&b, "watch: {custom: [");
	for (unsigned i = 0; i <= CONF_CUSTOM_MAX; i++)
		buf_addf(&b, "{group: a.b, version: v1, resource: x%u, "
		    "kind: X}, ", i);
	buf_adds(&b, "]}");
	expect(buf_cstr(&b), "at most 16");
	buf_free(&b);
}

static void
test_a_duplicate_key_is_refused(void **unused UNUSED)
{
	expect("listen: 127.0.0.1:1\nbus: local\nlisten: 127.0.0.1:2\n",
	    "f.yaml:3: key \"listen\" stands here twice (first on line 1)");
}

static void
test_every_problem_is_listed(void **unused UNUSED)
{
	struct conf conf;
	char *said = NULL;

	assert_int_equal(parse(&conf, "listen: x\nbus: y\nlog: {level: z}\n"
	    "jurnal: {}\n", &said), 4);
	assert_non_null(strstr(said, "f.yaml:1: listen: "));
	assert_non_null(strstr(said, "f.yaml:2: bus: "));
	assert_non_null(strstr(said, "f.yaml:3: log.level: "));
	assert_non_null(strstr(said, "did you mean journal?"));
	free(said);
	conf_free(&conf);
}

static void
test_what_is_not_yaml_is_refused_with_its_line(void **unused UNUSED)
{
	expect("listen: 127.0.0.1:1\n\tx: y\n", "f.yaml:2: not YAML");
	expect("a: [1, 2\n", "not YAML");
	expect("--- {}\n--- {}\n", "a second document");
	expect("just text", "must hold keys");
	expect("streams: {job: 3}", "f.yaml:1: streams.job: must hold keys");
	expect("x: \"\xff\"", "not YAML");
}

static void
test_a_billion_laughs_end_in_an_error(void **unused UNUSED)
{
	struct buf b = BUF_EMPTY;

	buf_adds(&b, "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
	for (int i = 1; i < 10; i++) {
		buf_addf(&b, "a%d: &a%d [", i, i);
		for (int k = 0; k < 10; k++)
			buf_addf(&b, "%s*a%d", k != 0 ? "," : "", i - 1);
		buf_adds(&b, "]\n");
	}
	expect(buf_cstr(&b), "more than 200000 values");
	buf_reset(&b);
	buf_addf(&b, "a: &a %0500000d\nb:\n", 0);
	for (int i = 0; i < 1000; i++)
		buf_adds(&b, "- *a\n");
	expect(buf_cstr(&b), "f.yaml:10: more than 4194304 bytes of text");
	buf_reset(&b);
	for (int i = 0; i < 100; i++)
		buf_addc(&b, '[');
	expect(buf_cstr(&b), "nested deeper than 32");
	buf_reset(&b);
	buf_adds(&b, "a: *nowhere\n");
	expect(buf_cstr(&b), "no such anchor");
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_each_key_wrong_in_turn_is_named_with_what_is_right),
		cmocka_unit_test(
		    test_each_key_misspelt_is_answered_with_the_right_one),
		cmocka_unit_test(test_bounds_are_kept),
		cmocka_unit_test(
		    test_a_custom_kind_is_held_to_the_grammar_of_the_api),
		cmocka_unit_test(test_a_duplicate_key_is_refused),
		cmocka_unit_test(test_every_problem_is_listed),
		cmocka_unit_test(
		    test_what_is_not_yaml_is_refused_with_its_line),
		cmocka_unit_test(test_a_billion_laughs_end_in_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
