/* Places in the configuration: directories, and the URI of MongoDB. */
#include "tests/unit/conf_fixture.h"

static void
test_directories_follow_the_environment(void **unused UNUSED)
{
	struct conf conf;
	char *said = NULL;

	(void)setenv("STATE_DIRECTORY", "/var/lib/x:/other", 1);
	assert_int_equal(parse(&conf, "", &said), 0);
	assert_string_equal(conf.state_directory, "/var/lib/x");
	assert_string_equal(conf.runtime_directory, "/var/lib/x/run");
	free(said);
	conf_free(&conf);
	(void)unsetenv("STATE_DIRECTORY");
	(void)setenv("RUNTIME_DIRECTORY", "/run/x", 1);
	assert_int_equal(parse(&conf, "state_directory: /s\n", &said), 0);
	assert_string_equal(conf.runtime_directory, "/run/x");
	(void)unsetenv("RUNTIME_DIRECTORY");
	free(said);
	conf_free(&conf);
	(void)setenv("HOME", "/home/me", 1);
	assert_int_equal(parse(&conf, "state_directory: ~/s\n", &said), 0);
	assert_string_equal(conf.state_directory, "/home/me/s");
	free(said);
	conf_free(&conf);
	expect("runtime_directory: /a/very/long/path/that/goes/on/and/on/and/"
	    "on/until/no/socket/can/be/made/in/it\n", "longer than 72 bytes");
}

static void
test_secrets_in_the_uri_of_mongodb_are_not_printed(void **unused UNUSED)
{
	static const struct {
		const char *uri, *want;
	} rows[] = {
		{ "mongodb://h:27017/db?w=1&appName=x",
		    "mongodb://h:27017/db?w=1&appName=x" },
		{ "mongodb://bob@h1:1,h2:2/db", "mongodb://bob@h1:1,h2:2/db" },
		{ "mongodb+srv://bob:s3cr%40t@h/db?w=1",
		    "mongodb+srv://bob:***@h/db?w=1" },
		{ "mongodb://bob:@h", "mongodb://bob:***@h" },
		{ "mongodb://h/?TLSCertificateKeyFilePassword=s3cr&tls=true",
		    "mongodb://h/?TLSCertificateKeyFilePassword=***&tls=true" },
		{ "mongodb://h/?authMechanismProperties=AWS_TOKEN:s3cr&w=1",
		    "mongodb://h/?authMechanismProperties=***&w=1" },
	};

	for (size_t i = 0; i < NELEM(rows); i++) {
		char *text = xasprintf("mongodb: \"%s\"\n", rows[i].uri);
		char *want = xasprintf("\nmongodb: \"%s\"\n", rows[i].want);
		char *bare = xasprintf("\nmongodb: %s\n", rows[i].want);
		char *said = NULL, *printed;
		struct conf conf;

		if (parse(&conf, text, &said) != 0)
			fail_msg("%s", said);
		assert_string_equal(conf.mongodb, rows[i].uri);
		printed = print(&conf);
		if (strstr(printed, want) == NULL &&
		    strstr(printed, bare) == NULL)
			fail_msg("%s is not in: %s", want, printed);
		assert_null(strstr(printed, "s3cr"));
		free(printed);
		free(said);
		free(bare);
		free(want);
		free(text);
		conf_free(&conf);
	}
}

static void
test_a_password_that_is_not_encoded_is_refused_and_not_shown(
    void **unused UNUSED)
{
	static const char *const uris[] = { "mongodb://bob:s3:cr@h/db",
		"mongodb://bob:s3/cr@h/db", "mongodb://bob:s3?cr@h/db",
		"mongodb://bob:s3#cr@h/db", "mongodb://bob:s3@cr@h/db",
		"mongodb://bob:s3[cr@h/db",
	    "mongodb://bob:x@h/db?appName=s3@cr" };

	for (size_t i = 0; i < NELEM(uris); i++) {
		char *text = xasprintf("mongodb: \"%s\"\n", uris[i]);
		char *said = NULL;
		struct conf conf;

		assert_int_equal(parse(&conf, text, &said), 1);
		assert_non_null(strstr(said, "f.yaml:1: mongodb: has a : / ?"));
		assert_non_null(strstr(said, "%40"));
		assert_null(strstr(said, "s3"));
		free(said);
		free(text);
		conf_free(&conf);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_directories_follow_the_environment),
		cmocka_unit_test(
		    test_secrets_in_the_uri_of_mongodb_are_not_printed),
		cmocka_unit_test(
		    test_a_password_that_is_not_encoded_is_refused_and_not_shown),
	};

	(void)unsetenv("STATE_DIRECTORY");
	(void)unsetenv("RUNTIME_DIRECTORY");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
