/* The configuration: defaults, every key, every key wrong, print and wire. */
#include "tests/unit/conf_fixture.h"

#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/conf_value.h"

static void
note_difference(const char *path UNUSED, void *arg)
{
	*(bool *)arg = false;
}

static bool
same(const struct conf *a, const struct conf *b)
{
	bool equal = true;

	conf_differences(a, b, note_difference, &equal);
	return equal;
}

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

static void
test_the_defaults_are_the_documented_ones(void **unused UNUSED)
{
	struct conf conf;

	conf_init(&conf);
	assert_string_equal(conf.listen_host, "127.0.0.1");
	assert_int_equal(conf.listen_port, 8085);
	assert_null(conf.mongodb);
	assert_int_equal(conf.journal.size, UINT64_C(1) << 30);
	assert_int_equal(conf.journal.segment, 64 << 20);
	assert_int_equal(conf.journal.sync, CONF_SYNC_INTERVAL);
	assert_int_equal(conf.journal.sync_ms, 100);
	assert_int_equal(conf.supervise.hang_timeout_ms, 3000);
	assert_int_equal(conf.watch.n_kinds, 14);
	assert_int_equal(conf.watch.n_custom, 0);
	assert_true(conf.gateway.processes >= 1 &&
	    conf.gateway.processes <= 4);
	assert_int_equal(conf_stream(&conf, STREAM_JOB)->idle_timeout_ms,
	    30 * 60 * 1000);
	conf_free(&conf);
}

static const char full[] =
    "listen: \"[::1]:9000\"\n"
    "state_directory: /tmp/s/\n"
    "mongodb: mongodb://u:p%40@h:27017/kubeorch?w=1\n"
    "kubeconfig: /a/b:/c d/\"e\"\n"
    "contexts: [prod, \"with: colon\", \"null\", \"-x\"]\n"
    "clusters: [{id: one, context: \"T\\u00eate \\\"q\\\" \\\\ \\t\", "
    "kubeconfig: /k}, two]\n"
    "encryption_key_file: /key\n"
    "auth: jwt\n"
    "jwt: {jwks_file: /keys, issuer: \"https://i: x\", audience: a, "
    "cookie: __Host-s}\n"
    "gateway: {processes: 3, cors_origins: [https://a.example:1], "
    "trusted_proxies: [10.0.0.0/8, \"::1\"], max_per_address: 7, "
    "max_connections: 100, ring: 1MiB}\n"
    "health: {workers: 2, interval: 90s, metadata_max_age: 1h}\n"
    "watch: {kinds: [pod], backoff: {base: 1s, max: 1500ms}, "
    "http2: false, custom: [{group: example.com, version: v1, "
    "resource: widgets, kind: Widget}, {group: \"\", version: v1, "
    "resource: endpoints, kind: Endpoints}]}\n"
    "journal: {size: 100MiB, segment: 5000KiB, retain: 2h, sync: always, "
    "max_streams: 5000, idempotency: {window: 1m, keys: 1000}}\n"
    "supervise: {first: 1ms, circuit_deaths: 1000}\n"
    "log: {level: debug, format: json}\n"
    "streams: {job: {retry: 1s, on_overflow: close}, default: "
    "{idle_timeout: off, retry: 2s, heartbeat_form: comment}}\n";

static void
test_a_full_file_is_read(void **unused UNUSED)
{
	struct conf conf;
	char *said = NULL;

	assert_int_equal(parse(&conf, full, &said), 0);
	assert_string_equal(conf.state_directory, "/tmp/s");
	assert_string_equal(conf.clusters[1].id, "two");
	assert_string_equal(conf.clusters[0].context,
	    "T\xc3\xaate \"q\" \\ \t");
	assert_int_equal(conf.contexts, CONF_CONTEXTS_LIST);
	assert_int_equal(conf.n_context_names, 4);
	assert_int_equal(conf.journal.sync, CONF_SYNC_ALWAYS);
	assert_int_equal(conf_stream(&conf, STREAM_JOB)->retry_ms, 1000);
	assert_int_equal(conf_stream(&conf, STREAM_JOB)->idle_timeout_ms, 0);
	assert_int_equal(conf_stream(&conf, STREAM_RUN)->retry_ms, 2000);
	assert_int_equal(conf.watch.n_custom, 2);
	assert_string_equal(conf.watch.custom[0].name, "widgets.example.com");
	assert_string_equal(conf.watch.custom[0].kind, "Widget");
	assert_string_equal(conf.watch.custom[1].name, "endpoints");
	assert_string_equal(conf.watch.custom[1].group, "");
	free(said);
	conf_free(&conf);
}

static void
test_the_print_reads_back_as_the_same_and_prints_the_same(void **u UNUSED)
{
	static const char *const files[] = { "", full };

	for (size_t i = 0; i < NELEM(files); i++) {
		struct conf a, b;
		char *said = NULL, *once, *twice;

		assert_int_equal(parse(&a, files[i], &said), 0);
		free(said);
		once = print(&a);
		if (parse(&b, once, &said) != 0)
			fail_msg("%s\n%s", said, once);
		twice = print(&b);
		assert_string_equal(once, twice);
		/* Printed as ***. */
		free(b.mongodb);
		b.mongodb = a.mongodb != NULL ? xstrdup(a.mongodb) : NULL;
		assert_true(same(&a, &b));
		for (size_t k = 0; k < conf_keys_count; k++) {
			const char *dot = strrchr(conf_keys[k].path, '.');

			assert_non_null(strstr(once, dot != NULL ? dot + 1
			    : conf_keys[k].path));
		}
		free(said);
		free(once);
		free(twice);
		conf_free(&a);
		conf_free(&b);
	}
}

static const char *const roles[] = { "broker", "store", "health", "gateway",
	"watcher" };

/* What the process is told, as it reads it. */
static struct conf
told(const struct conf *conf, const char *role, const char *instance)
{
	struct buf b = BUF_EMPTY, again = BUF_EMPTY;
	struct conf ret;
	struct err err;

	conf_encode(&b, conf, role, instance);
	assert_int_equal(conf_decode(&ret, b.data, b.len, &err), 0);
	conf_encode(&again, &ret, role, instance);
	assert_int_equal(again.len, b.len);
	assert_memory_equal(again.data, b.data, b.len);
	buf_free(&b);
	buf_free(&again);
	return ret;
}

static void
test_each_role_is_told_what_it_needs_and_no_secret_of_others(void **u UNUSED)
{
	struct conf a, c;
	char *said = NULL;

	assert_int_equal(parse(&a, full, &said), 0);
	for (size_t i = 0; i < NELEM(roles); i++) {
		c = told(&a, roles[i], "-");
		assert_string_equal(c.state_directory, "/tmp/s");
		assert_int_equal(c.log_level, LOG_LEVEL_DEBUG);
		assert_null(c.file);
		if (strcmp(roles[i], "store") == 0)
			assert_string_equal(c.mongodb, a.mongodb);
		else
			assert_null(c.mongodb);
		conf_free(&c);
	}
	c = told(&a, "gateway", "0");
	assert_int_equal(c.gateway.ring, 1024 * 1024);
	assert_int_equal(conf_stream(&c, STREAM_JOB)->retry_ms, 1000);
	assert_int_equal(c.n_clusters, 0);
	assert_null(c.kubeconfig);
	assert_int_equal(c.journal.size, 0);
	conf_free(&c);
	c = told(&a, "health", "-");
	assert_int_equal(c.n_clusters, 2);
	assert_int_equal(c.health.interval_ms, 90000);
	assert_int_equal(c.watch.n_custom, 0);
	conf_free(&c);
	free(said);
	conf_free(&a);
}

static void
test_a_watcher_is_told_of_its_own_cluster_only(void **unused UNUSED)
{
	struct conf a, c;
	char *said = NULL;

	assert_int_equal(parse(&a, full, &said), 0);
	c = told(&a, "watcher", "two");
	assert_int_equal(c.n_clusters, 1);
	assert_string_equal(c.clusters[0].id, "two");
	assert_int_equal(c.watch.n_custom, 2);
	conf_free(&c);
	/* Its cluster left while it was on its way. */
	c = told(&a, "watcher", "three");
	assert_int_equal(c.n_clusters, 0);
	conf_free(&c);
	free(said);
	conf_free(&a);
}

static void
test_with_tokens_any_address_may_be_listened_on(void **unused UNUSED)
{
	struct conf conf;
	char *said = NULL;

	if (parse(&conf, "listen: 0.0.0.0:80\nauth: jwt\njwt: {jwks_file: "
	    "/x, audience: a}\n", &said) != 0)
		fail_msg("%s", said);
	assert_int_equal(conf.auth, CONF_AUTH_JWT);
	assert_string_equal(conf.listen_host, "0.0.0.0");
	assert_null(conf.jwt.issuer);
	assert_null(conf.jwt.cookie);
	assert_int_equal(conf_check_files(&conf, NULL), 1);
	free(said);
	conf_free(&conf);
}

/* The gateways would refuse them, and only after the start. */
static void
test_files_that_others_have_a_hand_in_are_refused(void **unused UNUSED)
{
	static const struct { mode_t keys, secret; int count;
	    const char *want; } tries[] = {
		{ 0644, 0600, 0, "" }, { 0644, 0640, 0, "" },
		{ 0646, 0600, 1, "k: every user may write it; chmod 0640" },
		{ 0600, 0604, 1, "s: every user may read it; chmod 0600" },
		{ 0602, 0602, 2, "s: every user may write it; chmod 0600" },
	};
	char dir[] = "/tmp/sl-conf-XXXXXX", keys[64], secret[64], text[256];
	char *said = NULL;
	struct conf conf;
	size_t n;
	FILE *f;

	assert_non_null(mkdtemp(dir));
	(void)snprintf(keys, sizeof(keys), "%s/k", dir);
	(void)snprintf(secret, sizeof(secret), "%s/s", dir);
	(void)snprintf(text, sizeof(text), "auth: jwt\nencryption_key_file: "
	    "%s\njwt: {jwks_file: %s, audience: a}\n", secret, keys);
	assert_int_equal(parse(&conf, text, &said), 0);
	free(said);
	for (size_t i = 0; i < NELEM(tries); i++) {
		f = fopen(keys, "we");
		assert_true(f != NULL && fclose(f) == 0);
		f = fopen(secret, "we");
		assert_true(f != NULL && fclose(f) == 0);
		assert_int_equal(chmod(keys, tries[i].keys), 0);
		assert_int_equal(chmod(secret, tries[i].secret), 0);
		said = NULL;
		f = open_memstream(&said, &n);
		assert_non_null(f);
		assert_int_equal(conf_check_files(&conf, f), tries[i].count);
		assert_int_equal(fclose(f), 0);
		assert_non_null(strstr(said, tries[i].want));
		free(said);
	}
	assert_int_equal(unlink(secret), 0);
	f = open_memstream(&said, &n);
	assert_non_null(f);
	assert_int_equal(conf_check_files(&conf, f), 2);
	assert_int_equal(fclose(f), 0);
	assert_non_null(strstr(said, "head -c 32 /dev/urandom"));
	free(said);
	(void)unlink(keys);
	(void)rmdir(dir);
	conf_free(&conf);
}

/* A new key has its readers in conf_table.c, or stands here. */
static void
test_only_these_keys_are_for_nobody_but_the_supervisor(void **unused UNUSED)
{
	static const char *const own[] = { "listen", "contexts",
		"gateway.processes", "supervise.first", "supervise.base",
		"supervise.max", "supervise.circuit_deaths",
		"supervise.circuit_window", "supervise.circuit_retry",
		"supervise.hang_timeout" };
	size_t n = 0;

	for (size_t i = 0; i < conf_keys_count; i++) {
		const struct conf_key *k = &conf_keys[i];

		if (k->readers != 0 || k->type == CONF_TYPE_FIXED)
			continue;
		if (n == NELEM(own) || strcmp(k->path, own[n]) != 0)
			fail_msg("%s is told to no role, so that each reads "
			    "its default: give it .readers = R(ROLE) in "
			    "common/conf_table.c, or name it in own[] here if "
			    "only the supervisor uses it", k->path);
		n++;
	}
	assert_int_equal(n, NELEM(own));
	for (size_t i = 0; i < conf_stream_keys_count; i++)
		if (conf_stream_keys[i].readers == 0)
			fail_msg("streams.*.%s is told to no role: give it "
			    ".readers in common/conf_table.c",
			    conf_stream_keys[i].path);
}

static void
test_the_wire_form_survives_and_no_cut_of_it_is_taken(void **unused UNUSED)
{
	struct buf b = BUF_EMPTY;
	struct conf a, c;
	char *said = NULL;
	struct err err;

	assert_int_equal(parse(&a, full, &said), 0);
	conf_encode(&b, &a, "store", "-");
	for (size_t n = 0; n < b.len; n++)
		assert_int_equal(conf_decode(&c, b.data, n, &err), -1);
	/* A flipped byte is refused or read; never a crash or a leak. */
	for (size_t n = 0; n < b.len; n++) {
		b.data[n] ^= 0xff;
		if (conf_decode(&c, b.data, b.len, &err) == 0)
			conf_free(&c);
		b.data[n] ^= 0xff;
	}
	free(said);
	buf_free(&b);
	conf_free(&a);
}

static void
test_a_context_becomes_a_slug(void **unused UNUSED)
{
	struct err err;
	char *slug = conf_slug("arn:aws:EKS_x/Prod", &err);

	assert_string_equal(slug, "arn-aws-eks-x-prod");
	free(slug);
	assert_null(conf_slug("_x", &err));
	assert_non_null(strstr(err.text, "clusters: [{id: NAME"));
	assert_null(conf_slug("", &err));
}

/* Every key stands in the manual, and no other. */
static void
test_the_manual_lists_exactly_the_keys(void **unused UNUSED)
{
	FILE *f = fopen("supervisor/sluice.yaml.5", "re");
	char line[512];
	size_t found = 0;

	if (f == NULL)
		fail_msg("run from the top of the tree");
	while (fgets(line, sizeof(line), f) != NULL) {
		char *key = line + strlen(".It Ic ");
		bool known = false;

		if (strncmp(line, ".It Ic ", 7) != 0)
			continue;
		key[strcspn(key, " \n")] = '\0';
		for (size_t i = 0; i < conf_keys_count; i++)
			known |= strcmp(conf_keys[i].path, key) == 0;
		for (size_t i = 0; i < conf_stream_keys_count; i++)
			known |= strcmp(conf_stream_keys[i].path, key) == 0;
		if (!known)
			fail_msg("the manual has %s", key);
		found++;
	}
	(void)fclose(f);
	assert_int_equal(found, conf_keys_count + conf_stream_keys_count);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_defaults_are_the_documented_ones),
		cmocka_unit_test(test_a_full_file_is_read),
		cmocka_unit_test(
		    test_each_key_wrong_in_turn_is_named_with_what_is_right),
		cmocka_unit_test(
		    test_each_key_misspelt_is_answered_with_the_right_one),
		cmocka_unit_test(test_bounds_are_kept),
		cmocka_unit_test(
		    test_with_tokens_any_address_may_be_listened_on),
		cmocka_unit_test(
		    test_a_custom_kind_is_held_to_the_grammar_of_the_api),
		cmocka_unit_test(test_a_duplicate_key_is_refused),
		cmocka_unit_test(test_every_problem_is_listed),
		cmocka_unit_test(
		    test_what_is_not_yaml_is_refused_with_its_line),
		cmocka_unit_test(test_a_billion_laughs_end_in_an_error),
		cmocka_unit_test(
		    test_the_print_reads_back_as_the_same_and_prints_the_same),
		cmocka_unit_test(
		    test_each_role_is_told_what_it_needs_and_no_secret_of_others),
		cmocka_unit_test(
		    test_a_watcher_is_told_of_its_own_cluster_only),
		cmocka_unit_test(
		    test_files_that_others_have_a_hand_in_are_refused),
		cmocka_unit_test(
		    test_only_these_keys_are_for_nobody_but_the_supervisor),
		cmocka_unit_test(
		    test_the_wire_form_survives_and_no_cut_of_it_is_taken),
		cmocka_unit_test(test_a_context_becomes_a_slug),
		cmocka_unit_test(test_the_manual_lists_exactly_the_keys),
	};

	(void)unsetenv("STATE_DIRECTORY");
	(void)unsetenv("RUNTIME_DIRECTORY");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
