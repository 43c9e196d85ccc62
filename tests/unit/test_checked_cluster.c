/* What health makes of a plugin's answer, and when metadata is too old. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/mono.h"
#include "common/xmalloc.h"
#include "health/check_job.h"
#include "health/checked_cluster.h"

static char path[32];
static struct checked_cluster *checked;

static int
setup(void **state)
{
	static const char text[] = "current-context: x\n"
	    "contexts: [{name: x, context: {cluster: c, user: u}}]\n"
	    "clusters: [{name: c, cluster: {server: 'https://h'}}]\n"
	    "users: [{name: u, user: {exec: {command: x, apiVersion: "
	    "client.authentication.k8s.io/v1, interactiveMode: Never}}}]\n";
	static char prod[] = "prod", context[] = "x";
	struct conf_cluster cluster = { .id = prod, .context = context,
		.kubeconfig = path };
	struct conf conf = { 0 };
	struct err err = { 0 };
	int fd;

	(void)state;
	(void)snprintf(path, sizeof(path), "/tmp/sl-checked-XXXXXX");
	fd = mkstemp(path);
	if (fd < 0 || write(fd, text, sizeof(text) - 1) < 0)
		return -1;
	(void)close(fd);
	checked = checked_cluster_new(&cluster, &conf, mono_now());
	return kube_source_load(checked->source, mono_now(), &err);
}

static int
teardown(void **state)
{
	(void)state;
	checked_cluster_free(checked);
	return unlink(path);
}

static enum checked_plug
plug(const char *error, int64_t expires, bool foreign)
{
	struct exec_credential c = { .expires_unix_ms = expires };

	if (error != NULL)
		c.error = xstrdup(error);
	else
		c.token = xstrdup("t");
	kube_digest(&checked->source->cred, c.digest);
	c.digest[0] ^= foreign;
	checked->asking = true;
	return checked_cluster_plug(checked, &c, 1, mono_now());
}

static void
test_what_is_good_is_checked_with_at_once(void **state)
{
	(void)state;
	assert_int_equal(plug(NULL, 0, false), CHECKED_PLUG_CHECK);
	assert_true(checked->plugged);
	assert_false(checked->asking);
	assert_string_equal(checked->source->cred.token, "t");
}

static void
test_a_failure_is_a_finding(void **state)
{
	(void)state;
	assert_int_equal(plug("no", 0, false), CHECKED_PLUG_FINDING);
	assert_true(checked->checked);
}

/* Checking at once would ask at once, and so on. */
static void
test_what_is_of_no_use_waits_for_the_next_check(void **state)
{
	(void)state;
	assert_int_equal(plug(NULL, 1000, false), CHECKED_PLUG_WAIT);
	assert_int_equal(plug(NULL, 0, true), CHECKED_PLUG_WAIT);
	assert_false(checked->plugged);
	assert_false(checked->asking);
	assert_false(checked->checked);
}

/* A metadata job that ends at `now`. */
static void
end_metadata(bool have_facts, struct mono now)
{
	static const atomic_bool cancelled;
	struct check_job *job = checked_cluster_job(checked,
	    SCHEDULE_METADATA, &cancelled);

	job->have_facts = have_facts;
	assert_int_equal(checked_cluster_take(checked, job, 10 * 60 * 1000,
	    now), SCHEDULE_ANSWERED);
	check_job_free(job);
}

static void
test_metadata_is_due_when_it_is_ten_minutes_old(void **state)
{
	struct mono now = mono_now(), due;

	(void)state;
	assert_false(mono_before(now, checked->metadata_due));
	end_metadata(true, now);
	assert_true(checked->facts_unsent);
	due = mono_add_ms(now, 10 * 60 * 1000);
	assert_int_equal(mono_diff_ms(checked->metadata_due, due), 0);
	/* One that could not be read is tried sooner, and not at once. */
	end_metadata(false, due);
	assert_int_equal(mono_diff_ms(checked->metadata_due, due),
	    CLUSTER_METADATA_RETRY_MS);
	end_metadata(true, checked->metadata_due);
	assert_int_equal(mono_diff_ms(checked->metadata_due, due),
	    CLUSTER_METADATA_RETRY_MS + 10 * 60 * 1000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_what_is_good_is_checked_with_at_once),
		T(test_a_failure_is_a_finding),
		T(test_what_is_of_no_use_waits_for_the_next_check),
		T(test_metadata_is_due_when_it_is_ten_minutes_old),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
