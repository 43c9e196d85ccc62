/* The configuration: defaults, every key, files of others, print. */
#include "tests/unit/conf_fixture.h"

#include <sys/stat.h>
#include <unistd.h>

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
		    test_the_print_reads_back_as_the_same_and_prints_the_same),
		cmocka_unit_test(
		    test_with_tokens_any_address_may_be_listened_on),
		cmocka_unit_test(
		    test_files_that_others_have_a_hand_in_are_refused),
		cmocka_unit_test(test_a_context_becomes_a_slug),
		cmocka_unit_test(test_the_manual_lists_exactly_the_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
