/* health/cluster_set: which clusters are checked, through reloads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/macros.h"
#include "health/cluster_set.h"

static const struct mono start = { .ns = 1000000000 };

static struct schedule *schedule;
static struct cluster_set *set;

static int
setup(void **state)
{
	(void)state;
	schedule = schedule_new(5, 60000, 1);
	set = cluster_set_new(schedule);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	cluster_set_free(set);
	schedule_free(schedule);
	return 0;
}

/* Ids, and the kubeconfig of the first. */
static void
match(const char *kubeconfig, const char *const *ids, size_t n)
{
	struct conf_cluster clusters[4] = { 0 };
	struct conf conf = { .clusters = clusters, .n_clusters = n };
	char names[4][16], file[32];
	size_t i;

	assert_true(n <= NELEM(clusters));
	for (i = 0; i < n; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "%s", ids[i]);
		clusters[i].id = names[i];
	}
	(void)snprintf(file, sizeof(file), "%s", kubeconfig);
	clusters[0].kubeconfig = file;
	cluster_set_match(set, &conf, start);
}

static void
expect_summary(const char *expected)
{
	char text[128];

	cluster_set_summary(set, text, sizeof(text));
	assert_string_equal(text, expected);
}

static struct checked_cluster *
find(const char *id)
{
	return cluster_set_find(set, slice_str(id));
}

static const char *const ab[] = { "a", "b" };

static void
test_the_clusters_are_those_of_the_configuration(void **state)
{
	(void)state;
	match("f", ab, 2);
	assert_non_null(find("a"));
	assert_non_null(find("b"));
	assert_null(find("c"));
	match("f", ab, 1);
	assert_null(find("b"));
	match("f", ab, 2);
	assert_non_null(find("b"));
}

static void
test_a_reload_keeps_what_is_unchanged(void **state)
{
	struct checked_cluster *a, *b;

	(void)state;
	match("f", ab, 2);
	a = find("a");
	b = find("b");
	a->published = CLUSTER_CONNECTED;
	match("other", ab, 2);
	assert_ptr_equal(find("b"), b);
	assert_string_equal(find("a")->kubeconfig, "other");
	assert_int_equal(find("a")->published, CLUSTER_CONNECTED);
}

static void
test_one_whose_job_runs_goes_when_the_job_ends(void **state)
{
	struct checked_cluster *old, *c;
	enum schedule_job job;
	size_t cursor = 0;

	(void)state;
	match("f", ab, 1);
	old = schedule_next(schedule, start, &job);
	assert_ptr_equal(old, find("a"));
	match("other", ab, 1);
	assert_ptr_not_equal(find("a"), old);
	while ((c = cluster_set_next(set, &cursor)) != NULL)
		assert_ptr_not_equal(c, old);
	schedule_checked(schedule, old->entry, SCHEDULE_FAILED, start);
	assert_true(cluster_set_ended(set, old));
	assert_false(cluster_set_ended(set, find("a")));
}

static void
test_the_summary_counts_by_what_was_published(void **state)
{
	char text[12];

	(void)state;
	expect_summary("0 clusters");
	match("f", ab, 2);
	find("a")->published = CLUSTER_CONNECTED;
	find("b")->published = CLUSTER_CONNECTED;
	expect_summary("2 clusters, 2 connected");
	cluster_set_summary(set, text, sizeof(text));
	assert_string_equal(text, "2 clusters,");
	match("f", ab, 1);
	expect_summary("1 cluster, 1 connected");
}

static void
add_item(struct buf *b, const char *key, const char *data)
{
	char frame[128];
	struct item item = {
		.tenant = slice_str(EVENT_TENANT_DEFAULT),
		.key = slice_str(key),
		.event_type = slice_str("cluster.health"),
		.data_off = strlen("\"data\":"),
	};

	(void)snprintf(frame, sizeof(frame), "\"data\":%s}", data);
	item.frame = slice_str(frame);
	item_encode(b, &item, true);
}

static void
test_the_store_says_what_was_published_before(void **state)
{
	struct buf b = BUF_EMPTY;
	struct query_snapshot snapshot = { .count = 3 };

	(void)state;
	match("f", ab, 2);
	find("b")->published = CLUSTER_CONNECTED;
	add_item(&b, "cluster:gone", "{\"status\":\"error\"}");
	add_item(&b, "cluster:b", "{\"status\":\"a new word\"}");
	add_item(&b, "cluster:a", "{\"status\":\"degraded\"}");
	snapshot.items = rd_init(b.data, b.len);
	cluster_set_seed(set, &snapshot);
	assert_int_equal(find("a")->published, CLUSTER_DEGRADED);
	assert_int_equal(find("a")->verdict.settled, CLUSTER_DEGRADED);
	assert_int_equal(find("b")->published, CLUSTER_CONNECTED);
	buf_free(&b);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_the_clusters_are_those_of_the_configuration),
		CASE(test_a_reload_keeps_what_is_unchanged),
		CASE(test_one_whose_job_runs_goes_when_the_job_ends),
		CASE(test_the_summary_counts_by_what_was_published),
		CASE(test_the_store_says_what_was_published_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
