/* conf_change: what a reload keeps, and what became of a cluster. */
#include "supervisor/conf_change.h"

#include "tests/unit/conf_fixture.h"

static void
note_kept(const char *key, const char *value, void *arg)
{
	buf_addf(arg, "%s=%s;", key, value);
}

static struct conf
conf_of(const char *text)
{
	struct conf conf;
	char *said = NULL;

	if (parse(&conf, text, &said) != 0)
		fail_msg("%s", said);
	free(said);
	return conf;
}

static void
test_what_changes_with_a_restart_only_is_kept_and_told(void **unused UNUSED)
{
	struct conf old = conf_of("listen: 127.0.0.1:8085\n"
	    "state_directory: /a\nruntime_directory: /r\n"
	    "gateway: {processes: 2}\nsupervise: {circuit_deaths: 5}\n");
	struct conf fresh = conf_of("listen: '[::1]:9000'\n"
	    "state_directory: /b\nruntime_directory: /s\n"
	    "gateway: {processes: 3}\n"
	    "supervise: {circuit_deaths: 6, hang_timeout: 9s}\n");
	struct buf told = BUF_EMPTY;

	conf_change_keep_fixed(&old, &fresh, note_kept, &told);
	assert_string_equal(buf_cstr(&told), "state_directory=/a;"
	    "runtime_directory=/r;listen=127.0.0.1 port 8085;"
	    "gateway.processes=2;supervise.circuit_deaths=5;");
	assert_string_equal(fresh.listen_host, "127.0.0.1");
	assert_int_equal(fresh.listen_port, 8085);
	assert_string_equal(fresh.state_directory, "/a");
	assert_int_equal(fresh.gateway.processes, 2);
	assert_int_equal(fresh.supervise.circuit_deaths, 5);
	assert_int_equal(fresh.supervise.hang_timeout_ms, 9000);
	buf_reset(&told);
	conf_change_keep_fixed(&old, &fresh, note_kept, &told);
	assert_int_equal(told.len, 0);
	buf_free(&told);
	conf_free(&old);
	conf_free(&fresh);
}

/* Else a socket that others reach would be left to a gateway that lets all in
 * as soon as that one was started again. */
static void
test_a_reload_never_turns_authentication_off(void **unused UNUSED)
{
	struct conf old = conf_of("listen: 0.0.0.0:80\nauth: jwt\n"
	    "jwt: {jwks_file: /k, audience: a, issuer: https://i, "
	    "cookie: c}\n");
	struct conf fresh = conf_of("listen: 127.0.0.1:80\nauth: none\n");
	struct conf other = conf_of("listen: 127.0.0.1:80\nauth: none\n"
	    "jwt: {jwks_file: /x, audience: x, cookie: x}\n");
	struct conf *each[] = { &fresh, &other };
	struct buf told = BUF_EMPTY;

	for (size_t i = 0; i < NELEM(each); i++) {
		buf_reset(&told);
		conf_change_keep_fixed(&old, each[i], note_kept, &told);
		assert_string_equal(buf_cstr(&told), "listen=0.0.0.0 port 80;"
		    "auth=jwt;");
		assert_int_equal(each[i]->auth, CONF_AUTH_JWT);
		assert_string_equal(each[i]->jwt.jwks_file, "/k");
		assert_string_equal(each[i]->jwt.audience, "a");
		assert_string_equal(each[i]->jwt.issuer, "https://i");
		assert_string_equal(each[i]->jwt.cookie, "c");
		conf_free(each[i]);
	}
	buf_free(&told);
	conf_free(&old);
}

static void
note_path(const char *path, void *arg)
{
	buf_addf(arg, "%s;", path);
}

static void
test_keys_that_differ_are_told_and_who_takes_them(void **unused UNUSED)
{
	struct conf old = conf_of("journal: {size: 1GiB, sync: 100ms}\n"
	    "mongodb: mongodb://u:old@h/x\nclusters: [a]\n"
	    "streams: {job: {retry: 2s}}\n");
	struct conf now = conf_of("journal: {size: 1GiB, sync: always}\n"
	    "mongodb: mongodb://u:new@h/x\nclusters: [a, b]\n"
	    "streams: {job: {retry: 2s}, run: {retry: 4s}}\n"
	    "supervise: {first: 50ms}\n");
	struct buf told = BUF_EMPTY;

	conf_differences(&old, &old, note_path, &told);
	assert_int_equal(told.len, 0);
	conf_differences(&old, &now, note_path, &told);
	assert_string_equal(buf_cstr(&told),
	    "mongodb;clusters;journal.sync;supervise.first;streams;");
	assert_string_equal(conf_change_taken_by("mongodb"), "store");
	assert_string_equal(conf_change_taken_by("journal.sync"), "broker");
	assert_string_equal(conf_change_taken_by("streams"), "gateway");
	assert_string_equal(conf_change_taken_by("watch.kinds"), "watcher");
	assert_null(conf_change_taken_by("clusters"));
	assert_null(conf_change_taken_by("supervise.first"));
	buf_free(&told);
	conf_free(&old);
	conf_free(&now);
}

static void
test_a_cluster_left_or_is_reached_in_another_way(void **unused UNUSED)
{
	struct conf old = conf_of("kubeconfig: /k\nclusters: [{id: a, context: "
	    "a}, {id: b, context: b}, {id: c, context: c}]\n");
	struct conf now = conf_of("kubeconfig: /k\nclusters: [{id: a, context: "
	    "a}, {id: b, context: x}, {id: d, context: d}]\n");
	struct conf other = conf_of("kubeconfig: /other\n"
	    "clusters: [{id: a, context: a}]\n");

	assert_int_equal(conf_change_of_cluster(&old, &now, "a"),
	    CONF_CHANGE_NONE);
	assert_int_equal(conf_change_of_cluster(&old, &now, "b"),
	    CONF_CHANGE_OTHER);
	assert_int_equal(conf_change_of_cluster(&old, &now, "c"),
	    CONF_CHANGE_LEFT);
	assert_int_equal(conf_change_of_cluster(&old, &now, "d"),
	    CONF_CHANGE_NONE);
	assert_int_equal(conf_change_of_cluster(&old, &now, "e"),
	    CONF_CHANGE_NONE);
	assert_int_equal(conf_change_of_cluster(&old, &other, "a"),
	    CONF_CHANGE_OTHER);
	conf_free(&old);
	conf_free(&now);
	conf_free(&other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_reload_never_turns_authentication_off),
		cmocka_unit_test(
		    test_what_changes_with_a_restart_only_is_kept_and_told),
		cmocka_unit_test(
		    test_keys_that_differ_are_told_and_who_takes_them),
		cmocka_unit_test(
		    test_a_cluster_left_or_is_reached_in_another_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
