/* Which clusters are watched: contexts, names, slugs, and two of one slug. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "supervisor/roster.h"

static char prod[] = "Prod", dev[] = "dev", team[] = "Team A";
static char other[] = "team-a";
static char *names[] = { prod, dev, team, other };
static struct kubeconfig_contexts contexts = { names, 4, 1 };

static void
resolve(struct roster *r, struct conf *conf, const char *yaml,
    const struct kubeconfig_contexts *from)
{
	assert_int_equal(conf_parse(conf, yaml, strlen(yaml), "f", stderr),
	    0);
	roster_resolve(r, conf, from);
}

static void
done(struct roster *r, struct conf *conf)
{
	roster_clear(r);
	conf_free(conf);
}

static void
test_the_current_context_is_the_default(void **unused UNUSED)
{
	struct roster r;
	struct conf conf;

	resolve(&r, &conf, "", &contexts);
	assert_int_equal(r.n, 1);
	assert_string_equal(r.clusters[0].id, "dev");
	assert_string_equal(r.clusters[0].context, "dev");
	assert_int_equal(r.n_problems, 0);
	done(&r, &conf);
}

static void
test_no_current_context_is_a_problem_with_a_remedy(void **unused UNUSED)
{
	struct kubeconfig_contexts none = { names, 4, -1 };
	struct roster r;
	struct conf conf;

	resolve(&r, &conf, "kubeconfig: /k\n", &none);
	assert_int_equal(r.n, 0);
	assert_int_equal(r.n_problems, 1);
	assert_non_null(strstr(r.problems[0], "contexts: all"));
	/* There may be one, which names nothing. */
	assert_non_null(strstr(r.problems[0], "is one of its 4 contexts"));
	done(&r, &conf);
}

static void
test_two_contexts_with_one_slug_are_named_and_the_others_go_on(void **u UNUSED)
{
	struct roster r;
	struct conf conf;

	resolve(&r, &conf, "contexts: all\n", &contexts);
	assert_int_equal(r.n, 2);
	assert_string_equal(r.clusters[0].id, "prod");
	assert_string_equal(r.clusters[1].id, "dev");
	assert_int_equal(r.n_problems, 1);
	assert_non_null(strstr(r.problems[0], "\"Team A\" and \"team-a\""));
	assert_non_null(strstr(r.problems[0], "clusters: [{id: NAME"));
	done(&r, &conf);
}

static void
test_an_id_of_its_own_resolves_the_conflict(void **unused UNUSED)
{
	struct roster r;
	struct conf conf;

	resolve(&r, &conf, "contexts: all\n"
	    "clusters: [{id: first, context: Team A}]\n", &contexts);
	assert_int_equal(r.n_problems, 0);
	assert_int_equal(r.n, 4);
	assert_string_equal(r.clusters[0].id, "first");
	assert_string_equal(r.clusters[3].id, "team-a");
	done(&r, &conf);
}

static void
test_a_named_cluster_stays_when_a_context_collides_with_it(void **u UNUSED)
{
	struct roster r;
	struct conf conf;

	resolve(&r, &conf, "contexts: [dev]\n"
	    "clusters: [{id: dev, context: other}]\n", &contexts);
	assert_int_equal(r.n, 1);
	assert_string_equal(r.clusters[0].context, "other");
	assert_int_equal(r.n_problems, 1);
	done(&r, &conf);
}

static void
test_a_context_that_is_not_there_is_named(void **unused UNUSED)
{
	struct roster r;
	struct conf conf;

	resolve(&r, &conf, "kubeconfig: /k\ncontexts: [dev, nope]\n",
	    &contexts);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.n_problems, 1);
	assert_non_null(strstr(r.problems[0], "no context \"nope\""));
	done(&r, &conf);
}

static void
test_clusters_alone_need_no_kubeconfig_contexts(void **unused UNUSED)
{
	struct roster r;
	struct conf conf;

	resolve(&r, &conf, "clusters: [a, b]\n", NULL);
	assert_int_equal(r.n, 2);
	assert_int_equal(conf.contexts, CONF_CONTEXTS_LIST);
	done(&r, &conf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_current_context_is_the_default),
		cmocka_unit_test(
		    test_no_current_context_is_a_problem_with_a_remedy),
		cmocka_unit_test(
	    test_two_contexts_with_one_slug_are_named_and_the_others_go_on),
		cmocka_unit_test(
		    test_an_id_of_its_own_resolves_the_conflict),
		cmocka_unit_test(
		    test_a_named_cluster_stays_when_a_context_collides_with_it),
		cmocka_unit_test(test_a_context_that_is_not_there_is_named),
		cmocka_unit_test(
		    test_clusters_alone_need_no_kubeconfig_contexts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
