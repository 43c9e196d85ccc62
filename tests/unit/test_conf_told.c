/* The configuration: what each process is told of it, and how. */
#include "tests/unit/conf_fixture.h"

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

/* A new key has its readers in conf_table.c, or stands here. */
static void
test_only_these_keys_are_for_nobody_but_the_supervisor(void **unused UNUSED)
{
	static const char *const own[] = { "listen", "contexts",
		"supervise.first", "supervise.base", "supervise.max",
		"supervise.circuit_deaths", "supervise.circuit_window",
		"supervise.circuit_retry", "supervise.hang_timeout" };
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_each_role_is_told_what_it_needs_and_no_secret_of_others),
		cmocka_unit_test(
		    test_a_watcher_is_told_of_its_own_cluster_only),
		cmocka_unit_test(
		    test_only_these_keys_are_for_nobody_but_the_supervisor),
		cmocka_unit_test(
		    test_the_wire_form_survives_and_no_cut_of_it_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
