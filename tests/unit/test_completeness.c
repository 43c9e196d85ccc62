/* completeness: what a gap leaves in doubt, and until when. */
#include "tests/unit/kept_fixture.h"

static void
configure_cluster(void)
{
	free(conf.clusters);
	conf.clusters = xcalloc(1, sizeof(*conf.clusters));
	conf.clusters[0].id = xstrdup("c");
	conf.clusters[0].context = xstrdup("c");
	conf.clusters[0].kubeconfig = xstrdup("k");
	conf.n_clusters = 1;
}

static void
test_a_gap_makes_snapshots_incomplete_until_the_watcher_told(void **state
    UNUSED)
{
	char data[128];
	uint64_t position = 20;
	size_t i;

	configure_cluster();
	apply(1, "resource:c/pod/n/a", "status_update", "",
	    "{\"status\":{}}", 0);
	check("resource:c/*", "resource:c/pod/n/a@1");
	gap(10);
	check("resource:c/*", "resource:c/pod/n/a@1!");
	check("workflow:w", "!");
	check("resource:other/*", "");
	for (i = 0; i < conf.watch.n_kinds; i++) {
		check("resource:*", "resource:c/pod/n/a@1!");
		(void)snprintf(data, sizeof(data), "{\"kind\":\"%s\","
		    "\"state\":\"%s\"}", conf.watch.kinds[i],
		    i == 0 ? "backoff" : "watching");
		apply(++position, "watcher:c", "watcher.state_changed", "",
		    data, 0);
	}
	check("resource:*", "resource:c/pod/n/a@1");
	check("workflow:w", "");
}

static void
test_a_job_is_complete_again_with_its_next_event(void **state UNUSED)
{
	apply(1, "job:a", "job.state_changed", "", "{}", ITEM_LIFECYCLE);
	gap(10);
	check("job:a", "job:a@1!");
	check("job:*", "job:a@1!");
	check("job:unknown", "!");
	apply(11, "job:a", "job.state_changed", "", "{}", ITEM_LIFECYCLE);
	check("job:a", "job:a@11");
	check("job:*", "job:a@11");
}

static void
test_a_job_is_not_complete_by_a_line_of_its_log(void **state UNUSED)
{
	apply(1, "job:a", "job.state_changed", "", "{}", ITEM_LIFECYCLE);
	gap(10);
	apply(11, "job:a", "job.log", "", "{}", 0);
	check("job:a", "job:a@1 job:a@11!");
	check("job:*", "job:a@1 job:a@11!");
}

static void
test_an_ended_job_misses_nothing_in_a_gap(void **state UNUSED)
{
	apply(1, "job:a", "job.state_changed", "", "{}",
	    ITEM_LIFECYCLE | ITEM_TERMINAL);
	gap(10);
	check("job:a", "job:a@1");
	check("job:*", "job:a@1");
}

static void
test_a_build_is_complete_again_with_its_next_line(void **state UNUSED)
{
	apply(1, "build:a", "log", "", "{}", 0);
	gap(10);
	check("build:a", "build:a@1!");
	check("build:*", "build:a@1!");
	apply(11, "build:a", "log", "", "{}", 0);
	check("build:a", "build:a@1 build:a@11");
	check("build:*", "build:a@1 build:a@11");
}

static void
test_a_cluster_is_complete_again_when_it_was_checked(void **state UNUSED)
{
	configure_cluster();
	apply(1, "cluster:c", "cluster.status_changed", "",
	    "{\"status\":\"connected\"}", 0);
	apply(2, "cluster:c", "cluster.health", "",
	    "{\"status\":\"connected\"}", 0);
	/* Taken out of the configuration long ago: nobody checks it. */
	apply(3, "cluster:old", "cluster.health", "",
	    "{\"status\":\"connected\"}", 0);
	gap(10);
	check("cluster:*", "cluster:c@1 cluster:c@2 cluster:old@3!");
	check("cluster:c", "cluster:c@1 cluster:c@2!");
	check("cluster:old", "cluster:old@3");
	apply(11, "cluster:c", "cluster.metadata_updated", "", "{}", 0);
	check("cluster:c", "cluster:c@1 cluster:c@2 cluster:c@11!");
	apply(12, "cluster:c", "cluster.health", "",
	    "{\"status\":\"connected\"}", 0);
	check("cluster:c", "cluster:c@1 cluster:c@12 cluster:c@11");
	check("cluster:*", "cluster:c@1 cluster:c@12 cluster:c@11"
	    " cluster:old@3");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, \
	setup_projection, teardown_projection)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_gap_makes_snapshots_incomplete_until_the_watcher_told),
		TEST(test_a_job_is_complete_again_with_its_next_event),
		TEST(test_a_job_is_not_complete_by_a_line_of_its_log),
		TEST(test_an_ended_job_misses_nothing_in_a_gap),
		TEST(test_a_build_is_complete_again_with_its_next_line),
		TEST(test_a_cluster_is_complete_again_when_it_was_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
