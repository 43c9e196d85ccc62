/* kinds: the fourteen kinds, what is asked for, and the operator's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "watcher/kinds.h"
#include "watcher/status/rules.h"

static const char two_custom[] = "watch: {custom: ["
    "{group: example.com, version: v1, resource: widgets, kind: Widget}, "
    "{group: example.com, version: v2, resource: gears, kind: Gear}]}";

static void
test_the_default_kinds_are_all_those_of_the_table(void **state)
{
	struct conf conf;
	size_t i;

	(void)state;
	conf_init(&conf);
	assert_int_equal(conf.watch.n_kinds, 14);
	assert_int_equal(kinds_n, 14);
	for (i = 0; i < conf.watch.n_kinds; i++)
		assert_int_equal(kinds_find(slice_str(conf.watch.kinds[i])),
		    i);
	conf_free(&conf);
}

static void
test_only_the_metadata_of_secrets_and_configmaps_is_asked_for(void **state)
{
	const struct kind *k;
	unsigned i;

	(void)state;
	for (i = 0; i < kinds_n; i++) {
		k = &kinds[i];
		assert_int_equal(k->metadata,
		    strcmp(k->resource, "secrets") == 0 ||
		    strcmp(k->resource, "configmaps") == 0);
		if (!k->metadata)
			continue;
		assert_string_equal(k->list_accept, "application/json;"
		    "as=PartialObjectMetadataList;g=meta.k8s.io;v=v1;"
		    "drop=metadata.managedFields");
		assert_string_equal(k->watch_accept, "application/json;"
		    "as=PartialObjectMetadata;g=meta.k8s.io;v=v1;"
		    "drop=metadata.managedFields");
	}
}

static void
test_custom_kinds_stand_behind_the_others_with_the_generic_rule(void **state)
{
	struct conf conf;
	int gear;

	(void)state;
	assert_int_equal(conf_parse(&conf, two_custom, strlen(two_custom),
	    "f.yaml", stderr), 0);
	kinds_set_custom(conf.watch.custom, conf.watch.n_custom);
	assert_int_equal(kinds_n, 16);
	gear = kinds_find(slice_str("gears.example.com"));
	assert_int_equal(gear, 15);
	assert_string_equal(kinds[gear].version, "v2");
	assert_ptr_equal(kinds[gear].rule, custom_status);
	assert_false(kinds[gear].metadata);
	kinds_set_custom(NULL, 0);
	conf_free(&conf);
	assert_int_equal(kinds_find(slice_str("gears.example.com")), -1);
	assert_int_equal(kinds_find(slice_str("networkpolicy")), 13);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    test_the_default_kinds_are_all_those_of_the_table),
		cmocka_unit_test(
		    test_only_the_metadata_of_secrets_and_configmaps_is_asked_for),
		cmocka_unit_test(
		    test_custom_kinds_stand_behind_the_others_with_the_generic_rule),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
